"""The records of a Service, as lines of a master file, in canonical order (RFC 4034, 6.1)."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from kcompile.address import Family, format_ip
from kcompile.ir import record_line
from kcompile.lower.lines import Address, Place, address_lines, location_lines, locations_fit
from kcompile.lower.names import MAX_LABEL, Host, NamedService, alias, own_label, ready
from kcompile.lower.zonal import ZoneOf, zonal_lines
from kcompile.model import ServicePort
from kcompile.settings import DnsSettings

_FAMILIES: tuple[Family, ...] = (4, 6)


class Port(NamedTuple):
    """Where a service port is found: a place for each way to it."""

    protocol: str
    name: str
    places: list[Place]


def service_lines(named: NamedService, dns: DnsSettings, zones: ZoneOf | None = None) -> list[str]:
    """All that the cluster's zone holds of a Service; the names in each topology zone if `zones`
    says which nodes are where."""
    service, name = named.service, named.name
    if service.type == "ExternalName":
        target = alias(service, name)
        return [record_line(name, dns.ttl, "CNAME", target)] if target else []
    if service.headless:
        return headless_lines(named, dns, zones)
    return addressed_lines(named, service.cluster_ips, dns)


def addressed_lines(
    named: NamedService, addresses: Sequence[tuple[Family, int]], dns: DnsSettings
) -> list[str]:
    """A Service at addresses of its own, which all its ports have."""
    ways = len(addresses)
    ports = sorted(
        _port(port.spec, [(port.spec.port, named.name)] * ways) for port in named.service.ports
    )
    return _lines(named, [(f, ip, format_ip(f, ip)) for f, ip in addresses], ports, dns.ttl)


def headless_lines(named: NamedService, dns: DnsSettings, zones: ZoneOf | None = None) -> list[str]:
    """A Service whose addresses and ports are its endpoints'."""
    addresses = sorted({host[2:5] for host in named.hosts})
    extra = zonal_lines(named, zones, dns) if zones is not None else ()
    return _lines(named, addresses, endpoint_ports(named, dns), dns.ttl, extra)


def endpoint_ports(named: NamedService, dns: DnsSettings) -> list[Port]:
    """Ports of the endpoints, which a headless Service names instead of its own."""
    names = {(host[2], host[3], host[6]): host[1] for host in named.hosts}
    return sorted(
        _port(
            port.spec,
            [
                (endpoint.port, names[family, endpoint.ip, own_label(endpoint, dns)])
                for family in _FAMILIES
                for endpoint in ready(port.endpoints(family))
            ],
        )
        for port in named.service.ports
    )


def _port(spec: ServicePort, places: list[Place]) -> Port:
    name = f"_{spec.name}" if spec.name else ""
    return Port(f"_{spec.protocol.lower()}", name, places)


def _lines(
    named: NamedService,
    addresses: Iterable[Address],
    ports: Sequence[Port],
    ttl: int,
    extra: Iterable[str] = (),
) -> list[str]:
    """`extra` are those below `_zone`, a label after those of all protocols."""
    name = named.name
    lines = address_lines(name, ttl, addresses)
    everywhere = [place for port in ports for place in port.places]
    # Only CoreDNS has these, not the specification: where they are too many, names of ports do.
    if locations_fit(name, everywhere):
        lines += location_lines(name, ttl, everywhere)
    # Below a Service's name, labels come in the order of their bytes: digits, "_", letters.
    hosts = named.hosts
    middle = bisect_left(hosts, ("_",)) if hosts and hosts[-1][0] > "_" else len(hosts)
    _add_hosts(lines, hosts[:middle], ttl)
    for port in ports:
        if port.name and len(port.name) <= MAX_LABEL:
            owner = f"{port.name}.{port.protocol}.{name}"
            lines += location_lines(owner, ttl, port.places)
    lines += extra
    _add_hosts(lines, hosts[middle:], ttl)
    return lines


def _add_hosts(lines: list[str], hosts: Sequence[Host], ttl: int) -> None:
    """What endpoints' own names say: most records of a big zone are made here."""
    if not hosts:
        return
    names = {host[1] for host in hosts}
    if len(names) == len(hosts) and {len(host[5]) for host in hosts} == {1}:
        types = {4: f" {ttl} IN A ", 6: f" {ttl} IN AAAA "}
        srv = f" {ttl} IN SRV 0 100 "
        lines += [
            f"{name}{types[family]}{address}\n{name}{srv}{numbers[0]} {name}\n"
            for _, name, family, _, address, numbers, _ in hosts
        ]
        return
    for name, group in groupby(hosts, key=lambda host: host[1]):
        same = tuple(group)
        # An endpoint's own label may be what its address would give.
        lines += dict.fromkeys(address_lines(name, ttl, [host[2:5] for host in same]))
        lines += location_lines(name, ttl, [(number, name) for host in same for number in host[5]])
