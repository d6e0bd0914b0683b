"""The `units` part: systemd's files, and what is started at boot. Also in an image, and on a
machine whose systemd does not run now; nothing where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kcompile.apply.difference import Difference
from kcompile.apply.failures import NodeError, RefusedError
from kcompile.apply.folders import remember_folders, remove_folders
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice
from kcompile.apply.state import write_file

FOLDER = "/etc/systemd/system"

_ORIGINALS = "originals/units.json"
_RUNNING = "/run/systemd/system"  # sd_booted(3)
_PROGRAMS = ("/usr/bin/systemctl", "/bin/systemctl")
_OURS = re.compile(r"# systemd [a-z-]+, written by kcompile\.\n")
_WANTED_BY = re.compile(r"(?m)^WantedBy=([a-z-]+\.(?:target|service))$")


def systemd_runs(host: Host) -> bool:
    """Whether units can be started now."""
    return host.live and host.path(_RUNNING).is_dir()


def differences(host: Host, before: Slice | None, after: Slice | None) -> tuple[Difference, ...]:
    """Files and links that are not as `after` says, and timers that do not run."""
    new = _files(host, after)
    found = [
        Difference("units", "change" if path.exists() else "add", _shown(host, path), detail)
        for path, detail in _wrong(new)
    ]
    found += [
        Difference("units", "remove", _shown(host, path), "belongs to no unit that is wanted")
        for path in _left(host, before, new)
    ]
    found += [
        Difference("units", "change", unit, "systemd has not read its files since they changed")
        for unit in _stale(host, new)
    ]
    found += [Difference("units", "change", unit, "does not run") for unit in _idle(host, new)]
    return tuple(found)


def refuse(host: Host, after: Slice | None) -> None:
    """Raises RefusedError where a file of somebody else's has the place of one of ours."""
    new = _files(host, after)
    for path, _ in _wrong(new):
        _refuse(host, path, new)


def extend(host: Host, before: Slice | None, after: Slice | None) -> None:
    """What `after` needs, and nothing taken away. Raises RefusedError for files of others."""
    refuse(host, after)
    new = _files(host, after)
    wrong = [path for path, _ in _wrong(new)]
    if wrong:
        remember_folders(host, _ORIGINALS, [*_files(host, before), *new])
    for path in wrong:
        _put(path, new[path])
    # Also those that a call before this one wrote, and then was killed.
    if (wrong and systemd_runs(host)) or _stale(host, new):
        host.run(["systemctl", "daemon-reload"])


def converge(host: Host, before: Slice | None, after: Slice | None) -> None:
    """As `after` says, timers running, without what only `before` had."""
    new = _files(host, after)
    left = _left(host, before, new)
    _stop(host, _units(left))
    for path in left:
        path.unlink(missing_ok=True)
    if left and systemd_runs(host):
        host.run(["systemctl", "daemon-reload"])
    extend(host, before, after)
    for unit in _idle(host, new):
        # Not waiting: this may run in a unit that the other one waits for.
        host.run(["systemctl", "start", "--no-block", unit])
    if not new:
        remove_folders(host, _ORIGINALS)


Target = str
"""What a link leads to, as text."""

Files = Mapping[Path, "tuple[str, Target]"]
"""By path on this disk: a file's text and "", or "" and what a link leads to."""


def _files(host: Host, slice_: Slice | None) -> Files:
    """All that a slice asks for; nothing on a machine without systemd."""
    if slice_ is None or not _has_systemd(host):
        return {}
    found: dict[Path, tuple[str, Target]] = {}
    start = f"nodes/{slice_.node}/systemd/"
    for path in slice_.below(start):
        name = path[len(start) :]
        text = slice_.text(path)
        found[host.path(f"{FOLDER}/{name}")] = (text, "")
        for target in _WANTED_BY.findall(text) if "/" not in name else ():
            link = host.path(f"{FOLDER}/{target}.wants/{name}")
            found[link] = ("", f"{FOLDER}/{name}")
    return found


