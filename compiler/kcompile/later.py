"""Work whose result is wanted later."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Start(Protocol):
    """Begins work: at once in another process, or when its result is asked for. The work is pure,
    and its result can be pickled, so this shows in no output."""

    def __call__(self, work: Callable[[], T], /) -> Callable[[], T]: ...


def when_asked(work: Callable[[], T], /) -> Callable[[], T]:
    return work
