"""Services that a cluster has without anybody declaring them."""

from collections.abc import Sequence

from kcompile.address import Cidr
from kcompile.model import Key, Service, ServicePort
from kcompile.problems import Code, Finding
from kcompile.settings import Settings

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
    """default/kubernetes and kube-system/kube-dns, each unless declared; like kubeadm's, of the
    primary family alone.

    A Service that states the tenth address is the cluster's DNS Service whatever its name, so
    none is made then.
    """
    names = {service.key for service in declared}
    stated = {address for service in declared for address in service.cluster_ips}
    primary = settings.service_cidrs[0]
    made: list[Service] = []
    findings: list[Finding] = []
    for key, ports in ((KUBERNETES, _KUBERNETES_PORTS), (DNS, _DNS_PORTS)):
        if key in names:
            continue
        address = primary.family, reserved_address(primary, key)
        if not address[1]:
            findings.append(_no_room(key, primary))
        elif key == KUBERNETES or address not in stated:
            made.append(
                Service(
                    namespace=key.namespace,
                    name=key.name,
                    labels=(),
                    type="ClusterIP",
                    selector=(),
                    ports=ports,
                    cluster_ips=(address,),
                    synthesised=True,
                )
            )
    return tuple(made), tuple(findings)


_KUBERNETES_PORTS = (ServicePort("https", "TCP", 443, 443, 0),)
_DNS_PORTS = (
    ServicePort("dns", "UDP", 53, 53, 0),
    ServicePort("dns-tcp", "TCP", 53, 53, 0),
)


def _no_room(key: Key, cidr: Cidr) -> Finding:
    return Finding(
        Code.SYNTHESISED_SERVICE,
        None,
        (),
        f"the service range {cidr} is too small for {key}: there is none",
    )
