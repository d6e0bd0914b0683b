"""What a lock keeps in its place, and what makes a pod move."""

from collections.abc import Sequence

import pytest

from cluster_objects import Decided, decided, service
from kcompile.model import Object
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags
from scheduling_objects import ZONE, even, near, node, node_term, pods

NODES = node("n1", "zone=a"), node("n2", "zone=b"), node("n3", "zone=b")
WEB = pods("web", 3)
WARN = Flags(pending="warn")


def places(found: Decided) -> dict[str, str]:
    return {key: place for key, (place, *_) in found.pods().items()}


def moved(before: Decided, *objects: Object) -> dict[str, str]:
    """Where pods are now that were elsewhere."""
    after = places(decided(*objects, lock=before.lock))
    return {key: after[key] for key, place in places(before).items() if after.get(key) != place}


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param([*NODES, node("n4"), WEB], id="a new node"),
        pytest.param([*NODES, pods("web", 5)], id="more replicas"),
        pytest.param([node("n1", cordoned=True), *NODES[1:], WEB], id="cordoned"),
        pytest.param([node("n1", taints="k:NoSchedule"), *NODES[1:], WEB], id="taint"),
        pytest.param([*NODES, WEB, pods("a", 9), pods("d", kind="DaemonSet")], id="others"),
        pytest.param(
            [*NODES, pods("web", 3, preferred_nodes=((1, node_term("zone=a")),))], id="preference"
        ),
        pytest.param([*NODES, pods("web", 3, spread=(even(),))], id="spread"),
        pytest.param([*NODES, pods("web", 3, pod_anti_affinity=(near("app=web"),))], id="apart already"),
    ],
)  # fmt: skip
def test_it_stays(edit: list[Object]) -> None:
    assert moved(decided(*NODES, WEB), *edit) == {}


def test_a_taint_that_drives_out_moves_it() -> None:
    before = decided(*NODES, WEB)
    tainted = node("n1", "zone=a", taints="k:NoExecute")
    assert [*moved(before, tainted, *NODES[1:], WEB)] == [
        key for key, place in places(before).items() if place == "n1"
    ]


def test_a_stated_node_moves_all() -> None:
    before = decided(*NODES, WEB)
    after = moved(before, *NODES, pods("web", 3, template={"node_name": "n2"}))
    assert set(after.values()) == {"n2"}
    assert len(after) == 2


def test_required_node_affinity_moves_those_that_break_it() -> None:
    before = decided(*NODES, WEB)
    for asked in (
        pods("web", 3, node_selector="zone=b"),
        pods("web", 3, required_nodes=(node_term("zone=b"),)),
    ):
        (key,) = moved(before, *NODES, asked)
        assert places(before)[key] == "n1"


def test_no_room_moves_the_last() -> None:
    before = decided(node("n1"), pods("web", 3))
    small = node("n1", allocatable="pods=2"), node("n2")
    assert moved(before, *small, pods("web", 3)) == {"web/2": "n2"}


def test_pods_that_exclude_each_other_part_and_the_first_stays() -> None:
    before = decided(node("n1"), pods("web", 3))
    apart = pods("web", 3, pod_anti_affinity=(near("app=web"),))
    after = moved(before, node("n1"), node("n2"), node("n3"), apart)
    assert after == {"web/1": "n2", "web/2": "n3"}


def test_who_asks_to_be_apart_moves_not_who_is_there() -> None:
    before = decided(node("n1"), pods("a"), pods("b"))
    asks = pods("a", pod_anti_affinity=(near("app=b"),))
    assert moved(before, node("n1"), node("n2"), asks, pods("b")) == {"a/0": "n2"}


def test_who_asks_for_others_follows_them() -> None:
    before = decided(*NODES, pods("cache", node_selector="zone=a"), pods("web", 2))
    asks = pods("web", 2, pod_affinity=(near("app=cache", ZONE),))
    after = decided(*NODES, pods("cache", node_selector="zone=a"), asks, lock=before.lock)
    assert set(places(after).values()) == {"n1"}
    with pytest.raises(InputError, match=f"no pod that matches app=cache is in {ZONE}=a"):
        decided(*NODES, asks, lock=after.lock)


SCARCE = node("n0", "disk=x", allocatable="pods=1"), pods("b"), pods("y", node_selector="disk=x")
"""y has a place only if it chooses before b: a second attempt finds it."""


@pytest.mark.parametrize("more", [(), SCARCE])
def test_followers_stay_where_those_whom_they_follow_are_others_now(more: Sequence[Object]) -> None:
    """Another Deployment of the same label takes a place in the same zone."""
    follows = pods("a", 2, pod_affinity=(near("tier=cache", ZONE),))
    cache = {"text": "tier=cache", "node_selector": "zone=b"}
    first = decided(NODES[1], follows, pods("old", **cache))
    second = decided(*NODES, follows, pods("new", **cache), *more, lock=first.lock)
    assert (places(second)["a/0"], places(second)["a/1"]) == ("n2", "n2")


