"""The `conntrack` part: UDP flows must not stay with an endpoint that went away.

The kernel asks the rules about a flow's first packet only. A UDP client that goes on from the same
port stays with the endpoint of then for as long as it sends, so after a change the entries of such
flows are deleted, as kube-proxy does; the next packet finds a living endpoint.

An entry is ours only if it was sent to an address and port of a Service and went to an endpoint
that the rules of `before` had for it. So those of other programs' NAT stay, and those of clients
that came before there was a rule.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from kcompile.apply.difference import Difference
from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.netlink import (
    InterruptedDumpError,
    Message,
    Netfilter,
    NetlinkError,
    attribute,
    attributes,
)
from kcompile.apply.slices import Slice, own_digest
from kcompile.apply.ways import Ways, read_ways

# linux/netfilter/nfnetlink_conntrack.h: the subsystem is 1; operations, then attributes.
_GET, _DELETE, _STATISTICS = 0x101, 0x102, 0x105
_ORIGINAL, _REPLY, _STATUS, _ID, _ZONE, _STATUS_MASK = 1, 2, 3, 12, 18, 26
_NESTED = 0x8000
_DST_NAT = 1 << 5  # linux/netfilter/nf_conntrack_common.h, IPS_DST_NAT
_UDP = 17
_UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT}
_TRIES = 3

_RULES = {socket.AF_INET: "iptables.rules", socket.AF_INET6: "ip6tables.rules"}

Lost = Mapping[bytes, frozenset[bytes]]
"""The endpoints that went away, by each way in to a Service: address and port, or a node port
alone. Addresses and ports are in network order, as in the kernel's messages."""


class _Entry(NamedTuple):
    """A flow to an endpoint that went away; `key` are the attributes that name it for the kernel:
    the tuple of its answers, which a newer flow from the same client to a living endpoint has not
    (its number alone can be the same), and its number."""

    way: bytes
    endpoint: bytes
    key: bytes


def differences(host: Host, before: Slice | None, after: Slice | None) -> tuple[Difference, ...]:
    """Flows that follow an endpoint of `before` that `after` has not. Equal slices have none."""
    counts: Counter[tuple[str, str]] = Counter()
    for family, lost in _lost(host, before, after):
        with closing(_open()) as kernel:
            if _answers(kernel):
                counts.update(
                    (_shown(family, entry.way), _shown(family, entry.endpoint))
                    for entry in _stale(kernel, family, lost)
                )
    return tuple(
        Difference(
            "conntrack",
            "remove",
            f"UDP {way}",
            f"{count} flow{'s' * (count > 1)} to {endpoint}, which is no longer behind it",
        )
        for (way, endpoint), count in sorted(counts.items())
    )


def notices(host: Host, before: Slice | None, after: Slice | None) -> tuple[str, ...]:
    """What the operator should know."""
    if not any(True for _ in _lost(host, before, after)):
        return ()
    with closing(_open()) as kernel:
        return () if _answers(kernel) else (_NO_CTNETLINK,)


def converge(host: Host, before: Slice | None, after: Slice | None) -> None:
    """Delete them. To be run when the rules of `after` are in place."""
    for family, lost in _lost(host, before, after):
        with closing(_open()) as kernel:
            if _answers(kernel):
                _delete(kernel, family, _stale(kernel, family, lost))


_NO_CTNETLINK = (
    "This kernel has no nf_conntrack_netlink: UDP clients stay with endpoints that went away until "
    "they pause for longer than net.netfilter.nf_conntrack_udp_timeout_stream."
)


def _lost(
    host: Host, before: Slice | None, after: Slice | None
) -> Iterator[tuple[socket.AddressFamily, Lost]]:
    """By family, where there is something to delete."""
    if not host.live or before is None:
        return
    for family, name in _RULES.items():
        if own_digest(before, name) != own_digest(after, name):
            old = read_ways(before.own(name))
            lost = _gone(old, read_ways(after.own(name) if after else ""))
            if any(lost.values()):
                yield family, lost


def _gone(old: Ways, new: Ways) -> Lost:
    """Ways that lost nothing are there, too: what was sent to an address is not looked up again
    as if it was sent to a node port of the same number."""
    nothing: frozenset[bytes] = frozenset()
    lost = dict.fromkeys(new, nothing)
    for way, endpoints in old.items():
        lost[way] = endpoints - new.get(way, nothing)
    return lost


def _open() -> Netfilter:
    try:
        return Netfilter()
    except OSError as error:
        raise NodeError(f"no connection to the kernel's netfilter: {error.strerror}") from error


