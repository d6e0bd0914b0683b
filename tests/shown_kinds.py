"""A cluster to show with every kind that makes pods; a pod of one has no place."""

from kcompile.planned import Plan
from kcompile.resolve.flags import Flags
from notation import node, planned

_APART = (
    "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
    "[{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: old}}}]}}"
)

_LONE = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: lone}\nspec: {containers: [{name: c, image: i}]}\n"
)


def every_kind() -> Plan:
    text = node("n1", "192.0.2.1") + node("n2", "192.0.2.2") + _OBJECTS
    return planned(text, flags=Flags(pending="warn")).plan


def _workload(
    kind: str, name: str, spec: str = "", *, pods: str = "", namespace: str = "default"
) -> str:
    """`spec` and `pods` are more of the workload's spec and of its pods', as flow mappings."""
    group = {"Job": "batch/v1", "ReplicationController": "v1"}.get(kind, "apps/v1")
    selector = {
        "Job": "",
        "ReplicationController": f"selector: {{app: {name}}}, ",
    }.get(kind, f"selector: {{matchLabels: {{app: {name}}}}}, ")
    return (
        f"apiVersion: {group}\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}, labels: {{of: {name}}}}}\n"
        f"spec: {{{selector}{spec}template: {{metadata: {{labels: {{app: {name}}}}}, "
        f"spec: {{{pods}containers: [{{name: c, image: '{name}:1'}}]}}}}}}\n---\n"
    )


_OBJECTS = "".join(
    (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n---\n",
        _workload("StatefulSet", "db", "replicas: 2, serviceName: db, "),
        _workload("DaemonSet", "agent"),
        _workload("ReplicaSet", "old", "replicas: 3, ", pods=f"{_APART}, "),
        _workload("ReplicationController", "older"),
        _workload("Job", "sum", "completions: 5, parallelism: 2, ", pods="restartPolicy: Never, "),
        _workload("Job", "later", "suspend: true, ", pods="restartPolicy: Never, "),
        _workload("Deployment", "web", namespace="shop"),
        _LONE,
    )
)
