"""The scheduling fields of a pod's spec to scheduling.Scheduling."""

from collections.abc import Mapping
from typing import Any

from kcompile.labels import Labels
from kcompile.scheduling import ANYWHERE, Scheduling
from kcompile.source import Path
from kcompile.validate.metadata import read_labels
from kcompile.validate.neighbours import (
    Asker,
    read_preferred_pods,
    read_required_pods,
    read_spread,
)
from kcompile.validate.nodes_wanted import read_preferred_nodes, read_required_nodes
from kcompile.validate.resources import read_requests
from kcompile.validate.review import Review

_FIELDS = frozenset(
    {"affinity", "nodeSelector", "overhead", "resources", "topologySpreadConstraints"}
)
_DEFAULT_SCHEDULER = "default-scheduler"


def asks_nothing(spec: Mapping[str, Any]) -> bool:
    if not _FIELDS.isdisjoint(spec):
        return False
    for container in spec.get("containers") or ():
        if "resources" in container:
            return False
    return not any("resources" in container for container in spec.get("initContainers") or ())


def read_scheduling(
    spec: Mapping[str, Any], labels: Labels, namespace: str, review: Review, pod: Path
) -> Scheduling:
    if spec.get("schedulingGates"):
        # The pod gets no node before a controller has removed the gates.
        review.not_implemented((*pod, "schedulingGates"), "schedulingGates")
    if (spec.get("schedulerName") or _DEFAULT_SCHEDULER) != _DEFAULT_SCHEDULER:
        review.ignored((*pod, "schedulerName"))
    if asks_nothing(spec):
        return ANYWHERE
    affinity = spec.get("affinity") or {}
    nodes, near, apart = (
        affinity.get(key) or {} for key in ("nodeAffinity", "podAffinity", "podAntiAffinity")
    )
    asker = Asker(namespace, labels)
    path: Path = (*pod, "affinity")
    away = read_preferred_pods(apart, asker, review, (*path, "podAntiAffinity"))
    spread_path = (*pod, "topologySpreadConstraints")
    read = Scheduling(
        node_selector=read_labels(spec.get("nodeSelector"), review, (*pod, "nodeSelector")),
        required_nodes=read_required_nodes(nodes, review, (*path, "nodeAffinity")),
        preferred_nodes=read_preferred_nodes(nodes, review, (*path, "nodeAffinity")),
        pod_affinity=read_required_pods(near, asker, review, (*path, "podAffinity")),
        pod_anti_affinity=read_required_pods(apart, asker, review, (*path, "podAntiAffinity")),
        preferred_pods=(
            *read_preferred_pods(near, asker, review, (*path, "podAffinity")),
            *((-weight, term) for weight, term in away),
        ),
        spread=read_spread(spec.get("topologySpreadConstraints") or (), asker, review, spread_path),
        requests=read_requests(spec, review, pod),
    )
    return ANYWHERE if read == ANYWHERE else read
