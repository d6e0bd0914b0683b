"""What happens to packets, as values: what Kubernetes means, free of any ruleset's form."""

from dataclasses import dataclass
from enum import Enum

from kcompile.address import Family
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
    """When a packet's source becomes the node's address, besides the hairpin case."""

    ALWAYS = "always"
    UNLESS_FROM_POD = "unless it comes from the pod range"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ToClusterIp:
    """The way in by the Service's virtual address."""

    address: int
    port: int
    masquerade: Masquerade


@dataclass(frozen=True, slots=True)
class ToNodePort:
    """The way in by a port of every address of the node."""

    port: int
    masquerade: Masquerade


Way = ToClusterIp | ToNodePort


@dataclass(frozen=True, slots=True)
class Refuse:
    """No endpoint anywhere: the client is told at once (ICMP port unreachable or reset)."""


@dataclass(frozen=True, slots=True)
class Target:
    address: int
    port: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Each target with equal odds. A target that reaches itself is masqueraded (hairpin)."""

    targets: tuple[Target, ...]


Verdict = Refuse | Balance


@dataclass(frozen=True, slots=True)
class PortFlow:
    """One service port as one view of a node sees it."""

    id: PortId
    service: Key
    family: Family
    ways: tuple[Way, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes whose packets meet the same fate; flows are shared between groups where equal."""

    nodes: tuple[str, ...]
    flows: tuple[PortFlow, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Flows by family, nodes grouped by what they see."""

    groups4: tuple[NodeGroup, ...]
