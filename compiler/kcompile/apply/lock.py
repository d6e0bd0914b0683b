"""One kcompile at a time changes a node."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.state import state_path

PATIENCE = 30.0  # seconds: longer than a drift check takes


@contextmanager
def locked(host: Host, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the node's lock. The kernel frees it, however its holder ends.

    Raises RefusedError if another holds it all the time.
    """
    path = state_path(host, "lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}; run as root") from error
    with file:
        _take(file.fileno(), patience)
        yield


def _take(descriptor: int, patience: float) -> None:
    deadline = time.monotonic() + patience
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
