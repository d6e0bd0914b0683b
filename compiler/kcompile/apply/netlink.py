"""Netlink sockets to the kernel's netfilter: requests, dumps, transactions.

A message is a header (length, type, flags, sequence, port), netfilter's own four bytes (family,
version, resource) and attributes (length, kind, payload, filled up to four bytes). Numbers of the
framing have the machine's byte order; those inside of attributes are netfilter's, big-endian.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Union

from kcompile.apply.failures import NodeError

# linux/netlink.h
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLMSG_ERROR = 2
NLMSG_DONE = 3
HEADER = struct.Struct("=IHHIIBBH")  # with netfilter's four bytes
HEADER_SIZE = HEADER.size
ATTRIBUTE = struct.Struct("=HH")
ATTRIBUTE_SIZE = ATTRIBUTE.size
NLA_KIND = 0x3FFF  # without the flags "nested" and "network byte order"

_BATCH_BEGIN = 16  # linux/netfilter/nfnetlink.h
_BATCH_END = 17
_BATCH_GENERATION = 1
_NLM_F_DUMP_INTR = 0x010
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_SO_SNDBUFFORCE = 32
_PIECE = 1 << 16  # bytes; the kernel never gives more than 32 KiB at once
_MOST = 1 << 30  # bytes; Linux doubles it
_TIMEOUT = 60.0  # seconds
_FRAME = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")


class NetlinkError(NodeError):
    """The kernel refused, for a reason in words and by errno's number; `sequence` is that of the
    message which it refused."""

    def __init__(self, number: int, said: str = "", sequence: int = 0) -> None:
        self.reason = os.strerror(number) + (f" ({said})" if said else "")
        super().__init__(f"the kernel's netfilter refuses: {self.reason}")
        self.number = number
        self.sequence = sequence


class InterruptedDumpError(NodeError):
    """What was listed changed meanwhile: the list is to be read again."""


Bytes = Union[bytes, bytearray]
Message = tuple[bytes, int, int]
"""What one message says: bytes in which it lies, where its attributes begin, where it ends."""


class Netfilter:
    """A socket to netfilter, in the network namespace of the thread that opens it, for
    contextlib.closing."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._sequence = 0
        self._socket.settimeout(_TIMEOUT)
        self._socket.bind((0, 0))
        # Errors without a copy of the message that caused them, but with the kernel's own words.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)

    def close(self) -> None:
        self._socket.close()

    def request(self, kind: int, family: int, attributes: bytes = b"", flags: int = 0) -> None:
        """Have one thing done. Raises NetlinkError."""
        for _ in self._talk(kind, family, attributes, NLM_F_ACK | flags):
            pass

    def get(self, kind: int, family: int, attributes: bytes = b"") -> Message:
        """Ask for one thing. Raises NetlinkError (ENOENT if there is none)."""
        answers = list(self._talk(kind, family, attributes, NLM_F_ACK))
        if not answers:
            raise NetlinkError(errno.EPROTO, "no answer")
        return answers[0]

    def dump(self, kind: int, family: int, attributes: bytes = b"") -> Iterator[Message]:
        """List things; to be read to its end before anything else is asked.

        Raises InterruptedDumpError at the end if they changed meanwhile."""
        return self._talk(kind, family, attributes, NLM_F_DUMP)

    def transact(self, subsystem: int, messages: Sequence[Bytes], generation: int = 0) -> None:
        """Have all of it done in one step, or nothing. Raises NetlinkError with the first refusal.

        At least one message asks for an acknowledgement. With a generation, the kernel refuses
        (ERESTART) if its ruleset has another one by then."""
        batch = [
            _edge(_BATCH_BEGIN, subsystem, generation),
            *messages,
            _edge(_BATCH_END, subsystem),
        ]
        size = sum(map(len, batch))
        try:
            self._make_room(size + _PIECE)
            self._socket.sendmsg(batch)
        except OSError as error:
            number = error.errno or errno.ETIMEDOUT
            raise NetlinkError(number, f"handing over {size:,} bytes in one piece") from None
        self._socket.settimeout(0)
        try:
            self._acknowledged()
        finally:
            self._socket.settimeout(_TIMEOUT)

    def _make_room(self, size: int) -> None:
        # The kernel takes a batch in one piece, which cannot be longer than the buffer.
        with suppress(PermissionError):  # in a container; small ones fit nevertheless
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, min(size, _MOST))

    def _talk(self, kind: int, family: int, attributes: bytes, flags: int) -> Iterator[Message]:
        self._sequence += 1
        sequence = self._sequence
        self._socket.send(message(kind, family, attributes, flags, sequence))
        interrupted = 0
        while True:
            piece = self._receive()
            at, end = 0, len(piece)
            while at < end:
                size, said, marks, number, _port = _FRAME.unpack_from(piece, at)
                if number == sequence:
                    interrupted |= marks & _NLM_F_DUMP_INTR
                    if said in {NLMSG_ERROR, NLMSG_DONE}:
                        _raise(piece, at, size, marks)
                        if interrupted:
                            raise InterruptedDumpError("the list changed while it was read")
                        return
                    yield piece, at + HEADER_SIZE, at + size
                at += size + 3 & ~3

    def _acknowledged(self) -> None:
        # The kernel works on a batch within the call that sends it: all it has to say is there.
        # What it says about a later message follows from the first refusal.
        heard = False
        while True:
            try:
                piece = self._socket.recv(_PIECE)
            except BlockingIOError:
                break
            except OSError as error:
                raise NetlinkError(error.errno or errno.EIO, "more refusals than fit") from None
            size, said, marks, _number, _port = _FRAME.unpack_from(piece)
            if said == NLMSG_ERROR:
                heard = True
                _raise(piece, 0, size, marks)
        if not heard:
            raise NetlinkError(errno.EPROTO, "a batch without an answer")

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_PIECE)
        except OSError as error:
            raise NetlinkError(error.errno or errno.ETIMEDOUT, "reading an answer") from None


