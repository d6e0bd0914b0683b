"""Who listens on which TCP port of this network namespace, from /proc."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kcompile.apply.listen_file import BOTH, Place

_PROC = Path("/proc")
_LISTEN = "0A"  # TCP_LISTEN, net/tcp_states.h
_FILES = ((4, "tcp"), (6, "tcp6"))
_ALL = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - compared with, not bound


class Where(NamedTuple):
    """What a socket is bound to."""

    family: int
    address: str
    port: int

    def stated_address(self) -> str:
        """As a place has it: "" for all."""
        return "" if self.address == _ALL[self.family] else self.address


def listening() -> Mapping[Where, frozenset[int]]:
    """The inodes of all that listens."""
    found: dict[Where, frozenset[int]] = {}
    for family, name in _FILES:
        # Not /proc/net, which is the namespace of the first thread.
        path = _PROC / "thread-self" / "net" / name
        if path.exists():
            with path.open("r", encoding="ascii") as lines:
                for where, inode in _parse(family, lines):
                    found[where] = found.get(where, frozenset()) | {inode}
    return found


def where_to_look(place: Place) -> Where:
    """As what the kernel shows the socket of a place."""
    family = place.family
    if family == BOTH:
        # A kernel without IPv6 has one for IPv4 instead.
        family = 6 if (_PROC / "thread-self" / "net" / "tcp6").exists() else 4
    return Where(family, place.address or _ALL[family], place.port)


def inodes(pid: int) -> frozenset[int]:
    """Sockets that a process has open."""
    found: set[int] = set()
    folder = _PROC / str(pid) / "fd"
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - names, thousands of them
            inode = _inode(folder / name)
            if inode:
                found.add(inode)
    except OSError:
        return frozenset()  # it ended
    return frozenset(found)


def owners(wanted: Collection[int]) -> Mapping[int, str]:
    """Who has some sockets open, for a message, by inode: `process 12 (nginx)`."""
    found: dict[int, str] = {}
    for entry in _PROC.iterdir() if wanted else ():
        if entry.name.isdigit():
            for inode in inodes(int(entry.name)).intersection(wanted):
                found[inode] = f"process {entry.name} ({_name(entry)})"
    return found


def _parse(family: int, lines: Iterator[str]) -> Iterator[tuple[Where, int]]:
    next(lines, None)
    for line in lines:
        words = line.split(None, 10)
        if words[3] == _LISTEN:
            address, _, port = words[1].partition(":")
            yield Where(family, _address(family, address), int(port, 16)), int(words[9])


def _address(family: int, text: str) -> str:
    """The kernel prints words of 32 bits in the machine's own order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, packed)


def _inode(path: Path) -> int:
    try:
        target = os.readlink(path)  # noqa: PTH115 - text, not a path
    except OSError:
        return 0
    return int(target[8:-1]) if target.startswith("socket:[") else 0


def _name(entry: Path) -> str:
    try:
        return ascii((entry / "comm").read_text("utf-8", "replace").strip())[1:-1]
    except OSError:
        return "ended"
