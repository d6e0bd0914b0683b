"""kube-scheduler's filters and scores, one case a line: docs/placement.md has a row for each."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cluster_objects import decided
from kcompile.model import HostPort, Object
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags
from scheduling_objects import (
    HOST,
    ZONE,
    even,
    near,
    node,
    node_term,
    pods,
    toleration,
)

DOCS = Path(__file__).parent.parent / "docs" / "placement.md"


def nodes_of(*objects: Object, workload: str = "web", **more: Any) -> str:
    """The nodes of a workload's pods, sorted."""
    found = decided(*objects, **more).pods()
    return " ".join(sorted(n for key, (n, *_) in found.items() if key.startswith(workload + "/")))


def error(*objects: Object, flags: Flags | None = None) -> str:
    with pytest.raises(InputError) as caught:
        decided(*objects, flags=flags)
    (problem,) = [p for p in caught.value.problems if p.severity.value == "error"]
    assert problem.code.value == "KC404"
    return problem.message


class Case(NamedTuple):
    """Where the pods of `web` are, or (after a "!") why they are nowhere."""

    row: str
    objects: tuple[Object, ...]
    expected: str


TWO = node("n1", "zone=a disk=hdd gen=2"), node("n2", "zone=b disk=ssd gen=10")
THREE = node("n1", "zone=a"), node("n2", "zone=a"), node("n3", "zone=b")
DB = pods("db", node_selector="disk=ssd")


def asks(text: str) -> Object:
    return pods("web", 2, required_nodes=(node_term(text),))


