"""Nodes for new pods: where they may be, where they would rather be, where there is least.

A search finds the places of one workload's pods. Nodes stand in heaps, the best first; where
pods ask for others by a topology that nodes share (a zone), there is a heap for each domain, and
what the domain makes of it is asked once for all of its nodes. So a pod costs a look at each domain
and a step in a heap, not a look at each node.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from kcompile.plan.placement.demand import ClassKey, Demand
from kcompile.plan.placement.fitting import NodeClass
from kcompile.plan.placement.rules import NO_RULES, Rules, Spread, Term
from kcompile.plan.placement.scene import Scene
from kcompile.plan.placement.topology import Tally

Mark = tuple[int, int, int, int, int, int]
"""How good a node is, the least is best: its rank for the template, pods around that are liked
less, pods that soft spread constraints count, own pods, all pods, and the node's number."""


@dataclass(slots=True)
class Ranking:
    """The nodes that fit a kind of pod, a heap a group of nodes; `samples` has one of each group.

    Marks are those of nodes without own pods; how many pods there are may be out of date.
    """

    samples: Sequence[int]
    heaps: Sequence[list[Mark]]
    group_of: dict[int, int]


@dataclass(slots=True)
class Chooser:
    """`rankings` are for searches, `plain` heaps of (pods, node) for pods that ask for nothing."""

    scene: Scene
    rankings: dict[tuple[ClassKey, tuple[str, ...]], Ranking] = field(default_factory=dict)
    plain: dict[ClassKey, list[tuple[int, int]]] = field(default_factory=dict)

    def place(self, demand: Demand) -> int:
        """Find a place for each pod that has none yet; how many still have none."""
        missing = self.scene.missing(demand)
        if not missing:
            return 0
        if demand.daemon:
            return self._place_daemons(demand, missing)
        if self._is_plain(demand, missing):
            return self._place_plain(demand, missing)
        rules = self.scene.book.of(demand)
        search = _Search(self.scene, demand, rules, self._ranking(demand, rules))
        left = len(missing)
        for position in missing:
            node = search.next()
            if node < 0:
                break
            self.scene.placed[demand.index][position] = node
            left -= 1
        search.close()
        return left

    def _place_daemons(self, demand: Demand, missing: Sequence[int]) -> int:
        for node in missing:
            if not self.scene.why_not(demand, node):
                self.scene.put(demand, node, node)
        return len(self.scene.missing(demand))

    def _is_plain(self, demand: Demand, missing: Sequence[int]) -> bool:
        return (
            len(missing) == len(self.scene.placed[demand.index])
            and demand.light
            and self.scene.book.of(demand) is NO_RULES
            and not self.scene.class_of(demand).ranked
        )

    def _place_plain(self, demand: Demand, missing: Sequence[int]) -> int:
        """A round gives each node at most one pod, the one with the fewest first."""
        key = demand.class_key
        pods, room = self.scene.board.pods, self.scene.board.room
        if key not in self.plain:
            heap = self.plain[key] = [(pods[i], i) for i in self.scene.class_of(demand).fits]
            heapq.heapify(heap)
        heap = self.plain[key]
        found: list[int] = []
        left = len(missing)
        while left and heap:
            used = []
            while left and heap:
                count, node = heapq.heappop(heap)
                if count != pods[node]:
                    heapq.heappush(heap, (pods[node], node))
                elif count < room[node]:
                    pods[node] += 1
                    used.append(node)
                    left -= 1
            found += used
            for node in used:
                heapq.heappush(heap, (pods[node], node))
        self.scene.placed[demand.index][: len(found)] = found
        if demand.index in self.scene.book.feeds:
            for node in found:
                self.scene.book.count(demand, node, 1)
        return left

    def _ranking(self, demand: Demand, rules: Rules) -> Ranking:
        shared = {tally.topology.key: tally.topology for tally in _tallies(rules)}
        topologies = [shared[key] for key in sorted(shared) if not shared[key].each_its_own]
        key = demand.class_key, tuple(topology.key for topology in topologies)
        if key not in self.rankings:
            groups: dict[tuple[int, ...], list[int]] = {}
            node_class = self.scene.class_of(demand)
            for node in node_class.fits:
                domains = tuple(topology.domain_of[node] for topology in topologies)
                groups.setdefault(domains, []).append(node)
            self.rankings[key] = _rank(node_class, list(groups.values()), self.scene.board.pods)
        return self.rankings[key]


