"""kube-scheduler's filters written out the long way: every pod against every pod, nothing counted
before. What placement decides is held to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kcompile.labels import Selector, matches
from kcompile.model import Node, Taint, Workload
from kcompile.planned import Plan, PlannedPod
from kcompile.scheduling import NodeTerm, PodTerm, SpreadConstraint

_DAEMON = {
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
}


@dataclass(frozen=True)
class Pod:
    workload: Workload
    node: Node


class World:
    """The pods of a plan on their nodes."""

    def __init__(self, nodes: Sequence[Node], plan: Plan) -> None:
        self.nodes = nodes
        by_name = {node.name: node for node in nodes}
        self.pods = [Pod(pod.workload, by_name[pod.node]) for pod in plan.pods]
        self.cidrs = {node.name: node.pod_cidrs for node in plan.nodes}

    def wrong(self) -> Iterator[str]:
        """What does not hold for a pod that is there, of what later pods cannot undo."""
        for index, pod in enumerate(self.pods):
            others = [*self.pods[:index], *self.pods[index + 1 :]]
            for reason in (
                *self.node_reasons(pod.workload, pod.node),
                *self.capacity_reasons(pod.workload, pod.node, others),
                *self.near_reasons(pod.workload, pod.node, self.pods),
                *self.apart_reasons(pod.workload, pod.node, others),
            ):
                yield f"{pod.workload.name} on {pod.node.name}: {reason}"

    def may_start(self, workload: Workload, node: Node) -> bool:
        """Whether one more pod of a workload could go to a node."""
        scheduled = not workload.template.node_name
        reasons = [
            *self.node_reasons(workload, node),
            *self.capacity_reasons(workload, node, self.pods),
        ]
        if scheduled:
            reasons += self.first_reasons(workload, node)
            reasons += self.apart_reasons(workload, node, self.pods)
            reasons += self.spread_reasons(workload, node)
        return not reasons

    def node_reasons(self, workload: Workload, node: Node) -> Iterator[str]:
        template = workload.template
        if template.node_name not in ("", node.name):
            yield "name"
        taints = list(node.taints)
        if node.unschedulable:
            taints.append(Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"))
        for taint in taints:
            counts = taint.effect == "NoExecute" or (
                taint.effect == "NoSchedule" and not template.node_name
            )
            if counts and not tolerates(workload, taint):
                yield "taint"
        if not node_fits(workload, node):
            yield "affinity"

    def capacity_reasons(
        self, workload: Workload, node: Node, others: Sequence[Pod]
    ) -> Iterator[str]:
        there = [pod for pod in others if pod.node is node]
        own = {"pods": 1000, **dict(workload.template.scheduling.requests)}
        for name, most in node.allocatable:
            used = sum(
                {"pods": 1000, **dict(p.workload.template.scheduling.requests)}.get(name, 0)
                for p in there
            )
            if own.get(name, 0) and used + own[name] > most:
                yield name
        addressed = sum(not pod.workload.template.host_network for pod in there)
        room = min(cidr.size for cidr in self.cidrs[node.name]) - 3
        if addressed >= room and not workload.template.host_network:
            yield "room"
        if set(ports(workload)) & {port for pod in there for port in ports(pod.workload)}:
            yield "ports"

    def near_reasons(self, workload: Workload, node: Node, pods: Sequence[Pod]) -> Iterator[str]:
        """A pod that is the first of its group is near itself."""
        if workload.template.node_name:
            return
        terms = workload.template.scheduling.pod_affinity
        for term in terms:
            if not any(
                selects_all(terms, pod.workload) and same(term.topology_key, pod.node, node)
                for pod in pods
            ):
                yield f"near {term.topology_key}"

    def first_reasons(self, workload: Workload, node: Node) -> Iterator[str]:
        terms = workload.template.scheduling.pod_affinity
        keyed = all(domain(term.topology_key, node) is not None for term in terms)
        anywhere = any(
            selects_all(terms, pod.workload) and domain(term.topology_key, pod.node) is not None
            for term in terms
            for pod in self.pods
        )
        if not (keyed and not anywhere and selects_all(terms, workload)):
            yield from self.near_reasons(workload, node, self.pods)

    def apart_reasons(self, workload: Workload, node: Node, others: Sequence[Pod]) -> Iterator[str]:
        for pod in others:
            own = workload.template.scheduling.pod_anti_affinity
            if not workload.template.node_name and any(
                selects(term, pod.workload) and same(term.topology_key, pod.node, node)
                for term in own
            ):
                yield "apart"
            theirs = pod.workload.template.scheduling.pod_anti_affinity
            if not workload.template.node_name and any(
                selects(term, workload) and same(term.topology_key, pod.node, node)
                for term in theirs
            ):
                yield f"kept out by {pod.workload.name}"

    def spread_reasons(self, workload: Workload, node: Node) -> Iterator[str]:
        for constraint in workload.template.scheduling.spread:
            if not constraint.hard:
                continue
            here = domain(constraint.topology_key, node)
            counts = self.spread_counts(workload, constraint)
            least = min(counts.values(), default=0)
            if len(counts) < constraint.min_domains:
                least = 0
            itself = chosen(constraint.selector, workload)
            if here is None or counts.get(here, 0) + itself - least > constraint.max_skew:
                yield "spread"

    def spread_counts(self, workload: Workload, constraint: SpreadConstraint) -> dict[str, int]:
        hard = [each for each in workload.template.scheduling.spread if each.hard]
        counts = {}
        for node in self.nodes:
            if (
                all(domain(each.topology_key, node) is not None for each in hard)
                and (not constraint.honours_affinity or node_fits(workload, node))
                and (
                    not constraint.honours_taints
                    or all(
                        t.effect == "PreferNoSchedule" or tolerates(workload, t)
                        for t in node.taints
                    )
                )
            ):
                key = domain(constraint.topology_key, node) or ""
                counts[key] = counts.get(key, 0) + sum(
                    pod.node is node
                    and pod.workload.namespace == workload.namespace
                    and chosen(constraint.selector, pod.workload)
                    for pod in self.pods
                )
        return counts


def domain(key: str, node: Node) -> str | None:
    found = {"kubernetes.io/hostname": node.name, **dict(node.labels)}
    return found.get(key)


def same(key: str, one: Node, other: Node) -> bool:
    return domain(key, one) is not None and domain(key, one) == domain(key, other)


def chosen(selector: Selector | None, workload: Workload) -> bool:
    return selector is not None and matches(selector, workload.template.labels)


def selects(term: PodTerm, workload: Workload) -> bool:
    named = workload.namespace in term.namespaces or (
        term.namespace_selector is not None
        and matches(term.namespace_selector, (("kubernetes.io/metadata.name", workload.namespace),))
    )
    return named and chosen(term.selector, workload)


def selects_all(terms: Sequence[PodTerm], workload: Workload) -> bool:
    return all(selects(term, workload) for term in terms)


def tolerates(workload: Workload, taint: Taint) -> bool:
    if workload.kind == "DaemonSet":
        name = taint.key.removeprefix("node.kubernetes.io/")
        if name != taint.key and (name, taint.effect) in _DAEMON:
            return True
    return any(
        each.effect in ("", taint.effect)
        and each.key in (("", taint.key) if each.operator == "Exists" else (taint.key,))
        and (each.operator == "Exists" or each.value == taint.value)
        for each in workload.template.tolerations
    )


def node_fits(workload: Workload, node: Node) -> bool:
    scheduling = workload.template.scheduling
    if any(domain(key, node) != value for key, value in scheduling.node_selector):
        return False
    terms = scheduling.required_nodes
    return terms is None or any(holds(term, node) for term in terms)


def holds(term: NodeTerm, node: Node) -> bool:
    found = []
    for each in term.expressions:
        value = domain(each.key, node)
        found.append(
            {
                "In": value in each.values,
                "NotIn": value not in each.values,
                "Exists": value is not None,
                "DoesNotExist": value is None,
            }[each.operator]
        )
    found += [(node.name in each.values) == (each.operator == "In") for each in term.fields]
    return bool(found) and all(found)


def ports(workload: Workload) -> list[int]:
    template = workload.template
    if not template.host_network:
        return []
    return [port.port for container in template.containers for port in container.ports]


def of_workload(plan: Plan, workload: Workload) -> list[PlannedPod]:
    return [pod for pod in plan.pods if pod.workload.key == workload.key]
