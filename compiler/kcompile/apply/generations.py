"""The slices that were installed on this node, and which one is: `generations/N`, `current`."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice
from kcompile.apply.state import drop_state, read_state, state_path, sync_folder, write_state
from kcompile.apply.verify import copy_slice, read_slice

KEPT = 10  # generations, the installed one included
_JOURNAL = "journal.json"


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
    the name server that was chosen before it."""

    before: int | None
    after: int | None
    dns: str


def current(host: Host) -> Installed | None:
    """What is installed. Raises RefusedError if the files of it are damaged."""
    link = state_path(host, "current")
    try:
        name = link.readlink().name
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RefusedError(f"{link} is not kcompile's link: {error.strerror}") from error
    if not name.isdecimal():
        raise RefusedError(f"{link} leads to {name!r}, which is no generation")
    return generation(host, int(name))


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
    return Installed(number, read_slice(folder, names[0]))


def numbers(host: Host) -> tuple[int, ...]:
    """The generations that are kept, ascending."""
    folder = state_path(host, "generations")
    if not folder.is_dir():
        return ()
    return tuple(sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal()))


def store(host: Host, wanted: Slice) -> Installed:
    """Keep a copy of a slice as the next generation, whole and on the disk, or not at all."""
    number = max(numbers(host), default=0) + 1
    folder = _folder(host, number)
    staged = folder.with_name(f".{number}.new")
    shutil.rmtree(staged, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    copy_slice(wanted, staged)
    os.sync()
    staged.rename(folder)
    sync_folder(folder.parent)
    return generation(host, number)


def make_current(host: Host, number: int | None) -> None:
    """From here on this generation is the installed one; in one step, on the disk."""
    link = state_path(host, "current")
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


def prune(host: Host, keep: int) -> None:
    """Forget the oldest generations beyond KEPT, never `keep`."""
    for number in numbers(host)[:-KEPT]:
        if number != keep:
            discard(host, number)


def read_journal(host: Host) -> Journal | None:
    """The apply that was interrupted, if one was."""
    value = read_state(host, _JOURNAL)
    return Journal(**value) if value else None


def write_journal(host: Host, journal: Journal) -> None:
    write_state(host, _JOURNAL, asdict(journal))


def close_journal(host: Host) -> None:
    drop_state(host, _JOURNAL)


def _folder(host: Host, number: int) -> Path:
    return state_path(host, f"generations/{number}")
