"""`kcompile listen FILE`: holds node ports, so that they are seen to be taken, and answers health
checks. Rules answer on node ports before it does: who comes this far is refused, and logged."""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kcompile.apply.failures import NodeError
from kcompile.apply.listen_clients import Clients, reset
from kcompile.apply.listen_file import Place, Use, Wanted, digest_of, read_listeners
from kcompile.apply.listen_pid import PidFile
from kcompile.apply.listen_sockets import Sockets, port_name
from kcompile.apply.notify import notify, reloading

LOG_EVERY = 10.0  # seconds between lines about refused connections
RETRY_EVERY = 2.0  # seconds between attempts at ports that others have
_TURN = 0.5  # seconds; clients' time limits are looked at so often
_AT_A_TIME = 256  # connections taken from one socket before others have their turn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a bundle's listeners.json")
    parser.add_argument("--pid-file", metavar="FILE", type=Path, help="write and lock this file")
    parser.add_argument(
        "--hold-udp",
        action="store_true",
        help="hold UDP ports, too; without rules, clients then get silence, not a refusal",
    )


def run(arguments: argparse.Namespace) -> int:
    """The command with its words."""
    return listen(arguments.file, pid_file=arguments.pid_file, hold_udp=arguments.hold_udp)


def main(words: Sequence[str]) -> int:
    """The command from its words, by itself."""
    parser = argparse.ArgumentParser("kcompile listen", description="Hold node ports.")
    add_arguments(parser)
    return run(parser.parse_args(words))


def listen(file: Path, *, pid_file: Path | None = None, hold_udp: bool = False) -> int:
    """Hold what a file says until SIGTERM; read it again at SIGHUP. The exit status: 1 if the
    file is not good or the pid file is another's. Ports that are taken are tried again."""
    place = file.absolute()
    lock = None
    try:
        lock = PidFile(pid_file.absolute()) if pid_file else None
        Daemon(place, lock, hold_udp=hold_udp).serve()
    except NodeError as error:
        _log(str(error))
        return 1
    finally:
        if lock:
            lock.remove()
    return 0


class Daemon:
    """One loop, no threads: nothing that a client does makes another wait."""

    def __init__(self, file: Path, pid_file: PidFile | None, *, hold_udp: bool) -> None:
        """Raises NodeError if the file is not good."""
        self._file = file
        self._pid_file = pid_file
        self._hold_udp = hold_udp
        self._holds = read_listeners(file)
        self._selector = selectors.DefaultSelector()
        self._sockets = Sockets(self._selector, self._accept)
        self._clients = Clients(self._selector)
        self._refused = Refused()
        self._hung_up = False
        self._stopping = False

    def serve(self) -> None:
        # A folder that somebody wants to unmount is not held.
        os.chdir("/")
        _allow_files()
        self._wake_at_signals()
        self._hold(self._holds)
        next_try = time.monotonic() + RETRY_EVERY
        while not self._stopping:
            for key, _ in self._selector.select(self._patience()):
                key.data(key.fileobj)
            self._clients.expire()
            self._refused.report()
            if self._hung_up:
                self._hung_up = False
                self._reload()
            if self._sockets.taken and time.monotonic() >= next_try:
                next_try = time.monotonic() + RETRY_EVERY
                if self._sockets.retry():
                    self._say(self._holds.digest, self._holds.digest)
        notify("STOPPING=1")
        self._refused.report(now=True)
        self._sockets.close()
        self._clients.drop_all()
        _log("stopped")

    def _patience(self) -> float | None:
        if len(self._clients):
            return _TURN
        if self._refused.waiting:
            return 1.0
        return RETRY_EVERY if self._sockets.taken else None

    def _reload(self) -> None:
        reloading()
        try:
            wanted = read_listeners(self._file)
        except NodeError as error:
            problem = f"{error}; what was held before is still held"
            _log(problem)
            self._report(digest_of(self._file), self._holds.digest, (problem,))
            return
        self._hold(wanted)

    def _hold(self, wanted: Wanted) -> None:
        uses = {
            place: use
            for place, use in wanted.places.items()
            if place.protocol == "TCP" or self._hold_udp
        }
        self._sockets.hold(uses)
        self._holds = wanted
        self._say(wanted.digest, wanted.digest)

    def _say(self, read: str, holds: str) -> None:
        problems = tuple(self._sockets.taken[place] for place in sorted(self._sockets.taken))
        for problem in problems:
            _log(problem)
        self._report(read, holds, problems)

    def _report(self, read: str, holds: str, problems: tuple[str, ...]) -> None:
        """To whoever waits: the pid file's readers and systemd."""
        checks = sum(use.local_endpoints is not None for use in self._sockets.uses.values())
        ports = len(self._sockets.uses) - checks
        status = f"node ports: {ports}, health checks: {checks}"
        if self._pid_file:
            self._pid_file.write(read=read, holds=holds, problems=problems)
        _log(status)
        notify("READY=1", f"STATUS={'; '.join((status, *problems))[:2000]}")

    def _accept(self, listening: socket.socket, place: Place) -> None:
        for _ in range(_AT_A_TIME):
            try:
                connection, peer = listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                # No file or no memory left: the oldest client gives way, or we wait for it.
                if not self._clients.drop_oldest():
                    time.sleep(0.05)
                return
            if self._health_check(place):
                self._clients.take(connection, lambda: self._health_check(place))
            else:
                reset(connection)
                self._refused.add(peer[0], place, self._sockets.uses[place])

    def _health_check(self, place: Place) -> Use | None:
        use = self._sockets.uses.get(place)
        return use if use and use.local_endpoints is not None else None

    def _wake_at_signals(self) -> None:
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        # Held by the selector, so that it lives as long as this.
        self._selector.register(woken, selectors.EVENT_READ, lambda _: woken.recv(4096))
        self._waker = waker
        signal.signal(signal.SIGHUP, self._hang_up)
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, self._stop)

    def _hang_up(self, *_: object) -> None:
        self._hung_up = True

    def _stop(self, *_: object) -> None:
        self._stopping = True


class Refused:
    """Connections that no rule led away, in few lines: the first at once, then all since."""

    def __init__(self) -> None:
        self._next = 0.0
        self._last = ""
        self.waiting = 0

    def add(self, peer: str, place: Place, use: Use) -> None:
        # How a socket for both families shows a client of IPv4.
        address = peer.removeprefix("::ffff:")
        self._last = f"{address} at node port {port_name(place)} ({use.service})"
        self.waiting += 1
        self.report()

    def report(self, *, now: bool = False) -> None:
        moment = time.monotonic()
        if not self.waiting or (moment < self._next and not now):
            return
        self._next = moment + LOG_EVERY
        more = f" and {self.waiting - 1} others before" if self.waiting > 1 else ""
        self.waiting = 0
        _log(
            f"refused {self._last}{more}: no rule led it to a pod, are rules missing?"
            " (kcompile status tells)"
        )


def _allow_files() -> None:
    """As many sockets as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # a sandbox that forbids it has set the limit


def _log(message: str) -> None:
    try:
        sys.stderr.write(f"kcompile listen: {message}\n")
        sys.stderr.flush()
    except OSError:
        return  # a full disk or a closed terminal is no reason to stop
