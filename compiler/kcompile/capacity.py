"""How full the cluster's ranges are."""

from dataclasses import dataclass

from kcompile.address import Cidr, Family


@dataclass(frozen=True, slots=True)
class Filling:
    """Places that can be given out, and how many of them are."""

    size: int
    used: int


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """A node's share of a pod range."""

    node: str
    cidr: Cidr
    pods: Filling


@dataclass(frozen=True, slots=True)
class Banded:
    """A range whose lower part, the static band, is chosen from last."""

    whole: Filling
    static: Filling
    dynamic: Filling


@dataclass(frozen=True, slots=True)
class PoolCapacity:
    """The addresses of one family in a pool of load balancer addresses."""

    namespace: str
    name: str
    family: Family
    addresses: Filling


@dataclass(frozen=True, slots=True)
class Capacity:
    """All in the order of the plan."""

    nodes: tuple[NodeCapacity, ...]
    services: tuple[tuple[Cidr, Banded], ...]
    node_ports: Banded
    pools: tuple[PoolCapacity, ...]
