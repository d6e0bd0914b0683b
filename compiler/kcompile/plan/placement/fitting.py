"""Which nodes fit the pods of a workload whoever else is there, and which it would rather have.

kube-scheduler's filters NodeName, NodeUnschedulable, TaintToleration and NodeAffinity, and the
scores of the last two. Pods with a nodeName never meet the scheduler: for them the kubelet decides,
which looks at node affinity and at taints that drive out (pkg/kubelet/lifecycle generalFilter).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kcompile.model import Node, Taint, Toleration
from kcompile.plan.placement.demand import Demand
from kcompile.plan.placement.node_affinity import NodeLabels, term_holds, why_not_by_affinity
from kcompile.resolve.nodes import STAND_IN

# The taint that a cordoned node stands for (component-helpers: NodeUnschedulable's toleration).
_UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


@dataclass(frozen=True, slots=True)
class NodeClass:
    """All nodes as one kind of pod sees them.

    By node: `stays` is 1 where a pod that runs may stay, `takes` 1 where a new one may go,
    `ranks` 0 where it would like best to be. `fits` are the nodes that take it.
    """

    stays: bytes
    takes: bytes
    fits: tuple[int, ...]
    ranks: tuple[int, ...]
    ranked: bool


def classify(demand: Demand, nodes: Sequence[Node], labels: Sequence[NodeLabels]) -> NodeClass:
    takes = bytes(not why_not_here(demand, *each) for each in zip(nodes, labels, strict=True))
    stays = bytes(_may_stay(demand, *each) for each in zip(nodes, labels, strict=True))
    dislikes = [_dislike(demand, *each) for each in zip(nodes, labels, strict=True)]
    order = {dislike: rank for rank, dislike in enumerate(sorted(set(dislikes)))}
    return NodeClass(
        stays,
        takes,
        tuple(index for index, taken in enumerate(takes) if taken),
        tuple(order[dislike] for dislike in dislikes),
        len(order) > 1,
    )


def why_not_here(demand: Demand, node: Node, labels: NodeLabels) -> str:
    """Why a new pod may not go to a node, "" if it may as far as the node itself goes."""
    if node is STAND_IN:
        return ""
    if demand.node_name and demand.node_name != node.name:
        return f"nodeName is {demand.node_name}"
    if node.unschedulable and _minds(_UNSCHEDULABLE, demand):
        return "it is cordoned (unschedulable: true), which is not tolerated"
    for taint in node.taints:
        if _minds(taint, demand):
            return f"taint {_shown(taint)} is not tolerated"
    return why_not_by_affinity(demand.scheduling, node, labels)


def _minds(taint: Taint, demand: Demand) -> bool:
    if taint.effect == "PreferNoSchedule" or (demand.node_name and taint.effect == "NoSchedule"):
        return False
    return not tolerated(taint, demand.tolerations)


def _may_stay(demand: Demand, node: Node, labels: NodeLabels) -> bool:
    """Of the taints only NoExecute drives out a pod that runs; cordoning never does."""
    if node is STAND_IN:
        return True
    if demand.node_name and demand.node_name != node.name:
        return False
    if any(
        taint.effect == "NoExecute" and not tolerated(taint, demand.tolerations)
        for taint in node.taints
    ):
        return False
    return not why_not_by_affinity(demand.scheduling, node, labels)


def _dislike(demand: Demand, node: Node, labels: NodeLabels) -> tuple[int, int]:
    """Untolerated soft taints, then what preferred node affinity is missed (less is better)."""
    taints = sum(
        taint.effect == "PreferNoSchedule" and not tolerated(taint, demand.tolerations)
        for taint in node.taints
    )
    preferred = demand.scheduling.preferred_nodes
    return taints, -sum(weight for weight, term in preferred if term_holds(term, node, labels))


def tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    return any(
        toleration.effect in ("", taint.effect)
        and (
            (toleration.operator == "Exists" and toleration.key in ("", taint.key))
            or (
                toleration.operator == "Equal"
                and (toleration.key, toleration.value) == (taint.key, taint.value)
            )
        )
        for toleration in tolerations
    )


def _shown(taint: Taint) -> str:
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{taint.effect}"
