"""Clients of health checks: few at a time, none for long, none waited for."""

from __future__ import annotations

import selectors
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable, Optional

from kcompile.apply.listen_file import Use
from kcompile.apply.listen_health import MOST_BYTES, reply

MOST_CLIENTS = 256  # of which each may hold MOST_BYTES
_ASK_WITHIN = 3.0  # seconds, from the connect to the end of the request
_LEAVE_WITHIN = 2.0  # seconds, from the answer to the end of the connection

Current = Callable[[], Optional[Use]]
"""What the port is for by now; None if it is not a health check's any more."""


@dataclass
class _Client:
    current: Current
    until: float
    asked: bytes = b""
    answer: bytes = b""
    answered: bool = False


class Clients:
    """At most MOST_CLIENTS connections: the oldest makes room for a new one, so that whoever is
    slow loses, not who asks and goes."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        # In the order in which they came.
        self._clients: dict[socket.socket, _Client] = {}

    def take(self, connection: socket.socket, current: Current) -> None:
        """Answer on a connection that was just accepted."""
        if len(self._clients) >= MOST_CLIENTS:
            self.drop_oldest()
        connection.setblocking(False)
        self._clients[connection] = _Client(current, time.monotonic() + _ASK_WITHIN)
        self._selector.register(connection, selectors.EVENT_READ, self._ready)
        # The request mostly is there already.
        self._ready(connection)

    def drop_oldest(self) -> bool:
        """Whether there was one."""
        for connection in self._clients:
            self._end(connection)
            return True
        return False

    def expire(self) -> None:
        now = time.monotonic()
        late = [one for one, client in self._clients.items() if client.until <= now]
        for connection in late:
            self._end(connection)

    def drop_all(self) -> None:
        while self.drop_oldest():
            pass

    def __len__(self) -> int:
        return len(self._clients)

    def _ready(self, connection: socket.socket) -> None:
        client = self._clients.get(connection)
        if client is None:
            return  # dropped in this very turn
        try:
            if not client.answer:
                self._listen_to(connection, client)
            if client.answer and not client.answered:
                self._speak_to(connection, client)
            elif client.answered and not connection.recv(MOST_BYTES):
                self._end(connection)
        except BlockingIOError:
            return
        except OSError:
            self._end(connection)

    def _listen_to(self, connection: socket.socket, client: _Client) -> None:
        came = connection.recv(MOST_BYTES)
        use = client.current()
        if not came or use is None:
            raise OSError
        client.asked += came
        client.answer = reply(client.asked, use)

    def _speak_to(self, connection: socket.socket, client: _Client) -> None:
        # Smaller than any send buffer. A client whose buffer is full has not come for an answer.
        if connection.send(client.answer) != len(client.answer):
            raise OSError
        client.answered = True
        client.until = time.monotonic() + _LEAVE_WITHIN
        # Closing at once would reset the connection if the client sent more than was read, and
        # take the answer away from it (RFC 9112, 9.6).
        connection.shutdown(socket.SHUT_WR)

    def _end(self, connection: socket.socket) -> None:
        client = self._clients.pop(connection)
        self._selector.unregister(connection)
        if client.answered:
            connection.close()
        else:
            reset(connection)


def reset(connection: socket.socket) -> None:
    """Close so that the client is told at once, and nothing is left of the connection."""
    try:
        # struct linger: on, 0 seconds
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        connection.close()
