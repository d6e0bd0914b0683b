"""Finds and reads what the user named on the command line."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.bundle.tree import MANIFEST, MANIFEST_HEAD
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

STDIN = "-"
STDIN_NAME = "<stdin>"
SUFFIXES = (".yaml", ".yml", ".json")
LOCK_NAME = "kcompile.lock"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Name and content of each file, and what else to say about the folders."""

    texts: tuple[tuple[str, bytes], ...]
    notes: tuple[Problem, ...]


def read_inputs(arguments: Sequence[str]) -> Inputs:
    """The files named and those of folders, these in the order of their names.

    Hidden files and folders and other bundles are passed over. A file named twice is read once.
    """
    problems: list[Problem] = []
    notes: list[Problem] = []
    inputs: list[tuple[str, bytes]] = []
    seen: set[str] = set()
    for argument in arguments:
        if argument == STDIN:
            if STDIN not in seen:
                inputs += _read_stdin(problems)
            seen.add(STDIN)
            continue
        for path in _files(argument, problems, notes):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                inputs += _read(path, problems)
    if problems:
        raise InputError(problems)
    return Inputs(tuple(inputs), tuple(notes))


def read_files(paths: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """Name and content of files alone, whatever they are called; each is read once."""
    problems: list[Problem] = []
    inputs: list[tuple[str, bytes]] = []
    for path in dict.fromkeys(paths):
        inputs += _read_stdin(problems) if path == STDIN else _read(path, problems)
    if problems:
        raise InputError(problems)
    return tuple(inputs)


def default_lock(arguments: Sequence[str]) -> Path:
    """kcompile.lock in the deepest folder that holds all inputs; for stdin the working folder.

    The path is relative where it lies below the working folder.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:
        # A build replaces the bundle's folder: whoever stands in it stands nowhere afterwards.
        message = "the working folder has been removed"
        raise InputError([_problem(".", message, "change into a folder that exists")]) from None
    folders = [here if argument == STDIN else _folder(Path(argument)) for argument in arguments]
    lock = Path(os.path.commonpath(folders)) / LOCK_NAME
    return lock.relative_to(here) if lock.is_relative_to(here) else lock


def _folder(path: Path) -> Path:
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - takes out "..", which absolute() keeps
    return whole if os.path.isdir(whole) else whole.parent  # noqa: PTH112 - never raises


def _problem(path: str, message: str, hint: str = "") -> Problem:
    return Problem(Code.UNREADABLE, Position(path, 1, 1), message, hint)


def _files(argument: str, problems: list[Problem], notes: list[Problem]) -> Iterator[str]:
    if not os.path.isdir(argument):  # noqa: PTH112 - never raises, and "" is no folder
        yield argument
        return
    if _is_bundle(Path(argument)):
        hint = "name the manifests that it was built from"
        problems.append(_problem(argument, "this is a bundle that kcompile wrote", hint))
        return
    found, before = 0, len(problems)
    for folder, folders, names in os.walk(argument, onerror=lambda e: _unreadable(e, problems)):
        folders[:] = sorted(
            f for f in folders if not f.startswith(".") and not _is_bundle(Path(folder, f))
        )
        # Nor does kubectl follow them: they may lead around in a circle.
        linked = (os.path.join(folder, f) for f in folders)  # noqa: PTH118 - as for files below
        notes += [_linked(path) for path in linked if os.path.islink(path)]  # noqa: PTH114 - one call, no object
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - keeps "./" as the user typed it
            if name.endswith(SUFFIXES) and not name.startswith(".") and not _is_special(path):
                found += 1
                yield path
    if not found and len(problems) == before:
        problems.append(
            _problem(argument, f"no file here ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
        )


def _linked(path: str) -> Problem:
    message = "this link to a folder is not followed: what is there is left out"
    return Problem(Code.LINKED_FOLDER, Position(path, 1, 1), message, "name it as an input, too")


def _is_bundle(folder: Path) -> bool:
    manifest = folder / MANIFEST
    try:
        # Opening a FIFO would wait for its writer.
        if not stat.S_ISREG(manifest.stat().st_mode):
            return False
        with manifest.open(encoding="utf-8") as file:
            return file.read(len(MANIFEST_HEAD)) == MANIFEST_HEAD
    except (OSError, ValueError):
        return False


def _is_special(path: str) -> bool:
    """Whether this is a FIFO, a socket or a device. What cannot be told is left to the reading:
    a manifest behind a broken link or a closed folder is missed, not passed over."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - one call, no object
    except OSError:
        return False


def _unreadable(error: OSError, problems: list[Problem]) -> None:
    problems.append(_problem(str(error.filename), f"cannot be read: {error.strerror}"))


def _read_stdin(problems: list[Problem]) -> Iterator[tuple[str, bytes]]:
    if sys.stdin is None:  # closed before we started
        problems.append(_problem(STDIN_NAME, "cannot be read: it is closed"))
        return
    try:
        yield STDIN_NAME, sys.stdin.buffer.read()
    except OSError as error:
        problems.append(_problem(STDIN_NAME, f"cannot be read: {error.strerror}"))


def _read(path: str, problems: list[Problem]) -> Iterator[tuple[str, bytes]]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - to Path, "" is the working folder
            yield path, file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "bad name"
        problems.append(_problem(path, f"cannot be read: {reason}"))
