"""Which of the Services is the cluster's DNS, and where it answers."""

from kcompile.address import Family
from kcompile.planned import Plan, PlannedService
from kcompile.resolve.services import DNS, reserved_address

_FAMILIES: tuple[Family, ...] = (4, 6)
Addresses = tuple[tuple[Family, int], ...]


def dns_service(plan: Plan) -> PlannedService | None:
    """kube-system/kube-dns; if there is none, who has the tenth service address: kubelets are told
    the address, not the name."""
    primary = plan.settings.service_cidrs[0]
    tenth = reserved_address(primary, DNS)
    another = None
    for service in plan.services:
        if service.name == DNS.name and service.namespace == DNS.namespace:
            return service
        if tenth and service.cluster_ip(primary.family) == tenth:
            another = service
    return another


def dns_addresses(plan: Plan) -> Addresses:
    """Where pods ask: the DNS Service's cluster IPs, or its endpoints if it is headless; nothing
    if there is none."""
    service = dns_service(plan)
    return () if service is None else service.cluster_ips or endpoint_addresses(service)


def endpoint_addresses(service: PlannedService) -> Addresses:
    """Those of ready endpoints, sorted."""
    found: set[tuple[Family, int]] = {(4, e.ip) for e in service.portless4 if e.state.ready}
    found |= {(6, e.ip) for e in service.portless6 if e.state.ready}
    for port in service.ports:
        for family in _FAMILIES:
            found |= {(family, e.ip) for e in port.endpoints(family) if e.state.ready}
    return tuple(sorted(found))
