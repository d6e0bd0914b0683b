"""Does a part of a large build in a second process."""

import os
import pickle
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

# Below this a fork costs more than it saves.
_WORTH_IT = 1 << 20  # bytes of input


def is_worth_it(inputs: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a second process would make a build of these inputs faster."""
    enough = sum(len(content) for _, content in inputs) >= _WORTH_IT
    return enough and hasattr(os, "fork") and _processors() > 1


def _processors() -> int:
    """How many this process may use, where the system says so; how many there are elsewhere."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """Start `work` in a child process; what is returned waits for the result.

    `work` must be pure. Where the child fails, the work is done here instead, so that an error is
    the same with one process or two.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work_and_exit(work, writer)
    os.close(writer)

    def result() -> T:
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if status != 0:
            return work()
        found: T = pickle.loads(answer)  # noqa: S301 - from our own child
        return found

    return result


def _work_and_exit(work: Callable[[], object], writer: int) -> None:
    status = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(work(), pipe, protocol=pickle.HIGHEST_PROTOCOL)
        status = 0
    finally:
        # Neither handlers nor buffers of the parent may run or be written a second time.
        os._exit(status)
