"""What Services and their endpoints are called in DNS (Kubernetes DNS specification 1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kcompile.address import Family, format_ip, parse_ip
from kcompile.planned import Endpoint, Plan, PlannedService

MAX_LABEL = 63  # octets; RFC 1035, 2.3.4


class Host(NamedTuple):
    """An endpoint's name: `label` under its Service's name, `name` the whole of it. Endpoints with
    one host name (of a pod with two addresses, or of slices) share it.

    `numbers` holds a port number for each service port that leads here, in the Service's order.
    `hostname` is the endpoint's own, "" where the label comes from its address.
    A named tuple, because a big cluster has 100,000.
    """

    label: str
    name: str
    family: Family
    ip: int
    address: str
    numbers: Sequence[int]
    hostname: str


@dataclass(frozen=True, slots=True)
class NamedService:
    """A Service, its absolute name and its endpoints' hosts, sorted by label."""

    service: PlannedService
    name: str
    hosts: tuple[Host, ...]


def name_services(plan: Plan) -> tuple[NamedService, ...]:
    """Every Service with its names, sorted by namespace and name."""
    domain = plan.settings.cluster_domain
    services = sorted(plan.services, key=lambda service: (service.namespace, service.name))
    return tuple(name_service(service, domain) for service in services)


def name_service(service: PlannedService, domain: str) -> NamedService:
    name = f"{service.name}.{service.namespace}.svc.{domain}."
    hosts = [
        *_hosts(service, name, 4, service.portless4),
        *_hosts(service, name, 6, service.portless6),
    ]
    hosts.sort()
    return NamedService(service, name, tuple(hosts))


def endpoint_label(family: Family, address: str) -> str:
    """An address as one label: dashes for its dots or colons."""
    if family == 4:
        return address.replace(".", "-")
    label = address.replace(":", "-")
    # A label cannot end in a dash (RFC 952), so an address that ends in "::" gets a zero.
    return label + "0" if label.endswith("-") else label


def alias(service: PlannedService, name: str) -> str:
    """What an ExternalName Service of this name stands for, or "" where DNS cannot say it: an
    address, or the very name."""
    target = f"{service.external_name}."
    return "" if target == name or _is_address(service.external_name) else target


def _is_address(text: str) -> bool:
    try:
        parse_ip(text)
    except ValueError:
        return False
    return True


def _hosts(
    service: PlannedService, name: str, family: Family, portless: tuple[Endpoint, ...]
) -> list[Host]:
    numbers: dict[tuple[int, str], list[int]] = {
        (e.ip, e.hostname): [] for e in portless if e.state.ready
    }
    for port in service.ports:
        for endpoint in port.endpoints(family):
            if not endpoint.state.ready:
                continue
            key = endpoint.ip, endpoint.hostname
            if key in numbers:
                numbers[key].append(endpoint.port)
            else:
                numbers[key] = [endpoint.port]
    hosts = []
    for (ip, hostname), ports in numbers.items():
        address = format_ip(family, ip)
        label = hostname or endpoint_label(family, address)
        hosts.append(Host(label, f"{label}.{name}", family, ip, address, ports, hostname))
    return hosts
