"""`--zone-serial` and `--serial` of build: the file of rising serials."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kcompile.lower.serials import Serials, give_serials
from kcompile.lower.serials_text import broken_serials, format_serials, parse_serials
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

if TYPE_CHECKING:
    from kcompile.ir import Zone

F = TypeVar("F", bound=Callable[..., Any])

_LARGEST = 1 << 22  # bytes; some thirty thousand zones

_OPTIONS = (
    click.option(
        "--zone-serial",
        "serial_path",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Keep zones' serials in this file: each change raises its zone's, as secondaries need."
        "  [default: serials come from the zones' content]",
    ),
    click.option(
        "--serial",
        type=click.IntRange(1, 0xFFFFFFFF),
        metavar="N",
        help="With --zone-serial: the serial of every zone; it must be greater than those kept.",
    ),
)


def serial_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Numbered:
    """Zones with the serials of a file, and the file's text as it was ("" if there was none) and
    as it shall be."""

    path: Path
    zones: "tuple[Zone, ...]"
    before: str
    after: str
    raised: int

    @property
    def differs(self) -> bool:
        return self.before != self.after


def number_zones(zones: "tuple[Zone, ...]", path: Path, chosen: int | None) -> Numbered:
    """Raises InputError if the file is broken or the chosen serial too low."""
    before = _read(path)
    name = str(path)
    old = parse_serials(name, before) if before is not None else Serials(name, {})
    numbered, new = give_serials(zones, old, chosen)
    raised = sum(1 for key, entry in new.entries.items() if entry != old.entries.get(key))
    return Numbered(path, numbered, before or "", format_serials(new), raised)


def refuse_unwritable(numbered: Numbered) -> None:
    """Before anything is written: the lock, which comes first, shall not change alone."""
    folder = numbered.path.parent
    if numbered.differs and not os.access(folder, os.W_OK | os.X_OK):
        reason = "the folder is not writable" if folder.is_dir() else "there is no such folder"
        position = Position(str(numbered.path), 1, 1)
        message = f"the serials cannot be written: {reason}"
        raise InputError([Problem(Code.NOT_WRITABLE, position, message)])


def _read(path: Path) -> str | None:
    """None where there is no file. Only a regular one is read: it is replaced later."""
    name = str(path)
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise broken_serials(
                name, "this is not a regular file; only a regular file is replaced"
            )
        if found.st_size > _LARGEST:
            raise broken_serials(name, f"the file is larger than {_LARGEST} bytes")
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise broken_serials(name, f"the serials cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise broken_serials(name, "the serials cannot be read: it is not UTF-8") from error