def test_followers_wait_for_those_who_had_to_move() -> None:
    """a is placed before cache, and could be near the one in zone a at once."""
    follows = pods("a", pod_affinity=(near("app=cache", ZONE),), node_selector="disk=ssd")
    cache = pods("cache", 2, pod_anti_affinity=(near("app=cache", ZONE),))
    old = node("n2", "zone=b"), node("n3", "zone=b disk=ssd")
    before = decided(node("n1", "zone=a"), *old, follows, cache)
    assert places(before)["a/0"] == "n3"
    assert "n2" in places(before).values()
    nodes = node("n1", "zone=a disk=ssd"), old[1], node("n4", "zone=b")
    assert "a/0" not in moved(before, *nodes, follows, cache)


def test_those_who_follow_come_again_as_they_were() -> None:
    follows = pods("a", pod_affinity=(near("app=cache", ZONE),))
    cache = pods("cache", node_selector="zone=b")
    first = decided(NODES[1], follows, cache)
    gone = decided(NODES[1], lock=first.lock)
    again = decided(*NODES, follows, cache, lock=gone.lock)
    assert again.pods() == first.pods()


def test_who_left_for_one_that_leaves_too_stays() -> None:
    """b leaves because nobody is left that it wants to be near: x, which wants to be apart from it,
    need not."""
    before = decided(node("n1"), pods("b"), pods("cache"), pods("x"))
    asks = (
        pods("b", pod_affinity=(near("app=cache"),)),
        pods("cache", node_selector="disk=ssd"),
        pods("x", pod_anti_affinity=(near("app=b"),)),
    )
    nodes = node("n0"), node("n1"), node("n2", "disk=ssd")
    assert moved(before, *nodes, *asks) == {"b/0": "n2", "cache/0": "n2"}


def test_pods_that_ask_for_their_like_stay_together() -> None:
    together = pods("web", 3, pod_affinity=(near("app=web", ZONE),))
    before = decided(*NODES, together)
    assert moved(before, *NODES, together) == {}
    assert len({dict(n.labels)[ZONE] for n in NODES if n.name in places(before).values()}) == 1
    apart = decided(*NODES, WEB)
    # Each was the first of its own once.
    assert moved(apart, *NODES, together) == {}


def test_what_is_live_is_kept_before_what_comes_again() -> None:
    one = node("n1", pod_cidr="10.244.7.0/29"), node("n2")
    first = decided(*one, pods("a", 5), pods("b", 5))
    gone = decided(*one, pods("b", 9), lock=first.lock)
    again = decided(*one, pods("a", 5), pods("b", 9), lock=gone.lock)
    before = {key: place for key, place in places(gone).items() if key.startswith("b/")}
    assert {key: places(again)[key] for key in before} == before


def test_what_comes_again_goes_nowhere_where_it_may_not_start() -> None:
    first = decided(*NODES, WEB)
    gone = decided(*NODES, lock=first.lock)
    cordoned = node("n1", "zone=a", cordoned=True), *NODES[1:]
    again = places(decided(*cordoned, WEB, lock=gone.lock))
    assert "n1" not in again.values()
    assert [key for key, place in places(first).items() if again[key] != place] == [
        key for key, place in places(first).items() if place == "n1"
    ]


# ---- pods without a place


def test_pending_pods_are_left_out() -> None:
    small = node("n1", allocatable="pods=2")
    found = decided(small, pods("web", 3), service("web"), flags=WARN)
    assert len(found.plan.pods) == 2
    assert found.plan.pending == 1
    assert len(found.endpoints("web")) == 2
    assert "pod/default/Deployment/web/2" not in found.lock
    (note,) = [each for each in found.notes if "KC414" in each]
    assert "warning: 1 of 3 pods of Deployment default/web fit on no node: n1: 2 pods are" in note


def test_a_pending_pod_gets_a_place_later_and_nobody_moves() -> None:
    small = node("n1", allocatable="pods=2")
    first = decided(small, pods("web", 3), flags=WARN)
    second = decided(small, node("n2"), pods("web", 3), flags=WARN, lock=first.lock)
    assert second.plan.pending == 0
    assert places(second) == {**places(first), "web/2": "n2"}


def test_more_pods_than_all_nodes_hold() -> None:
    found = decided(node("n1"), pods("web", 1_000_000_000), flags=WARN)
    assert len(found.plan.pods) == 253
    assert found.plan.pending == 1_000_000_000 - 253
    assert any("hold 253 pods" in each for each in found.notes)


def test_a_daemon_s_node_without_room_is_pending() -> None:
    full = node("n1", allocatable="cpu=1"), node("n2")
    found = decided(*full, pods("d", kind="DaemonSet", requests="cpu=2"), flags=WARN)
    assert (places(found), found.plan.pending) == ({"d/n2": "n2"}, 1)
