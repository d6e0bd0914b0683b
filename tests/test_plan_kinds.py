"""Pods of every kind of workload: how many, what they are called, where DNS finds them."""

import re

import pytest

from cluster_objects import Decided, decided, service
from kcompile.model import Object
from kcompile.problems import InputError
from scheduling_objects import even, node, node_term, pods, toleration

SUFFIX = "[b-df-hj-np-tv-xz2-9]{5}"
TWO = node("n1", "disk=hdd"), node("n2", "disk=ssd")


def names(found: Decided) -> dict[int | str, str]:
    return {pod.ordinal: pod.name for pod in found.plan.pods}


def errors(*objects: Object) -> list[str]:
    with pytest.raises(InputError) as caught:
        decided(*objects)
    return [str(problem) for problem in caught.value.problems if problem.severity.value == "error"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("Deployment", f"web-[b-df-hj-np-tv-xz2-9]{{10}}-{SUFFIX}"),
        ("ReplicaSet", f"web-{SUFFIX}"),
        ("ReplicationController", f"web-{SUFFIX}"),
        ("StatefulSet", "web-[01]"),
        ("Job", f"web-{SUFFIX}"),
    ],
)
def test_names_follow_from_keys(kind: str, form: str) -> None:
    found = names(decided(*TWO, pods("web", 2, kind)))
    assert list(found) == [0, 1]
    assert all(re.fullmatch(form, name) for name in found.values())
    assert len(set(found.values())) == 2
    assert names(decided(*TWO, pods("web", 2, kind, text="new=label"))) == found


def test_a_pod_is_called_as_it_is() -> None:
    assert names(decided(pods("web", kind="Pod"))) == {0: "web"}


def test_pods_of_indexed_jobs_carry_their_index() -> None:
    found = names(decided(pods("sum", 3, "Job", indexed=True)))
    assert all(re.fullmatch(f"sum-{index}-{SUFFIX}", name) for index, name in found.items())


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "DaemonSet"])
def test_long_names_are_cut(kind: str) -> None:
    found = names(decided(*TWO, pods("a" * 100, 2, kind, indexed=kind == "Job")))
    assert all(len(name) == 63 for name in found.values())
    assert len(found) == len(set(found.values())) == 2


def test_two_that_must_have_one_name() -> None:
    (message,) = errors(pods("web", 2, "StatefulSet"), pods("web-1", kind="Pod"))
    assert "KC301: a pod of Pod default/web-1 and one of StatefulSet default/web are" in message
    assert message.endswith("are both called web-1")


def test_names_that_must_be_are_taken_first() -> None:
    made = names(decided(pods("web", 1, "ReplicaSet")))[0]
    found = decided(pods("web", 1, "ReplicaSet"), pods(made, kind="Pod"))
    assert len({pod.name for pod in found.plan.pods}) == 2
    assert made in {pod.name for pod in found.plan.pods if pod.workload.kind == "Pod"}


def test_a_stateful_set_may_count_from_elsewhere() -> None:
    first = decided(*TWO, pods("db", 3, "StatefulSet", first=5))
    assert names(first) == {5: "db-5", 6: "db-6", 7: "db-7"}
    assert "pod/default/StatefulSet/db/5: " in first.lock
    second = decided(*TWO, pods("db", 2, "StatefulSet", first=6), lock=first.lock)
    assert second.pods() == {key: first.pods()[key] for key in ("db/6", "db/7")}


# ---- DaemonSets


