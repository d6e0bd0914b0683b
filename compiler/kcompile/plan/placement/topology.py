"""Domains of a topology, and how many pods each of them has."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kcompile.plan.placement.node_affinity import NodeLabels

NOWHERE = -1
"""The domain of a node without the topology's label."""


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """Nodes by the value of a label. `domain_of` has a number for each node; `each_its_own` says
    that every node has a domain and shares it with none (as by host name)."""

    key: str
    names: tuple[str, ...]
    domain_of: tuple[int, ...]
    each_its_own: bool


def topology_of(key: str, labels: Sequence[NodeLabels]) -> Topology:
    numbers: dict[str, int] = {}
    domain_of = tuple(
        numbers.setdefault(each[key], len(numbers)) if key in each else NOWHERE for each in labels
    )
    return Topology(key, tuple(numbers), domain_of, len(numbers) == len(labels))


@dataclass(slots=True, eq=False)
class Tally:
    """How many pods of some kind each domain has; `counted`, if given, is 1 for nodes that count
    (then `domains` are those with such a node)."""

    topology: Topology
    counted: bytes | None = None
    counts: list[int] = field(init=False)
    domains: tuple[int, ...] = field(init=False)
    total: int = 0
    _lowest: int = 0
    _at_lowest: int = 0

    def __post_init__(self) -> None:
        self.counts = [0] * len(self.topology.names)
        counted = self.counted
        found = {
            domain
            for node, domain in enumerate(self.topology.domain_of)
            if domain >= 0 and (counted is None or counted[node])
        }
        self.domains = tuple(sorted(found))

    def add(self, node: int, number: int) -> None:
        domain = self.topology.domain_of[node]
        if domain < 0 or (self.counted is not None and not self.counted[node]):
            return
        if number < 0:
            self._at_lowest = 0
        elif self.counts[domain] == self._lowest:
            self._at_lowest -= 1
        self.counts[domain] += number
        self.total += number

    def of(self, node: int) -> int:
        """The count of a node's domain, 0 if it has none."""
        domain = self.topology.domain_of[node]
        return self.counts[domain] if domain >= 0 else 0

    def lowest(self) -> int:
        """The least count of any domain; counted anew only when the last one at it has risen."""
        if self._at_lowest <= 0:
            found = [self.counts[domain] for domain in self.domains]
            self._lowest = min(found, default=0)
            self._at_lowest = found.count(self._lowest)
        return self._lowest
