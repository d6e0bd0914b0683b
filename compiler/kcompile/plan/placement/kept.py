"""Pods that the lock has placed stay where they are.

First those that it holds as live, all of them before anybody new; then those that were freed and
come again, where they may start anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.plan.lock import Lock, PodEntry, PodKey
from kcompile.plan.placement.demand import Demand
from kcompile.plan.placement.rules import Rules
from kcompile.plan.placement.scene import UNPLACED, Scene


@dataclass(frozen=True, slots=True)
class Home:
    """Where a pod without a place was before: the index of its node, UNPLACED if that is gone.
    `ran` is false for a pod that was gone itself and starts anew."""

    position: int
    node: int
    ran: bool


Homes = Mapping[int, Sequence[Home]]
"""By the index of a workload the pods that had to leave, then those that come again."""


def keep(scene: Scene, lock: Lock, place_stated: Callable[[], None]) -> Homes:
    """Where those were that could not be kept, or not yet.

    `place_stated` places pods with a nodeName: they ask nobody, and others ask for them.
    """
    index = {node.name: number for number, node in enumerate(scene.cluster.nodes)}
    freed = {key: entry for key, (entry, _) in lock.freed_pods.items()}
    # What can be on one node only takes its place before what could go elsewhere.
    demands = sorted(scene.demands, key=lambda demand: not demand.pinned)
    if lock.pods:
        for demand in demands:
            _keep_live(scene, demand, lock.pods, index)
    place_stated()
    while lock.pods and _let_go(scene):
        place_stated()
    if not (lock.pods or freed):
        return {}
    homes = {demand.index: _homes(scene, demand, lock.pods, freed, index) for demand in demands}
    left = [demand for demand in demands if homes[demand.index]]
    for ran in (True, False):
        # Who left for others' sake may be back when those are gone, or are back themselves.
        while sum(go_home(scene, demand, homes[demand.index], ran=ran) for demand in left):
            pass
    return {demand.index: homes[demand.index] for demand in left}


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


def _let_go(scene: Scene) -> bool:
    """Whether pods went: those must whose own required terms do not hold where they are, as the
    template that asks for them is newer than their place. Of pods that exclude each other the last
    ones go."""
    bound = [
        (demand, rules)
        for demand in reversed(scene.demands)
        if (rules := scene.book.of(demand)).apart or rules.near
    ]
    went, gone = False, True
    while gone:
        gone = False
        for demand, rules in bound:
            placed = scene.placed[demand.index]
            for position in range(len(placed) - 1, -1, -1):
                if placed[position] >= 0 and not _holds(rules, placed[position]):
                    scene.take_away(demand, position)
                    went = gone = True
    return went


def _holds(rules: Rules, node: int) -> bool:
    """Whether a pod's own terms hold on its node. It is near itself, as the first of a group was,
    and apart from others."""
    if any(each.tally.of(node) > each.itself for each in rules.apart):
        return False
    return all(each.tally.of(node) for each in rules.near)


def _homes(
    scene: Scene,
    demand: Demand,
    live: Mapping[PodKey, PodEntry],
    freed: Mapping[PodKey, PodEntry],
    index: Mapping[str, int],
) -> list[Home]:
    placed = scene.placed[demand.index]
    if min(placed, default=0) >= 0:
        return []
    homes = []
    for position, key in _keys(scene, demand):
        if placed[position] < 0 and (entry := live.get(key) or freed.get(key)):
            homes.append(Home(position, index.get(entry.node, UNPLACED), key in live))
    return homes


def go_home(scene: Scene, demand: Demand, homes: Sequence[Home], *, ran: bool) -> int:
    """Put those pods where they were that may be there by now; how many there are."""
    placed, found = scene.placed[demand.index], 0
    for home in homes:
        if home.ran is ran and home.node >= 0 and placed[home.position] < 0:
            may = _may_go_on if ran else _may_start
            if may(scene, demand, home.node):
                scene.put(demand, home.position, home.node)
                found += 1
    return found


def _may_start(scene: Scene, demand: Demand, node: int) -> bool:
    return not scene.why_not(demand, node)


def _may_go_on(scene: Scene, demand: Demand, node: int) -> bool:
    """What is asked of a new pod only (cordoning, spread) does not count."""
    if not (scene.class_of(demand).stays[node] and scene.board.takes(demand, node)):
        return False
    rules = scene.book.of(demand)
    if any(each.tally.of(node) for each in (*rules.apart, *rules.shunned)):
        return False
    return all(
        each.tally.of(node) or (rules.first and each.tally.topology.domain_of[node] >= 0)
        for each in rules.near
    )


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
