"""The clients: many connections at once, each counted by what became of it."""

import errno
import json
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lab.describe import Probe, family_of
from lab.kernel import inside
from lab.serve import SOCKET_FAMILIES

# Connections at a time, over all probes: what fits into a CPU's backlog (netdev_max_backlog, 1000
# packets) and a UDP server's buffer while it is not running. What the kernel drops there is no
# fault of the rules, and nobody sends a UDP packet again.
CONCURRENT = 256
TCPI_TOTAL_RETRANS = 100  # offset in struct tcp_info, linux/tcp.h


def run_probes(probes: list[Probe], netns: Mapping[str, int]) -> list[dict[str, Any]]:
    """All probes at once; a socket is made in the network namespace of its client."""
    poll = select.epoll()
    share = max(1, CONCURRENT // len(probes)) if probes else 0
    clients = [_Client(probe, share) for probe in probes]
    owners: dict[int, _Client] = {}
    while any(client.left or client.live for client in clients):
        for client in clients:
            if client.left and len(client.live) < client.share:
                with inside(netns[client.probe.client]):
                    client.start(poll, owners)
        for number, _ in poll.poll(0.02, 512):
            owners[number].event(number, poll)
        for client in clients:
            client.expire(poll)
    poll.close()
    return [client.result() for client in clients]


class _Client:
    """One probe: what is left to start, what is under way, what was counted."""

    def __init__(self, probe: Probe, share: int) -> None:
        self.probe, self.share, self.left = probe, share, probe.count
        self.tcp = probe.protocol == "TCP"
        self.live: dict[int, tuple[socket.socket, float]] = {}
        self.answers: Counter[tuple[str, str, int, str]] = Counter()
        self.failures: Counter[str] = Counter()
        self.resent = 0

    def start(self, poll: select.epoll, owners: dict[int, "_Client"]) -> None:
        family = SOCKET_FAMILIES[family_of(self.probe.to)]
        kind = socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM
        while self.left and len(self.live) < self.share:
            self.left -= 1
            connection = socket.socket(family, kind)
            connection.setblocking(False)
            error = connection.connect_ex((self.probe.to, self.probe.port))
            if error not in (0, errno.EINPROGRESS):
                self.fail(error)
                connection.close()
                continue
            number = connection.fileno()
            self.live[number] = (connection, time.monotonic())
            owners[number] = self
            # A UDP socket is writable at once: both kinds send when they become so.
            poll.register(number, select.EPOLLOUT)

    def event(self, number: int, poll: select.epoll) -> None:
        connection, _ = self.live[number]
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.fail(error)
            self.end(number, poll)
            return
        try:
            answer = connection.recv(4096)
        except BlockingIOError:  # nothing there yet: this is the way out
            # EPERM: a rule refused a UDP packet on its way out; the refusal itself follows.
            with suppress(PermissionError):
                connection.send(b"probe\n")
            poll.modify(number, select.EPOLLIN)
            return
        except OSError as failure:
            self.fail(failure.errno or 0)
        else:
            self.count(answer)
        self.end(number, poll)

    def count(self, answer: bytes) -> None:
        if not answer:
            self.failures["closed"] += 1
            return
        value = json.loads(answer)
        self.answers[value["pod"], *value["at"], value["source"]] += 1

    def fail(self, error: int) -> None:
        self.failures[errno.errorcode.get(error, str(error))] += 1

    def end(self, number: int, poll: select.epoll) -> None:
        poll.unregister(number)
        connection, _ = self.live.pop(number)
        if self.tcp:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            self.resent += struct.unpack_from("=I", info, TCPI_TOTAL_RETRANS)[0]
        connection.close()

    def expire(self, poll: select.epoll) -> None:
        limit = time.monotonic() - self.probe.timeout
        for number in [n for n, (_, started) in self.live.items() if started < limit]:
            self.fail(errno.ETIMEDOUT)
            self.end(number, poll)

    def result(self) -> dict[str, Any]:
        return {
            "answers": [[*who, count] for who, count in self.answers.items()],
            "failures": dict(self.failures),
            "resent": self.resent,
        }