def _answers(kernel: Netfilter) -> bool:
    """Whether this kernel has ctnetlink; the statistics are the least that can be asked for."""
    try:
        kernel.get(_STATISTICS, socket.AF_UNSPEC)
    except NetlinkError as error:
        if error.number in _UNSUPPORTED:
            return False
        raise NodeError(
            f"the kernel does not tell about its connections: {error.reason}"
        ) from error
    return True


def _stale(kernel: Netfilter, family: socket.AddressFamily, lost: Lost) -> list[_Entry]:
    for _ in range(_TRIES):
        found = _listed(kernel, family, lost)
        if found is not None:
            return found
    raise NodeError("the kernel's connections cannot be listed: they change while they are read")


def _listed(kernel: Netfilter, family: socket.AddressFamily, lost: Lost) -> list[_Entry] | None:
    try:
        return list(_entries(kernel, family, lost))
    except InterruptedDumpError:
        return None
    except NetlinkError as error:
        raise NodeError(f"the kernel's connections cannot be listed: {error.reason}") from error


def _entries(kernel: Netfilter, family: socket.AddressFamily, lost: Lost) -> Iterator[_Entry]:
    # Kernels since 5.19 give only what was asked for; older ones all.
    translated = struct.pack("!I", _DST_NAT)
    asked = attribute(_STATUS, translated) + attribute(_STATUS_MASK, translated)
    match = _PATTERNS[family].match
    for data, start, end in kernel.dump(_GET, family, asked):
        found = match(data, start, end)
        if found is None:
            continue
        address, port, source, source_port = found.groups()
        way = address + port
        if way not in lost:
            way = port
        endpoint = source + source_port
        if endpoint in lost.get(way, ()):
            key = _key((data, start, end))
            if key:
                yield _Entry(way, endpoint, key)


def _key(entry: Message) -> bytes:
    data, start, end = entry
    found = {kind: data[at:stop] for kind, at, stop in attributes(data, start, end)}
    if not struct.unpack("!I", found.get(_STATUS, bytes(4)))[0] & _DST_NAT:
        return b""
    key = attribute(_NESTED | _REPLY, found[_REPLY]) + attribute(_ID, found[_ID])
    return key + attribute(_ZONE, found[_ZONE]) if _ZONE in found else key


def _delete(kernel: Netfilter, family: int, entries: Iterable[_Entry]) -> None:
    for entry in entries:
        number = _deleted(kernel, family, entry.key)
        if number not in {0, errno.ENOENT}:  # it ended by itself
            place = _shown(family, entry.endpoint)
            raise NodeError(f"UDP flows to {place} cannot be deleted: {os.strerror(number)}")


def _deleted(kernel: Netfilter, family: int, key: bytes) -> int:
    try:
        kernel.request(_DELETE, family, key)
    except NetlinkError as error:
        return error.number
    return 0


def _shown(family: int, place: bytes) -> str:
    (port,) = struct.unpack("!H", place[-2:])
    if len(place) == 2:
        return f"node port {port}"
    address = socket.inet_ntop(family, place[:-2])
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _pattern(size: int, source: int, destination: int) -> re.Pattern[bytes]:
    """How the kernel begins its message about a UDP flow: the tuple of the first packet, and that
    of the answers, each with addresses, protocol and ports (ctnetlink_dump_tuples), then perhaps
    its zone. One match is several times faster than going from attribute to attribute."""

    def head(length: int, kind: int) -> bytes:
        return re.escape(struct.pack("=HH", length, kind))

    def half(kind: int, before: bytes, after: bytes, first: bytes, second: bytes) -> bytes:
        return b"".join(
            (
                b"..",
                re.escape(struct.pack("=H", kind | _NESTED)),
                head(12 + 2 * size, 1 | _NESTED),
                head(4 + size, source) + before,
                head(4 + size, destination) + after,
                head(28, 2 | _NESTED),
                head(5, 1) + re.escape(bytes([_UDP])) + b"...",
                head(6, 2) + first + b"..",
                head(6, 3) + second + b"..",
            )
        )

    address, port = b".{%d}" % size, b".."
    zone = b"(?:" + head(6, 3) + b"....)?"
    original = half(_ORIGINAL, address, b"(" + address + b")", port, b"(" + port + b")")
    answers = half(_REPLY, b"(" + address + b")", address, b"(" + port + b")", port)
    return re.compile(original + zone + answers, re.DOTALL)


_PATTERNS = {socket.AF_INET: _pattern(4, 1, 2), socket.AF_INET6: _pattern(16, 3, 4)}
