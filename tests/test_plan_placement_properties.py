"""Whatever is asked for: pods are only where all filters let them, none is left out that could be
somewhere, orders change nothing, and the lock moves nothing that an edit does not force."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_objects import Decided, decided
from kcompile.model import Node, Object, Workload
from kcompile.resolve.flags import Flags
from kcompile.scheduling import PodTerm, SpreadConstraint
from placement_oracle import World, node_fits, of_workload
from scheduling_objects import HOST, ZONE, labels, near, node, node_term, pods, selector, toleration

FLAGS = Flags(node_cidr_mask_size="28", pending="warn")
"""13 addresses a node."""
NAMES = "abcdef"

keys = st.sampled_from([HOST, ZONE, "rack"])
terms = st.builds(
    near,
    st.sampled_from(["app=a", "app=b", "app=c", "tier=x", "tier=y", "", None]),
    keys,
    namespaces=st.sampled_from(["default", "other", "default other"]),
    of=st.sampled_from([None, None, "", "kubernetes.io/metadata.name=other"]),
)
few_terms = st.lists(terms, max_size=2).map(tuple)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    number = draw(st.integers(0, 9))
    zone = draw(st.sampled_from(["zone=a", "zone=b", "zone=c", ""]))
    rack = draw(st.sampled_from(["", "rack=1", "rack=2"]))
    return node(
        f"n{number:02}",
        f"{zone} {rack} {draw(st.sampled_from(['', 'disk=ssd']))}",
        taints=draw(
            st.sampled_from(["", "", "k=v:NoSchedule", "k:NoExecute", "k:PreferNoSchedule"])
        ),
        cordoned=draw(st.integers(0, 7)) == 0,
        allocatable=draw(st.sampled_from(["", "", "cpu=2", "cpu=4 pods=3", "pods=5"])),
    )


@st.composite
def spreads(draw: st.DrawFn, name: str) -> SpreadConstraint:
    return SpreadConstraint(
        draw(st.integers(1, 2)),
        draw(keys),
        draw(st.booleans()),
        selector(draw(st.sampled_from([f"app={name}", f"app={name}", "tier=x"]))),
        draw(st.sampled_from([1, 1, 2, 3])),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@st.composite
def workloads(draw: st.DrawFn, name: str, *, affinity: bool = True) -> Workload:
    often = st.integers(0, 2).map(bool)
    asks: dict[str, Any] = {"preferred_nodes": (), "preferred_pods": ()}
    if draw(often):
        asks["pod_anti_affinity"] = draw(few_terms)
    if affinity and draw(st.booleans()):
        asks["pod_affinity"] = draw(few_terms)
    if draw(st.booleans()):
        asks["spread"] = draw(st.lists(spreads(name), max_size=2).map(tuple))
    if draw(st.booleans()):
        weighted = st.tuples(st.integers(-100, 100).filter(bool), terms)
        asks["preferred_pods"] = draw(st.lists(weighted, max_size=2).map(tuple))
        asks["preferred_nodes"] = ((draw(st.integers(1, 100)), node_term("disk=ssd")),)
    if draw(st.integers(0, 3)) == 0:
        asks["required_nodes"] = (node_term(draw(st.sampled_from(["zone=a,b", "-rack", "+disk"]))),)
    template: dict[str, Any] = {"host_network": draw(st.integers(0, 5)) == 0}
    if draw(st.booleans()):
        template["tolerations"] = (toleration(draw(st.sampled_from(["k", ""]))),)
    if draw(st.integers(0, 9)) == 0:
        template["node_name"] = f"n{draw(st.integers(0, 9)):02}"
    return pods(
        name,
        draw(st.integers(0, 6)),
        draw(st.sampled_from(["Deployment", "Deployment", "StatefulSet", "DaemonSet"])),
        text=draw(st.sampled_from(["tier=x", "tier=y"])),
        namespace=draw(st.sampled_from(["default", "default", "other"])),
        ports=draw(st.sampled_from([(), (80,), (81,)])),
        requests=draw(st.sampled_from(["", "cpu=1", "cpu=500m"])),
        template=template,
        **asks,
    )


Cluster = tuple[list[Node], list[Workload]]


@st.composite
def clusters(draw: st.DrawFn, *, affinity: bool = True) -> Cluster:
    found = draw(st.lists(nodes(), min_size=1, max_size=6, unique_by=lambda each: each.name))
    names = NAMES[: draw(st.integers(1, 5))]
    return found, [draw(workloads(name, affinity=affinity)) for name in names]


def build(cluster: Cluster, lock: str = "") -> Decided:
    return decided(*cluster[0], *cluster[1], flags=FLAGS, lock=lock)


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_pods_are_where_the_filters_let_them(cluster: Cluster) -> None:
    world = World(cluster[0], build(cluster).plan)
    assert list(world.wrong()) == []


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_none_is_left_out_that_could_be_somewhere(cluster: Cluster) -> None:
    plan = build(cluster).plan
    world = World(cluster[0], plan)
    pending = 0
    for workload in cluster[1]:
        placed = of_workload(plan, workload)
        if workload.kind == "DaemonSet":
            there = {pod.node for pod in placed}
            rest = [each for each in cluster[0] if each.name not in there]
            fitting = [each for each in rest if not [*world.node_reasons(workload, each)]]
            pending += len(fitting)
            assert not any(world.may_start(workload, each) for each in fitting)
        elif len(placed) < workload.replicas:
            pending += workload.replicas - len(placed)
            assert not any(world.may_start(workload, each) for each in cluster[0])
    assert plan.pending == pending


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_a_spread_over_own_pods_holds_to_the_end(cluster: Cluster) -> None:
    plan = build(cluster).plan
    world = World(cluster[0], plan)
    by_name = {each.name: each for each in cluster[0]}
    # Pods with a nodeName never meet the scheduler.
    for workload in (each for each in cluster[1] if not each.template.node_name):
        own = [pod.node for pod in of_workload(plan, workload)]
        for constraint in workload.template.scheduling.spread:
            if not constraint.hard or constraint.selector != selector(f"app={workload.name}"):
                continue
            counts = world.spread_counts(workload, constraint)
            least = min(counts.values(), default=0)
            least = 0 if len(counts) < constraint.min_domains else least
            values = {dict(by_name[n].labels).get(constraint.topology_key, n) for n in own}
            assert all(counts.get(v, 0) - least <= constraint.max_skew for v in values)


@settings(max_examples=150, deadline=None)
@given(clusters(), st.randoms(use_true_random=False))
def test_orders_change_nothing_and_a_lock_is_kept(cluster: Cluster, random: Any) -> None:
    first = build(cluster)
    shuffled = tuple(random.sample(each, len(each)) for each in cluster)
    second = build((shuffled[0], shuffled[1]))
    assert second.lock == first.lock
    assert second.plan.pods == first.plan.pods
    assert build(cluster, first.lock).lock == first.lock


@settings(max_examples=150, deadline=None)
@given(clusters(affinity=False), st.data())
def test_an_edit_that_forces_no_move_moves_nothing(cluster: Cluster, data: st.DataObject) -> None:
    first = build(cluster)
    second = build(edited(cluster, data), first.lock)
    before, after = places(first), places(second)
    assert {key: after[key] for key in before if key in after} == {
        key: place for key, place in before.items() if key in after
    }


@settings(max_examples=150, deadline=None)
@given(clusters(), st.data())
def test_after_any_edit_a_second_build_changes_nothing(
    cluster: Cluster, data: st.DataObject
) -> None:
    after = edited(cluster, data)
    second = build(after, build(cluster).lock)
    third = build(after, second.lock)
    assert third.lock == second.lock
    assert third.plan.pods == second.plan.pods
    assert third.plan.pending == second.plan.pending


def places(found: Decided) -> dict[tuple[str, int | str], tuple[str, int, str]]:
    return {
        (str(pod.workload.key), pod.ordinal): (pod.node, pod.ipv4, pod.name)
        for pod in found.plan.pods
    }


def edited(cluster: Cluster, data: st.DataObject) -> Cluster:
    """More of something, less of something, a cordon, a taint against new pods, new templates."""
    nodes_, workloads_ = list(cluster[0]), list(cluster[1])
    more = data.draw(nodes())
    if more.name not in {each.name for each in nodes_}:
        nodes_.append(more)
    index = data.draw(st.integers(0, len(nodes_) - 1))
    nodes_[index] = replace(nodes_[index], unschedulable=data.draw(st.booleans()))
    workloads_ = [
        replace(each, replicas=data.draw(st.integers(0, 8)))
        for each in workloads_
        if data.draw(st.integers(0, 3))
    ]
    workloads_.append(data.draw(workloads("f", affinity=False)))
    return nodes_, workloads_


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(0, 20), min_size=1, max_size=5), st.booleans())
def test_replicas_differ_by_at_most_one(count: int, sizes: list[int], picky: bool) -> None:
    found: list[Object] = [node(f"n{i}", "disk=ssd" if i % 2 else "") for i in range(count)]
    for name, size in zip(NAMES, sizes, strict=False):
        found.append(pods(name, size, node_selector="disk=ssd" if picky and name == "b" else ""))
    made = decided(*found, flags=Flags(pending="warn"))
    for workload in (each for each in found if isinstance(each, Workload)):
        own = Counter(pod.node for pod in of_workload(made.plan, workload))
        fitting = [n for n in found if isinstance(n, Node) and node_fits(workload, n)]
        counts = [own[each.name] for each in fitting] or [0]
        assert max(counts) - min(counts) <= 1
    if not picky:
        total = Counter(pod.node for pod in made.plan.pods)
        every = [total[f"n{i}"] for i in range(count)]
        assert max(every) - min(every) <= 1


def test_terms_are_as_they_are_written() -> None:
    assert near("tier=x") == PodTerm(selector("tier=x"), ("default",), None, HOST)
    assert labels("zone=a") == ((ZONE, "a"),)
