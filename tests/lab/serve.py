"""The servers in the pods: each tells who it is and which source address it saw."""

import json
import select
import socket
from collections.abc import Iterable

from lab.describe import Family, Port, family_of

SOCKET_FAMILIES: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
# Requests for a connection that lasts: a download without end, and one that says back what comes.
STREAM, HOLD = b"stream\n", b"hold\n"
CHUNK = bytes(4096)
HTTP_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Listener:
    """A listening socket of one pod; it stays in the network namespace that it was made in.

    It is bound to an address, so that a UDP answer comes from there also on a node, which has
    many of them.
    """

    def __init__(self, pod: str, address: str, port: Port) -> None:
        tcp = port.protocol == "TCP"
        self.pod, self.tcp = pod, tcp
        self.at = [address, port.number]
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        self.socket = socket.socket(SOCKET_FAMILIES[family_of(address)], kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port.number))
        self.socket.setblocking(False)
        if tcp:
            self.socket.listen(4096)

    def answer(self, source: str) -> bytes:
        who = {"pod": self.pod, "at": self.at, "source": source}
        return json.dumps(who).encode() + b"\n"


def serve(listeners: Iterable[Listener]) -> None:
    """One process answers for every pod, for ever."""
    poll = select.epoll()
    listening = {listener.socket.fileno(): listener for listener in listeners}
    connected: dict[int, tuple[socket.socket, bytes]] = {}
    lasting: dict[int, _Lasting] = {}
    for number in listening:
        poll.register(number, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            if number in connected:
                _begin(number, *connected.pop(number), poll, lasting)
            elif number in lasting:
                if not lasting[number].goes_on():
                    lasting.pop(number).connection.close()
            elif listening[number].tcp:
                for connection, answer in _accept(listening[number]):
                    connected[connection.fileno()] = (connection, answer)
                    poll.register(connection.fileno(), select.EPOLLIN)
            else:
                _echo(listening[number])


class _Lasting:
    """A connection that its client ends: a download without end, or one that says back what
    comes."""

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self.connection = connection
        self.streams = request == STREAM
        self.events = select.EPOLLOUT if self.streams else select.EPOLLIN

    def goes_on(self) -> bool:
        try:
            said = CHUNK if self.streams else self.connection.recv(4096)
            self.connection.send(said)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return bool(said)


def _begin(
    number: int,
    connection: socket.socket,
    answer: bytes,
    poll: select.epoll,
    lasting: dict[int, _Lasting],
) -> None:
    """What the first words ask for: a short answer, or a connection that lasts."""
    request = _request(connection)
    if request in {STREAM, HOLD}:
        lasting[number] = _Lasting(connection, request)
        poll.modify(number, lasting[number].events)
    else:
        poll.unregister(number)
        _finish(connection, request, answer)


def _accept(listener: Listener) -> Iterable[tuple[socket.socket, bytes]]:
    while True:
        try:
            connection, (source, *_) = listener.socket.accept()
        except OSError:  # none left, or the client has gone
            return
        connection.setblocking(False)
        yield connection, listener.answer(source)


def _request(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except OSError:
        return b""  # the client has gone; it counts that itself


def _finish(connection: socket.socket, request: bytes, answer: bytes) -> None:
    with connection:
        try:
            if request.startswith(b"GET "):
                answer = HTTP_HEAD % len(answer) + answer
            if request:
                connection.send(answer)
        except OSError:
            return  # the client has gone; it counts that itself


def _echo(listener: Listener) -> None:
    while True:
        try:
            _, client = listener.socket.recvfrom(2048)
            listener.socket.sendto(listener.answer(client[0]), client)
        except OSError:  # none left
            return
