"""What happens to packets, as values: what Kubernetes means, free of any ruleset's form."""

from dataclasses import dataclass
from enum import Enum

from kcompile.address import Cidr, Family
from kcompile.model import Key, Protocol


@dataclass(frozen=True, slots=True, order=True)
class PortId:
    """What names a service port. kube-proxy calls it ServicePortName."""

    namespace: str
    service: str
    port_name: str
    protocol: Protocol

    def __str__(self) -> str:
        # The article's kube-proxy writes the colon also where the port has no name.
        return f"{self.namespace}/{self.service}:{self.port_name}"


class Masquerade(Enum):
    """When the source of a packet to a cluster address becomes the node's."""

    ALWAYS = "always"
    UNLESS_FROM_POD = "unless it comes from the pod range"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ToClusterIp:
    """The way in by the Service's virtual address."""

    address: int
    port: int


@dataclass(frozen=True, slots=True)
class ToExternalIp:
    """The way in by an address that something outside leads to the nodes."""

    address: int
    port: int


@dataclass(frozen=True, slots=True)
class ToLoadBalancerIp:
    """The way in by a load balancer's address. `sources` are the ranges that may use it, () for
    all; `own` says that this node's address is in one of them."""

    address: int
    port: int
    sources: tuple[Cidr, ...]
    own: bool


@dataclass(frozen=True, slots=True)
class ToNodePort:
    """The way in by a port of the node's addresses."""

    port: int


ExternalWay = ToExternalIp | ToLoadBalancerIp | ToNodePort
Way = ToClusterIp | ExternalWay


@dataclass(frozen=True, slots=True)
class Refuse:
    """No endpoint anywhere: the client is told at once (ICMP port unreachable)."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Endpoints elsewhere, but only local ones may be used, and there is none."""


@dataclass(frozen=True, slots=True)
class ToAll:
    """Each target of the flow with equal odds."""


@dataclass(frozen=True, slots=True)
class ToLocal:
    """Each local target of the flow with equal odds."""


Verdict = Refuse | Drop | ToAll | ToLocal


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """Who comes from outside is masqueraded, so that replies take the same way back."""

    verdict: Refuse | ToAll


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    """Who comes from outside keeps its address and gets local targets only (`verdict`). Pods and
    the node itself get all, since their packets are where they should be; the node's own are
    masqueraded."""

    verdict: Refuse | Drop | ToLocal


ExternalPolicy = ClusterPolicy | LocalPolicy


@dataclass(frozen=True, slots=True)
class Target:
    address: int
    port: int


@dataclass(frozen=True, slots=True)
class PortFlow:
    """One service port as one view of a node sees it.

    `ways` begins with the cluster address. A target that reaches itself through the Service is
    masqueraded (hairpin). `affinity_seconds` is how long a client keeps its target, 0 for not.
    """

    id: PortId
    service: Key
    family: Family
    ways: tuple[Way, ...]
    masquerade: Masquerade
    internal: Verdict
    external: ExternalPolicy
    targets: tuple[Target, ...]
    local_targets: tuple[Target, ...]
    affinity_seconds: int


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A port on which a Service with the Local policy says whether a node has endpoints."""

    service: Key
    port: int


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes whose packets meet the same fate; flows are shared between groups where equal.

    `node_port_addresses` are the node's addresses that answer on node ports; None for all.
    """

    nodes: tuple[str, ...]
    flows: tuple[PortFlow, ...]
    node_port_addresses: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class FamilyTraffic:
    family: Family
    groups: tuple[NodeGroup, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happens to packets of each family, the primary one first."""

    families: tuple[FamilyTraffic, ...]
    health_checks: tuple[HealthCheck, ...]
