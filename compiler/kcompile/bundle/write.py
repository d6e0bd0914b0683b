"""Bundle stage: the files become a directory, all or nothing."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kcompile.bundle.claim import beside, claimed
from kcompile.bundle.existing import differing_paths, is_up_to_date, read_existing
from kcompile.bundle.flush import flush_file_system
from kcompile.bundle.replace import replace_file
from kcompile.bundle.stage import WriteReport, stage
from kcompile.bundle.swap import Exchange, exchange_names, put_in_place, recover
from kcompile.bundle.tree import SHA256SUMS, Files, check_paths
from kcompile.problems import Code, InputError, OurBugError, Problem, printable
from kcompile.source import Position

Kept = tuple[Path, bytes]
"""The place of a file that a build keeps beside the bundle, and what it shall hold."""


def write_bundle(
    directory: Path,
    files: Files,
    *,
    lock: Kept | None,
    serials: Kept | None = None,
    exchange: Exchange = exchange_names,
) -> WriteReport:
    """Makes a directory the bundle of these files, and lock and serials those that belong to it.

    `files` are those of `assemble`. Whoever looks sees the bundle before or this one, never
    anything between. Lock and serials change first, when all files are on the disk: a build that
    ends there gives the same bundle when it is repeated. Raises InputError if the directory is
    something else, holds files of others or cannot be written.
    """
    check_paths(files)
    if SHA256SUMS not in files:
        raise OurBugError(f"A bundle without {SHA256SUMS} would be written.")
    target = _with_name(directory)
    with _reported(directory, "write"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with claimed(target):
            kept = [each for each in (lock, serials) if each]
            return _write_claimed(target, files, kept, exchange)


def check_bundle(directory: Path, files: Files) -> tuple[str, ...]:
    """The paths of files that differ from those of the bundle in a directory, or that only one of
    them has; sorted. Writes nothing. Modes do not count: version control changes them."""
    check_paths(files)
    with _reported(directory, "read"):
        return differing_paths(directory, files)


def _write_claimed(
    target: Path, files: Files, kept: Sequence[Kept], exchange: Exchange
) -> WriteReport:
    recover(target)
    staged, old = beside(target, "new"), beside(target, "old")
    for leftover in (staged, old):
        _remove_leftover(leftover)
    digests = read_existing(target)
    if digests.get(SHA256SUMS) == files[SHA256SUMS].digest and is_up_to_date(target, files):
        _write_kept(kept)
        return WriteReport(len(files), written=0)
    try:
        report = stage(files, staged, target, digests)
        flush_file_system(staged)
        _write_kept(kept)
        put_in_place(staged, target, exchange)
    finally:
        # The bundle is complete or untouched by now; what cannot be removed, the next run names.
        shutil.rmtree(staged, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return report


def _remove_leftover(leftover: Path) -> None:
    if os.path.lexists(leftover):
        try:
            shutil.rmtree(leftover)
        except OSError as error:
            # rmtree names only the last part of a path, and says nothing when it refuses a link.
            reason = error.strerror or "this is not a directory"
            raise OSError(error.errno or errno.ENOTDIR, reason, str(leftover)) from error


def _write_kept(kept: Sequence[Kept]) -> None:
    for path, text in kept:
        replace_file(path, text)


def _with_name(directory: Path) -> Path:
    """The same directory by a path that ends in its name, which "." and ".." do not."""
    target = directory.resolve() if directory.name in {"", ".."} else directory
    if not target.name:
        raise _problem(Code.NOT_A_BUNDLE, directory, "the root directory cannot be a bundle")
    return target


@contextmanager
def _reported(directory: Path, attempt: str) -> Iterator[None]:
    """What the operating system refuses is a problem of the user's, not a traceback."""
    try:
        yield
    except OSError as error:
        place = os.fsdecode(error.filename or "").removeprefix(f"{directory.parent}/")
        raise _problem(
            Code.NOT_WRITABLE, directory, f"cannot {attempt} the bundle: {_reason(error, place)}"
        ) from error


def _reason(error: OSError, place: str) -> str:
    match error:
        case FileExistsError() | NotADirectoryError() if place:
            return f"{printable(place)} is in the way, and no folder"
        case _:
            where = f": {printable(place)}" if place else ""
            return f"{error.strerror or 'input/output error'}{where}"


def _problem(code: Code, directory: Path, message: str) -> InputError:
    return InputError([Problem(code, Position(str(directory), 1, 1), message)])
