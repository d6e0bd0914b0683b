"""One kcompile at a time changes a node."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.state import state_path

PATIENCE = 30.0  # seconds: longer than a drift check takes


@contextmanager
def locked(host: Host, *, changes: bool, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the node's lock. The kernel frees it, however its holder ends. Who only reads makes no
    lock where there is none, and needs no disk that can be written.

    Raises RefusedError if another holds it all the time.
    """
    deadline = time.monotonic() + patience
    path = state_path(host, "lock")
    with ExitStack() as opened:
        while True:
            file = _opened(path, changes=changes)
            if file is None or _is_taken(opened.enter_context(file), path, deadline, patience):
                break
        yield


def _opened(path: Path, *, changes: bool) -> FileIO | None:
    """None: nothing is installed that others could change."""
    try:
        if not changes:
            return FileIO(path, "r")
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, "a")
    except FileNotFoundError:
        if not changes:
            return None
        raise
    except OSError as error:
        hint = "; run as root" if error.errno in {errno.EACCES, errno.EPERM} else ""
        raise RefusedError(f"{path} cannot be written: {error.strerror}{hint}") from error


def _is_taken(file: FileIO, path: Path, deadline: float, patience: float) -> bool:
    """Whether it is still the lock, once it is ours: a removal takes the file away."""
    _take(file.fileno(), deadline, patience)
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _take(descriptor: int, deadline: float, patience: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # noqa: PERF203 - to try again is what the loop is for
            if time.monotonic() >= deadline:
                raise RefusedError(
                    f"another kcompile works on this node, and did for {patience:g} seconds"
                ) from None
            time.sleep(0.05)
        else:
            return
