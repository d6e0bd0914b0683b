"""Which node each pod runs on: those of the lock stay, new ones go where there is least.

kube-scheduler's filters that act here: nodeName, taints and tolerations, unschedulable, host
ports, and room in the node's pod CIDRs (which pods in the host's network do not need).
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kcompile.address import Cidr
from kcompile.model import Cluster, HostPort, Node, PodTemplate, Taint, Toleration, Workload
from kcompile.plan.choice import Band
from kcompile.plan.lock import Lock
from kcompile.problems import Code, Finding
from kcompile.resolve.nodes import ADDRESS_HINT, STAND_IN

# The taint that a cordoned node carries (kube-controller-manager adds it).
_UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
# More than any kubelet runs; without it an IPv6 share would hold billions of pods.
_MOST_PODS = 1 << 16


def pod_room(cidrs: Sequence[Cidr]) -> int:
    """How many pods the smallest of a node's pod CIDRs holds."""
    return min((_MOST_PODS, *(pod_band(cidr).size for cidr in cidrs))) if cidrs else 0


def pod_band(cidr: Cidr) -> Band:
    """A pod CIDR without its network address, its gateway (the first) and, in IPv4, broadcast."""
    return Band(cidr.base + 2, max(0, cidr.size - (3 if cidr.family == 4 else 2)))


Placement = Sequence[int]
"""The index of a node for each ordinal of a workload."""


def place(
    cluster: Cluster, pod_cidrs: Mapping[str, tuple[Cidr, ...]], lock: Lock
) -> tuple[tuple[Placement, ...], tuple[Finding, ...]]:
    """For each workload of the cluster the nodes of its pods, as indices into cluster.nodes."""
    room = [pod_room(pod_cidrs[node.name]) for node in cluster.nodes]
    total = sum(room)
    board = _Board(cluster.nodes, room)
    findings: list[Finding] = []
    placements: list[list[int]] = []
    for workload in cluster.workloads:
        most = len(room) if host_ports(workload.template) else total
        if workload.replicas > most:
            findings.append(_too_many(workload, cluster, most))
            placements.append([])
            continue
        kept = board.keep(workload, lock)
        placements.append(kept)
    for workload, kept in zip(cluster.workloads, placements, strict=True):
        missing = [ordinal for ordinal, node in enumerate(kept) if node < 0]
        unplaced = board.spread(workload, kept, missing) if missing else 0
        if unplaced:
            findings.append(_nowhere(workload, unplaced, board, cluster))
        elif workload.template.host_network:
            findings += _without_address(workload, sorted(set(kept)), cluster)
    return tuple(placements), tuple(findings)


def _without_address(
    workload: Workload, nodes: Sequence[int], cluster: Cluster
) -> Iterator[Finding]:
    families = cluster.settings.families
    for node in (cluster.nodes[index] for index in nodes):
        if not any(family in families for family, _ in node.addresses):
            yield Finding(
                Code.NODE_ADDRESS,
                cluster.origins.get(workload.key),
                ("spec", "template", "spec", "hostNetwork"),
                f"pods of {workload.key} are in the network of node {node.name}, which has no"
                " address",
                ADDRESS_HINT,
            )


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


