"""Workloads as Kubernetes objects, with the status that the planned cluster gives them."""

from typing import assert_never

from kcompile.explain.contents import Workload
from kcompile.explain.object_pieces import Object, metadata, pod_spec


def workload_object(workload: Workload) -> Object:
    return {
        "apiVersion": _API_VERSIONS.get(workload.kind, "apps/v1"),
        "kind": workload.kind,
        "metadata": metadata(workload.namespace, workload.name, workload.labels),
        "spec": _counts(workload)
        | {"selector": _selector(workload), "template": _template(workload)},
        "status": _status(workload),
    }


_API_VERSIONS = {"Job": "batch/v1", "ReplicationController": "v1"}


def _counts(workload: Workload) -> Object:
    """A Job runs at once what the plan has of it; how many must complete, the plan does not say."""
    match workload.kind:
        case "Job":
            return {"parallelism": workload.replicas}
        case "DaemonSet":
            return {}
        case "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController":
            return {"replicas": workload.replicas}
        case _:
            assert_never(workload.kind)


def _template(workload: Workload) -> Object:
    return {"metadata": {"labels": dict(workload.pod_labels)}, "spec": pod_spec(workload)}


def _status(workload: Workload) -> Object:
    replicas, ready = workload.replicas, workload.ready
    counts: Object = {"replicas": replicas}
    running = {"readyReplicas": ready, "availableReplicas": ready} if ready else {}
    match workload.kind:
        case "Deployment":
            missing = {"unavailableReplicas": replicas - ready} if replicas > ready else {}
            all_counts = counts | {"updatedReplicas": replicas} | running | missing
            return all_counts if replicas else {}
        case "StatefulSet":
            placed = {"currentReplicas": replicas, "updatedReplicas": replicas}
            return counts | (placed if replicas else {}) | {"availableReplicas": 0} | running
        case "ReplicaSet" | "ReplicationController":
            labelled = {"fullyLabeledReplicas": replicas} if replicas else {}
            return counts | labelled | running
        case "DaemonSet":
            return _daemon_set_status(ready)
        case "Job":
            return {"active": replicas, "ready": ready} if replicas else {}
        case _:
            assert_never(workload.kind)


def _daemon_set_status(placed: int) -> Object:
    """Nodes that it fits on are those where the plan has a pod of it."""
    return {
        "currentNumberScheduled": placed,
        "desiredNumberScheduled": placed,
        "numberMisscheduled": 0,
        "numberReady": placed,
        **({"numberAvailable": placed, "updatedNumberScheduled": placed} if placed else {}),
    }


def _selector(workload: Workload) -> Object:
    """A ReplicationController's selector is no more than labels."""
    if workload.kind == "ReplicationController":
        return dict(workload.match_labels)
    expressions = [
        {"key": each.key, "operator": each.operator}
        | ({"values": list(each.values)} if each.values else {})
        for each in workload.match_expressions
    ]
    return {
        **({"matchLabels": dict(workload.match_labels)} if workload.match_labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }
