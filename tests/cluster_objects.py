"""Clusters as values, for what is easier said so than in YAML: `decided(service("a"), ...)`."""

from dataclasses import dataclass
from typing import Any

from kcompile.address import format_ip, parse_cidr, parse_ip
from kcompile.labels import Selector
from kcompile.model import (
    READY,
    AddressPool,
    Container,
    ContainerPort,
    DnsConfig,
    EndpointSlice,
    EndpointState,
    LoadBalancer,
    Node,
    Object,
    Objects,
    PodTemplate,
    Service,
    ServicePort,
    SliceEndpoint,
    SlicePort,
    Workload,
)
from kcompile.plan import plan
from kcompile.plan.keep import next_lock
from kcompile.plan.lock import Lock, format_lock
from kcompile.plan.lock_text import parse_lock
from kcompile.planned import Endpoint, Plan, PlannedPod, PlannedService
from kcompile.resolve import resolve
from kcompile.resolve.flags import Flags
from kcompile.source import Origin, Text

DUAL = Flags(
    service_cidr="10.96.0.0/12,fd00:10:96::/108", pod_network_cidr="10.244.0.0/16,fd00:10:244::/56"
)
DUAL_IPV6_FIRST = Flags(
    service_cidr="fd00:10:96::/108,10.96.0.0/12", pod_network_cidr="fd00:10:244::/56,10.244.0.0/16"
)
IPV6 = Flags(service_cidr="fd00:10:96::/108", pod_network_cidr="fd00:10:244::/56")


@dataclass(frozen=True, slots=True)
class Decided:
    plan: Plan
    lock: str
    notes: tuple[str, ...]

    def service(self, name: str) -> PlannedService:
        (found,) = [each for each in self.plan.services if each.name == name]
        return found

    def cluster_ips(self, name: str) -> list[str]:
        return [format_ip(*address) for address in self.service(name).cluster_ips]

    def balanced(self, name: str) -> list[str]:
        return [format_ip(family, ip) for family, ip, _ in self.service(name).load_balancer_ips]

    def node_ports(self, name: str) -> list[int]:
        return [port.node_port for port in self.service(name).ports]

    def endpoints(self, name: str, port: int = 0) -> list[str]:
        """ADDRESS:PORT, IPv4 ones first."""
        found = self.service(name).ports[port]
        return [*map(_shown4, found.endpoints4), *map(_shown6, found.endpoints6)]

    def portless(self, name: str) -> list[str]:
        found = self.service(name)
        return [
            *(format_ip(4, each.ip) for each in found.portless4),
            *(format_ip(6, each.ip) for each in found.portless6),
        ]

    def states(self, name: str, port: int = 0) -> list[EndpointState]:
        found = self.service(name).ports[port]
        return [each.state for each in (*found.endpoints4, *found.endpoints6)]

    def pods(self) -> dict[str, tuple[str, ...]]:
        """Node and addresses by WORKLOAD/ORDINAL."""
        return {f"{p.workload.name}/{p.ordinal}": (p.node, *pod_ips(p)) for p in self.plan.pods}


def pod_ips(pod: PlannedPod) -> list[str]:
    ipv4 = [format_ip(4, pod.ipv4)] if pod.ipv4 else []
    return [*ipv4, format_ip(6, pod.ipv6)] if pod.ipv6 else ipv4


def _shown4(endpoint: Endpoint) -> str:
    return f"{format_ip(4, endpoint.ip)}:{endpoint.port}"


def _shown6(endpoint: Endpoint) -> str:
    return f"[{format_ip(6, endpoint.ip)}]:{endpoint.port}"


def decided(*objects: Object, lock: str = "", flags: Flags | None = None) -> Decided:
    """Resolve and plan. Each object stands in a document of its own."""
    origins = tuple(Origin(Text("m.yaml", "{}\n"), 0, 3, 1) for _ in objects)
    used = {
        each.namespace for each in objects if isinstance(each, Workload | Service | EndpointSlice)
    }
    cluster = resolve(Objects(objects, origins, frozenset(used), ()), flags or Flags())
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    made = plan(cluster, old, (flags or Flags()).pending)
    notes = tuple(str(note) for note in (*cluster.notes, *made.notes))
    return Decided(made, format_lock(next_lock(made, old)), notes)


