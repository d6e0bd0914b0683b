"""Names of a headless Service in each topology zone (CoreDNS's `zonal`): below `pin` only the
endpoints there, below `prefer` those, or all where there are none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kcompile.address import Family, format_ip
from kcompile.lower.lines import Address, Place, address_lines, location_lines, marker
from kcompile.lower.names import MAX_LABEL, NamedService, own_label, ready
from kcompile.planned import Endpoint, Plan, PlannedService
from kcompile.settings import DnsSettings

ZoneOf = Mapping[str, str]
"""The topology zone of each node that has one."""

_LABEL = "topology.kubernetes.io/zone"


def zones_of(plan: Plan) -> ZoneOf:
    found = ((node.name, dict(node.labels).get(_LABEL, "")) for node in plan.nodes)
    return {node: zone for node, zone in found if zone}


def zonal_lines(named: NamedService, zones: ZoneOf, dns: DnsSettings) -> list[str]:
    """In canonical order. Below `pin` a zone without endpoints exists, and has no data; a name
    below `prefer` then stands for all."""
    found = [*_found(named, zones, dns)]
    if not found:
        return []
    by_zone: dict[str, list[_Found]] = {}
    for each in found:
        if _is_label(each.zone):
            by_zone.setdefault(each.zone, []).append(each)
    base = f"_zone.{named.name}"
    lines = [marker(f"*.pin.{base}", dns.ttl)]
    for zone in sorted(by_zone):
        lines += _lines(f"{zone}.pin.{base}", by_zone[zone], dns.ttl)
    lines += _lines(f"*.prefer.{base}", found, dns.ttl)
    for zone in sorted(by_zone):
        lines += _lines(f"{zone}.prefer.{base}", by_zone[zone], dns.ttl)
    return lines


class _Found(NamedTuple):
    """An endpoint: its topology zone, address, and place; a place without a number if none of the
    Service's ports leads to it."""

    zone: str
    address: Address
    place: Place


def _found(named: NamedService, zones: ZoneOf, dns: DnsSettings) -> Iterator[_Found]:
    names = {(host[2], host[3], host[6]): host[1] for host in named.hosts}
    for family, endpoint in _endpoints(named.service):
        zone = endpoint.zone or zones.get(endpoint.node, "")
        address = (family, endpoint.ip, format_ip(family, endpoint.ip))
        name = names[family, endpoint.ip, own_label(endpoint, dns)]
        yield _Found(zone.lower(), address, (endpoint.port, name))


def _endpoints(service: PlannedService) -> Iterator[tuple[Family, Endpoint]]:
    groups4 = (service.portless4, *(port.endpoints4 for port in service.ports))
    groups6 = (service.portless6, *(port.endpoints6 for port in service.ports))
    yield from ((4, endpoint) for group in groups4 for endpoint in ready(group))
    yield from ((6, endpoint) for group in groups6 for endpoint in ready(group))


def _is_label(zone: str) -> bool:
    return 0 < len(zone) <= MAX_LABEL and "." not in zone


def _lines(owner: str, found: Sequence[_Found], ttl: int) -> list[str]:
    addresses = sorted({each.address for each in found})
    places = [each.place for each in found if each.place[0]]
    return [*address_lines(owner, ttl, addresses), *location_lines(owner, ttl, places)]
