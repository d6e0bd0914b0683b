"""Kubernetes objects as kcompile sees them: defaulted, typed, free of positions.

`validate` makes the objects, `resolve` the cluster. All strings that can reach an output matched
a whole-string pattern before they came here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kcompile.address import Cidr, Family
from kcompile.labels import Labels, Selector
from kcompile.problems import Problem
from kcompile.scheduling import ANYWHERE, Amounts, Scheduling
from kcompile.settings import Forwarding, Settings
from kcompile.source import Origin

Protocol = Literal["TCP", "UDP", "SCTP"]

ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
DnsPolicy = Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
WorkloadKind = Literal[
    "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job", "Pod"
]
TrafficPolicy = Literal["Cluster", "Local"]
FamilyPolicy = Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"]
Distribution = Literal["", "PreferClose", "PreferSameZone", "PreferSameNode"]
IpMode = Literal["VIP", "Proxy"]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What names an object. Cluster-wide kinds have the namespace ""."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.namespace}/{self.name}"
            if self.namespace
            else (f"{self.kind} {self.name}")
        )


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """`name` is "" where the port has none."""

    name: str
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Container:
    """Ports of a restartable init container (a sidecar) count as those of a container."""

    name: str
    image: str
    ports: tuple[ContainerPort, ...]


@dataclass(frozen=True, slots=True)
class Toleration:
    """key "" with operator Exists tolerates everything; effect "" means every effect."""

    key: str
    operator: Literal["Exists", "Equal"]
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """A pod's dnsConfig; an option without a value has the value ""."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """`node_name` is "" where the manifest leaves the node open.

    `hostname` and `subdomain` are "" where there is none; a StatefulSet's pods have its serviceName
    as their subdomain, and their hostname (like that of an Indexed Job's pods) follows from what
    they are called.
    """

    labels: Labels
    containers: tuple[Container, ...]
    sidecars: tuple[Container, ...]
    tolerations: tuple[Toleration, ...]
    node_name: str
    dns_policy: DnsPolicy
    dns_config: DnsConfig
    host_network: bool = False
    host_ports: tuple["HostPort", ...] = ()
    scheduling: Scheduling = ANYWHERE
    hostname: str = ""
    subdomain: str = ""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that leads to a container's. `host_ip` is () for every address."""

    host_ip: tuple[tuple[Family, int], ...]
    host_port: int
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes pods, or a single Pod.

    A DaemonSet has a pod on each node that fits, not `replicas`. `first` is the first ordinal (a
    StatefulSet's spec.ordinals.start). `indexed` Jobs number the host names of their pods.
    """

    kind: WorkloadKind
    namespace: str
    name: str
    labels: Labels
    replicas: int
    selector: Selector
    template: PodTemplate
    first: int = 0
    indexed: bool = False

    @property
    def key(self) -> Key:
        return Key(self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class ServicePort:
    """`name` is "" where there is none; `target_port` a number or a container port's name, as
    typed and defaulted to `port`; `node_port` 0 where none is stated."""

    name: str
    protocol: Protocol
    port: int
    target_port: int | str
    node_port: int


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """What only Services of type LoadBalancer have.

    `stated_ips` are spec.loadBalancerIP; `ingress` are the addresses of
    status.loadBalancer.ingress (host names are left out) and how traffic to them arrives.
    """

    stated_ips: tuple[tuple[Family, int], ...] = ()
    ingress: tuple[tuple[Family, int, IpMode], ...] = ()
    source_ranges: tuple[Cidr, ...] = ()
    allocate_node_ports: bool = True
    class_name: str = ""
    health_check_node_port: int = 0


NO_LOAD_BALANCER = LoadBalancer()


@dataclass(frozen=True, slots=True)
class Service:
    """`cluster_ips` and `families` are those that the manifest states; `headless` is clusterIP:
    None.

    An empty selector selects nothing (the Service's endpoints come from elsewhere).
    `external_name` is "" but for ExternalName; it has no trailing dot and is in lower case.
    `affinity_seconds` is the timeout of sessionAffinity ClientIP, 0 for none. `topology_hints` is
    the annotation service.kubernetes.io/topology-mode or its older name with a value that turns
    hints on (any but Disabled).
    """

    namespace: str
    name: str
    labels: Labels
    type: ServiceType
    selector: Labels
    ports: tuple[ServicePort, ...]
    cluster_ips: tuple[tuple[Family, int], ...] = ()
    headless: bool = False
    external_name: str = ""
    publish_not_ready: bool = False
    synthesised: bool = False
    families: tuple[Family, ...] = ()
    family_policy: FamilyPolicy = ""
    external_ips: tuple[tuple[Family, int], ...] = ()
    external_policy: TrafficPolicy = "Cluster"
    internal_policy: TrafficPolicy = "Cluster"
    affinity_seconds: int = 0
    load_balancer: LoadBalancer = NO_LOAD_BALANCER
    distribution: Distribution = ""
    topology_hints: bool = False

    @property
    def key(self) -> Key:
        return Key("Service", self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class EndpointState:
    """Conditions of an endpoint (absent ones defaulted: ready, serving, not terminating), and the
    zones and nodes that a slice's hints name."""

    ready: bool = True
    serving: bool = True
    terminating: bool = False
    hint_zones: tuple[str, ...] = ()
    hint_nodes: tuple[str, ...] = ()


READY = EndpointState()


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    """Of several addresses only the first counts. `node`, `zone` and `hostname` are "" if unknown;
    `target` is the name of the pod that targetRef names."""

    address: int
    node: str
    zone: str
    hostname: str
    target: str
    state: EndpointState


@dataclass(frozen=True, slots=True)
class SlicePort:
    """`name` is "" where the port has none."""

    name: str
    protocol: Protocol
    port: int


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Endpoints that a manifest states, of one family: an EndpointSlice, or a subset of Endpoints
    (then `kind` says so, and `name` has the subset's number behind a slash).

    `managed` ones belong to the endpoint slice controller: where a Service's selector is resolved
    here, they are ignored. `for_another_proxy` ones are names in DNS, and no targets of rules.
    """

    kind: Literal["EndpointSlice", "Endpoints"]
    namespace: str
    name: str
    service: str
    family: Family
    endpoints: tuple[SliceEndpoint, ...]
    ports: tuple[SlicePort, ...]
    managed: bool
    for_another_proxy: bool = False

    @property
    def key(self) -> Key:
        return Key(self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class AddressPool:
    """Addresses that LoadBalancer Services get: MetalLB's IPAddressPool, or a flag."""

    name: str
    namespace: str
    ranges: tuple[tuple[Family, int, int], ...]
    auto_assign: bool

    @property
    def key(self) -> Key:
        return Key("IPAddressPool", self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Node:
    """`addresses` are the InternalIP ones, in the manifest's order; `pod_cidrs` as stated.
    `allocatable` is status.allocatable: what it does not name is not limited."""

    name: str
    labels: Labels
    taints: tuple[Taint, ...]
    unschedulable: bool
    addresses: tuple[tuple[Family, int], ...]
    pod_cidrs: tuple[Cidr, ...]
    allocatable: Amounts = ()

    @property
    def key(self) -> Key:
        return Key("Node", "", self.name)


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    labels: Labels

    @property
    def key(self) -> Key:
        return Key("Namespace", "", self.name)


@dataclass(frozen=True, slots=True)
class ClusterConfiguration:
    """What counts of kubeadm's; absent settings are None: flags and defaults decide in resolve."""

    pod_subnets: tuple[Cidr, ...] | None
    service_subnets: tuple[Cidr, ...] | None
    dns_domain: str | None
    node_port_range: tuple[int, int] | None
    node_mask_ipv4: int | None
    node_mask_ipv6: int | None

    @property
    def key(self) -> Key:
        return Key("ClusterConfiguration", "", "")


@dataclass(frozen=True, slots=True)
class KubeProxyConfiguration:
    """What counts of kube-proxy's; absent settings are None."""

    cluster_cidrs: tuple[Cidr, ...] | None
    masquerade_all: bool | None
    masquerade_bit: int | None
    localhost_node_ports: bool | None
    node_port_addresses: tuple[Cidr, ...] | None = None

    @property
    def key(self) -> Key:
        return Key("KubeProxyConfiguration", "", "")


@dataclass(frozen=True, slots=True)
class DnsConfigMap:
    """What counts of kube-system's ConfigMaps kube-dns and coredns."""

    name: str
    forwarding: Forwarding

    @property
    def key(self) -> Key:
        return Key("ConfigMap", "kube-system", self.name)


Object = (
    Workload
    | Service
    | EndpointSlice
    | AddressPool
    | Node
    | Namespace
    | ClusterConfiguration
    | KubeProxyConfiguration
    | DnsConfigMap
)


@dataclass(frozen=True, slots=True)
class Objects:
    """What validate gives: every object that acts, in the order of the input.

    `origins[i]` is where `items[i]` stands; positions never enter the objects themselves.
    `namespaces_used` are those of objects of every kind, also of kinds that do not act.
    """

    items: tuple[Object, ...]
    origins: tuple[Origin, ...]
    namespaces_used: frozenset[str]
    notes: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What resolve gives: the objects fit together. All tuples are sorted by key.

    `origins` has no entry for what kcompile synthesised.
    """

    settings: Settings
    nodes: tuple[Node, ...]
    namespaces: tuple[Namespace, ...]
    workloads: tuple[Workload, ...]
    services: tuple[Service, ...]
    origins: Mapping[Key, Origin]
    notes: tuple[Problem, ...]
    slices: tuple[EndpointSlice, ...] = ()
    pools: tuple[AddressPool, ...] = ()
