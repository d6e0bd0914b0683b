"""The slices that were installed on this node, and which one is: `generations/N`, `current`."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kcompile.apply.below import opened_folder
from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.slice_json import Stated, parse_slice, signature_path, slice_path
from kcompile.apply.slices import Slice
from kcompile.apply.state import (
    damaged,
    drop_state,
    read_state,
    state_path,
    sync_folder,
    write_file,
    write_state,
)
from kcompile.apply.verify import copy_slice, read_slice, read_slice_json

KEPT = 10  # generations, the installed one included
_JOURNAL = "journal.json"
_REPLACES = "replaces"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Installed:
    """A generation on disk. `number` counts this node's applies; the build's own number, if it
    was given one, is the slice's."""

    number: int
    slice: Slice

    def __str__(self) -> str:
        built = self.slice.generation
        return f"generation {self.number}" + ("" if built is None else f" (build {built})")


@dataclass(frozen=True)
class Journal:
    """An apply on its way: from one generation to another, None where nothing is installed, and
    the name server that was chosen before it. A `fresh` one was never installed before."""

    before: int | None
    after: int | None
    dns: str
    fresh: bool = False


def current(host: Host) -> Installed | None:
    """What is installed. Raises RefusedError if the files of it are damaged."""
    number = _current_number(host)
    return None if number is None else generation(host, number)


def generation(host: Host, number: int) -> Installed:
    """A generation that is kept. Raises RefusedError if it is not, or is damaged."""
    folder = _folder(host, number)
    if not folder.is_dir():
        kept = ", ".join(map(str, numbers(host))) or "none"
        raise RefusedError(f"generation {number} is not kept on this node (kept: {kept})")
    nodes = folder / "nodes"
    names = sorted(path.name for path in nodes.iterdir()) if nodes.is_dir() else []
    if len(names) != 1:
        raise RefusedError(f"{folder} is damaged: it is for {len(names)} nodes")
    try:
        return Installed(number, read_slice(folder, names[0]))
    except RefusedError as error:
        raise RefusedError(
            f"generation {number}, which this node keeps, was changed since: {error}\nkcompile"
            " apply --yes of the bundle that it came from mends it, if it is the installed one"
        ) from None


def numbers(host: Host) -> tuple[int, ...]:
    """The generations that are kept, ascending."""
    folder = state_path(host, "generations")
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name))
    )


def mend(host: Host, wanted: Slice) -> bool:
    """Whether files of the installed generation were changed, which was this very slice; they are
    as they were again then. Killed in between, it goes on the next time."""
    number = _current_number(host)
    folder = _folder(host, number) if number else None
    if folder is None or _stated(folder, wanted.node) != Stated(
        wanted.generation, {**wanted.files}
    ):
        return False
    with suppress(RefusedError):
        read_slice(folder, wanted.node)
        return False
    staged = folder.with_name(f".{number}.new")
    shutil.rmtree(staged, ignore_errors=True)
    copy_slice(wanted, staged)
    for path in wanted.files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (staged / path).replace(target)
    shutil.rmtree(staged)
    listed = {*wanted.files, *_beside(wanted.node)}
    for top in ("dns", "nodes"):
        for found in (folder / top).rglob("*"):
            name = str(found.relative_to(folder))
            if (found.is_symlink() or not found.is_dir()) and name not in listed:
                found.unlink()
    return True


def store(host: Host, wanted: Slice, replaces: int | None) -> Installed:
    """Keep a copy of a slice as the next generation, whole and on the disk, or not at all."""
    number = max(numbers(host), default=0) + 1
    folder = _folder(host, number)
    staged = folder.with_name(f".{number}.new")
    shutil.rmtree(staged, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    copy_slice(wanted, staged)
    if replaces is not None:
        write_file(staged / _REPLACES, f"{replaces}\n")
    os.sync()
    staged.rename(folder)
    sync_folder(folder.parent)
    return generation(host, number)


def one_before(host: Host, number: int) -> int | None:
    """The generation that this one replaced. The number below it may be one that was left, as it
    was no good, or that never came to be."""
    kept = numbers(host)
    try:
        text = (_folder(host, number) / _REPLACES).read_text("ascii").strip()
    except (OSError, ValueError):
        text = ""
    if text.isdecimal() and int(text) in kept:
        return int(text)
    return max((each for each in kept if each < number), default=None)


def make_current(host: Host, number: int | None) -> None:
    """From here on this generation is the installed one; in one step, on the disk."""
    link = state_path(host, "current")
    if link.is_symlink() and str(link.readlink()) == f"generations/{number}":
        return
    if number is None:
        link.unlink(missing_ok=True)
    else:
        staged = link.with_name(".current.new")
        staged.unlink(missing_ok=True)
        staged.symlink_to(f"generations/{number}")
        staged.replace(link)
    sync_folder(link.parent)


def discard(host: Host, number: int) -> None:
    """Forget a generation that never came to be."""
    shutil.rmtree(_folder(host, number), ignore_errors=True)


def prune(host: Host, *keep: int | None) -> None:
    """Forget the oldest generations beyond KEPT, never those of `keep`."""
    for number in numbers(host)[:-KEPT]:
        if number not in keep:
            discard(host, number)


def read_journal(host: Host) -> Journal | None:
    """The apply that was interrupted, if one was."""
    value = read_state(host, _JOURNAL)
    if not value:
        return None
    ends = value.get("before"), value.get("after")
    server, fresh = value.get("dns"), value.get("fresh", False)
    numbered = all(each is None or is_number(each) for each in ends)
    if not numbered or not isinstance(server, str) or not isinstance(fresh, bool):
        raise damaged(host, _JOURNAL)
    return Journal(*ends, server, fresh)


def is_number(value: object) -> bool:
    """Whether it may be the number of a generation."""
    return type(value) is int and 0 < value < 10**9


def write_journal(host: Host, journal: Journal) -> None:
    write_state(host, _JOURNAL, asdict(journal))


def close_journal(host: Host) -> None:
    drop_state(host, _JOURNAL)


def _current_number(host: Host) -> int | None:
    link = state_path(host, "current")
    try:
        name = link.readlink().name
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RefusedError(f"{link} is not kcompile's link: {error.strerror}") from error
    if _NUMBER.fullmatch(name) is None:
        raise RefusedError(f"{link} leads to {name!a}, which is no generation")
    return int(name)


def _stated(folder: Path, node: str) -> Stated | None:
    """What the SLICE.json of a generation states; None without one that can be read."""
    try:
        with opened_folder(folder) as root:
            content = read_slice_json(root, node)
    except OSError:
        return None
    stated, problems = parse_slice(content, node)
    return None if problems else stated


def _beside(node: str) -> tuple[str, str]:
    """Files of a slice that it does not list."""
    return slice_path(node), signature_path(node)


def _folder(host: Host, number: int) -> Path:
    return state_path(host, f"generations/{number}")
