"""What is said of pods that fit nowhere: for each reason the nodes that it holds for."""

from collections.abc import Mapping, Sequence
from typing import Literal

from kcompile.model import Workload
from kcompile.plan.placement.demand import Demand
from kcompile.plan.placement.scene import Scene
from kcompile.problems import Code, Finding
from kcompile.source import Path

Pending = Literal["error", "warn"]
"""What pods without a place are: an error, or a warning and left out."""

_MOST_REASONS = 10
_MOST_NAMES = 3


def too_many(scene: Scene, demand: Demand, most: int, pending: Pending) -> Finding:
    workload, nodes = demand.workload, len(scene.cluster.nodes)
    if demand.ports:
        reason, hint = f"a host port is there once a node, and there are {nodes}", "more nodes"
    elif demand.host_network:
        reason, hint = f"no more than {most} pods in the network of their node are planned", ""
    else:
        reason = f"the pod CIDRs of all {nodes} nodes hold {most} pods"
        hint = "fewer replicas, more nodes or a shorter --node-cidr-mask-size"
    message = f"{workload.replicas} replicas of {workload.key}, but {reason}"
    return _finding(scene, workload, message, hint, pending)


def nowhere(scene: Scene, demand: Demand, missing: int, pending: Pending) -> Finding:
    workload = demand.workload
    if demand.daemon:
        nodes = scene.missing(demand)
        pods = f"{missing} of {len(scene.class_of(demand).fits)} pods of {workload.key} do not fit"
    else:
        nodes = list(range(len(scene.cluster.nodes)))
        pods = f"{missing} of {workload.replicas} pods of {workload.key} fit on no node"
    reasons: dict[str, list[str]] = {}
    for node in nodes:
        reason = scene.why_not(demand, node)
        reasons.setdefault(reason, []).append(scene.cluster.nodes[node].name)
    return _finding(scene, workload, f"{pods}: {_shown(reasons)}", "", pending)


def _shown(reasons: Mapping[str, Sequence[str]]) -> str:
    """In the order of the first node of each."""
    parts = [f"{_names(names)}: {reason}" for reason, names in reasons.items()]
    rest = [name for names in list(reasons.values())[_MOST_REASONS:] for name in names]
    if rest:
        parts[_MOST_REASONS:] = [f"{len(rest)} more nodes: for reasons like these"]
    return "; ".join(parts)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _finding(
    scene: Scene, workload: Workload, message: str, hint: str, pending: Pending
) -> Finding:
    if pending == "error":
        code = Code.UNSCHEDULABLE
    else:
        code, hint = Code.PENDING, "they are left out: no address, no endpoint"
    return Finding(code, scene.cluster.origins.get(workload.key), _path(workload), message, hint)


def _path(workload: Workload) -> Path:
    match workload.kind:
        case "Pod":
            return ("spec",)
        case "DaemonSet":
            return ("spec", "template")
        case "Job":
            return ("spec", "parallelism")
    return ("spec", "replicas")
