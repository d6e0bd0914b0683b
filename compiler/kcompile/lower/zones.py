"""The cluster's DNS as zones, as the Kubernetes DNS specification 1.1 and CoreDNS answer it.

The forward zone is in canonical DNS order (RFC 4034, 6.1), so all names of a Service stand
together; reverse zones are in the order of addresses.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from typing import Literal, NamedTuple

from kcompile.address import Family, format_ip
from kcompile.ir import Record, RecordType, Soa, Zone
from kcompile.lower.names import (
    MAX_LABEL,
    Host,
    NamedService,
    alias,
    endpoint_label,
    name_services,
)
from kcompile.lower.reverse import (
    Pointers,
    cut,
    pointer_name,
    pointers,
    reverse_origin,
    share_out,
)
from kcompile.model import ServicePort
from kcompile.planned import Plan, PlannedService

_SPECIFICATION = '"1.1.0"'
_SPECIFICATION_TTL = 28800  # seconds; as CoreDNS and kube-dns have it
_SOA_TTL_LIMIT = 300  # seconds
_REFRESH, _RETRY, _EXPIRE = 7200, 1800, 86400  # seconds; CoreDNS's
_FAMILIES: tuple[Family, ...] = (4, 6)
_ADDRESS_TYPES: dict[Family, RecordType] = {4: "A", 6: "AAAA"}


@dataclass(frozen=True, slots=True)
class ZoneOptions:
    """`ttl` in seconds (30 is kubeadm's); `ptr` canonical gives an address one name, the first.

    `dns_addresses` are the name server's where no kube-dns Service has any: the link-local
    address that NodeLocal DNSCache made customary.
    """

    ttl: int = 30
    ptr: Literal["all", "canonical"] = "all"
    pod_records: bool = False
    dns_addresses: tuple[tuple[Family, int], ...] = ((4, 0xA9FE140A),)


DEFAULT_OPTIONS = ZoneOptions()


def lower_zones(plan: Plan, options: ZoneOptions = DEFAULT_OPTIONS) -> tuple[Zone, ...]:
    """The zone of the cluster domain and the reverse zones of its ranges, sorted by origin."""
    services = name_services(plan)
    domain = _domain(plan)
    forward = _zone(domain, domain, options, _forward(plan, services, options))
    zones = [forward, *_reverse(plan, services, options)]
    return tuple(sorted(zones, key=lambda zone: zone.origin))


def dns_addresses(plan: Plan) -> tuple[tuple[Family, int], ...]:
    """Where the cluster's DNS answers: the kube-dns Service's cluster IPs, or its endpoints if it
    is headless; nothing if there is none."""
    for service in plan.services:
        if (service.namespace, service.name) == ("kube-system", "kube-dns"):
            return service.cluster_ips or _endpoint_addresses(service)
    return ()


def _endpoint_addresses(service: PlannedService) -> tuple[tuple[Family, int], ...]:
    found: set[tuple[Family, int]] = {(4, e.ip) for e in service.portless4 if e.state.ready}
    found |= {(6, e.ip) for e in service.portless6 if e.state.ready}
    for port in service.ports:
        found |= {(4, e.ip) for e in port.endpoints4 if e.state.ready}
        found |= {(6, e.ip) for e in port.endpoints6 if e.state.ready}
    return tuple(sorted(found))


def _domain(plan: Plan) -> str:
    return f"{plan.settings.cluster_domain}."


def _zone(origin: str, domain: str, options: ZoneOptions, records: Iterable[Record]) -> Zone:
    everything = (Record(origin, options.ttl, "NS", f"ns.dns.{domain}"), *records)
    soa = Soa(
        ttl=min(options.ttl, _SOA_TTL_LIMIT),
        primary=f"ns.dns.{origin}",
        mailbox=f"hostmaster.{origin}",
        serial=0,
        refresh=_REFRESH,
        retry=_RETRY,
        expire=_EXPIRE,
        negative_ttl=options.ttl,
    )
    digest = _digest(origin, soa, everything)
    # RFC 1982: a serial of 0 is legal, but some servers take it for "none".
    serial = int(digest[:8], 16) or 1
    return Zone(origin, replace(soa, serial=serial), everything, digest)


def _digest(origin: str, soa: Soa, records: Iterable[Record]) -> str:
    """SHA-256 of all records; of a SOA whose serial nobody has chosen yet."""
    digest = sha256(f"{origin} {astuple(soa)}\n".encode())
    lines = [f"{owner} {ttl} {type_} {data}" for owner, ttl, type_, data in records]
    digest.update("\n".join(lines).encode())
    return digest.hexdigest()


def _forward(
    plan: Plan, services: Sequence[NamedService], options: ZoneOptions
) -> Iterator[Record]:
    domain, ttl = _domain(plan), options.ttl
    for family, ip in dns_addresses(plan) or options.dns_addresses:
        yield Record(f"ns.dns.{domain}", ttl, _ADDRESS_TYPES[family], format_ip(family, ip))
    yield Record(f"dns-version.{domain}", _SPECIFICATION_TTL, "TXT", _SPECIFICATION)
    yield from _pods(plan, f"pod.{domain}", options)
    yield from _namespaces(plan, services, f"svc.{domain}", options)


def _exists(name: str, ttl: int) -> Record:
    """A marker below a name that has no records: the name then exists, and a question about it is
    answered with "no data", not "no such name"."""
    return Record(f"_ent.{name}", ttl, "TXT", '"exists"')


def _pods(plan: Plan, parent: str, options: ZoneOptions) -> list[Record]:
    """With pod records off there is no pod, and no namespace of pods, to ask for."""
    ttl = options.ttl
    if not options.pod_records:
        return [_exists(parent, ttl)]
    below: dict[str, list[Record]] = {
        namespace.name: [_exists(f"{namespace.name}.{parent}", ttl)]
        for namespace in plan.namespaces
    }
    addresses: set[tuple[str, Family, int]] = {(p.namespace, 4, p.ipv4) for p in plan.pods}
    addresses |= {(p.namespace, 6, p.ipv6) for p in plan.pods}
    for namespace, family, ip in addresses:
        if ip:
            address = format_ip(family, ip)
            owner = f"{endpoint_label(family, address)}.{namespace}.{parent}"
            below[namespace].append(Record(owner, ttl, _ADDRESS_TYPES[family], address))
    below["_ent"] = [_exists(parent, ttl)]
    return [record for label in sorted(below) for record in sorted(below[label])]


def _namespaces(
    plan: Plan, services: Sequence[NamedService], parent: str, options: ZoneOptions
) -> Iterator[Record]:
    below: dict[str, list[NamedService]] = {n.name: [] for n in plan.namespaces}
    for named in services:
        below[named.service.namespace].append(named)
    for label in sorted([*below, "_ent"]):
        if label == "_ent":
            yield _exists(parent, options.ttl)
            continue
        yield _exists(f"{label}.{parent}", options.ttl)
        for named in below[label]:
            yield from service_records(named, options.ttl)


def service_records(named: NamedService, ttl: int) -> list[Record]:
    """All that the forward zone holds of a Service, in canonical order."""
    service, name = named.service, named.name
    if service.type == "ExternalName":
        target = alias(service, name)
        return [Record(name, ttl, "CNAME", target)] if target else []
    if service.headless:
        addresses = sorted({(host.family, host.ip, host.address) for host in named.hosts})
        ports = _endpoint_ports(named)
    else:
        addresses = [(family, ip, format_ip(family, ip)) for family, ip in service.cluster_ips]
        ports = _service_ports(named)
    records = [Record(name, ttl, _ADDRESS_TYPES[family], text) for family, _, text in addresses]
    records += _locations(name, ttl, [place for port in ports for place in port.places])
    # Below a Service's name, labels come in the order of their bytes: digits, "_", letters.
    middle = bisect_left(named.hosts, ("_",))
    _add_hosts(records, named.hosts[:middle], ttl)
    for port in ports:
        if port.name and len(port.name) <= MAX_LABEL:
            owner = f"{port.name}.{port.protocol}.{name}"
            records += _locations(owner, ttl, port.places)
    _add_hosts(records, named.hosts[middle:], ttl)
    return records


class _Port(NamedTuple):
    """Where a service port is found: number and name of the host, one for each way to it."""

    protocol: str
    name: str
    places: list[tuple[int, str]]


def _service_ports(named: NamedService) -> list[_Port]:
    """Ports of the Service itself, one place for each of its addresses."""
    ways = len(named.service.cluster_ips)
    return sorted(
        _port(port.spec, [(port.spec.port, named.name)] * ways) for port in named.service.ports
    )


def _endpoint_ports(named: NamedService) -> list[_Port]:
    """Ports of the endpoints, which a headless Service names instead of its own."""
    names = {(host.family, host.ip, host.hostname): host.name for host in named.hosts}
    ports = []
    for port in named.service.ports:
        places = [(e.port, names[4, e.ip, e.hostname]) for e in port.endpoints4 if e.state.ready]
        places += [(e.port, names[6, e.ip, e.hostname]) for e in port.endpoints6 if e.state.ready]
        ports.append(_port(port.spec, places))
    return sorted(ports)


def _port(spec: ServicePort, places: list[tuple[int, str]]) -> _Port:
    name = f"_{spec.name}" if spec.name else ""
    return _Port(f"_{spec.protocol.lower()}", name, places)


def _locations(owner: str, ttl: int, places: Sequence[tuple[int, str]]) -> list[Record]:
    """SRV records. The weight counts places before equal ones become one, as CoreDNS does."""
    if not places:
        return []
    weight = max(1, 100 // len(places))
    return [
        Record(owner, ttl, "SRV", f"0 {weight} {number} {target}")
        for number, target in sorted(set(places))
    ]


def _add_hosts(records: list[Record], hosts: Sequence[Host], ttl: int) -> None:
    """What endpoints' own names say. Unrolled, because most records of a big zone are made here."""
    if not hosts:
        return
    following = [*[host.name for host in hosts[1:]], ""]
    shared: list[int] = []
    for (_, name, family, _, address, numbers, _), next_name in zip(hosts, following, strict=True):
        record = Record(name, ttl, _ADDRESS_TYPES[family], address)
        if not (shared and records[-1] == record):
            records.append(record)
        if name == next_name or shared:
            shared += numbers
            if name != next_name:
                records += _locations(name, ttl, [(number, name) for number in shared])
                shared = []
        elif len(numbers) == 1:
            records.append(Record(name, ttl, "SRV", f"0 100 {numbers[0]} {name}"))
        else:
            records += _locations(name, ttl, [(number, name) for number in numbers])


def _reverse(plan: Plan, services: Sequence[NamedService], options: ZoneOptions) -> Iterator[Zone]:
    settings = plan.settings
    ranges = {zone for cidr in (*settings.service_cidrs, *settings.pod_cidrs) for zone in cut(cidr)}
    for family in _FAMILIES:
        names = pointers(services, family)
        for zone, addresses in share_out(ranges, names, family).items():
            records = _pointers(family, addresses, names, options)
            yield _zone(reverse_origin(zone), _domain(plan), options, records)


def _pointers(
    family: Family, addresses: Iterable[int], names: Pointers, options: ZoneOptions
) -> Iterator[Record]:
    ttl, limit = options.ttl, None if options.ptr == "all" else 1
    for ip in addresses:
        owner = pointer_name(family, ip)
        for name in sorted(set(names[ip]))[:limit]:
            yield Record(owner, ttl, "PTR", name)
