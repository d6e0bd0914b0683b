"""A Service's Endpoints object, as Kubernetes' endpoints controller would keep it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kcompile.explain.contents import Endpoint, Service, Settings
from kcompile.labels import Labels

FamilyName = Literal["IPv4", "IPv6"]


@dataclass(frozen=True, slots=True)
class EndpointPort:
    name: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Subset:
    """Every address has every port; a Service without ports has addresses only."""

    addresses: tuple[Endpoint, ...]
    ports: tuple[EndpointPort, ...]


@dataclass(frozen=True, slots=True)
class Endpoints:
    namespace: str
    name: str
    labels: Labels
    subsets: tuple[Subset, ...]


def endpoints(service: Service, settings: Settings) -> Endpoints | None:
    """Addresses of the Service's first family: Endpoints know no second one.

    None where Kubernetes has no such object: the controller passes over Services without selector.
    What each node has for itself (its DNS server) is no endpoint that anybody could list.
    """
    if settings.node_dns_address in {endpoint.ip for _, endpoint in _all_endpoints(service)}:
        return None
    if not service.selector and not any(_all_endpoints(service)):
        return None
    primary = families(service, settings)[0]
    by_ip: dict[str, list[EndpointPort]] = {}
    first: dict[str, Endpoint] = {}
    for port, endpoint in _all_endpoints(service):
        if family_name(endpoint.ip) == primary:
            first.setdefault(endpoint.ip, endpoint)
            ports = by_ip.setdefault(endpoint.ip, [])
            if port is not None:
                ports.append(port)
    subsets: dict[tuple[EndpointPort, ...], list[Endpoint]] = {}
    for ip, ports in by_ip.items():
        subsets.setdefault(tuple(ports), []).append(first[ip])
    return Endpoints(
        namespace=service.namespace,
        name=service.name,
        labels=service.labels,
        subsets=tuple(Subset(tuple(addresses), ports) for ports, addresses in subsets.items()),
    )


def families(service: Service, settings: Settings) -> tuple[FamilyName, ...]:
    """The Service's IP families, the first one first; a headless one's are its endpoints'."""
    if service.cluster_ips and service.cluster_ips != ("None",):
        return tuple(map(family_name, service.cluster_ips))
    cluster = tuple(dict.fromkeys(map(family_name, settings.service_cidrs)))
    found = {family_name(endpoint.ip) for _, endpoint in _all_endpoints(service)}
    return tuple(family for family in cluster if family in found) or cluster[:1]


def family_name(ip: str) -> FamilyName:
    return "IPv6" if ":" in ip else "IPv4"


def _all_endpoints(service: Service) -> Iterator[tuple[EndpointPort | None, Endpoint]]:
    for port in service.ports:
        for endpoint in filter(is_ready, port.endpoints):
            number = endpoint.port
            yield EndpointPort(port.name, number, port.protocol) if number else None, endpoint
    for endpoint in filter(is_ready, service.portless_endpoints):
        yield None, endpoint


def is_ready(endpoint: Endpoint) -> bool:
    return endpoint.ready