def _has_systemd(host: Host) -> bool:
    return host.path("/etc/systemd").is_dir() or any(
        host.path(program).exists() for program in _PROGRAMS
    )


def _wrong(new: Files) -> Iterator[tuple[Path, str]]:
    for path, (text, target) in new.items():
        if target:
            if not path.is_symlink() or str(path.readlink()) != target:
                yield path, "not started at boot"
        elif _is_masked(path):
            continue  # the operator has decided
        elif not path.exists():
            yield path, "not there"
        elif path.is_symlink() or not path.is_file() or _text(path) != text:
            ours = "not what was installed" if _is_ours(path) else "is not kcompile's"
            yield path, ours


def _left(host: Host, before: Slice | None, new: Files) -> list[Path]:
    """What only `before` wants and is there, as far as it is ours."""
    return [
        path
        for path, (_, target) in _files(host, before).items()
        if path not in new and (_leads(path, target) if target else _is_ours(path))
    ]


def _units(paths: Iterable[Path]) -> list[str]:
    """Names of the units whose own files these are."""
    return [path.name for path in paths if path.parent.name == Path(FOLDER).name]


def _stop(host: Host, units: list[str]) -> None:
    if units and systemd_runs(host):
        # One that systemd does not know is no reason to keep its file.
        host.ask(["systemctl", "stop", *units])


def _stale(host: Host, new: Files) -> list[str]:
    """Units whose files systemd read before they were as they are."""
    if not new or not systemd_runs(host):
        return []
    of_drop_ins = {path.parent.name[:-2] for path in new if path.parent.suffix == ".d"}
    units = sorted({*_units(new), *of_drop_ins})
    asked = ["systemctl", "show", "--property=Id,NeedDaemonReload", *units]
    blocks = host.run(asked).split("\n\n")
    stale = [block for block in blocks if "NeedDaemonReload=yes" in block.splitlines()]
    return sorted(
        line[3:] for block in stale for line in block.splitlines() if line.startswith("Id=")
    )


def _idle(host: Host, new: Files) -> list[str]:
    """Timers of ours that do not run, and what goes with a service that does."""
    if not systemd_runs(host):
        return []
    timers = [path.name for path in new if path.suffix == ".timer" and not _is_masked(path)]
    companions = [
        path.name
        for path, (_, target) in new.items()
        if target and path.parent.name.endswith(".service.wants")
        if _is_active(host, path.parent.name[: -len(".wants")])
    ]
    return [unit for unit in sorted({*timers, *companions}) if not _is_active(host, unit)]


def _is_active(host: Host, unit: str) -> bool:
    return host.ask(["systemctl", "is-active", "--quiet", unit]).status == 0


def _refuse(host: Host, path: Path, new: Files) -> None:
    text, _ = new[path]
    if (path.exists() or path.is_symlink()) and text and not _is_ours(path):
        raise RefusedError(
            f"{_shown(host, path)} is there and was not written by kcompile: move it away, or give"
            " it another name"
        )
    if not text and path.exists() and not path.is_symlink():
        raise RefusedError(f"{_shown(host, path)} is there and is no link: move it away")


def _put(path: Path, wanted: tuple[str, Target]) -> None:
    text, target = wanted
    try:
        if text:
            write_file(path, text)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    except OSError as error:
        raise NodeError(f"{path} cannot be written: {error.strerror}") from None


def _is_ours(path: Path) -> bool:
    return not path.is_symlink() and path.is_file() and _OURS.match(_text(path)) is not None


def _is_masked(path: Path) -> bool:
    return _leads(path, "/dev/null")


def _leads(path: Path, target: Target) -> bool:
    return path.is_symlink() and str(path.readlink()) == target


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _shown(host: Host, path: Path) -> str:
    """As the machine calls it, whatever root it was found below."""
    return f"/{path.relative_to(host.root)}"
