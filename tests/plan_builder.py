"""Plans from a few words: `plan(services=[service("default/httpd", "10.96.0.7", ports=[...])])`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kcompile.address import Cidr, Family, parse_cidr, parse_ip
from kcompile.labels import Selector
from kcompile.model import (
    DnsConfig,
    DnsPolicy,
    Namespace,
    PodTemplate,
    Protocol,
    ServicePort,
    ServiceType,
    Workload,
)
from kcompile.planned import (
    Endpoint,
    Plan,
    PlannedNode,
    PlannedPod,
    PlannedPort,
    PlannedService,
)
from kcompile.settings import DnsSettings, Settings


def plan(
    *,
    services: Iterable[PlannedService] = (),
    pods: Iterable[PlannedPod] = (),
    namespaces: Iterable[str] = (),
    nodes: Sequence[str] = ("node-1",),
    pod_cidrs: Iterable[str] = ("10.244.0.0/16",),
    service_cidrs: Iterable[str] = ("10.96.0.0/12",),
    domain: str = "cluster.local",
) -> Plan:
    """A plan whose namespaces are those given and those used. Orders are kept as given."""
    services, pods = tuple(services), tuple(pods)
    used = {each.namespace for each in (*services, *pods)}
    return Plan(
        settings=settings(pod_cidrs, service_cidrs, domain),
        nodes=tuple(PlannedNode(name, (), (), ()) for name in nodes),
        namespaces=tuple(Namespace(name, ()) for name in sorted({*namespaces, *used})),
        workloads=tuple(dict.fromkeys(pod.workload for pod in pods)),
        pods=pods,
        services=services,
        origins={},
        notes=(),
    )


def with_dns(of: Plan, dns: DnsSettings) -> Plan:
    """The same plan with these settings for its zones."""
    return replace(of, settings=replace(of.settings, dns=dns))


def settings(
    pod_cidrs: Iterable[str] = ("10.244.0.0/16",),
    service_cidrs: Iterable[str] = ("10.96.0.0/12",),
    domain: str = "cluster.local",
) -> Settings:
    return Settings(
        pod_cidrs=_cidrs(pod_cidrs),
        service_cidrs=_cidrs(service_cidrs),
        node_masks={4: 24, 6: 64},
        cluster_domain=domain,
        node_ports=(30000, 32767),
        detect_local=True,
        masquerade_all=False,
        masquerade_bit=14,
        localhost_node_ports=True,
        egress_masquerade=True,
        forward_accept=True,
        non_masquerade_cidrs=(),
    )


def service(
    name: str,
    *cluster_ips: str,
    ports: Iterable[PlannedPort] = (),
    headless: bool = False,
    external_name: str = "",
    portless: Iterable[str] = (),
    external_ips: Iterable[str] = (),
) -> PlannedService:
    """`name` is namespace/name; NodePort if a port has a node port; `portless` are addresses."""
    namespace, _, own_name = name.partition("/")
    ports = tuple(ports)
    kind: ServiceType = "NodePort" if any(port.node_port for port in ports) else "ClusterIP"
    return PlannedService(
        namespace=namespace,
        name=own_name,
        labels=(),
        type="ExternalName" if external_name else kind,
        selector=(),
        cluster_ips=tuple(parse_ip(ip) for ip in cluster_ips),
        headless=headless,
        external_name=external_name,
        ports=ports,
        portless4=_endpoints(4, 0, portless),
        portless6=_endpoints(6, 0, portless),
        external_ips=tuple(parse_ip(ip) for ip in external_ips),
    )


def port(
    number: int,
    *endpoints: str,
    name: str = "",
    protocol: Protocol = "TCP",
    to: int = 0,
    node_port: int = 0,
) -> PlannedPort:
    """A service port; `endpoints` are addresses of either family, `to` their port's number."""
    target = to or number
    return PlannedPort(
        spec=ServicePort(name, protocol, number, target, node_port),
        node_port=node_port,
        endpoints4=_endpoints(4, target, endpoints),
        endpoints6=_endpoints(6, target, endpoints),
    )


def workload(
    name: str,
    *,
    dns_policy: DnsPolicy = "ClusterFirst",
    dns_config: DnsConfig | None = None,
    replicas: int = 1,
) -> Workload:
    """`name` is namespace/name."""
    namespace, _, own_name = name.partition("/")
    template = PodTemplate(
        labels=(),
        containers=(),
        sidecars=(),
        tolerations=(),
        node_name="",
        dns_policy=dns_policy,
        dns_config=dns_config or DnsConfig(),
    )
    return Workload("Deployment", namespace, own_name, (), replicas, Selector(()), template)


def pod(owner: Workload, ordinal: int = 0, *ips: str, node: str = "node-1") -> PlannedPod:
    """The pod named after its workload and ordinal."""
    addresses = dict(parse_ip(ip) for ip in ips)
    return PlannedPod(
        workload=owner,
        ordinal=ordinal,
        name=f"{owner.name}-{ordinal}",
        node=node,
        ipv4=addresses.get(4, 0),
        ipv6=addresses.get(6, 0),
    )


def kube_dns(*cluster_ips: str) -> PlannedService:
    """The Service that every cluster has; at 10.96.0.10 if nothing is said."""
    return service(
        "kube-system/kube-dns",
        *(cluster_ips or ("10.96.0.10",)),
        ports=[port(53, name="dns", protocol="UDP"), port(53, name="dns-tcp")],
    )


def _cidrs(texts: Iterable[str]) -> tuple[Cidr, ...]:
    return tuple(parse_cidr(text) for text in texts)


def _endpoints(family: Family, number: int, texts: Iterable[str]) -> tuple[Endpoint, ...]:
    """ADDRESS[/HOSTNAME[/POD[/ZONE]]]."""
    found = set()
    for text in texts:
        ip, *more = text.split("/")
        own, value = parse_ip(ip)
        if own == family:
            found.add((value, *more, *[""] * (3 - len(more))))
    return tuple(
        Endpoint(ip, number, "", pod, name, zone=zone) for ip, name, pod, zone in sorted(found)
    )
