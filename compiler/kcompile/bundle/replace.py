"""Replacing one file, kcompile.lock above all."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from kcompile.bundle.claim import beside, claimed, has_leftovers
from kcompile.bundle.flush import flush_folder
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

FILE_MODE = 0o644


def replace_file(path: Path, content: bytes) -> None:
    """The file has this content or the one before, never anything between.

    It is left alone if the content is what it has already.
    """
    if os.path.lexists(path):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _not_a_file(path)
        if path.read_bytes() == content and not has_leftovers(path):
            return
    with claimed(path):
        new = beside(path, "new")
        new.unlink(missing_ok=True)
        try:
            write_file(str(new), [content], flush=True)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        flush_folder(path.parent)


def write_file(path: str, pieces: Iterable[bytes], *, flush: bool) -> None:
    """A file that was not there, with the same mode whatever the umask."""
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE
    )
    try:
        os.fchmod(descriptor, FILE_MODE)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_a_file(path: Path) -> InputError:
    return InputError(
        [
            Problem(
                Code.NOT_WRITABLE,
                Position(str(path), 1, 1),
                "this is not a regular file; only a regular file is replaced",
                "name another file with --lock",
            )
        ]
    )