FILTERS = (
    Case("NodeName", (*TWO, pods("web", 2, template={"node_name": "n2"})), "n2 n2"),
    Case("NodeName", (*TWO, pods("web", template={"node_name": "n9"})), "!n1, n2: nodeName is n9"),
    Case("NodeUnschedulable", (TWO[0], node("n3", cordoned=True), pods("web", 2)), "n1 n1"),
    Case("NodeUnschedulable", (node("n3", cordoned=True), pods("web")), "!n3: it is cordoned (unschedulable: true), which is not tolerated"),
    Case("NodeUnschedulable", (node("n3", cordoned=True), pods("web", template={"tolerations": (toleration("node.kubernetes.io/unschedulable"),)})), "n3"),
    Case("TaintToleration", (TWO[0], node("n3", taints="k=v:NoSchedule"), pods("web", 2)), "n1 n1"),
    Case("TaintToleration", (node("n3", taints="k=v:NoExecute"), pods("web")), "!n3: taint k=v:NoExecute is not tolerated"),
    Case("TaintToleration", (node("n3", taints="k=v:NoSchedule"), pods("web", template={"tolerations": (toleration("k", "v"),)})), "n3"),
    Case("NodeAffinity", (*TWO, pods("web", 2, node_selector="disk=ssd")), "n2 n2"),
    Case("NodeAffinity", (*TWO, pods("web", node_selector="disk=nvme")), "!n1: nodeSelector asks disk=nvme, the node has disk=hdd; n2: nodeSelector asks disk=nvme, the node has disk=ssd"),
    Case("NodeAffinity", (*TWO, pods("web", node_selector="gpu=yes")), "!n1, n2: nodeSelector asks gpu=yes, the node has no gpu"),
    Case("NodeAffinity", (*TWO, asks("disk=ssd,nvme")), "n2 n2"),
    Case("NodeAffinity", (*TWO, asks("disk!ssd")), "n1 n1"),
    Case("NodeAffinity", (*TWO, asks("gpu!yes")), "n1 n2"),
    Case("NodeAffinity", (*TWO, asks("gen>9")), "n2 n2"),
    Case("NodeAffinity", (*TWO, asks("gen<9 +disk")), "n1 n1"),
    Case("NodeAffinity", (*TWO, asks("-gpu")), "n1 n2"),
    Case("NodeAffinity", (*TWO, asks("disk<9")), "!n1: node affinity asks disk Lt (9), the node has disk=hdd; n2: node affinity asks disk Lt (9), the node has disk=ssd"),
    Case("NodeAffinity", (*TWO, asks("@metadata.name=n1")), "n1 n1"),
    Case("NodeAffinity", (*TWO, asks("")), "!n1, n2: node affinity asks what no node has (an empty term)"),
    Case("NodeAffinity", (*TWO, pods("web", 2, required_nodes=(node_term("disk=tape"), node_term("zone=a")))), "n1 n1"),
    Case("NodeResourcesFit", (node("n1", allocatable="cpu=4"), pods("web", requests="cpu=4500m")), "!n1: cpu: 4500m asked, 4 of 4 left"),
    Case("NodeResourcesFit", (node("n1", allocatable="cpu=4"), pods("a", requests="cpu=3500m"), pods("web", requests="cpu=1500m")), "!n1: cpu: 1500m asked, 500m of 4 left"),
    Case("NodeResourcesFit", (node("n1", allocatable="memory=2147483648"), pods("web", requests="memory=3221225472")), "!n1: memory: 3Gi asked, 2Gi of 2Gi left"),
    Case("NodeResourcesFit", (node("n1", allocatable="cpu=1"), node("n2", allocatable="cpu=3"), pods("web", 4, requests="cpu=1")), "n1 n2 n2 n2"),
    Case("NodeResourcesFit", (node("n1", allocatable="cpu=1"), node("n2"), pods("web", 3, requests="cpu=1 example.com/gpu=1")), "n1 n2 n2"),
    Case("NodeResourcesFit", (node("n1", allocatable="pods=2"), pods("a", 2), pods("web")), "!n1: 2 pods are there, 2 are allocatable"),
    Case("NodePorts", (*TWO, pods("web", 2, ports=(80,), template={"host_network": True})), "n1 n2"),
    Case("NodePorts", (TWO[0], pods("a", ports=(80,), template={"host_network": True}), pods("web", template={"host_ports": (HostPort((), 80, 8080, "TCP"),)})), "!n1: host port 80/TCP is taken"),
    Case("PodTopologySpread", (*THREE, pods("web", 4, spread=(even(),))), "n1 n2 n3 n3"),
    Case("PodTopologySpread", (*THREE, pods("web", 4, spread=(even(key=HOST),))), "n1 n1 n2 n3"),
    Case("PodTopologySpread", (*THREE, pods("web", 4, spread=(even(), even(key=HOST, skew=2)))), "n1 n2 n3 n3"),
    Case("PodTopologySpread", (*THREE, node("n4"), pods("web", 4, spread=(even(),))), "n1 n2 n3 n3"),
    Case("PodTopologySpread", (node("n4"), pods("web", spread=(even(),))), f"!n4: topology spread: the node has no {ZONE}"),
    Case("PodTopologySpread", (*THREE, pods("web", 2, spread=(even(min_domains=3, skew=1),))), "n1 n3"),
    Case("PodTopologySpread", (*THREE, pods("web", 3, spread=(even(min_domains=3, skew=1),))), f"!n1, n2: topology spread: 1 matching pods are in {ZONE}=a and 0 where there are least (of minDomains 3 there are 2), maxSkew is 1; n3: topology spread: 1 matching pods are in {ZONE}=b and 0 where there are least (of minDomains 3 there are 2), maxSkew is 1"),
    Case("PodTopologySpread", (*THREE[:2], node("n3", "zone=b", taints="k:NoSchedule"), pods("web", 2, spread=(even(),))), f"!n1, n2: topology spread: 1 matching pods are in {ZONE}=a and 0 where there are least, maxSkew is 1; n3: taint k:NoSchedule is not tolerated"),
    Case("PodTopologySpread", (*THREE[:2], node("n3", "zone=b", taints="k:NoSchedule"), pods("web", 2, spread=(even(honours_taints=True),))), "n1 n2"),
    Case("PodTopologySpread", (*TWO, pods("web", 2, node_selector="zone=a", spread=(even(),))), "n1 n1"),
    Case("PodTopologySpread", (*TWO, pods("web", 2, node_selector="zone=a", spread=(even(honours_affinity=False),))), f"!n1: topology spread: 1 matching pods are in {ZONE}=a and 0 where there are least, maxSkew is 1; n2: nodeSelector asks {ZONE}=a, the node has {ZONE}=b"),
    Case("PodTopologySpread", (*TWO, pods("a", 2, text="tier=x", node_selector="zone=a"), pods("web", 2, spread=(even("tier=x"),))), "n2 n2"),
    Case("InterPodAffinity", (*TWO, DB, pods("web", 2, pod_affinity=(near("app=db"),))), "n2 n2"),
    Case("InterPodAffinity", (*THREE, pods("db", node_selector="zone=a"), pods("web", 4, pod_affinity=(near("app=db", ZONE),))), "n1 n1 n2 n2"),
    Case("InterPodAffinity", (*TWO, pods("zdb", node_selector="disk=ssd"), pods("web", 2, pod_affinity=(near("app=zdb"),))), "n2 n2"),
    Case("InterPodAffinity", (*TWO, pods("web", 3, pod_affinity=(near("app=web"),))), "n1 n1 n1"),
    Case("InterPodAffinity", (*TWO, pods("web", pod_affinity=(near("app=gone"),))), "!n1, n2: pod affinity: no pod that matches app=gone is on the node"),
    Case("InterPodAffinity", (*TWO, pods("web", pod_affinity=(near("app=web", "rack"),))), "!n1, n2: pod affinity: the node has no rack"),
    Case("InterPodAffinity", (*TWO, DB, pods("web", pod_affinity=(near("app=db"), near("app=web")))), "!n1, n2: pod affinity: no pod that matches app=db is on the node"),
    Case("InterPodAffinity", (*TWO, DB, pods("web", pod_affinity=(near("app=db", namespaces="other"),))), "!n1, n2: pod affinity: no pod that matches app=db is on the node"),
    Case("InterPodAffinity", (*TWO, DB, pods("web", pod_affinity=(near("app=db", namespaces="other", of="kubernetes.io/metadata.name=default"),))), "n2"),
    Case("InterPodAffinity", (*TWO, pods("web", 2, pod_anti_affinity=(near("app=web"),))), "n1 n2"),
    Case("InterPodAffinity", (*TWO, pods("web", 3, pod_anti_affinity=(near("app=web"),))), "!n1, n2: pod anti-affinity: a pod that matches app=web is on the node"),
    Case("InterPodAffinity", (*THREE, pods("web", 3, pod_anti_affinity=(near("app=web", ZONE),))), f"!n1, n2: pod anti-affinity: a pod that matches app=web is in {ZONE}=a; n3: pod anti-affinity: a pod that matches app=web is in {ZONE}=b"),
    Case("InterPodAffinity", (*TWO, pods("db", node_selector="disk=ssd", pod_anti_affinity=(near("app=web"),)), pods("web", 2)), "n1 n1"),
    Case("InterPodAffinity", (TWO[0], pods("db", pod_anti_affinity=(near("app=web"),)), pods("web")), "!n1: a pod on the node has anti-affinity to pods that match app=web"),
    Case("InterPodAffinity", (*TWO, pods("web", 2, pod_anti_affinity=(near(None),))), "n1 n2"),
    Case("pod CIDR room", (node("n1", pod_cidr="10.244.7.0/30"), TWO[1], pods("web", 3)), "n1 n2 n2"),
)  # fmt: skip

