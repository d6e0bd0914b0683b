"""Giving a directory the name of another in one step."""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

from kcompile.bundle.claim import beside
from kcompile.bundle.flush import flush_folder

Exchange = Callable[[Path, Path], None]
"""Swaps the names of two directories in one step, or raises OSError."""

_AT_FDCWD = -100  # linux/fcntl.h
_RENAME_EXCHANGE = 2  # linux/fs.h
# No such call in the C library or the kernel, or none on this file system. EPERM is what old
# container runtimes answer to calls that their seccomp filter does not know.
_NOT_SUPPORTED = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
)


def exchange_names(one: Path, other: Path) -> None:
    """renameat2 with RENAME_EXCHANGE (Linux 3.15, glibc 2.28)."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    first, second = os.fsencode(one), os.fsencode(other)
    if call(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def put_in_place(staged: Path, target: Path, exchange: Exchange) -> None:
    """The staged directory becomes the target.

    What was the target before then stands beside it, under the name of `staged` or as "old".
    """
    if not os.path.lexists(target):
        staged.rename(target)
    else:
        try:
            exchange(staged, target)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            _rename_twice(staged, target)
    flush_folder(target.parent)


def recover(target: Path) -> None:
    """Takes back the first of two renames after a run that was killed before the second."""
    old = beside(target, "old")
    if os.path.lexists(old) and not os.path.lexists(target):
        old.rename(target)


def _rename_twice(staged: Path, target: Path) -> None:
    target.rename(beside(target, "old"))
    try:
        staged.rename(target)
    except BaseException:
        recover(target)
        raise
