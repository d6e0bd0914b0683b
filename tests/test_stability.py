"""Under a lock no edit moves what it does not force away; stability_oracle says what that is.

Whole builds of some hundreds of objects; `pending=warn`, so pods that an edit leaves without a
place go missing, which counts as a move.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from generated_edits import HARMLESS, Edit, edited, edits
from generated_hundreds import Cluster, clusters, seeds
from kcompile.pipeline import Planned, make_plan
from kcompile.plan.lock import Lock, format_lock
from kcompile.plan.lock_edit import node_renamed
from kcompile.plan.lock_text import parse_lock
from kcompile.planned import Plan, PlannedPod
from placement_oracle import World
from stability_oracle import (
    changed,
    nodes_of,
    pods_of,
    services_of,
    taken_over,
    unforced,
    unsound,
)


def build(cluster: Cluster, lock: str = "") -> Planned:
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    return make_plan(cluster.files(), cluster.flags, old, proved=False)


def moved(before: Planned, after: Planned, cluster: Cluster) -> list[str]:
    """What changed between two builds and was not forced to; `cluster` is that of the second."""
    nodes = nodes_of(cluster.files(), cluster.flags)
    found = changed(services_of(before.plan), after.plan)
    return [*map(str, found.items()), *unforced(before.plan, after, nodes)]


@settings(max_examples=60, deadline=None)
@given(clusters, st.lists(edits, min_size=1, max_size=4))
def test_edits_move_nothing_that_they_do_not_force(cluster: Cluster, done: list[Edit]) -> None:
    """Step by step, the lock handed on; and nobody gets what somebody else once had."""
    before = build(cluster)
    assert [*unsound(before.plan)] == []
    for edit in done:
        cluster = edited(cluster, edit)
        after = build(cluster, before.lock)
        assert moved(before, after, cluster) == []
        assert taken_over(parse_lock("kcompile.lock", before.lock), after.plan) == []
        assert [*unsound(after.plan)] == []
        before = after


@settings(max_examples=25, deadline=None)
@given(clusters, st.lists(edits, min_size=1, max_size=3))
def test_an_edit_undone_gives_all_back(cluster: Cluster, done: list[Edit]) -> None:
    """Services and nodes have the very addresses and ports that they had. Of the pods only those
    are elsewhere that the edits drove out (they stay where they are now), and those that were gone
    and may not start where they were."""
    first = build(cluster)
    second = build(edited(cluster, *done), first.lock)
    third = build(cluster, second.lock)
    assert services_of(third.plan) == services_of(first.plan)
    old, between, new = (pods_of(each.plan) for each in (first, second, third))
    world = World(nodes_of(cluster.files(), cluster.flags), third.plan)
    for key, pod in old.items():
        there = between[key].node if key in between else pod.node
        if key in new and new[key].node == pod.node:
            assert (new[key].name, new[key].ipv4, new[key].ipv6) == (pod.name, pod.ipv4, pod.ipv6)
        elif there == pod.node:
            place = next(node for node in world.nodes if node.name == pod.node)
            assert not world.may_start(pod.workload, place)


@settings(max_examples=25, deadline=None)
@given(clusters, st.lists(st.tuples(st.sampled_from(HARMLESS), seeds), max_size=4))
def test_harmless_edits_move_nothing(cluster: Cluster, done: list[Edit]) -> None:
    """Whatever is still there is where it was: no forces, no exceptions."""
    before = build(cluster)
    after = build(edited(cluster, *done), before.lock)
    assert changed(services_of(before.plan), after.plan) == {}
    old, new = pods_of(before.plan), pods_of(after.plan)
    assert {key: where(new[key]) for key in old.keys() & new.keys()} == {
        key: where(old[key]) for key in old.keys() & new.keys()
    }


def where(pod: PlannedPod) -> tuple[str, str, int, int]:
    return pod.name, pod.node, pod.ipv4, pod.ipv6


TEMPLATE = (
    "change images",
    "change env",
    "change labels",
    "change requests",
    "change what pods ask",
)


@settings(max_examples=25, deadline=None)
@given(clusters, st.lists(st.tuples(st.sampled_from(TEMPLATE[:3]), seeds), min_size=1, max_size=4))
def test_a_new_image_or_template_changes_no_address_and_no_name(
    cluster: Cluster, done: list[Edit]
) -> None:
    before = build(cluster)
    after = build(edited(cluster, *done), before.lock)
    assert after.lock == before.lock
    assert [*map(where, after.plan.pods)] == [*map(where, before.plan.pods)]


@settings(max_examples=25, deadline=None)
@given(clusters, st.lists(st.tuples(st.sampled_from(TEMPLATE), seeds), min_size=1, max_size=4))
def test_what_pods_ask_for_changes_no_name_with_or_without_a_lock(
    cluster: Cluster, done: list[Edit]
) -> None:
    first = build(cluster)
    after = edited(cluster, *done)
    for lock in (first.lock, ""):
        names = {key: pod.name for key, pod in pods_of(first.plan).items()}
        now = {key: pod.name for key, pod in pods_of(build(after, lock).plan).items()}
        assert {key: now[key] for key in names.keys() & now.keys()} == {
            key: names[key] for key in names.keys() & now.keys()
        }


@settings(max_examples=25, deadline=None)
@given(clusters, st.integers(0, 8))
def test_a_node_renamed_in_the_lock_too_changes_no_address_and_no_name(
    cluster: Cluster, number: int
) -> None:
    before = build(cluster)
    old = cluster.nodes[number % len(cluster.nodes)]
    nodes = [replace(each, name="new") if each is old else each for each in cluster.nodes]
    lock = format_lock(node_renamed(parse_lock("kcompile.lock", before.lock), old.name, "new"))
    after = build(replace(cluster, nodes=tuple(nodes)), lock)
    assert after.lock == lock

    def shown(plan: Plan) -> list[tuple[str, str, int, int]]:
        renamed = {old.name: "new"}
        return sorted(
            (pod.name, renamed.get(pod.node, pod.node), *where(pod)[2:]) for pod in plan.pods
        )

    assert shown(after.plan) == shown(before.plan)
    assert changed(services_of(before.plan), after.plan) == {}
