"""What the pods of a workload ask of a node, as kube-scheduler and the kubelet would see it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from kcompile.model import Cluster, HostPort, PodTemplate, Toleration, Workload
from kcompile.resolve.nodes import STAND_IN
from kcompile.scheduling import ANYWHERE, Amounts, NodeTerm, Scheduling

PODS = "pods"
"""The resource of which each pod takes one piece (allocatable.pods)."""
ONE = 1000

# What the DaemonSet controller adds to its pods (pkg/controller/daemon/util
# AddOrUpdateDaemonPodTolerations).
_DAEMON_TOLERATIONS = tuple(
    Toleration(f"node.kubernetes.io/{name}", "Exists", "", effect)
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
_DAEMON_HOST_TOLERATION = Toleration(
    "node.kubernetes.io/network-unavailable", "Exists", "", "NoSchedule"
)

ClassKey = tuple[
    tuple[Toleration, ...],
    str,
    tuple[tuple[str, str], ...],
    tuple[NodeTerm, ...] | None,
    tuple[tuple[int, NodeTerm], ...],
]


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """A workload with all that decides where its pods may be.

    `requests` are of resources that some node limits. `node_name` is "" where the scheduler
    decides. `daemon` pods are one a node, each with its node for an ordinal.
    """

    workload: Workload
    index: int
    tolerations: tuple[Toleration, ...]
    node_name: str
    scheduling: Scheduling
    ports: tuple[HostPort, ...]
    requests: Amounts
    host_network: bool
    daemon: bool

    @property
    def class_key(self) -> ClassKey:
        """What decides which nodes fit whoever else is there."""
        scheduling = self.scheduling
        return (
            self.tolerations,
            self.node_name,
            scheduling.node_selector,
            scheduling.required_nodes,
            scheduling.preferred_nodes,
        )

    @property
    def light(self) -> bool:
        """Whether its pods take nothing of a node but an address."""
        return not (self.ports or self.requests or self.host_network)

    @property
    def pinned(self) -> bool:
        """Whether its pods can be on one node only, each."""
        return self.daemon or bool(self.node_name)


def demands_of(cluster: Cluster) -> tuple[Demand, ...]:
    """One for each workload, in the cluster's order."""
    # The node that stands in for all satisfies every constraint.
    stands_in = any(node is STAND_IN for node in cluster.nodes)
    limited = {name for node in cluster.nodes for name, _ in node.allocatable}
    return tuple(
        _demand(workload, index, limited, stands_in=stands_in)
        for index, workload in enumerate(cluster.workloads)
    )


def _demand(
    workload: Workload, index: int, limited: AbstractSet[str], *, stands_in: bool
) -> Demand:
    template = workload.template
    daemon = workload.kind == "DaemonSet"
    tolerations = template.tolerations
    if daemon:
        tolerations += _DAEMON_TOLERATIONS
        tolerations += (_DAEMON_HOST_TOLERATION,) if template.host_network else ()
    return Demand(
        workload,
        index,
        tolerations,
        "" if stands_in else template.node_name,
        ANYWHERE if stands_in else template.scheduling,
        host_ports(template),
        _requests(template, limited) if limited else (),
        template.host_network,
        daemon,
    )


def _requests(template: PodTemplate, limited: AbstractSet[str]) -> Amounts:
    own = tuple(
        (name, amount)
        for name, amount in template.scheduling.requests
        if amount and name in limited
    )
    return ((PODS, ONE), *own) if PODS in limited else own


def host_ports(template: PodTemplate) -> tuple[HostPort, ...]:
    """The ports of its node that a pod takes: in the host's network all that it has."""
    if not template.host_network:
        return template.host_ports
    taken = {(port.host_port, port.protocol) for port in template.host_ports}
    return template.host_ports + tuple(
        HostPort((), port.port, port.port, port.protocol)
        for container in (*template.containers, *template.sidecars)
        for port in container.ports
        if (port.port, port.protocol) not in taken
    )
