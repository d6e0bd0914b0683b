"""What a name server says of a zone: its serial, asked for with the standard library."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing
from pathlib import Path

PORT = 53
TIMEOUT = 1.0  # seconds; the server is on this machine
_SOA = 6
_IN = 1
_RECURSION_DESIRED = 0x0100  # a resolver (Unbound) answers nothing without it
_ANSWERS = 0x8000


def serials(address: str, zone: str) -> tuple[str, str]:
    """The serial of a zone over UDP and over TCP, or in its place what went wrong, in words."""
    return tuple(_serial(address, zone, tcp=tcp) for tcp in (False, True))  # type: ignore[return-value]  # of two


def is_listening(address: str, *, wildcard: bool) -> bool:
    """Whether a socket waits for questions at that address, or at all addresses if that counts."""
    bound = _bound()
    return address in bound or (wildcard and bool(bound & {"0.0.0.0", "::"}))  # noqa: S104 - compared


def listening() -> tuple[str, ...]:
    """Addresses of this machine at which some server waits for questions, the likely ones first."""
    bound = set(_bound())
    if bound & {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        bound = (bound - {"0.0.0.0", "::"}) | {"127.0.0.1", "::1"}  # noqa: S104 - compared
    return tuple(sorted(bound, key=lambda address: (address not in {"127.0.0.1", "::1"}, address)))


def is_local(address: str) -> bool:
    """Whether an interface has that address."""
    with closing(socket.socket(_family(address), socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _serial(address: str, zone: str, *, tcp: bool) -> str:
    number = os.urandom(2)
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    try:
        with closing(socket.socket(_family(address), kind)) as link:
            link.settimeout(TIMEOUT)
            link.connect((address, PORT))
            question = _question(number, zone)
            link.sendall(struct.pack("!H", len(question)) + question if tcp else question)
            return _read(_over_tcp(link) if tcp else link.recv(4096), number)
    except socket.timeout:
        return "no answer"
    except OSError as error:
        return f"no answer ({error.strerror or error})"
    except (struct.error, IndexError):
        return "an answer that is none"


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _question(number: bytes, zone: str) -> bytes:
    labels = [label.encode("ascii") for label in zone.rstrip(".").split(".")]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return (
        number
        + struct.pack("!HHHHH", _RECURSION_DESIRED, 1, 0, 0, 0)
        + name
        + struct.pack("!HH", _SOA, _IN)
    )


def _over_tcp(link: socket.socket) -> bytes:
    (size,) = struct.unpack("!H", _exactly(link, 2))
    return _exactly(link, size)


def _exactly(link: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = link.recv(size - len(got))
        if not more:
            raise ConnectionResetError(0, "the connection was closed")
        got += more
    return got


def _read(answer: bytes, number: bytes) -> str:
    """The serial in a message (RFC 1035, 4.1)."""
    flags, questions, answers = struct.unpack("!HHH", answer[2:8])
    if answer[:2] != number or not flags & _ANSWERS:
        return "an answer to something else"
    if flags & 0xF:
        return f"an error, code {flags & 0xF}"
    place = 12
    for _ in range(questions):
        place = _after_name(answer, place) + 4
    for _ in range(answers):
        place = _after_name(answer, place)
        kind, _, _, size = struct.unpack("!HHIH", answer[place : place + 10])
        place += 10
        if kind == _SOA:
            after_names = _after_name(answer, _after_name(answer, place))
            (serial,) = struct.unpack("!I", answer[after_names : after_names + 4])
            return str(serial)
        place += size
    return "no such zone"


def _after_name(message: bytes, place: int) -> int:
    while True:
        size = message[place]
        if size >= 0xC0:  # a pointer, RFC 1035, 4.1.4
            return place + 2
        place += 1 + size
        if size == 0:
            return place


def _bound() -> set[str]:
    """From the kernel's list of UDP sockets of this network namespace."""
    found = set()
    for name, family in (("udp", socket.AF_INET), ("udp6", socket.AF_INET6)):
        try:
            lines = Path("/proc/thread-self/net", name).read_text("ascii").splitlines()[1:]
        except OSError:  # a kernel without IPv6
            continue
        for line in lines:
            address, port = line.split()[1].split(":")
            if int(port, 16) == PORT:
                found.add(_spelled(address, family))
    return found


def _spelled(hexadecimal: str, family: socket.AddressFamily) -> str:
    # Words of 32 bits, each as this machine keeps it in memory.
    words = [int(hexadecimal[i : i + 8], 16) for i in range(0, len(hexadecimal), 8)]
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
