"""A name server in a few lines: zone files in, answers out (RFC 1034, 4.3.2, and RFC 8020)."""

from collections.abc import Iterable
from dataclasses import dataclass

import dns.name
import dns.rdatatype
import dns.zone

from kcompile.ir import Zone
from kcompile.render.zones import zone_text


@dataclass(frozen=True, slots=True)
class Answer:
    """`records` are "owner TTL type data", sorted. No error and no records is "no data"."""

    rcode: str
    records: tuple[str, ...] = ()


class Server:
    """Zones as read back from their text."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.texts = {zone.origin: zone_text(zone) for zone in zones}
        self._zones = {
            dns.name.from_text(origin): dns.zone.from_text(text, origin=origin, relativize=False)
            for origin, text in self.texts.items()
        }
        self._names = {
            above
            for origin, zone in self._zones.items()
            for name in zone.nodes
            for above in _up_to(name, origin)
        }

    def ask(self, name: str, kind: str) -> Answer:
        """A CNAME is followed within the zones, as name servers do."""
        owner = dns.name.from_text(name.lower())
        zone = self._zone(owner)
        if zone is None:
            return Answer("REFUSED")
        source = self._source(owner)
        if source is None:
            return Answer("NXDOMAIN")
        found = _records(zone, source, kind, owner)
        if found or kind == "CNAME":
            return Answer("NOERROR", found)
        cname = _records(zone, source, "CNAME", owner)
        if not cname:
            return Answer("NOERROR")
        target = self.ask(cname[0].split()[-1], kind)
        rcode = "NOERROR" if target.rcode == "REFUSED" else target.rcode
        return Answer(rcode, tuple(sorted((*cname, *target.records))))

    def _source(self, owner: dns.name.Name) -> dns.name.Name | None:
        """Whose records answer: the name's, or those of a wildcard below what exists of it."""
        if owner in self._names:
            return owner
        above = owner.parent()
        while above not in self._names:
            above = above.parent()
        wildcard = dns.name.Name((b"*", *above.labels))
        return wildcard if wildcard in self._names else None

    def _zone(self, name: dns.name.Name) -> dns.zone.Zone | None:
        around = [origin for origin in self._zones if name.is_subdomain(origin)]
        return self._zones[max(around, key=len)] if around else None


def _up_to(name: dns.name.Name, origin: dns.name.Name) -> Iterable[dns.name.Name]:
    while name != origin:
        yield name
        name = name.parent()
    yield origin


def _records(
    zone: dns.zone.Zone, source: dns.name.Name, kind: str, owner: dns.name.Name
) -> tuple[str, ...]:
    found = zone.get_rdataset(source, dns.rdatatype.from_text(kind))
    if found is None:
        return ()
    return tuple(sorted(f"{owner} {found.ttl} {kind} {data}" for data in found))