def message(kind: int, family: int, attributes: bytes, flags: int, sequence: int) -> bytes:
    """A whole message. `kind` is subsystem << 8 | operation."""
    size = HEADER_SIZE + len(attributes)
    return HEADER.pack(size, kind, NLM_F_REQUEST | flags, sequence, 0, family, 0, 0) + attributes


def attribute(kind: int, payload: bytes) -> bytes:
    size = ATTRIBUTE_SIZE + len(payload)
    return ATTRIBUTE.pack(size, kind) + payload + bytes(-size & 3)


def attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Of each attribute: its kind, where its payload begins and ends."""
    while start + ATTRIBUTE_SIZE <= end:
        size, kind = ATTRIBUTE.unpack_from(data, start)
        if size < ATTRIBUTE_SIZE or start + size > end:
            return
        yield kind & NLA_KIND, start + ATTRIBUTE_SIZE, start + size
        start += size + 3 & ~3


def _edge(kind: int, subsystem: int, generation: int = 0) -> bytes:
    marks = attribute(_BATCH_GENERATION, generation.to_bytes(4, "big")) if generation else b""
    size = HEADER_SIZE + len(marks)
    return HEADER.pack(size, kind, NLM_F_REQUEST, 0, 0, 0, 0, socket.htons(subsystem)) + marks


def _raise(piece: bytes, at: int, size: int, marks: int) -> None:
    (negative,) = _ERROR.unpack_from(piece, at + _FRAME.size)
    if negative >= 0:
        return
    said = ""
    number = 0
    start = at + _FRAME.size + _ERROR.size
    if start + _FRAME.size <= at + size:
        number = _FRAME.unpack_from(piece, start)[3]
        if marks & _NLM_F_ACK_TLVS:
            for kind, begin, end in attributes(piece, start + _FRAME.size, at + size):
                if kind == _NLMSGERR_ATTR_MSG:
                    said = piece[begin:end].rstrip(b"\0").decode("ascii", "replace")
    raise NetlinkError(-negative, said, number)
