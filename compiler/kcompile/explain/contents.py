"""What plan.json holds, as values: names and addresses in their written form."""

from dataclasses import dataclass
from typing import Literal

from kcompile.labels import Labels


@dataclass(frozen=True, slots=True)
class Settings:
    """Mask sizes are None for a family that the cluster does not have."""

    pod_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]
    node_cidr_mask_size_ipv4: int | None
    node_cidr_mask_size_ipv6: int | None
    cluster_domain: str
    node_port_range: str
    detect_local: bool
    masquerade_all: bool
    masquerade_bit: int
    localhost_node_ports: bool
    egress_masquerade: bool
    forward_accept: bool
    non_masquerade_cidrs: tuple[str, ...]
    node_dns_address: str | None


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    labels: Labels


@dataclass(frozen=True, slots=True)
class PodRange:
    """A node's share of a pod range: how many addresses it has for pods, and how many have one."""

    node: str
    cidr: str
    size: int
    used: int


@dataclass(frozen=True, slots=True)
class ContainerPort:
    name: str
    container_port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    image: str
    ports: tuple[ContainerPort, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A set-based requirement of a selector."""

    key: str
    operator: str
    values: tuple[str, ...]


WorkloadKind = Literal[
    "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"
]


@dataclass(frozen=True, slots=True)
class Workload:
    """`ready` is how many of its pods have a place; a DaemonSet has these, not `replicas`."""

    namespace: str
    kind: WorkloadKind
    name: str
    labels: Labels
    replicas: int
    match_labels: Labels
    match_expressions: tuple[Expression, ...]
    pod_labels: Labels
    containers: tuple[Container, ...]
    sidecars: tuple[Container, ...]
    ready: int


@dataclass(frozen=True, slots=True)
class LonePod:
    """A Pod that a manifest has by itself, in the place of a workload."""

    namespace: str
    name: str
    containers: tuple[Container, ...]
    sidecars: tuple[Container, ...]
    kind: Literal["Pod"] = "Pod"


@dataclass(frozen=True, slots=True)
class Pod:
    namespace: str
    name: str
    workload: Workload | LonePod
    ordinal: int | str
    node: Node
    ips: tuple[str, ...]
    labels: Labels


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`port` is None behind a Service without ports; `node` and `pod` are names."""

    ip: str
    port: int | None
    node: str | None
    pod: str | None
    ready: bool = True


@dataclass(frozen=True, slots=True)
class ServicePort:
    name: str
    protocol: str
    port: int
    target_port: int | str
    node_port: int | None
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who may reach a Service from where. `affinity_seconds` and the port are None for none."""

    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    source_ranges: tuple[str, ...]
    external_policy: str
    internal_policy: str
    affinity_seconds: int | None
    health_check_node_port: int | None
    publish_not_ready: bool


@dataclass(frozen=True, slots=True)
class Service:
    namespace: str
    name: str
    type: str
    cluster_ips: tuple[str, ...]
    family_policy: str
    external_name: str | None
    exposure: Exposure
    labels: Labels
    selector: Labels
    synthesised: bool
    ports: tuple[ServicePort, ...]
    portless_endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """A bundle's plan. All tuples are in the order of the file."""

    settings: Settings
    pod_ranges: tuple[PodRange, ...]
    namespaces: tuple[Namespace, ...]
    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...]
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]
