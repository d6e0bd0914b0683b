"""Reverse zones: which there are for a range, and which names of addresses they hold."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from socket import inet_ntoa

from kcompile.address import BITS, Cidr, Family
from kcompile.lower.names import NamedService
from kcompile.settings import Settings

Pointer = tuple[int, str]
"""An address and a name that it has."""


def zone_ranges(settings: Settings) -> frozenset[Cidr]:
    """The ranges of all reverse zones of a cluster."""
    whole = (*settings.service_cidrs, *settings.pod_cidrs, *settings.dns.reverse_ranges)
    return frozenset(zone for cidr in whole for zone in cut(cidr))


def cut(cidr: Cidr) -> tuple[Cidr, ...]:
    """The ranges of the reverse zones for a range of addresses.

    A name in in-addr.arpa ends at an octet, in ip6.arpa at a nibble: a range that ends between
    two is cut at the next. Never one octet up: that zone would take the names of other networks.
    From /25 on there is no next octet: the /24 around it if that leaves few strangers in it, else
    one zone an address. (RFC 2317 asks for CNAMEs in a zone that is not ours.) So a range has at
    most 128 zones of IPv4, or 8 of IPv6.
    """
    prefix = _zone_prefix(cidr)
    size = 1 << BITS[cidr.family] - prefix
    base = cidr.base - cidr.base % size
    return tuple(Cidr(cidr.family, first, prefix) for first in range(base, cidr.last + 1, size))


def reverse_origin(zone: Cidr) -> str:
    """The origin of the reverse zone for a range that ends at an octet or nibble."""
    whole = pointer_name(zone.family, zone.base)
    hidden = (BITS[zone.family] - zone.prefix) // (8 if zone.family == 4 else 4)
    return whole.split(".", hidden)[-1]


def pointer_name(family: Family, ip: int) -> str:
    """The name that stands for an address in a reverse zone."""
    if family == 4:
        return f"{inet_ntoa(ip.to_bytes(4, 'little'))}.in-addr.arpa."
    return ".".join(f"{ip:032x}"[::-1]) + ".ip6.arpa."


class Pointers:
    """What addresses lead back to, collected Service by Service: a cluster IP to its Service, the
    addresses of endpoints to their names."""

    def __init__(self) -> None:
        self._own: dict[Family, list[Pointer]] = {4: [], 6: []}
        self._hosts: dict[Family, list[Pointer]] = {4: [], 6: []}

    def add(self, named: NamedService) -> None:
        for family, ip in named.service.cluster_ips:
            self._own[family].append((ip, named.name))
        for _, name, family, ip, _, _, _ in named.hosts:
            self._hosts[family].append((ip, name))

    def sorted(self, family: Family) -> list[Pointer]:
        """All of a family, equal ones too. An address that is both is the Service's alone."""
        own, hosts = self._own[family], self._hosts[family]
        taken = {ip for ip, _ in own}
        return sorted([*own, *(pointer for pointer in hosts if pointer[0] not in taken)])


def share_out(
    zones: Iterable[Cidr], found: Sequence[Pointer], family: Family
) -> Mapping[Cidr, Sequence[Pointer]]:
    """What each zone holds of sorted pointers. The longest zone has an address; one outside all
    zones is left out."""
    ordered = sorted(zone for zone in zones if zone.family == family)
    return {
        zone: [
            pointer
            for first, end in _parts(zone, ordered[index + 1 :])
            for pointer in found[bisect_left(found, (first, "")) : bisect_left(found, (end, ""))]
        ]
        for index, zone in enumerate(ordered)
    }


def pointer_lines(
    family: Family, found: Iterable[Pointer], ttl: int, *, canonical: bool
) -> Iterator[str]:
    """Lines of PTR records for sorted pointers; the first of each address if canonical."""
    bits = 8 if family == 4 else 4
    labels = [str(octet) for octet in range(256)] if family == 4 else [*"0123456789abcdef"]
    mask, high, tail, last = len(labels) - 1, -1, "", (-1, "")
    for pointer in found:
        ip, name = pointer
        if ip == last[0] and (canonical or pointer == last):
            continue
        last = pointer
        if ip >> bits != high:
            high = ip >> bits
            tail = f".{pointer_name(family, ip).partition('.')[2]} {ttl} IN PTR "
        yield f"{labels[ip & mask]}{tail}{name}\n"


def _parts(zone: Cidr, following: Iterable[Cidr]) -> Iterator[tuple[int, int]]:
    """Firsts and ends of what longer zones leave of one; `following` are sorted."""
    first = zone.base
    for longer in following:
        if longer.base > zone.last:
            break
        if longer.base > first:
            yield first, longer.base
        first = max(first, longer.last + 1)
    if first <= zone.last:
        yield first, zone.last + 1


def _zone_prefix(cidr: Cidr) -> int:
    if cidr.family == 6:
        return -(-cidr.prefix // 4) * 4
    if cidr.prefix <= 24:
        return -(-cidr.prefix // 8) * 8
    return 24 if cidr.prefix < 28 else 32
