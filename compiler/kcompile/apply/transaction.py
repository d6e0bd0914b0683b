"""All of a change or nothing: what fails, or is interrupted, goes back to where it came from."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple, Optional, Union

from kcompile.apply import dns
from kcompile.apply.failures import NodeError
from kcompile.apply.generations import (
    Installed,
    Journal,
    close_journal,
    current,
    discard,
    generation,
    make_current,
    prune,
    read_journal,
    write_journal,
)
from kcompile.apply.host import Host
from kcompile.apply.package import is_installed
from kcompile.apply.rules import Timings
from kcompile.apply.slices import Slice
from kcompile.apply.steps import PROGRAM_STEP, Choices, Step, steps

Report = Callable[[str], None]
"""Shows a line of progress to the operator."""


class Timing(NamedTuple):
    """How long a step took, in seconds."""

    step: str
    seconds: float


class RolledBackError(NodeError):
    """The change failed and everything is as before it. Exit 4."""


class NotRolledBackError(NodeError):
    """The change failed, and so did going back. Exit 5."""


class _InterruptedError(NodeError):
    pass


def change(  # noqa: PLR0913 - both ends, what was chosen, and whom to tell
    host: Host,
    before: Installed | None,
    after: Installed | None,
    choices: Choices,
    report: Report,
    *,
    fresh: bool = False,
) -> tuple[Timing, ...]:
    """Take the node from one generation to another, or leave it where it was. A `fresh` one was
    never installed: it is forgotten with an interrupted apply.

    Raises RolledBackError or NotRolledBackError, which say what failed.
    """
    # Going back is also to the name server that was chosen then.
    choices_before = Choices(dns=dns.recorded_choice(host))
    write_journal(host, Journal(_number(before), _number(after), choices_before.dns, fresh))
    timings: list[Timing] = []
    with _handling(_interrupted):
        try:
            for timing in _run(steps(host, _of(before), _of(after), choices)):
                report(f"{timing.step}: {timing.seconds:.2f} s")
                timings.append(timing)
            make_current(host, _number(after))
        except Exception as error:
            # A bug of ours must not leave half of a change either.
            reason = _reason(error)
            _go_back(host, before, after, choices_before, reason, report)
            raise RolledBackError(reason) from error
    close_journal(host)
    if after:
        prune(host, after.number, _number(before))
    return tuple(timings)


def recover(host: Host, report: Report) -> str:
    """Undo what an interrupted apply left behind; says what was done, "" if nothing was.

    Raises NotRolledBackError.
    """
    journal = read_journal(host)
    if journal is None:
        return ""
    there = current(host)
    if _number(there) == journal.after and journal.before != journal.after:
        # Only closing the journal was left to do.
        close_journal(host)
        return f"an interrupted apply had come to its end: {_named(there)} is installed"
    before = generation(host, journal.before) if journal.before else None
    after = generation(host, journal.after) if journal.after else None
    _go_back(host, before, after, Choices(dns=journal.dns), "it was interrupted", report)
    if after and journal.fresh:
        discard(host, after.number)
    return f"an interrupted apply was undone: {_named(before)} is installed"


def _go_back(  # noqa: PLR0913, PLR0917 - both ends, and what to say
    host: Host,
    before: Installed | None,
    after: Installed | None,
    choices: Choices,
    reason: str,
    report: Report,
) -> None:
    report(f"going back to {_named(before)}: {reason}")
    failed = []
    with _handling(signal.SIG_IGN):
        for step in steps(host, _of(after), _of(before), choices):
            if step[0] == PROGRAM_STEP and is_installed(host):
                # Whatever version it is: a full disk must not be in the way of going back.
                continue
            # What can be put right is, whatever else cannot.
            try:
                list(_run((step,)))
            except Exception as error:  # noqa: BLE001 - each step, bugs included
                failed.append(_reason(error))
        if not failed:
            try:
                make_current(host, _number(before))
                close_journal(host)
            except OSError as error:
                failed.append(_reason(error))
    if failed:
        raise NotRolledBackError(
            f"{reason}; and going back to {_named(before)} failed: {'; '.join(failed)}."
            " Mend that and run kcompile apply --restore, which goes on from here"
        )


class _StepError(NodeError):
    def __init__(self, step: str, error: Exception) -> None:
        super().__init__(f"{step}: {_reason(error)}")


def _run(work: tuple[Step, ...]) -> Iterator[Timing]:
    for name, do in work:
        start = time.monotonic()
        try:
            done = do()
        except Exception as error:
            raise _StepError(name, error) from error
        yield Timing(name, time.monotonic() - start)
        if isinstance(done, Timings):
            for part, seconds in done._asdict().items():
                yield Timing(f"{name}: {part}", seconds)


def _reason(error: Exception) -> str:
    if isinstance(error, NodeError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"


def _interrupted(number: int, _frame: FrameType | None) -> None:
    # Once is enough: the second Ctrl-C of an impatient operator must not stop the going back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _InterruptedError(f"interrupted by {signal.Signals(number).name}")


_Handler = Union[Callable[[int, Optional[FrameType]], None], signal.Handlers]


@contextmanager
def _handling(handler: _Handler) -> Iterator[None]:
    """SIGINT and SIGTERM go to a handler, and the end of a terminal to none: the connection over
    which the operator came may be what the change cut."""
    handlers = {signal.SIGINT: handler, signal.SIGTERM: handler, signal.SIGHUP: signal.SIG_IGN}
    old = {number: signal.signal(number, each) for number, each in handlers.items()}
    try:
        yield
    finally:
        for number, each in old.items():
            signal.signal(number, each)


def _of(installed: Installed | None) -> Slice | None:
    return installed.slice if installed else None


def _number(installed: Installed | None) -> int | None:
    return installed.number if installed else None


def _named(installed: Installed | None) -> str:
    return str(installed) if installed else "no generation"
