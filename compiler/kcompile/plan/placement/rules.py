"""What a workload's pods ask of the pods around them, ready to be asked for any node.

kube-scheduler's InterPodAffinity and PodTopologySpread. Pods are counted as they are placed, once
for every (pods, topology) that anybody asks for, so that a question costs the same however many
pods there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kcompile.labels import Selector
from kcompile.model import Cluster
from kcompile.plan.placement.demand import Demand
from kcompile.plan.placement.fitting import tolerated
from kcompile.plan.placement.node_affinity import NodeLabels, why_not_by_affinity
from kcompile.plan.placement.selection import Selection
from kcompile.plan.placement.topology import Tally, Topology, topology_of
from kcompile.scheduling import PodTerm, SpreadConstraint


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A term of pod (anti-)affinity with the pods that it is about; `itself` says that pods of the
    workload are among them."""

    term: PodTerm
    tally: Tally
    itself: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    constraint: SpreadConstraint
    tally: Tally
    itself: bool

    def lowest(self) -> int:
        """The least count that a domain has; 0 while there are fewer than minDomains."""
        few = len(self.tally.domains) < self.constraint.min_domains
        return 0 if few else self.tally.lowest()


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """`apart` and `near` are the workload's own required terms, `shunned` those of others against
    it; `likes` are weighted counts of pods (negative: to be avoided), `evened` those of soft spread
    constraints."""

    apart: tuple[Term, ...] = ()
    shunned: tuple[Term, ...] = ()
    near: tuple[Term, ...] = ()
    spread: tuple[Spread, ...] = ()
    likes: tuple[tuple[int, Tally], ...] = ()
    evened: tuple[Tally, ...] = ()

    @property
    def first(self) -> bool:
        """Whether the next pod is the first of a group that wants to be together: no pod anywhere
        is what its affinity asks for, but it is so itself."""
        return all(each.itself and not each.tally.total for each in self.near)

    @property
    def waits(self) -> bool:
        """Whether more pods elsewhere may make room for it."""
        return bool(self.near or self.spread)


NO_RULES = Rules()


