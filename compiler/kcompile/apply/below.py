"""Reading files below a folder that may be hostile: nothing leads out of it, nothing blocks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# O_NONBLOCK: a FIFO must not make us wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_PIECE = 1 << 20  # bytes held at a time


@contextmanager
def opened_folder(folder: Path) -> Iterator[int]:
    """A descriptor of the folder; that one may be a link, for the operator named it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def pieces_below(root: int, path: str, limit: int) -> Iterator[bytes]:
    """The bytes of a regular file, none of whose folders is a link. Raises OSError, of EFBIG where
    there are more than `limit`."""
    descriptor = _opened(root, path, _FILE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        left = limit
        while piece := os.read(descriptor, _PIECE):
            left -= len(piece)
            if left < 0:
                raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
            yield piece
    finally:
        os.close(descriptor)


def names_below(root: int, path: str) -> Iterator[tuple[str, bool, bool]]:
    """What is in a folder: name, whether that is a folder, whether it is a regular file."""
    descriptor = _opened(root, path, _FOLDER)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                yield entry.name, is_folder, entry.is_file(follow_symlinks=False)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """Why a file cannot be read, where `not a directory` and `too many links` mean a link."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "it, or a folder above it, is a symbolic link or not what it should be"
    return error.strerror or "input/output error"


def _opened(root: int, path: str, flags: int) -> int:
    """Each part by itself: O_NOFOLLOW looks at the last part of a path only."""
    folders = path.split("/")
    name = folders.pop()
    current = root
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER, dir_fd=current)
            if current != root:
                os.close(current)
            current = inner
        return os.open(name, flags, dir_fd=current)
    finally:
        if current != root:
            os.close(current)
