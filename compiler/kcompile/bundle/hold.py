"""One build at a time reads a lock, and writes it and the bundle that belongs to it."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

_PAUSE = 0.05  # seconds between two attempts
# NFS gives no exclusive flock on a folder, and some file systems give none at all. There the
# claims of lock and bundle still keep each file whole.
_NO_FLOCK = frozenset(
    {errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
)


@contextmanager
def held(lock: Path, seconds: float, say_waiting: Callable[[], object]) -> Iterator[None]:
    """Keeps other kcompiles from a lock, by an flock on the folder in which it lies.

    That needs no right to write there and leaves no file. Whoever comes second says so, waits so
    many seconds, and fails then.
    """
    try:
        descriptor = os.open(lock.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        # No such folder: reading or writing the lock says so.
        yield
        return
    try:
        _wait(descriptor, lock, seconds, say_waiting)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, lock: Path, seconds: float, say_waiting: Callable[[], object]) -> None:
    if _is_ours(descriptor):
        return
    if seconds > 0:
        say_waiting()
    end = time.monotonic() + seconds
    while not _is_ours(descriptor):
        left = end - time.monotonic()
        if left <= 0:
            raise _in_use(lock, seconds)
        time.sleep(min(_PAUSE, left))


def _is_ours(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
    return True


def _in_use(lock: Path, seconds: float) -> InputError:
    waited = f" and was so for {seconds:g} seconds" if seconds > 0 else ""
    message = f"another kcompile is at work with this lock{waited}"
    hint = "let it end, then try again; --lock-timeout SECONDS waits longer"
    return InputError([Problem(Code.LOCK_IN_USE, Position(str(lock), 1, 1), message, hint)])