class RuleBook:
    """The rules of each workload, and which tallies its pods count in."""

    def __init__(
        self, cluster: Cluster, demands: Sequence[Demand], labels: Sequence[NodeLabels]
    ) -> None:
        self.nodes = cluster.nodes
        self.labels = labels
        self.topologies: dict[str, Topology] = {}
        self.tallies: dict[object, Tally] = {}
        self.feeds: dict[int, list[Tally]] = {}
        self.rules: dict[int, Rules] = {}
        asking = [d for d in demands if _asks(d)]
        if asking:
            self.selection = Selection(cluster)
            self.selected: dict[object, frozenset[int]] = {}
            self._write(asking)

    def of(self, demand: Demand) -> Rules:
        # The scheduler never sees a pod with a nodeName; others see what it asks for.
        return NO_RULES if demand.node_name else self.rules.get(demand.index, NO_RULES)

    def count(self, demand: Demand, node: int, number: int) -> None:
        for tally in self.feeds.get(demand.index, ()):
            tally.add(node, number)

    def _write(self, asking: Sequence[Demand]) -> None:
        shunned: dict[int, list[Term]] = {}
        liked: dict[int, list[tuple[int, Tally]]] = {}
        required = [(d, term, 0) for d in asking for term in d.scheduling.pod_anti_affinity]
        preferred = [
            (d, term, weight) for d in asking for weight, term in d.scheduling.preferred_pods
        ]
        for (term, weight), bearers in _bearers([*required, *preferred]).items():
            affected = [i for i in self._matched(term) if bearers != {i}]
            if not affected:
                continue
            tally = self._tally(("borne", term, weight), term.topology_key, sorted(bearers))
            for index in affected:
                if weight:
                    liked.setdefault(index, []).append((weight, tally))
                else:
                    shunned.setdefault(index, []).append(Term(term, tally))
        by_index = {d.index: d for d in asking}
        for index in sorted({*by_index, *shunned, *liked}):
            self.rules[index] = self._rules(
                by_index.get(index), tuple(shunned.get(index, ())), tuple(liked.get(index, ()))
            )

    def _rules(
        self,
        demand: Demand | None,
        shunned: tuple[Term, ...],
        liked: tuple[tuple[int, Tally], ...],
    ) -> Rules:
        if demand is None:
            return Rules(shunned=shunned, likes=liked)
        scheduling = demand.scheduling
        own = tuple(
            (weight, self._term(demand, (term,), term).tally)
            for weight, term in scheduling.preferred_pods
        )
        near = scheduling.pod_affinity
        return Rules(
            tuple(self._term(demand, (term,), term) for term in scheduling.pod_anti_affinity),
            shunned,
            # Kubernetes counts a pod only if it is what all of the terms ask for.
            tuple(self._term(demand, near, term) for term in near),
            tuple(self._spread(demand, each) for each in scheduling.spread if each.hard),
            (*own, *liked),
            tuple(self._spread(demand, each).tally for each in scheduling.spread if not each.hard),
        )

    def _term(self, demand: Demand, terms: tuple[PodTerm, ...], term: PodTerm) -> Term:
        matched = frozenset.intersection(*(self._matched(each) for each in terms))
        tally = self._tally((terms, term.topology_key), term.topology_key, sorted(matched))
        return Term(term, tally, demand.index in matched)

    def _spread(self, demand: Demand, constraint: SpreadConstraint) -> Spread:
        scheduling, selector = demand.scheduling, constraint.selector
        namespace = demand.workload.namespace
        keys = tuple(
            each.topology_key for each in scheduling.spread if each.hard == constraint.hard
        )
        affinity = (
            (scheduling.node_selector, scheduling.required_nodes)
            if constraint.honours_affinity
            else None
        )
        tolerations = demand.tolerations if constraint.honours_taints else None
        key = ("spread", selector, namespace, constraint.topology_key, keys, affinity, tolerations)
        matched = self._selected((selector, namespace), selector, namespace)
        if key not in self.tallies:
            counted = self._counted(demand, constraint, keys)
            self._tally(key, constraint.topology_key, sorted(matched), counted)
        return Spread(constraint, self.tallies[key], demand.index in matched)

    def _counted(self, demand: Demand, constraint: SpreadConstraint, keys: Sequence[str]) -> bytes:
        """The nodes that a constraint counts: they have all of its keys, and fit as far as the
        constraint's policies ask for that."""
        return bytes(
            all(key in labels for key in keys)
            and not (
                constraint.honours_affinity and why_not_by_affinity(demand.scheduling, node, labels)
            )
            and (
                not constraint.honours_taints
                or all(
                    taint.effect == "PreferNoSchedule" or tolerated(taint, demand.tolerations)
                    for taint in node.taints
                )
            )
            for node, labels in zip(self.nodes, self.labels, strict=True)
        )

    def _matched(self, term: PodTerm) -> frozenset[int]:
        key = (term.selector, term.namespaces, term.namespace_selector)
        if key not in self.selected:
            self.selected[key] = frozenset(self.selection.of_term(term))
        return self.selected[key]

    def _selected(self, key: object, selector: Selector | None, namespace: str) -> frozenset[int]:
        if key not in self.selected:
            self.selected[key] = frozenset(self.selection.of(selector, (namespace,)))
        return self.selected[key]

    def _tally(
        self, key: object, topology_key: str, fed_by: Sequence[int], counted: bytes | None = None
    ) -> Tally:
        if key not in self.tallies:
            if topology_key not in self.topologies:
                self.topologies[topology_key] = topology_of(topology_key, self.labels)
            tally = self.tallies[key] = Tally(self.topologies[topology_key], counted)
            for index in fed_by:
                self.feeds.setdefault(index, []).append(tally)
        return self.tallies[key]


def _asks(demand: Demand) -> bool:
    scheduling = demand.scheduling
    return bool(
        scheduling.pod_affinity
        or scheduling.pod_anti_affinity
        or scheduling.preferred_pods
        or scheduling.spread
    )


def _bearers(
    terms: Sequence[tuple[Demand, PodTerm, int]],
) -> dict[tuple[PodTerm, int], set[int]]:
    found: dict[tuple[PodTerm, int], set[int]] = {}
    for demand, term, weight in terms:
        found.setdefault((term, weight), set()).add(demand.index)
    return found
