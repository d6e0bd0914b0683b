"""`--confirm-within`: a change that goes back by itself unless somebody says that it is good.

A process of its own waits: over the connection that started the apply nobody may be left to.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kcompile.apply.failures import RefusedError
from kcompile.apply.generations import is_number
from kcompile.apply.host import Host
from kcompile.apply.lock import locked
from kcompile.apply.package import install_program, program
from kcompile.apply.state import damaged, drop_state, read_state, write_state

_PENDING = "pending.json"
_FOREVER = float("inf")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Pending:
    """A generation that waits for its confirmation, and where to go without one. The deadline is
    of the clock that starts with the machine; None until the change is done. `dns` is the name
    server of before."""

    number: int
    before: int | None
    seconds: float
    boot: str
    deadline: float | None = None
    dns: str = "auto"


def pending(host: Host) -> Pending | None:
    value = read_state(host, _PENDING)
    if not value:
        return None
    try:
        waiting = Pending(**value)
    except TypeError:
        raise damaged(host, _PENDING) from None
    times = (waiting.seconds, waiting.deadline or 0.0)
    if not (
        is_number(waiting.number)
        and (waiting.before is None or is_number(waiting.before))
        and all(type(each) in {int, float} for each in times)
        and all(isinstance(each, str) for each in (waiting.boot, waiting.dns))
    ):
        raise damaged(host, _PENDING)
    return waiting


def refuse_pending(host: Host) -> None:
    """Raises RefusedError while a generation waits for its confirmation."""
    if waiting := pending(host):
        raise RefusedError(
            f"generation {waiting.number} waits for its confirmation: kcompile apply --confirm"
            " keeps it, kcompile apply --rollback --yes leaves it"
        )


def expect(host: Host, waiting: Pending) -> None:
    """From here on a generation must be confirmed; the watch is on its way before the change."""
    number = waiting.number
    write_state(host, _PENDING, asdict(waiting))
    install_program(host)
    argv = [*program(host), "apply", "--watch", str(number)]
    if host.root != Path("/"):
        argv += ["--root", str(host.root), "--live"]
    if Path("/run/systemd/system").is_dir():
        # A unit of its own: what ends the session's processes does not end it. Of a name of its
        # own: the watch of an earlier try may not have noticed yet that it is over.
        unit = f"--unit=kcompile-watch-{number}-{os.getpid()}"
        host.run(["systemd-run", "--quiet", "--collect", unit, *argv])
        return
    subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def start_clock(host: Host, waiting: Pending) -> None:
    """The change is done: the time runs from here on."""
    deadline = time.monotonic() + waiting.seconds
    write_state(host, _PENDING, asdict(replace(waiting, deadline=deadline)))


def confirm(host: Host) -> int:
    """The number of the generation that stays. Raises RefusedError if none waits."""
    waiting = pending(host)
    if waiting is None:
        raise RefusedError("no generation waits for a confirmation (it may have gone back already)")
    drop_state(host, _PENDING)
    return waiting.number


def forget(host: Host) -> None:
    drop_state(host, _PENDING)


def expired(host: Host, number: int) -> bool:
    """Wait out the time; whether the generation is unconfirmed then. Holds no lock while it waits.

    Without a deadline, apply is at work, which has the lock, or was killed.
    """
    with locked(host, changes=False, patience=_FOREVER):
        first = pending(host)
    if first is None or first.number != number:
        return False
    while first.deadline is not None and time.monotonic() < first.deadline:
        time.sleep(0.1)
        if pending(host) != first:
            return False
    return True


def boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def is_over(waiting: Pending) -> bool:
    """Whether nobody waits any more: the machine started anew, or the watch was killed."""
    if waiting.boot != boot_id():
        return True
    return waiting.deadline is not None and time.monotonic() > waiting.deadline
