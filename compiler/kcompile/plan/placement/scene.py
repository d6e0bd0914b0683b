"""All that an attempt at placing the pods of a cluster works on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kcompile.address import Cidr
from kcompile.model import Cluster
from kcompile.plan.placement.board import Board
from kcompile.plan.placement.demand import ClassKey, Demand
from kcompile.plan.placement.fitting import NodeClass, classify, why_not_here
from kcompile.plan.placement.node_affinity import NodeLabels, node_labels
from kcompile.plan.placement.room import pod_room
from kcompile.plan.placement.rules import RuleBook
from kcompile.plan.placement.why_not import why_not_among


@dataclass(slots=True)
class Scene:
    """`placed` has for each workload the node of each of its pods, UNPLACED for those without one
    (of a DaemonSet, an entry for each node)."""

    cluster: Cluster
    demands: Sequence[Demand]
    labels: Sequence[NodeLabels]
    classes: dict[ClassKey, NodeClass]
    board: Board
    book: RuleBook
    placed: list[list[int]]

    def class_of(self, demand: Demand) -> NodeClass:
        key = demand.class_key
        if key not in self.classes:
            self.classes[key] = classify(demand, self.cluster.nodes, self.labels)
        return self.classes[key]

    def put(self, demand: Demand, position: int, node: int) -> None:
        self.placed[demand.index][position] = node
        self.board.put(demand, node)
        self.book.count(demand, node, 1)

    def take_away(self, demand: Demand, position: int) -> None:
        node = self.placed[demand.index][position]
        self.placed[demand.index][position] = UNPLACED
        self.board.take_away(demand, node)
        self.book.count(demand, node, -1)

    def missing(self, demand: Demand) -> list[int]:
        """The positions of pods that are to be somewhere and are not yet."""
        placed = self.placed[demand.index]
        wanted = self.class_of(demand).fits if demand.daemon else range(len(placed))
        return [position for position in wanted if placed[position] < 0]

    def why_not(self, demand: Demand, node: int) -> str:
        """Why no further pod of a workload may go to a node, "" if one may."""
        return (
            why_not_here(demand, self.cluster.nodes[node], self.labels[node])
            or self.board.why_not(demand, node)
            or why_not_among(self.book.of(demand), node)
        )


UNPLACED = -1


def open_scene(
    cluster: Cluster,
    demands: Sequence[Demand],
    sizes: Sequence[int],
    pod_cidrs: Mapping[str, tuple[Cidr, ...]],
) -> Scene:
    """Nobody is placed yet; `sizes` are how many pods of each workload are to be."""
    nodes = cluster.nodes
    labels = tuple(node_labels(node) for node in nodes)
    return Scene(
        cluster,
        demands,
        labels,
        {},
        Board(nodes, [pod_room(pod_cidrs[node.name]) for node in nodes]),
        RuleBook(cluster, demands, labels),
        [[UNPLACED] * size for size in sizes],
    )
