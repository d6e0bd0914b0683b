"""What Services and their endpoints are called in DNS (Kubernetes DNS specification 1.1)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from socket import inet_ntoa

from kcompile.address import Family, format_ip, parse_ip
from kcompile.planned import Endpoint, PlannedService
from kcompile.settings import DEFAULT_DNS, DnsSettings

MAX_LABEL = 63  # octets; RFC 1035, 2.3.4

Host = tuple[str, str, Family, int, str, list[int], str]
"""An endpoint's name: its label under its Service's name, the whole name, family, address, the
address as text, a port number for each service port that leads here, in the Service's order, and
the label again if it is one of the endpoint's own, else "".

Endpoints with one host name (of a pod with two addresses, or of slices) share label and name. A
bare tuple, because a big cluster has 100,000.
"""


@dataclass(frozen=True, slots=True)
class NamedService:
    """A Service, its absolute name and its endpoints' hosts, sorted by label."""

    service: PlannedService
    name: str
    hosts: tuple[Host, ...]


def name_service(
    service: PlannedService, parent: str, dns: DnsSettings = DEFAULT_DNS
) -> NamedService:
    """A Service below `parent`: `svc` in the cluster's domain, or another zone."""
    name = f"{service.name}.{service.namespace}.{parent}."
    hosts = [*_hosts(service, name, 4, dns), *_hosts(service, name, 6, dns)]
    hosts.sort()
    return NamedService(service, name, tuple(hosts))


def endpoint_label(family: Family, address: str) -> str:
    """An address as one label: dashes for its dots or colons."""
    if family == 4:
        return address.replace(".", "-")
    label = address.replace(":", "-")
    # A label cannot end in a dash (RFC 952), so an address that ends in "::" gets a zero.
    return label + "0" if label.endswith("-") else label


def own_label(endpoint: Endpoint, dns: DnsSettings) -> str:
    """What an endpoint is called other than by its address, "" if nothing."""
    if endpoint.hostname or not dns.endpoint_pod_names:
        return endpoint.hostname
    pod = endpoint.pod
    return pod if len(pod) <= MAX_LABEL and "." not in pod else ""


def ready(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """The endpoints that have names. Unready ones are not shown, and what each node has for itself
    is not one host."""
    return (each for each in endpoints if each.state.ready and not each.everywhere)


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


def _hosts(service: PlannedService, name: str, family: Family, dns: DnsSettings) -> list[Host]:
    hosts: dict[tuple[int, str], Host] = {}
    for endpoint in ready(service.portless4 if family == 4 else service.portless6):
        key = endpoint.ip, own_label(endpoint, dns)
        hosts[key] = _host(name, family, *key, [])
    for port in service.ports:
        for endpoint in port.endpoints(family):
            # As `ready` and `own_label` say, without their calls: there may be 100,000.
            if not endpoint.state.ready or endpoint.everywhere:
                continue
            own = own_label(endpoint, dns) if dns.endpoint_pod_names else endpoint.hostname
            key = endpoint.ip, own
            if key in hosts:
                hosts[key][5].append(endpoint.port)
            else:
                hosts[key] = _host(name, family, endpoint.ip, own, [endpoint.port])
    return list(hosts.values())


def _host(name: str, family: Family, ip: int, own: str, numbers: list[int]) -> Host:
    if family == 4:
        # As `format_ip`, at half the cost.
        address = inet_ntoa(ip.to_bytes(4, "big"))
        label = own or address.replace(".", "-")
    else:
        address = format_ip(family, ip)
        label = own or endpoint_label(family, address)
    return label, f"{label}.{name}", family, ip, address, numbers, own
