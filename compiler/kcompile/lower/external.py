"""The zone of the addresses that Services have outside the cluster (CoreDNS's k8s_external)."""

from collections.abc import Iterator

from kcompile.address import Family
from kcompile.lower.lines import marker
from kcompile.lower.names import NamedService, name_service
from kcompile.lower.records import addressed_lines, headless_lines
from kcompile.planned import Plan, PlannedService
from kcompile.settings import DnsSettings


def external_lines(plan: Plan) -> Iterator[str]:
    """Below each namespace the Services with external or load balancer addresses, and headless
    ones with their endpoints."""
    zone, dns = plan.settings.dns.external_zone, plan.settings.dns
    below: dict[str, list[PlannedService]] = {each.name: [] for each in plan.namespaces}
    for service in sorted(plan.services, key=lambda service: service.name):
        below[service.namespace].append(service)
    for namespace in sorted(below):
        yield marker(f"{namespace}.{zone}.", dns.ttl)
        for service in below[namespace]:
            yield from external_service_lines(service, dns)


def external_service_lines(service: PlannedService, dns: DnsSettings) -> list[str]:
    """All that the zone holds of a Service; nothing if it is inside only."""
    if service.headless:
        return headless_lines(name_service(service, dns.external_zone, dns), dns)
    addresses = external_addresses(service)
    if not addresses:
        return []
    # Its endpoints are inside: they have no names here.
    name = f"{service.name}.{service.namespace}.{dns.external_zone}."
    return addressed_lines(NamedService(service, name, ()), addresses, dns)


def external_addresses(service: PlannedService) -> list[tuple[Family, int]]:
    found = {*service.external_ips}
    found |= {(family, ip) for family, ip, _ in service.load_balancer_ips}
    return sorted(found) if service.type != "ExternalName" else []
