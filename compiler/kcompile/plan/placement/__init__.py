"""Which node each pod runs on: those of the lock stay, new ones go where kube-scheduler might put
them. docs/placement.md has the filters and scores that act.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.address import Cidr
from kcompile.model import Cluster
from kcompile.plan.lock import Lock
from kcompile.plan.placement.choose import Chooser
from kcompile.plan.placement.demand import Demand, demands_of
from kcompile.plan.placement.kept import Homes, go_home, keep
from kcompile.plan.placement.report import Pending, nowhere, too_many
from kcompile.plan.placement.room import MOST_PODS, pod_band, pod_room
from kcompile.plan.placement.scene import Scene, open_scene
from kcompile.plan.placement.topology import Tally
from kcompile.problems import Code, Finding
from kcompile.resolve.nodes import ADDRESS_HINT

__all__ = ["Pending", "Placed", "Placement", "place", "pod_band"]

Placement = Sequence[int]
"""The index of a node for each pod of a workload, in the order of its ordinals, negative for pods
that have none; of a DaemonSet for each node."""


@dataclass(frozen=True, slots=True)
class Placed:
    """`placements` by workload of the cluster; `pending` is how many pods have no place."""

    placements: tuple[Placement, ...]
    pending: int
    findings: tuple[Finding, ...]


def place(
    cluster: Cluster,
    pod_cidrs: Mapping[str, tuple[Cidr, ...]],
    lock: Lock,
    pending: Pending = "error",
) -> Placed:
    """For each workload of the cluster the nodes of its pods, as indices into cluster.nodes."""
    demands = demands_of(cluster)
    most = _most(cluster, demands, pod_cidrs)
    sizes = _sizes(demands, most, lock, pending)
    left, scene = _attempt(cluster, demands, sizes, pod_cidrs, lock)
    if sum(left):
        # Whoever has few nodes to choose from may fit if it chooses first.
        scarce = sorted(demands, key=lambda demand: _freedom(scene, demand))
        second, other = _attempt(cluster, scarce, sizes, pod_cidrs, lock)
        if sum(second) < sum(left):
            left, scene = second, other
    findings: list[Finding] = []
    for demand, missing, limit in zip(demands, left, most, strict=True):
        if not demand.daemon and demand.workload.replicas > limit:
            findings.append(too_many(scene, demand, limit, pending))
        elif missing:
            findings.append(nowhere(scene, demand, missing, pending))
        if demand.host_network:
            findings += _without_address(scene, demand)
    unplaced = sum(
        missing if demand.daemon else demand.workload.replicas - size + missing
        for demand, missing, size in zip(demands, left, sizes, strict=True)
    )
    return Placed(tuple(scene.placed), unplaced, tuple(findings))


def _most(
    cluster: Cluster, demands: Sequence[Demand], pod_cidrs: Mapping[str, tuple[Cidr, ...]]
) -> list[int]:
    """How many pods of each workload all nodes hold at most."""
    nodes = len(cluster.nodes)
    room = sum(pod_room(pod_cidrs[node.name]) for node in cluster.nodes)
    return [
        nodes
        if demand.ports or demand.daemon
        else max(room, MOST_PODS)
        if demand.host_network
        else room
        for demand in demands
    ]


def _sizes(
    demands: Sequence[Demand], most: Sequence[int], lock: Lock, pending: Pending
) -> list[int]:
    """For how many pods of each workload a place is sought (of a DaemonSet for one a node): a
    billion replicas are refused before they are counted."""
    sizes = []
    for demand, limit in zip(demands, most, strict=True):
        replicas = limit if demand.daemon else demand.workload.replicas
        if replicas <= limit:
            sizes.append(replicas)
        else:
            # Ordinals of a lock may be higher than what fits.
            sizes.append(0 if pending == "error" else min(replicas, limit + len(lock.pods)))
    return sizes


def _attempt(
    cluster: Cluster,
    order: Sequence[Demand],
    sizes: Sequence[int],
    pod_cidrs: Mapping[str, tuple[Cidr, ...]],
    lock: Lock,
) -> tuple[list[int], Scene]:
    """Place what the lock holds, then what can be on one node only, then the rest in the order
    that is given; how many pods of each workload of the cluster have no place."""
    demands = sorted(order, key=lambda demand: demand.index)
    scene = open_scene(cluster, demands, sizes, pod_cidrs)
    chooser = Chooser(scene)
    stated = [demand for demand in order if demand.node_name]

    def place_stated() -> None:
        for demand in stated:
            chooser.place(demand)

    homes = keep(scene, lock, place_stated)
    left = [0] * len(demands)
    everybody = sorted(order, key=lambda demand: not demand.pinned)
    if homes:
        # Who had a place finds one before anybody new does.
        _settle(chooser, [d for d in everybody if d.pinned], homes, left)
        for some in _in_turn(scene, [d for d in everybody if d.index in homes]):
            _settle(chooser, some, homes, left)
    _settle(chooser, everybody, homes, left)
    return left, scene


def _in_turn(scene: Scene, waiting: Sequence[Demand]) -> Iterator[Sequence[Demand]]:
    """Whom others want to be near comes before them: they may be back where they were then."""
    book = scene.book
    while waiting:
        counted: dict[Tally, set[int]] = {}
        for demand in waiting:
            for tally in book.feeds.get(demand.index, ()):
                counted.setdefault(tally, set()).add(demand.index)
        followers = {
            demand.index
            for demand in waiting
            for each in book.of(demand).near
            if len(among := counted.get(each.tally, ())) > (demand.index in among)
        }
        if len(followers) == len(waiting):
            followers = set()
        yield [demand for demand in waiting if demand.index not in followers]
        waiting = [demand for demand in waiting if demand.index in followers]


def _settle(chooser: Chooser, waiting: Sequence[Demand], homes: Homes, left: list[int]) -> None:
    scene = chooser.scene
    while waiting:
        before = sum(scene.board.pods)
        for demand in waiting:
            _send_home(scene, demand, homes)
        for demand in waiting:
            # Whom they need may be there by now.
            _send_home(scene, demand, homes)
            left[demand.index] = chooser.place(demand)
        again = [d for d in waiting if left[d.index] and scene.book.of(d).waits]
        # Those that ask for others are asked again while somebody finds a place.
        waiting = again if sum(scene.board.pods) > before else []


def _send_home(scene: Scene, demand: Demand, homes: Homes) -> None:
    for ran in (True, False) if demand.index in homes else ():
        go_home(scene, demand, homes[demand.index], ran=ran)


def _freedom(scene: Scene, demand: Demand) -> tuple[int, int, int]:
    """Few nodes first, then much asked of them."""
    asked = sum(amount for _, amount in demand.requests)
    return len(scene.class_of(demand).fits), -asked, demand.index


def _without_address(scene: Scene, demand: Demand) -> Iterator[Finding]:
    cluster, workload = scene.cluster, demand.workload
    families = cluster.settings.families
    pod_path = ("spec",) if workload.kind == "Pod" else ("spec", "template", "spec")
    for index in sorted(set(scene.placed[demand.index])):
        node = cluster.nodes[index]
        if index >= 0 and not any(family in families for family, _ in node.addresses):
            yield Finding(
                Code.NODE_ADDRESS,
                cluster.origins.get(workload.key),
                (*pod_path, "hostNetwork"),
                f"pods of {workload.key} are in the network of node {node.name}, which has no"
                " address",
                ADDRESS_HINT,
            )
