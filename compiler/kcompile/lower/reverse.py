"""Reverse zones: which there are for a range, and which names of addresses they hold."""

from collections.abc import Iterable, Mapping

from kcompile.address import BITS, Cidr, Family
from kcompile.lower.names import NamedService

Pointers = Mapping[int, list[str]]
"""Names by the address that they stand for."""


def cut(cidr: Cidr) -> tuple[Cidr, ...]:
    """The ranges of the reverse zones for a range of addresses.

    A name in in-addr.arpa ends at an octet, in ip6.arpa at a nibble: a range that ends between
    two is cut at the next. Never one octet up: that zone would take the names of other networks.
    From /25 on there is no next octet: the /24 around it if that leaves few strangers in it, else
    one zone an address. (RFC 2317 asks for CNAMEs in a zone that is not ours.)
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
        return f"{ip & 255}.{ip >> 8 & 255}.{ip >> 16 & 255}.{ip >> 24}.in-addr.arpa."
    return ".".join(f"{ip:032x}"[::-1]) + ".ip6.arpa."


def pointers(services: Iterable[NamedService], family: Family) -> Pointers:
    """Names by address: a Service's own for its cluster IP, its endpoints' for theirs.

    An address that is both is the Service's alone.
    """
    own: dict[int, list[str]] = {}
    hosts: dict[int, list[str]] = {}
    for named in services:
        ip = named.service.cluster_ip(family)
        if ip:
            own.setdefault(ip, []).append(named.name)
        for host in named.hosts:
            if host.family != family:
                continue
            if host.ip in hosts:
                hosts[host.ip].append(host.name)
            else:
                hosts[host.ip] = [host.name]
    return hosts | own


def share_out(zones: Iterable[Cidr], names: Pointers, family: Family) -> dict[Cidr, list[int]]:
    """The addresses whose names each zone holds, sorted. The longest zone has an address; one
    outside all zones is left out."""
    shares: dict[Cidr, list[int]] = {zone: [] for zone in sorted(zones) if zone.family == family}
    bits = BITS[family]
    prefixes = sorted({zone.prefix for zone in shares}, reverse=True)
    by_place = {(zone.prefix, zone.base >> bits - zone.prefix): shares[zone] for zone in shares}
    for ip in sorted(names):
        for prefix in prefixes:
            share = by_place.get((prefix, ip >> bits - prefix))
            if share is not None:
                share.append(ip)
                break
    return shares


def _zone_prefix(cidr: Cidr) -> int:
    if cidr.family == 6:
        return -(-cidr.prefix // 4) * 4
    if cidr.prefix <= 24:
        return -(-cidr.prefix // 8) * 8
    return 24 if cidr.prefix < 28 else 32
