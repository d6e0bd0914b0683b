"""The one line of a server's configuration that is ours, and a trial of it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kcompile.apply.dns.places import Place, seen
from kcompile.apply.dns.servers import SNIPPET
from kcompile.apply.host import Host

_TRIAL = ".kcompile-trial"


def has_hook(host: Host, place: Place) -> bool:
    """Whether the line is there, as kcompile or the operator wrote it."""
    statement = _statement(place, seen(host, place.folder / SNIPPET))
    return any(line.startswith(statement) for line in _lines(place.hook))


def add_hook(host: Host, place: Place) -> None:
    """Add the line at the end of its file, which else stays as it is."""
    if not has_hook(host, place):
        old = place.hook.read_bytes() if place.hook.exists() else b""
        _replace(place.hook, old + _block(place, seen(host, place.folder / SNIPPET)))


def remove_hook(host: Host, place: Place) -> None:
    """Take the line out again: what is left is byte for byte what was there before."""
    if not has_hook(host, place):
        return
    block = _block(place, seen(host, place.folder / SNIPPET))
    rest = place.hook.read_bytes().replace(block, b"")
    statement = _statement(place, seen(host, place.folder / SNIPPET))
    # Somebody has moved it since.
    kept = [
        line for line in rest.splitlines(keepends=True) if not line.strip().startswith(statement)
    ]
    rest = b"".join(kept)
    if place.hook != place.main and not rest:
        place.hook.unlink()
    else:
        _replace(place.hook, rest)


def remove_trial(place: Place) -> None:
    """What a trial, or a replacement of a file, that was killed has left."""
    _staged(place.hook.resolve()).unlink(missing_ok=True)
    shutil.rmtree(place.main.parent / _TRIAL, ignore_errors=True)
    (place.main.parent / f"{_TRIAL}.conf").unlink(missing_ok=True)


@contextmanager
def trial(host: Host, place: Place, snippet: str) -> Iterator[Path]:
    """The server's whole configuration as it will be, in files beside it (what it includes may be
    named by a relative path) that end with this context."""
    folder = place.main.parent / _TRIAL
    main = place.main.parent / f"{_TRIAL}.conf"
    remove_trial(place)
    try:
        folder.mkdir(mode=0o700)
        (folder / SNIPPET).write_text(snippet, "utf-8")
        # It may have keys in it.
        with os.fdopen(os.open(main, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_trial_main(host, place, folder))
        yield main
    finally:
        remove_trial(place)


def _trial_main(host: Host, place: Place, folder: Path) -> bytes:
    text = place.main.read_bytes()
    block = _block(place, str(folder / SNIPPET))
    if place.hook == place.main:
        own = seen(host, place.folder / SNIPPET)
        kept = [
            line
            for line in text.splitlines(keepends=True)
            if not line.strip().startswith(_statement(place, own))
        ]
        return b"".join(kept) + block
    drop_ins = folder / "drop-ins"
    drop_ins.mkdir()
    (drop_ins / place.hook.name).write_bytes(block)
    for path in place.hook.parent.glob("*.conf"):
        if path.name != place.hook.name:
            (drop_ins / path.name).symlink_to(path)
    pattern = rb'"?[^"\s]*' + re.escape(place.server.drop_ins.encode()) + rb'"?'
    return re.sub(pattern, lambda _: f'"{drop_ins}/*.conf"'.encode(), text)


def _block(place: Place, snippet: str) -> bytes:
    # The line end in front serves files that end without one, and comes off with the line.
    line = _statement(place, snippet) + f" {place.server.comment} added by kcompile".encode()
    return line + b"\n" if place.hook != place.main else b"\n" + line + b"\n"


def _statement(place: Place, snippet: str) -> bytes:
    return place.server.include.format(snippet).encode()


def _lines(path: Path) -> list[bytes]:
    try:
        return [line.strip() for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        return []


def _replace(path: Path, text: bytes) -> None:
    """In one step, with the owner, mode and security label that the file has; through links."""
    path = path.resolve()
    staged = _staged(path)
    with staged.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        there = path.stat()
        os.chown(staged, there.st_uid, there.st_gid)
        shutil.copystat(path, staged)
        os.utime(staged)
    else:
        staged.chmod(0o644)
    staged.replace(path)


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}.kcompile-new")