@dataclass(slots=True)
class _Board:
    """How many pods each node has, and heaps that find the emptiest node of a class.

    A class is the nodes that a template fits on. Heaps are lazy: an entry whose count is old is
    pushed again with the right one when it surfaces.
    """

    nodes: Sequence[Node]
    room: list[int]
    pods: list[int] = field(default_factory=list)
    classes: dict[tuple[tuple[Toleration, ...], str], list[int]] = field(default_factory=dict)
    heaps: dict[tuple[tuple[Toleration, ...], str], list[tuple[int, int]]] = field(
        default_factory=dict
    )
    index: dict[str, int] = field(default_factory=dict)
    host_ports: dict[tuple[int, int, str], list[HostPort]] = field(default_factory=dict)
    """Those taken, by node, number and protocol."""

    def __post_init__(self) -> None:
        self.pods = [0] * len(self.nodes)
        self.index = {node.name: i for i, node in enumerate(self.nodes)}

    def keep(self, workload: Workload, lock: Lock) -> list[int]:
        """What the lock says where it still fits; -1 for pods that need a place."""
        placed = [-1] * workload.replicas
        ports = host_ports(workload.template)
        for ordinal in range(workload.replicas):
            key = (workload.namespace, workload.kind, workload.name, ordinal)
            entry = lock.pods.get(key)
            if entry is None and (freed := lock.freed_pods.get(key)):
                entry = freed[0]
            if entry is None:
                continue
            node = self.index.get(entry.node, -1)
            if node >= 0 and self._may_stay(workload.template, node):
                if ports and self.taken_port(ports, node):
                    continue
                placed[ordinal] = node
                self._put(workload.template, ports, node)
        return placed

    def _put(self, template: PodTemplate, ports: Sequence[HostPort], node: int) -> None:
        self.pods[node] += 1
        if template.host_network:
            # It takes none of the addresses that the room counts.
            self.room[node] += 1
        for port in ports:
            self.host_ports.setdefault((node, port.host_port, port.protocol), []).append(port)

    def taken_port(self, ports: Sequence[HostPort], node: int) -> HostPort | None:
        """The first of the ports that another pod has on the node, on the same address."""
        for port in ports:
            for other in self.host_ports.get((node, port.host_port, port.protocol), ()):
                if not (port.host_ip and other.host_ip) or set(port.host_ip) & set(other.host_ip):
                    return port
        return None

    def _may_stay(self, template: PodTemplate, node: int) -> bool:
        """Of the filters, only NoExecute drives out a pod that runs already."""
        if template.node_name and template.node_name != self.nodes[node].name:
            return False
        if self.pods[node] >= self.room[node] and not template.host_network:
            return False
        return all(
            taint.effect != "NoExecute" or _tolerated(taint, template.tolerations)
            for taint in self.nodes[node].taints
        )

    def spread(self, workload: Workload, placed: list[int], missing: Sequence[int]) -> int:
        """Place the missing ordinals, the node with the fewest pods of the workload first, then
        the one with the fewest pods; returns how many found no place."""
        template = workload.template
        ports = host_ports(template)
        key = (template.tolerations, template.node_name)
        if key not in self.classes:
            self.classes[key] = [i for i in range(len(self.nodes)) if self.fits(template, i)]
            self.heaps[key] = [(self.pods[i], i) for i in self.classes[key]]
            heapq.heapify(self.heaps[key])
        if ports or template.host_network or len(missing) < len(placed):
            return self._spread_more(template, ports, placed, missing)
        return self._spread_new(placed, missing, self.heaps[key])

    def fits(self, template: PodTemplate, node: int) -> bool:
        return not why_not(template, self.nodes[node])

    def _spread_new(
        self, placed: list[int], missing: Sequence[int], heap: list[tuple[int, int]]
    ) -> int:
        position, total = 0, len(missing)
        while position < total and heap:
            used = []
            while position < total and heap:
                count, node = heapq.heappop(heap)
                if count != self.pods[node]:
                    heapq.heappush(heap, (self.pods[node], node))
                elif count < self.room[node]:
                    placed[missing[position]] = node
                    self.pods[node] += 1
                    position += 1
                    used.append(node)
            for node in used:
                heapq.heappush(heap, (self.pods[node], node))
        return total - position

    def _spread_more(
        self,
        template: PodTemplate,
        ports: Sequence[HostPort],
        placed: list[int],
        missing: Sequence[int],
    ) -> int:
        nodes = self.classes[template.tolerations, template.node_name]
        own = dict.fromkeys(nodes, 0)
        for node in placed:
            if node in own:
                own[node] += 1
        heap = [(own[i], self.pods[i], i) for i in nodes if self._takes(template, ports, i)]
        heapq.heapify(heap)
        for position, ordinal in enumerate(missing):
            if not heap:
                return len(missing) - position
            count, _, node = heapq.heappop(heap)
            placed[ordinal] = node
            self._put(template, ports, node)
            if self._takes(template, ports, node):
                heapq.heappush(heap, (count + 1, self.pods[node], node))
        return 0

    def _takes(self, template: PodTemplate, ports: Sequence[HostPort], node: int) -> bool:
        has_room = template.host_network or self.pods[node] < self.room[node]
        return has_room and not (ports and self.taken_port(ports, node))


def why_not(template: PodTemplate, node: Node) -> str:
    """Why a new pod may not go to a node, "" if it may."""
    if node is STAND_IN:
        return ""
    if template.node_name:
        # A stated node is the kubelet's business alone: the scheduler's taints do not count.
        return "" if template.node_name == node.name else f"nodeName is {template.node_name}"
    taints = (*node.taints, _UNSCHEDULABLE) if node.unschedulable else node.taints
    for taint in taints:
        if taint.effect != "PreferNoSchedule" and not _tolerated(taint, template.tolerations):
            value = f"={taint.value}" if taint.value else ""
            return f"taint {taint.key}{value}:{taint.effect} is not tolerated"
    return ""


def _tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
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


def _too_many(workload: Workload, cluster: Cluster, most: int) -> Finding:
    nodes = len(cluster.nodes)
    if host_ports(workload.template):
        reason, hint = f"a host port is there once a node, and there are {nodes}", "more nodes"
    else:
        reason = f"the pod CIDRs of all {nodes} nodes hold {most} pods"
        hint = "fewer replicas, more nodes or a shorter --node-cidr-mask-size"
    return Finding(
        Code.UNSCHEDULABLE,
        cluster.origins.get(workload.key),
        ("spec", "replicas"),
        f"{workload.replicas} replicas of {workload.key}, but {reason}",
        hint,
    )


def _nowhere(workload: Workload, unplaced: int, board: _Board, cluster: Cluster) -> Finding:
    reasons: dict[str, list[str]] = {}
    for index, node in enumerate(board.nodes):
        reasons.setdefault(_why_full(workload, index, board), []).append(node.name)
    shown = "; ".join(
        f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: {reason}"
        for reason, names in sorted(reasons.items())
    )
    return Finding(
        Code.UNSCHEDULABLE,
        cluster.origins.get(workload.key),
        ("spec", "replicas"),
        f"{unplaced} of {workload.replicas} pods of {workload.key} fit on no node: {shown}",
    )


def _why_full(workload: Workload, node: int, board: _Board) -> str:
    if reason := why_not(workload.template, board.nodes[node]):
        return reason
    if port := board.taken_port(host_ports(workload.template), node):
        return f"host port {port.host_port}/{port.protocol} is taken"
    pods, room = board.pods[node], board.room[node]
    return f"its pod CIDR is full ({pods} of {room})" if pods >= room else "has room"