def _rank(node_class: NodeClass, groups: Sequence[Sequence[int]], pods: Sequence[int]) -> Ranking:
    heaps = [[(node_class.ranks[i], 0, 0, 0, pods[i], i) for i in group] for group in groups]
    for heap in heaps:
        heapq.heapify(heap)
    group_of = {node: number for number, group in enumerate(groups) for node in group}
    return Ranking([group[0] for group in groups], heaps, group_of)


def _tallies(rules: Rules) -> list[Tally]:
    found = [each.tally for each in (*rules.apart, *rules.shunned, *rules.near)]
    found += [each.tally for each in rules.spread]
    found += [tally for _, tally in rules.likes]
    return [*found, *rules.evened]


class _Around:
    """The rules that one look settles: by nodes of their own, or by groups of nodes."""

    __slots__ = ("apart", "evened", "likes", "near", "spread")

    def __init__(self, rules: Rules, *, each_its_own: bool) -> None:
        def here(tally: Tally) -> bool:
            return tally.topology.each_its_own is each_its_own

        self.apart = [e.tally for e in (*rules.apart, *rules.shunned) if here(e.tally)]
        self.near: list[Term] = [each for each in rules.near if here(each.tally)]
        self.spread: list[Spread] = [each for each in rules.spread if here(each.tally)]
        self.likes = [each for each in rules.likes if here(each[1])]
        self.evened = [tally for tally in rules.evened if here(tally)]

    def __bool__(self) -> bool:
        return bool(self.apart or self.near or self.spread or self.likes or self.evened)

    def may(self, node: int, *, first: bool) -> bool:
        for tally in self.apart:
            if tally.of(node):
                return False
        for each in self.near:
            if not (each.tally.of(node) or (first and each.tally.topology.domain_of[node] >= 0)):
                return False
        return True

    def is_even(self, node: int) -> bool:
        for each in self.spread:
            if each.tally.topology.domain_of[node] < 0:
                return False
            if each.tally.of(node) + each.itself - each.lowest() > each.constraint.max_skew:
                return False
        return True

    def taste(self, node: int) -> tuple[int, int]:
        """Pods around that are liked less, and pods that are to be evened out."""
        likes = sum([weight * tally.of(node) for weight, tally in self.likes])
        evened = sum(
            [
                tally.of(node) if tally.topology.domain_of[node] >= 0 else _LAST
                for tally in self.evened
            ]
        )
        return -likes, evened


# Nodes without the label of a soft spread constraint come after all that have it.
_LAST = 1 << 32


