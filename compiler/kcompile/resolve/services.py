"""Services that a cluster has without anybody declaring them."""

from collections.abc import Iterator, Sequence

from kcompile.address import Cidr
from kcompile.model import Key, Service, ServicePort, Settings
from kcompile.problems import Code, Finding

KUBERNETES = Key("Service", "default", "kubernetes")
DNS = Key("Service", "kube-system", "kube-dns")

# kubeadm (constants.GetDNSIP): the DNS Service has the tenth address of the service range.
_DNS_INDEX = 10


def reserved_address(cidr: Cidr, key: Key) -> int:
    """The service address kept for default/kubernetes or kube-system/kube-dns, 0 if the range
    has none."""
    address = cidr.base + (1 if key == KUBERNETES else _DNS_INDEX)
    last_usable = cidr.last - 1 if cidr.family == 4 else cidr.last
    return address if address <= last_usable else 0


def synthesise(
    declared: Sequence[Service], settings: Settings
) -> tuple[tuple[Service, ...], tuple[Finding, ...]]:
    """default/kubernetes and kube-system/kube-dns, each unless declared.

    A Service that states the tenth address is the cluster's DNS Service whatever its name, so
    none is made then.
    """
    names = {service.key for service in declared}
    stated = {address for service in declared for address in service.cluster_ips}
    made: list[Service] = []
    findings: list[Finding] = []
    for key, ports in ((KUBERNETES, _KUBERNETES_PORTS), (DNS, _DNS_PORTS)):
        if key in names:
            continue
        addresses = [(cidr.family, reserved_address(cidr, key)) for cidr in settings.service_cidrs]
        if not all(value for _, value in addresses):
            findings += _no_room(key, settings)
        elif key == KUBERNETES or not stated.intersection(addresses):
            made.append(
                Service(
                    namespace=key.namespace,
                    name=key.name,
                    labels=(),
                    type="ClusterIP",
                    selector=(),
                    ports=ports,
                    cluster_ips=tuple(addresses),
                    synthesised=True,
                )
            )
    return tuple(made), tuple(findings)


_KUBERNETES_PORTS = (ServicePort("https", "TCP", 443, 443, 0),)
_DNS_PORTS = (
    ServicePort("dns", "UDP", 53, 53, 0),
    ServicePort("dns-tcp", "TCP", 53, 53, 0),
)


def _no_room(key: Key, settings: Settings) -> Iterator[Finding]:
    ranges = ", ".join(map(str, settings.service_cidrs))
    yield Finding(
        Code.SYNTHESISED_SERVICE,
        None,
        (),
        f"the service range {ranges} is too small for {key}: there is none",
    )