def node(name: str, *addresses: str, zone: str = "", pod_cidrs: tuple[str, ...] = ()) -> Node:
    labels = (("topology.kubernetes.io/zone", zone),) if zone else ()
    return Node(
        name, labels, (), False, tuple(map(parse_ip, addresses)), tuple(map(parse_cidr, pod_cidrs))
    )


def dual_node(index: int, zone: str = "") -> Node:
    return node(f"n{index}", f"192.0.2.{index + 1}", f"2001:db8::{index + 1:x}", zone=zone)


def deployment(
    name: str, replicas: int = 1, ports: str = "80", *, labels: str = "", **template: Any
) -> Workload:
    """`ports` are NUMBER, NAME:NUMBER or NUMBER/PROTOCOL, with commas between them."""
    own = (("app", labels or name),)
    container = Container("c", "i", tuple(map(_container_port, filter(None, ports.split(",")))))
    fields = {"node_name": "", "dns_policy": "ClusterFirst", "dns_config": DnsConfig(), **template}
    return Workload(
        "Deployment",
        "default",
        name,
        own,
        replicas,
        Selector(own),
        PodTemplate(own, (container,), (), (), **fields),
    )


def _container_port(text: str) -> ContainerPort:
    rest, _, protocol = text.partition("/")
    name, _, number = rest.rpartition(":")
    return ContainerPort(name, int(number), _protocol(protocol))


def _protocol(text: str) -> Any:
    return text or "TCP"


def service(name: str, *ports: str, ips: str = "", selector: str = "", **fields: Any) -> Service:
    """Selects `app: NAME` unless told otherwise ("-" for nothing).

    `ports` are [NAME:]NUMBER[/PROTOCOL][>TARGET][@NODE_PORT], 80 if none is given.
    """
    chosen = () if selector == "-" else (("app", selector or name),)
    return Service(
        "default",
        name,
        (),
        fields.pop("type", "ClusterIP"),
        chosen,
        tuple(map(service_port, ports or ("80",))),
        cluster_ips=tuple(parse_ip(ip) for ip in ips.split(",")) if ips else (),
        **fields,
    )


def service_port(text: str) -> ServicePort:
    rest, _, node_port = text.partition("@")
    rest, _, target = rest.partition(">")
    rest, _, protocol = rest.partition("/")
    name, _, number = rest.rpartition(":")
    to: int | str = int(target or number) if (target or number).isdigit() else target
    return ServicePort(name, _protocol(protocol), int(number), to, int(node_port or 0))


def balanced(name: str, *ports: str, ips: str = "", **fields: Any) -> Service:
    """A LoadBalancer Service; fields of model.LoadBalancer are taken out of `fields`."""
    own = {key: fields.pop(key) for key in LoadBalancer.__dataclass_fields__ if key in fields}
    return service(
        name, *ports, ips=ips, type="LoadBalancer", load_balancer=LoadBalancer(**own), **fields
    )


def pool(name: str, *ranges: str, auto_assign: bool = True) -> AddressPool:
    """`ranges` are FIRST-LAST."""
    stated = []
    for each in ranges:
        first, _, last = each.partition("-")
        family, low = parse_ip(first)
        stated.append((family, low, parse_ip(last)[1]))
    return AddressPool(name, "metallb-system", tuple(stated), auto_assign)


def slice_of(
    name: str, *endpoints: SliceEndpoint | str, ports: str = "80", kind: Any = "EndpointSlice",
    managed: bool = False, slice_name: str = "",
) -> EndpointSlice:  # fmt: skip
    """Endpoints of the Service `name`; a text is an address that is ready."""
    found = tuple(each if isinstance(each, SliceEndpoint) else endpoint(each) for each in endpoints)
    text = endpoints[0] if endpoints and isinstance(endpoints[0], str) else ""
    return EndpointSlice(
        kind,
        "default",
        slice_name or f"{name}-1",
        name,
        6 if ":" in text else 4,
        found,
        tuple(
            SlicePort(port.name, port.protocol, port.port)
            for port in map(service_port, filter(None, ports.split(",")))
        ),
        managed,
    )


def endpoint(
    address: str, *, node_name: str = "", zone: str = "", state: EndpointState = READY
) -> SliceEndpoint:
    return SliceEndpoint(parse_ip(address)[1], node_name, zone, "", "", state)
