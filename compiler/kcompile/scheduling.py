"""What a pod asks of its node, as values: the fields that kube-scheduler's filters and scores read.

Selectors are whole: matchLabelKeys and mismatchLabelKeys have become requirements, a term's own
namespace is named. Amounts are integers in thousandths of a resource's unit (cores, bytes, pieces).
"""

from dataclasses import dataclass
from typing import Literal

from kcompile.labels import Labels, Selector

Amounts = tuple[tuple[str, int], ...]
"""Resource names and thousandths of their unit, sorted by name."""


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """A nodeSelectorTerm's expression. Gt and Lt have one value, a whole number as typed."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """All of it must hold. `fields` are matchFields, of which metadata.name is the only one.

    A term without any of the two matches no node.
    """

    expressions: tuple[NodeRequirement, ...] = ()
    fields: tuple[NodeRequirement, ...] = ()


@dataclass(frozen=True, slots=True)
class PodTerm:
    """A term of pod affinity or anti-affinity: pods of some namespaces, near in a topology.

    `selector` None selects no pod, an empty one every pod. `namespaces` are those named (the pod's
    own where the term says nothing); a `namespace_selector` adds those that it matches, an empty
    one all.
    """

    selector: Selector | None
    namespaces: tuple[str, ...]
    namespace_selector: Selector | None
    topology_key: str


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """A topologySpreadConstraint; `hard` is DoNotSchedule. `min_domains` is 1 where absent."""

    max_skew: int
    topology_key: str
    hard: bool
    selector: Selector | None
    min_domains: int = 1
    honours_affinity: bool = True
    honours_taints: bool = False


@dataclass(frozen=True, slots=True)
class Scheduling:
    """`required_nodes` are alternatives, None where nothing is required. Preferences carry their
    weight, negative for anti-affinity."""

    node_selector: Labels = ()
    required_nodes: tuple[NodeTerm, ...] | None = None
    preferred_nodes: tuple[tuple[int, NodeTerm], ...] = ()
    pod_affinity: tuple[PodTerm, ...] = ()
    pod_anti_affinity: tuple[PodTerm, ...] = ()
    preferred_pods: tuple[tuple[int, PodTerm], ...] = ()
    spread: tuple[SpreadConstraint, ...] = ()
    requests: Amounts = ()


ANYWHERE = Scheduling()
"""What most pods ask for: nothing."""