SCORES = (
    Case("TaintToleration", (TWO[0], node("n3", taints="k:PreferNoSchedule"), pods("web", 2)), "n1 n1"),
    Case("TaintToleration", (node("n1", taints="k:PreferNoSchedule"), node("n2", taints="k:PreferNoSchedule j:PreferNoSchedule"), pods("web", 2)), "n1 n1"),
    Case("NodeAffinity", (*TWO, pods("web", 2, preferred_nodes=((1, node_term("disk=ssd")),))), "n2 n2"),
    Case("NodeAffinity", (*TWO, pods("web", 2, preferred_nodes=((2, node_term("zone=a")), (3, node_term("disk=ssd"))))), "n2 n2"),
    Case("NodeAffinity", (*TWO, pods("web", 2, preferred_nodes=((1, node_term("disk=tape")),))), "n1 n2"),
    Case("InterPodAffinity", (*TWO, DB, pods("web", 2, preferred_pods=((10, near("app=db")),))), "n2 n2"),
    Case("InterPodAffinity", (*TWO, DB, pods("web", 2, preferred_pods=((-10, near("app=db")),))), "n1 n1"),
    Case("InterPodAffinity", (*THREE, pods("web", 3, preferred_pods=((-100, near("app=web", ZONE)),))), "n1 n2 n3"),
    Case("InterPodAffinity", (*TWO, pods("db", node_selector="disk=ssd", preferred_pods=((-5, near("app=web")),)), pods("web", 2)), "n1 n1"),
    Case("PodTopologySpread", (*THREE, pods("web", 4, spread=(even(hard=False),))), "n1 n2 n3 n3"),
    Case("PodTopologySpread", (*THREE[:2], node("n3", "zone=b", allocatable="pods=1"), pods("web", 4, spread=(even(hard=False),))), "n1 n1 n2 n3"),
    Case("PodTopologySpread", (*TWO, node("n4"), pods("web", 3, spread=(even(hard=False),))), "n1 n1 n2"),
    Case("even spreading", (*THREE, pods("a", 5), pods("web", 4)), "n1 n2 n3 n3"),
    Case("least loaded", (*THREE, pods("a", 2), pods("web")), "n3"),
)  # fmt: skip


