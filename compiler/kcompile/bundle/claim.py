"""One kcompile at a time writes to one place."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position


def beside(target: Path, role: str) -> Path:
    """The name, beside a target, of what kcompile needs while it writes the target."""
    return target.with_name(f".{target.name}.kcompile-{role}")


def has_leftovers(target: Path) -> bool:
    """Whether something stands there: a run was killed, or is at work now."""
    return any(os.path.lexists(beside(target, role)) for role in ("claim", "new", "old"))


@contextmanager
def claimed(target: Path) -> Iterator[None]:
    """Holds a lock on a target, on a file beside it, which goes away with the lock.

    Fails at once if another process holds it. Whoever holds it may remove all that stands under
    the names of `beside`: it was left by a process that was killed.
    """
    path = beside(target, "claim")
    descriptor = _lock(path, target)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path, target: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_at(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise _in_use(target) from None
        except BaseException:
            os.close(descriptor)
            raise
        # The holder before us removed the file after we opened it: our lock is on no name.
        os.close(descriptor)


def _is_still_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _in_use(target: Path) -> InputError:
    return InputError(
        [
            Problem(
                Code.NOT_WRITABLE,
                Position(str(target), 1, 1),
                "another kcompile is writing here at this moment",
                "let it end, then build again",
            )
        ]
    )
