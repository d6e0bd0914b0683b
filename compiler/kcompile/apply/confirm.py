"""`--confirm-within`: a change that goes back by itself unless somebody says that it is good.

A process of its own waits: over the connection that started the apply nobody may be left to.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.package import install_program, program
from kcompile.apply.state import drop_state, read_state, write_state

_PENDING = "pending.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Pending:
    """A generation that waits for its confirmation, and where to go without one."""

    number: int
    before: int | None
    seconds: float
    boot: str


def pending(host: Host) -> Pending | None:
    value = read_state(host, _PENDING)
    return Pending(**value) if value else None


def refuse_pending(host: Host) -> None:
    """Raises RefusedError while a generation waits for its confirmation."""
    if waiting := pending(host):
        raise RefusedError(
            f"generation {waiting.number} waits for its confirmation: kcompile apply --confirm"
            " keeps it, kcompile apply --rollback leaves it"
        )


def expect(host: Host, number: int, before: int | None, seconds: float) -> None:
    """From here on a generation must be confirmed; the watch is on its way before the change."""
    write_state(
        host,
        _PENDING,
        {"number": number, "before": before, "seconds": seconds, "boot": boot_id()},
    )
    install_program(host)
    argv = [*program(host), "apply", "--watch", str(number)]
    if host.root != Path("/"):
        argv += ["--root", str(host.root), "--live"]
    if Path("/run/systemd/system").is_dir():
        # A unit of its own: what ends the session's processes does not end it.
        host.run(["systemd-run", "--quiet", "--collect", f"--unit=kcompile-watch-{number}", *argv])
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
    """Wait out the time; whether the generation is unconfirmed then. Holds no lock."""
    waiting = pending(host)
    deadline = time.monotonic() + (waiting.seconds if waiting else 0)
    while waiting and waiting.number == number and time.monotonic() < deadline:
        time.sleep(0.1)
        waiting = pending(host)
    return waiting is not None and waiting.number == number


def boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def is_from_another_boot(waiting: Pending) -> bool:
    """Whether the machine started anew meanwhile: nobody waits any more."""
    return waiting.boot != boot_id()