@pytest.mark.parametrize("case", FILTERS, ids=lambda case: case.row)
def test_filters(case: Case) -> None:
    if case.expected.startswith("!"):
        assert error(*case.objects).partition(": ")[2] == case.expected[1:]
    else:
        assert nodes_of(*case.objects) == case.expected


@pytest.mark.parametrize("case", SCORES, ids=lambda case: case.row)
def test_scores(case: Case) -> None:
    assert nodes_of(*case.objects) == case.expected


def test_a_node_runs_linux_unless_it_says_otherwise() -> None:
    linux = pods("web", node_selector="kubernetes.io/os=linux")
    assert nodes_of(node("n1"), node("n2", "kubernetes.io/os=windows"), linux) == "n1"


def test_a_full_pod_cidr_takes_no_more() -> None:
    flags = Flags(node_cidr_mask_size="30")
    assert "n1: its pod CIDR is full (1 of 1)" in error(TWO[0], pods("a"), pods("web"), flags=flags)


@pytest.mark.skipif(not DOCS.exists(), reason="an installed copy has no docs")
def test_the_document_has_a_row_for_each_case() -> None:
    rows = re.findall(r"^\| ([A-Za-z ]+?) \| yes", DOCS.read_text(), re.MULTILINE)
    cases = {case.row for case in (*FILTERS, *SCORES)}
    assert set(rows) == cases


def test_taints_of_a_stated_node_count_only_where_they_drive_out() -> None:
    stated = pods("web", template={"node_name": "n3"})
    assert nodes_of(node("n3", taints="k:NoSchedule", cordoned=True), stated) == "n3"
    assert "taint k:NoExecute" in error(node("n3", taints="k:NoExecute"), stated)


def test_a_stated_node_must_have_what_the_kubelet_looks_at() -> None:
    def stated(**more: Any) -> Object:
        return pods("web", template={"node_name": "n1"}, **more)

    assert "nodeSelector asks disk=ssd" in error(*TWO, stated(node_selector="disk=ssd"))
    small = node("n1", allocatable="cpu=1")
    assert "cpu: 2 asked, 1 of 1 left" in error(small, stated(requests="cpu=2"))
    # Affinity between pods and spreading are the scheduler's, which never sees the pod.
    far = stated(pod_affinity=(near("app=gone"),), spread=(even(key="rack"),))
    assert nodes_of(*TWO, far) == "n1"


def test_the_order_of_workloads_yields_to_those_that_have_less_choice() -> None:
    small = node("n1", allocatable="pods=1"), node("n2", "disk=ssd", allocatable="pods=1")
    free, bound = pods("a"), pods("web", node_selector="disk=ssd")
    assert nodes_of(*small, free, pods("c", 0), bound) == "n2"
    sized = node("n1", allocatable="cpu=3"), node("n2", allocatable="cpu=2")
    little, much = pods("a", 2, requests="cpu=1"), pods("web", requests="cpu=3")
    assert nodes_of(*sized, little, much) == "n1"


def test_who_asks_for_others_waits_for_them() -> None:
    chain = [pods(f"a{i}", pod_affinity=(near(f"app=a{i + 1}"),)) for i in range(4)]
    found = decided(*TWO, *chain, pods("a4", node_selector="disk=ssd")).pods()
    assert {place for place, *_ in found.values()} == {"n2"}


def test_the_node_that_stands_in_satisfies_every_constraint() -> None:
    picky = pods(
        "web", 3, node_selector="disk=ssd", pod_anti_affinity=(near("app=web"),),
        spread=(even(),), requests="cpu=1000", template={"node_name": "elsewhere"},
    )  # fmt: skip
    assert nodes_of(picky) == "node-1 node-1 node-1"


def test_many_reasons_are_cut_short() -> None:
    many = [node(f"n{i:02}", f"disk=d{i}") for i in range(30)]
    message = error(*many, pods("web", node_selector="disk=ssd"))
    assert message.count("the node has disk=") == 10
    assert message.endswith("; 20 more nodes: for reasons like these")


def test_balance_over_equal_nodes() -> None:
    many = [node(f"n{i}", f"zone={'abc'[i % 3]}") for i in range(7)]
    workloads = [pods(f"w{i}", 5, spread=(even(f"app=w{i}"),)) for i in range(10)]
    found = decided(*many, *workloads).pods()
    for each in workloads:
        own = Counter(n for key, (n, *_) in found.items() if key.startswith(f"{each.name}/"))
        assert max(own.values()) == 1
