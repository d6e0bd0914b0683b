"""What a node's container runtime has to give its pods, so that the plan's addresses are real."""

from kcompile.ir import NodeRuntime, PodInterface
from kcompile.lower.resolv import resolvers
from kcompile.planned import Plan, PlannedPod

POD_BRIDGE = "kcompile-pods"
"""The bridge that joins a node's pods, whoever runs them."""

_MAX_HOST_NAME = 63  # characters: Linux' HOST_NAME_MAX is one more


def lower_runtimes(plan: Plan) -> tuple[NodeRuntime, ...]:
    """Every node's, in the plan's order; its pods by namespace and name."""
    pods: dict[str, list[PodInterface]] = {node.name: [] for node in plan.nodes}
    for pod, path, _ in resolvers(plan):
        pods[pod.node].append(_interface(pod, path))
    return tuple(
        NodeRuntime(
            node.name,
            POD_BRIDGE,
            node.pod_cidrs,
            plan.settings.mtu(node.name),
            tuple(sorted(pods[node.name])),
        )
        for node in plan.nodes
    )


def _interface(pod: PlannedPod, resolv_conf: str) -> PodInterface:
    if pod.workload.template.host_network:
        return PodInterface(pod.namespace, pod.name, pod.node, True, 0, 0, resolv_conf)
    name = _host_name(pod.own_name or pod.name)
    return PodInterface(pod.namespace, pod.name, name, False, pod.ipv4, pod.ipv6, resolv_conf)


def _host_name(name: str) -> str:
    """Cut as the kubelet cuts it."""
    return name if len(name) <= _MAX_HOST_NAME else name[:_MAX_HOST_NAME].rstrip("-.")
