"""Starting, telling and stopping the listeners' daemon: by systemd where that runs, else by its
pid file."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kcompile.apply.failures import CommandError
from kcompile.apply.host import SEARCH_PATH, Host
from kcompile.apply.listen_pid import Running, running
from kcompile.apply.package import PROGRAM
from kcompile.apply.state import STATE, state_path
from kcompile.apply.units import systemd_runs

UNIT = "kcompile-listen.service"
FILE = f"{STATE}/listeners.json"
PID_FILE = "/run/kcompile-listen/pid"
LOG = "/var/log/kcompile-listen.log"

PATIENCE = 20.0  # seconds, for a daemon to start, read its file or stop
_ANSWER = 3.0  # seconds, for a daemon that runs to do what a signal says
_NAP = 0.02  # seconds
_LAST_WORDS = 2000  # characters of its log that are shown


def alive(host: Host) -> Running | None:
    """The daemon, if it runs."""
    return running(host.path(PID_FILE))


def start(host: Host, digest: str) -> Running:
    """Start the daemon; it has read the file of that digest. Raises CommandError."""
    if systemd_runs(host):
        host.run(["systemctl", "start", UNIT], timeout=PATIENCE)
        return _wait(host, lambda: _has_read(host, digest), "has not said that it is ready")
    pid = _spawn(host)
    try:
        return _wait(host, lambda: _has_read(host, digest), "did not start", pid)
    except CommandError:
        _end(pid)
        raise


def reload(host: Host, digest: str) -> Running:
    """Have the daemon read its file again, which is of that digest. One that hangs is replaced."""
    daemon = alive(host)
    if daemon:
        # What systemctl reload does, which does not wait for the end (Type=notify).
        _signal(daemon, signal.SIGHUP)
        answered = _within(_ANSWER, lambda: _has_read(host, digest))
        if answered:
            return answered
        stop(host)
    return start(host, digest)


def stop(host: Host) -> None:
    """Stop the daemon, whoever started it."""
    if systemd_runs(host):
        # Fails for a unit that is not installed; what runs all the same is stopped below.
        host.ask(["systemctl", "stop", UNIT], timeout=PATIENCE)
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        daemon = alive(host)
        if daemon is None:
            return
        _signal(daemon, signal_)
        if _within(_ANSWER, lambda: not alive(host)):
            return
    if alive(host):
        raise CommandError("kcompile listen cannot be stopped")


def command(host: Host) -> list[str]:
    """How this machine runs it: the installed program, or what runs now if there is none."""
    words = ["--pid-file", str(host.path(PID_FILE)), str(host.path(FILE))]
    python = [sys.executable or "/usr/bin/python3", "-I", "-S"]
    program = state_path(host, PROGRAM)
    if program.exists():
        return [*python, str(program), "listen", *words]
    source = str(Path(__file__).parents[2])
    code = (
        f"import sys; sys.path.insert(0, {source!r}); from kcompile.apply.listen import main;"
        " sys.exit(main(sys.argv[1:]))"
    )
    return [*python, "-c", code, *words]


def _signal(daemon: Running, signal_: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.kill(daemon.pid, signal_)


def _has_read(host: Host, digest: str) -> Running | None:
    daemon = alive(host)
    return daemon if daemon and daemon.read == digest else None


_Found = TypeVar("_Found")


def _within(seconds: float, found: Callable[[], _Found]) -> _Found:
    """What is there in the end."""
    until = time.monotonic() + seconds
    while True:
        answer = found()
        if answer or time.monotonic() > until:
            return answer
        time.sleep(_NAP)


def _wait(host: Host, there: Callable[[], Running | None], what: str, pid: int = 0) -> Running:
    until = time.monotonic() + PATIENCE
    while True:
        daemon = there()
        if daemon:
            return daemon
        if time.monotonic() > until or (pid and os.waitpid(pid, os.WNOHANG)[0]):
            raise CommandError(f"kcompile listen {what}{_last_words(host)}")
        time.sleep(_NAP)


def _last_words(host: Host) -> str:
    if systemd_runs(host):
        return f" (journalctl -u {UNIT} tells why)"
    try:
        lines = host.path(LOG).read_text("utf-8", "replace")[-_LAST_WORDS:].splitlines()
    except OSError:
        return ""
    return f": {ascii(lines[-1])[1:-1]}" if lines else ""


def _spawn(host: Host) -> int:
    """In a session of its own, so that it stays when the one that started it goes."""
    words = command(host)
    log = host.path(LOG)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return os.posix_spawn(
            words[0],
            words,
            {"PATH": SEARCH_PATH, "LC_ALL": "C"},
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
    except OSError as error:
        raise CommandError(f"{words[0]} cannot be run: {error.strerror}") from None


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return  # it has ended, and is known to have
