"""Who is reached by which UDP address and port, as a node's rules say it."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping

from kcompile.apply.failures import RefusedError

Ways = Mapping[bytes, frozenset[bytes]]
"""Endpoints (address and port) by way in (address and port, or a node port alone), as bytes in
network order."""

_WAY = re.compile(
    r"-A \S+ (?:-d ([0-9a-f.:]{2,45})/(?:32|128) )?-p udp .*-m udp --dport ([0-9]{1,5}) .*?-j (\S+)"
)
_TARGET = re.compile(
    r"-A (\S+) -p udp .*-j DNAT --to-destination "
    r"(?:([0-9.]{7,15})|\[([0-9a-f.:]{2,45})\]):([0-9]{1,5})"
)
_JUMP = re.compile(r"^-A (\S+) [^\n]*-j (\S+)", re.MULTILINE)
_COMMENT = re.compile(r'--comment (?:"[^"]*"|\S+) ')


def read_ways(text: str) -> Ways:
    """Of a file for iptables-restore; {} without UDP in it."""
    targets: dict[str, set[bytes]] = {}
    ways: list[tuple[bytes, str]] = []
    for line in text.split("\n"):
        if " -p udp " not in line:
            continue
        target = _TARGET.fullmatch(line)
        if target:
            place = _place(target[2] or target[3], target[4])
            targets.setdefault(target[1], set()).add(place)
            continue
        way = _WAY.fullmatch(_COMMENT.sub("", line))
        if way:
            ways.append((_place(way[1] or "", way[2]), way[3]))
    return _resolved(ways, targets, _jumps(text)) if targets else {}


def _jumps(text: str) -> dict[str, list[str]]:
    jumps: dict[str, list[str]] = {}
    for chain, target in _JUMP.findall(text):
        jumps.setdefault(chain, []).append(target)
    return jumps


def _resolved(
    ways: list[tuple[bytes, str]], targets: dict[str, set[bytes]], jumps: dict[str, list[str]]
) -> Ways:
    found: dict[bytes, frozenset[bytes]] = {}
    for way, start in ways:
        reached = {start}
        waiting = [start]
        endpoints: set[bytes] = set(found.get(way, ()))
        while waiting:
            chain = waiting.pop()
            endpoints |= targets.get(chain, set())
            fresh = [target for target in jumps.get(chain, ()) if target not in reached]
            reached.update(fresh)
            waiting += fresh
        if endpoints:
            found[way] = frozenset(endpoints)
    return found


def _place(address: str, port: str) -> bytes:
    packed = b""
    try:
        if address:
            packed = socket.inet_pton(
                socket.AF_INET6 if ":" in address else socket.AF_INET, address
            )
        return packed + struct.pack("!H", int(port))
    except (OSError, struct.error):
        raise RefusedError(
            f"the rules of the slice name what is no address and port, {address} and {port}"
        ) from None
