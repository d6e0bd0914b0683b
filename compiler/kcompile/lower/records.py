"""The records of a Service, as lines of a master file, in canonical order (RFC 4034, 6.1)."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kcompile.address import Family, format_ip
from kcompile.ir import record_line
from kcompile.lower.lines import Address, Place, address_lines, location_lines
from kcompile.lower.names import MAX_LABEL, Host, NamedService, alias, own_label, ready
from kcompile.lower.zonal import ZoneOf, zonal_lines
from kcompile.model import DnsSettings, ServicePort


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
    names = {(host[3], host[6]): host[1] for host in named.hosts}
    return sorted(
        _port(
            port.spec,
            [
                (endpoint.port, names[endpoint.ip, own_label(endpoint, dns)])
                for endpoint in ready((*port.endpoints4, *port.endpoints6))
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
    lines += location_lines(name, ttl, [place for port in ports for place in port.places])
    # Below a Service's name, labels come in the order of their bytes: digits, "_", letters.
    middle = bisect_left(named.hosts, ("_",))
    _add_hosts(lines, named.hosts[:middle], ttl)
    for port in ports:
        if port.name and len(port.name) <= MAX_LABEL:
            owner = f"{port.name}.{port.protocol}.{name}"
            lines += location_lines(owner, ttl, port.places)
    lines += extra
    _add_hosts(lines, named.hosts[middle:], ttl)
    return lines


def _add_hosts(lines: list[str], hosts: Sequence[Host], ttl: int) -> None:
    """What endpoints' own names say. Unrolled, because most records of a big zone are made here."""
    if not hosts:
        return
    a, aaaa, srv = f" {ttl} IN A ", f" {ttl} IN AAAA ", f" {ttl} IN SRV 0 100 "
    following = [*[host[1] for host in hosts[1:]], ""]
    shares, numbers_of_all = False, list[int]()
    for (_, name, family, _, address, numbers, _), next_name in zip(hosts, following, strict=True):
        line = f"{name}{a if family == 4 else aaaa}{address}\n"
        if len(numbers) == 1 and not shares and name != next_name:
            lines.append(f"{line}{name}{srv}{numbers[0]} {name}\n")
            continue
        if not (shares and lines[-1] == line):
            lines.append(line)
        numbers_of_all += numbers
        shares = name == next_name
        if not shares:
            lines += location_lines(name, ttl, [(number, name) for number in numbers_of_all])
            numbers_of_all.clear()