def test_a_daemon_set_has_a_pod_on_each_node_that_fits() -> None:
    three = *TWO, node("n3", "disk=ssd", taints="k:NoSchedule")
    assert [*names(decided(*three, pods("d", kind="DaemonSet")))] == ["n1", "n2"]
    picky = pods("d", kind="DaemonSet", required_nodes=(node_term("disk=ssd"),))
    assert [*names(decided(*three, picky))] == ["n2"]
    tolerant = pods("d", kind="DaemonSet", template={"tolerations": (toleration(),)})
    assert [*names(decided(*three, tolerant))] == ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("taint", "host_network", "fits"),
    [
        ("not-ready:NoExecute", False, True),
        ("unreachable:NoExecute", False, True),
        ("disk-pressure:NoSchedule", False, True),
        ("memory-pressure:NoSchedule", False, True),
        ("pid-pressure:NoSchedule", False, True),
        ("unschedulable:NoSchedule", False, True),
        ("network-unavailable:NoSchedule", False, False),
        ("network-unavailable:NoSchedule", True, True),
        ("not-ready:NoSchedule", False, False),
    ],
)
def test_what_a_daemon_set_s_pods_tolerate(taint: str, host_network: bool, fits: bool) -> None:
    daemon = pods("d", kind="DaemonSet", template={"host_network": host_network})
    found = decided(node("n1", taints=f"node.kubernetes.io/{taint}"), daemon)
    assert len(found.plan.pods) == fits


def test_a_cordoned_node_has_daemons() -> None:
    assert len(decided(node("n1", cordoned=True), pods("d", kind="DaemonSet")).plan.pods) == 1


def test_a_daemon_without_room_is_an_error() -> None:
    one, two = node("n1", allocatable="cpu=1"), node("n2", allocatable="cpu=4")
    (message,) = errors(one, two, pods("d", kind="DaemonSet", requests="cpu=2"))
    assert "KC404: 1 of 2 pods of DaemonSet default/d do not fit: n1: cpu: 2 asked" in message


def test_daemons_that_spread_wait_for_each_other() -> None:
    three = node("n1", "zone=a"), node("n2", "zone=a"), node("n3", "zone=b")
    spread = even("app=d"), even("app=d", "kubernetes.io/hostname")
    found = decided(*three, pods("d", kind="DaemonSet", spread=spread))
    assert len(found.plan.pods) == 3


def test_daemons_come_before_others() -> None:
    small = node("n1", allocatable="pods=1"), node("n2", allocatable="pods=2")
    found = decided(*small, pods("a"), pods("z", kind="DaemonSet")).pods()
    assert {key: place for key, (place, *_) in found.items()} == {
        "a/0": "n2",
        "z/n1": "n1",
        "z/n2": "n2",
    }


def test_the_lock_keeps_daemons_by_node() -> None:
    daemon = pods("d", kind="DaemonSet")
    first = decided(*TWO, daemon)
    assert "pod/default/DaemonSet/d/n1: " in first.lock
    third = node("n3")
    second = decided(*TWO, third, daemon, lock=first.lock)
    assert {key: second.pods()[key] for key in first.pods()} == first.pods()
    assert decided(*TWO, daemon, lock=second.lock).pods() == first.pods()
    # A taint against new pods lets those that run stay.
    tainted = node("n1", taints="k:NoSchedule"), TWO[1]
    assert decided(*tainted, daemon, lock=first.lock).pods() == first.pods()


# ---- host names


def hostnames(found: Decided, name: str = "db") -> list[str]:
    return [endpoint.hostname for endpoint in found.service(name).ports[0].endpoints4]


def test_pods_of_a_stateful_set_are_called_by_name_below_their_service() -> None:
    db = pods("db", 2, "StatefulSet", template={"subdomain": "db"})
    found = decided(*TWO, db, service("db", headless=True), service("other", selector="db"))
    assert sorted(hostnames(found)) == ["db-0", "db-1"]
    assert hostnames(found, "other") == ["", ""]


def test_pods_of_an_indexed_job_have_host_names() -> None:
    job = pods("db", 2, "Job", indexed=True, template={"subdomain": "db"})
    assert sorted(hostnames(decided(job, service("db", headless=True)))) == ["db-0", "db-1"]


def test_a_template_s_host_name_needs_its_subdomain() -> None:
    headless = service("db", headless=True)
    named = pods("db", template={"subdomain": "db", "hostname": "me"})
    assert hostnames(decided(named, headless)) == ["me"]
    assert hostnames(decided(pods("db", template={"hostname": "me"}), headless)) == [""]
    assert hostnames(decided(pods("db", template={"subdomain": "db"}), headless)) == [""]
    portless = decided(
        pods("db", template={"subdomain": "db", "hostname": "me"}),
        service("db", "80>absent", headless=True),
    )
    assert [each.hostname for each in portless.service("db").portless4] == ["me"]
