"""The cluster's DNS as zones, as the Kubernetes DNS specification 1.1 and CoreDNS answer it.

The forward zone is in canonical DNS order (RFC 4034, 6.1), so all names of a Service stand
together; reverse zones are in the order of addresses.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from hashlib import sha256

from kcompile.address import Family, format_ip
from kcompile.ir import Soa, Zone, record_line
from kcompile.lower.dns_service import dns_addresses
from kcompile.lower.external import external_lines
from kcompile.lower.lines import address_lines, marker
from kcompile.lower.names import endpoint_label, name_service
from kcompile.lower.records import service_lines
from kcompile.lower.reverse import (
    Pointers,
    pointer_lines,
    reverse_origin,
    share_out,
    zone_ranges,
)
from kcompile.lower.zonal import zones_of
from kcompile.planned import Plan, PlannedService

_SPECIFICATION = '"1.1.0"'
_SPECIFICATION_TTL = 28800  # seconds; as CoreDNS and kube-dns have it
_SOA_TTL_LIMIT = 300  # seconds
_REFRESH, _RETRY, _EXPIRE = 7200, 1800, 86400  # seconds; CoreDNS's
_DIGESTED = 1000  # lines at a time, so that no copy of a large zone is made
_FAMILIES: tuple[Family, ...] = (4, 6)


def lower_zones(plan: Plan) -> tuple[Zone, ...]:
    """The zone of the cluster domain, the reverse zones of its ranges, and the external zone if
    the settings name one; sorted by origin."""
    domain, pointers = _domain(plan), Pointers()
    zones = [_zone(plan, domain, _forward(plan, pointers)), *_reverse(plan, pointers)]
    if plan.settings.dns.external_zone:
        origin = f"{plan.settings.dns.external_zone}."
        zones.append(_zone(plan, origin, external_lines(plan)))
    return tuple(sorted(zones, key=lambda zone: zone.origin))


def _domain(plan: Plan) -> str:
    return f"{plan.settings.cluster_domain}."


def _zone(plan: Plan, origin: str, lines: Iterable[str]) -> Zone:
    ttl = plan.settings.dns.ttl
    soa = Soa(
        ttl=min(ttl, _SOA_TTL_LIMIT),
        primary=f"ns.dns.{origin}",
        mailbox=f"hostmaster.{origin}",
        serial=0,
        refresh=_REFRESH,
        retry=_RETRY,
        expire=_EXPIRE,
        negative_ttl=ttl,
    )
    records = [record_line(origin, ttl, "NS", f"ns.dns.{_domain(plan)}"), *lines]
    digest = _digest(origin, soa, records)
    # RFC 1982: a serial of 0 is legal, but some servers take it for "none".
    serial = int(digest[:8], 16) or 1
    return Zone(origin, replace(soa, serial=serial), "".join(records), digest)


def _digest(origin: str, soa: Soa, lines: Sequence[str]) -> str:
    """SHA-256 of all records without their class; of a SOA whose serial nobody has chosen yet."""
    digest = sha256(f"{origin} {astuple(soa)}".encode())
    for first in range(0, len(lines), _DIGESTED):
        text = "".join(lines[first : first + _DIGESTED]).replace(" IN ", " ")
        # The ends of lines between records, not after the last.
        digest.update(b"\n" + text.removesuffix("\n").encode())
    return digest.hexdigest()


def _forward(plan: Plan, pointers: Pointers) -> Iterator[str]:
    """The lines of the cluster's zone; collects what its reverse zones hold besides, for which the
    names of endpoints need not be made again."""
    domain, dns = _domain(plan), plan.settings.dns
    servers = dns_addresses(plan) or dns.name_servers
    addresses = [(family, ip, format_ip(family, ip)) for family, ip in servers]
    yield from address_lines(f"ns.dns.{domain}", dns.ttl, addresses)
    yield record_line(f"dns-version.{domain}", _SPECIFICATION_TTL, "TXT", _SPECIFICATION)
    yield from _pods(plan, f"pod.{domain}")
    yield from _namespaces(plan, pointers)


def _pods(plan: Plan, parent: str) -> list[str]:
    """With pod records off there is no pod, and no namespace of pods, to ask for."""
    ttl = plan.settings.dns.ttl
    if not plan.settings.dns.pod_records:
        return [marker(parent, ttl)]
    below = {each.name: [marker(f"{each.name}.{parent}", ttl)] for each in plan.namespaces}
    addresses: set[tuple[str, Family, int]] = {(p.namespace, 4, p.ipv4) for p in plan.pods}
    addresses |= {(p.namespace, 6, p.ipv6) for p in plan.pods}
    for namespace, family, ip in addresses:
        if ip:
            address = format_ip(family, ip)
            owner = f"{endpoint_label(family, address)}.{namespace}.{parent}"
            below[namespace] += address_lines(owner, ttl, [(family, ip, address)])
    below["_ent"] = [marker(parent, ttl)]
    return [record for label in sorted(below) for record in sorted(below[label])]


def _namespaces(plan: Plan, pointers: Pointers) -> Iterator[str]:
    dns, parent = plan.settings.dns, f"svc.{plan.settings.cluster_domain}"
    zones = zones_of(plan) if dns.zonal else None
    below: dict[str, list[PlannedService]] = {each.name: [] for each in plan.namespaces}
    for service in sorted(plan.services, key=lambda service: service.name):
        below[service.namespace].append(service)
    for label in sorted([*below, "_ent"]):
        if label == "_ent":
            yield marker(f"{parent}.", dns.ttl)
            continue
        yield marker(f"{label}.{parent}.", dns.ttl)
        for service in below[label]:
            if dns.ignore_empty and _is_empty(service):
                continue
            named = name_service(service, parent, dns)
            pointers.add(named)
            yield from service_lines(named, dns, zones)


def _is_empty(service: PlannedService) -> bool:
    """Whether a Service has a cluster IP and nothing answers there; those that nobody declared
    always count."""
    groups = [group for port in service.ports for group in (port.endpoints4, port.endpoints6)]
    return (
        bool(service.cluster_ips)
        and not service.synthesised
        and not any(endpoint.state.ready for group in groups for endpoint in group)
    )


def _reverse(plan: Plan, pointers: Pointers) -> Iterator[Zone]:
    dns = plan.settings.dns
    ranges = zone_ranges(plan.settings)
    for family in _FAMILIES:
        for zone, share in share_out(ranges, pointers.sorted(family), family).items():
            lines = pointer_lines(family, share, dns.ttl, canonical=dns.ptr == "canonical")
            yield _zone(plan, reverse_origin(zone), lines)
