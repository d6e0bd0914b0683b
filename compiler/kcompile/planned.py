"""The plan: nothing is undecided. Every pod has a node and addresses, every Service its addresses
and ports, every service port its endpoints.

An address 0 means "none of this family" (0.0.0.0 and :: are never given out); a node port 0 means
"none". All tuples are sorted by key; endpoints by address and port.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.address import Cidr, Family
from kcompile.labels import Labels, is_for_another_proxy
from kcompile.model import (
    READY,
    AddressPool,
    EndpointState,
    FamilyPolicy,
    IpMode,
    Key,
    Namespace,
    ServicePort,
    ServiceType,
    TrafficPolicy,
    Workload,
)
from kcompile.problems import Problem
from kcompile.settings import Settings
from kcompile.source import Origin


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """`addresses` are the node's own, as stated; `pod_cidrs` its shares of the pod ranges."""

    name: str
    labels: Labels
    addresses: tuple[tuple[Family, int], ...]
    pod_cidrs: tuple[Cidr, ...]

    def address(self, family: Family) -> int:
        """The node's first address of a family, 0 if it has none."""
        return next((value for f, value in self.addresses if f == family), 0)


Ordinal = int | str
"""Which pod of its workload: a number, or, in a DaemonSet, the node's name."""


@dataclass(frozen=True, slots=True)
class PlannedPod:
    workload: Workload
    ordinal: Ordinal
    name: str
    node: str
    ipv4: int
    ipv6: int

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def own_name(self) -> str:
        """Its name in DNS below the Service that is its subdomain: what the controllers of
        StatefulSets and Indexed Jobs set as its hostname, or what the template says."""
        workload = self.workload
        if workload.kind == "StatefulSet":
            return self.name
        return f"{workload.name}-{self.ordinal}" if workload.indexed else workload.template.hostname


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port behind a service port. `node` and `pod` are names, "" if unknown.

    `hostname` is the endpoint's own name in DNS, "" if it has none. `everywhere` marks an address
    that every node has for itself (the node's DNS server): it is local on each. `zone` is what a
    slice says of the place, "" where the node tells.
    """

    ip: int
    port: int
    node: str
    pod: str
    hostname: str = ""
    state: EndpointState = READY
    everywhere: bool = False
    zone: str = ""


@dataclass(frozen=True, slots=True)
class PlannedPort:
    """A service port with its endpoints by family."""

    spec: ServicePort
    node_port: int
    endpoints4: tuple[Endpoint, ...]
    endpoints6: tuple[Endpoint, ...]

    def endpoints(self, family: Family) -> tuple[Endpoint, ...]:
        return self.endpoints4 if family == 4 else self.endpoints6


@dataclass(frozen=True, slots=True)
class PlannedService:
    """`cluster_ips` has at most one address a family, the primary family first; it is empty for
    headless Services (then `headless` is true) and for ExternalName. `families` are the
    Service's own, in its order, also where the cluster lacks one (headless without selector).
    `load_balanced_elsewhere` says that `load_balancer_ips` come from the Service's status.

    A Service without ports has its endpoints' addresses in `portless4` and `portless6` (headless
    Services may have no ports; their names still resolve). `hints` says that endpoints' hints
    count.
    """

    namespace: str
    name: str
    labels: Labels
    type: ServiceType
    selector: Labels
    cluster_ips: tuple[tuple[Family, int], ...]
    headless: bool
    external_name: str
    ports: tuple[PlannedPort, ...]
    portless4: tuple[Endpoint, ...] = ()
    portless6: tuple[Endpoint, ...] = ()
    synthesised: bool = False
    family_policy: FamilyPolicy = "SingleStack"
    external_ips: tuple[tuple[Family, int], ...] = ()
    load_balancer_ips: tuple[tuple[Family, int, IpMode], ...] = ()
    source_ranges: tuple[Cidr, ...] = ()
    external_policy: TrafficPolicy = "Cluster"
    internal_policy: TrafficPolicy = "Cluster"
    affinity_seconds: int = 0
    health_check_node_port: int = 0
    hints: bool = False
    publish_not_ready: bool = False
    families: tuple[Family, ...] = ()
    load_balanced_elsewhere: bool = False

    @property
    def key(self) -> Key:
        return Key("Service", self.namespace, self.name)

    @property
    def for_another_proxy(self) -> bool:
        """Its packets are another's matter: it has addresses and names, but no rules."""
        return is_for_another_proxy(self.labels)

    def cluster_ip(self, family: Family) -> int:
        return next((value for f, value in self.cluster_ips if f == family), 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """`pending` is how many pods have no place; they are not in `pods`."""

    settings: Settings
    nodes: tuple[PlannedNode, ...]
    namespaces: tuple[Namespace, ...]
    workloads: tuple[Workload, ...]
    pods: tuple[PlannedPod, ...]
    services: tuple[PlannedService, ...]
    origins: Mapping[Key, Origin]
    notes: tuple[Problem, ...]
    pools: tuple[AddressPool, ...] = ()
    pending: int = 0
