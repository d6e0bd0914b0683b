"""Pods that the lock has placed stay where they are.

First those that it holds as live, all of them before anybody new; then those that were freed and
come again, where they may start anew.
"""

from collections.abc import Iterator, Mapping

from kcompile.plan.lock import Lock, PodEntry, PodKey
from kcompile.plan.placement.demand import Demand
from kcompile.plan.placement.rules import Rules
from kcompile.plan.placement.scene import UNPLACED, Scene


def keep(scene: Scene, lock: Lock) -> None:
    index = {node.name: number for number, node in enumerate(scene.cluster.nodes)}
    # What can be on one node only takes its place before what could go elsewhere.
    demands = sorted(scene.demands, key=lambda demand: not demand.pinned)
    if lock.pods:
        for demand in demands:
            _keep_live(scene, demand, lock.pods, index)
        _let_go(scene)
    if lock.freed_pods:
        freed = {key: entry for key, (entry, _) in lock.freed_pods.items()}
        for demand in demands:
            _take_back(scene, demand, freed, index)


def _keep_live(
    scene: Scene, demand: Demand, entries: Mapping[PodKey, PodEntry], index: Mapping[str, int]
) -> None:
    stays, board, placed = scene.class_of(demand).stays, scene.board, scene.placed[demand.index]
    pods, room = board.pods, board.room
    light = demand.light and demand.index not in scene.book.feeds
    for position, key in _keys(scene, demand):
        entry = entries.get(key)
        node = index.get(entry.node, UNPLACED) if entry else UNPLACED
        if node < 0 or not stays[node]:
            continue
        if not light:
            if board.takes(demand, node):
                scene.put(demand, position, node)
        elif pods[node] < room[node]:
            # What `put` would do, for the many that nobody asks about.
            pods[node] += 1
            placed[position] = node


def _let_go(scene: Scene) -> None:
    """Pods whose own required terms do not hold where they are must go: the template that asks for
    them is newer than their place. Of pods that exclude each other the last ones go."""
    bound = [
        (demand, rules)
        for demand in reversed(scene.demands)
        if (rules := scene.book.of(demand)).apart or rules.near
    ]
    gone = True
    while gone:
        gone = False
        for demand, rules in bound:
            placed = scene.placed[demand.index]
            for position in range(len(placed) - 1, -1, -1):
                if placed[position] >= 0 and not _holds(rules, placed[position]):
                    scene.take_away(demand, position)
                    gone = True


def _holds(rules: Rules, node: int) -> bool:
    """Whether a pod's own terms hold on its node, itself not counted."""
    if any(each.tally.of(node) > each.itself for each in rules.apart):
        return False
    if all(each.tally.of(node) > each.itself for each in rules.near):
        return True
    return all(each.itself and each.tally.total == 1 and each.tally.of(node) for each in rules.near)


def _take_back(
    scene: Scene, demand: Demand, entries: Mapping[PodKey, PodEntry], index: Mapping[str, int]
) -> None:
    placed = scene.placed[demand.index]
    for position, key in _keys(scene, demand):
        entry = entries.get(key) if placed[position] < 0 else None
        if entry is None:
            continue
        node = index.get(entry.node, UNPLACED)
        if node >= 0 and not scene.why_not(demand, node):
            scene.put(demand, position, node)


def _keys(scene: Scene, demand: Demand) -> Iterator[tuple[int, PodKey]]:
    workload = demand.workload
    namespace, kind, name = workload.namespace, workload.kind, workload.name
    if demand.daemon:
        for position, node in enumerate(scene.cluster.nodes):
            yield position, (namespace, kind, name, node.name)
        return
    first = workload.first
    for position in range(len(scene.placed[demand.index])):
        yield position, (namespace, kind, name, first + position)