class _Search:
    """Nodes for the pods of a workload, one after the other.

    Nodes that differ from how their ranking shows them (own pods, pods that count on them) stand in
    heaps of the search's own. What is taken out of the ranking comes back at the end.
    """

    def __init__(self, scene: Scene, demand: Demand, rules: Rules, ranking: Ranking) -> None:
        self.scene = scene
        self.demand = demand
        self.rules = rules
        self.ranking = ranking
        self.ranks = scene.class_of(demand).ranks
        self.of_groups = _Around(rules, each_its_own=False)
        self.of_nodes = _Around(rules, each_its_own=True)
        self.first = bool(rules.near) and rules.first
        self.own: dict[int, int] = {}
        for node in scene.placed[demand.index]:
            if node in ranking.group_of:
                self.own[node] = self.own.get(node, 0) + 1
        self.heaps: list[list[Mark]] = [[] for _ in ranking.heaps]
        self.parked: list[int] = []
        self.lowest = [each.lowest() for each in self.of_nodes.spread]
        self.away: list[int] = []
        self.apart = self._differing()
        for node in sorted(self.apart):
            self._push(node)

    def _differing(self) -> set[int]:
        """The nodes whose mark is not the ranking's."""
        found = set(self.own)
        tallies = [tally for _, tally in self.of_nodes.likes] + self.of_nodes.evened
        for tally in tallies:
            found.update(node for node in self.ranking.group_of if tally.of(node))
        return found

    def next(self) -> int:
        """The best node for one more pod, which is then there; -1 if there is none."""
        self._unpark()
        best: Mark | None = None
        for group, sample in enumerate(self.ranking.samples):
            around = self.of_groups
            if around and not (around.may(sample, first=self.first) and around.is_even(sample)):
                continue
            mark = self._head(group)
            if mark is None:
                continue
            if around:
                likes, evened = around.taste(sample)
                rank, near, even, *rest = mark
                mark = (rank, near + likes, even + evened, rest[0], rest[1], rest[2])
            if best is None or mark < best:
                best = mark
        if best is None:
            return -1
        self._take(node := best[5])
        return node

    def _take(self, node: int) -> None:
        group = self.ranking.group_of[node]
        if node in self.apart:
            heapq.heappop(self.heaps[group])
        else:
            self._set_apart(group)
        self.own[node] = self.own.get(node, 0) + 1
        self.scene.board.put(self.demand, node)
        self.scene.book.count(self.demand, node, 1)
        self.first = bool(self.rules.near) and self.rules.first
        self._push(node)

    def _set_apart(self, group: int) -> None:
        """Take the head of a ranking's heap out of it."""
        node = heapq.heappop(self.ranking.heaps[group])[5]
        self.away.append(node)
        self.apart.add(node)

    def _push(self, node: int) -> None:
        likes, evened = self.of_nodes.taste(node) if self.of_nodes else (0, 0)
        pods = self.scene.board.pods[node]
        mark = (self.ranks[node], likes, evened, self.own.get(node, 0), pods, node)
        heapq.heappush(self.heaps[self.ranking.group_of[node]], mark)

    def _head(self, group: int) -> Mark | None:
        """The best node of a group, None if none fits."""
        own, shared = self._own_head(group), self._shared_head(group)
        if own is None or shared is None:
            return own or shared
        return min(own, shared)

    def _own_head(self, group: int) -> Mark | None:
        heap = self.heaps[group]
        while heap:
            if self._may(node := heap[0][5]):
                if self.of_nodes.is_even(node):
                    return heap[0]
                self.parked.append(node)
            # A node that may not now never may: pods only come.
            heapq.heappop(heap)
        return None

    def _shared_head(self, group: int) -> Mark | None:
        heap, pods = self.ranking.heaps[group], self.scene.board.pods
        while heap:
            mark = heap[0]
            node = mark[5]
            if node in self.apart:
                self.away.append(heapq.heappop(heap)[5])
            elif mark[4] != pods[node]:
                heapq.heapreplace(heap, (mark[0], 0, 0, 0, pods[node], node))
            elif not self._may(node):
                self._set_apart(group)
            elif not self.of_nodes.is_even(node):
                self._set_apart(group)
                self.parked.append(node)
            else:
                return mark
        return None

    def _may(self, node: int) -> bool:
        return self.scene.board.takes(self.demand, node) and (
            not self.of_nodes or self.of_nodes.may(node, first=self.first)
        )

    def _unpark(self) -> None:
        """Nodes that had too many pods may do again when the least has risen."""
        if self.parked:
            lowest = [each.lowest() for each in self.of_nodes.spread]
            if lowest != self.lowest:
                self.lowest = lowest
                for node in self.parked:
                    self._push(node)
                self.parked.clear()

    def close(self) -> None:
        """Give the ranking back what was taken out of it."""
        pods = self.scene.board.pods
        for node in self.away:
            mark = (self.ranks[node], 0, 0, 0, pods[node], node)
            heapq.heappush(self.ranking.heaps[self.ranking.group_of[node]], mark)
