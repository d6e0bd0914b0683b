"""Evenness of clusters of hundreds of pods, on nodes of any size, without a lock."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from generated_hundreds import Node, Workload
from kcompile.pipeline import make_plan
from kcompile.plan.lock import Lock
from kcompile.planned import Plan, PlannedPod
from kcompile.resolve.flags import Flags

FLAGS = Flags(pending="warn")
SIZES = (0, 5, 10, 30, 110)
"""How many pods a node takes; 0 for as many as its CIDR has addresses for."""

Sizes = list[int]
sizes = st.lists(st.sampled_from(SIZES), min_size=1, max_size=12)
replicas = st.lists(st.integers(0, 25), max_size=25)


def nodes(of: Sequence[int]) -> list[str]:
    return [
        Node(n, f"n{n}", {}, allocatable=f"{{pods: {size}}}" if size else "").text()
        for n, size in enumerate(of, 1)
    ]


def workload(number: int, count: int, *, kind: str = "Deployment", asks: str = "") -> str:
    name = f"w{number}"
    made = Workload(kind, "default", name, name, "front", count, "i", "a", "[]", asks, "")
    return made.text()


def build(documents: Sequence[str]) -> Plan:
    inputs = [("m.yaml", "---\n".join(documents))]
    return make_plan(inputs, FLAGS, Lock(), proved=False).plan


@settings(max_examples=40, deadline=None)
@given(sizes, replicas)
def test_nodes_with_room_differ_by_at_most_one(of: Sizes, counts: list[int]) -> None:
    """Every workload by itself, and all together; a node that is full may have less."""
    plan = build([*nodes(of), *(workload(n, count) for n, count in enumerate(counts))])
    total = Counter(pod.node for pod in plan.pods)
    fitting = [f"n{n}" for n, size in enumerate(of, 1) if not size or total[f"n{n}"] < size]
    for pods in ([*plan.pods], *_by_workload(plan).values()):
        own = Counter(pod.node for pod in pods)
        there = [own[name] for name in fitting]
        assert max(there, default=0) - min(there, default=0) <= 1
        # Nor has a full one more than those with room.
        assert max(own.values(), default=0) <= min(there, default=253) + 1
    assert plan.pending == 0 or not [name for name in fitting if total[name] < 253]


@settings(max_examples=40, deadline=None)
@given(sizes, replicas, st.integers(0, 1 << 32))
def test_no_pod_could_move_to_make_it_more_even(of: Sizes, counts: list[int], seed: int) -> None:
    """Beside daemons and pods with a nodeName, which load some nodes more than others."""
    chance = Random(seed)  # noqa: S311 - examples, not secrets
    documents = nodes(of)
    for number, count in enumerate(counts):
        pinned = chance.random() < 0.2
        asks = f"nodeName: n{chance.randint(1, len(of))}" if pinned else ""
        kind = chance.choice(["Deployment", "StatefulSet", "Job"])
        documents.append(workload(number, min(count, 5) if pinned else count, kind=kind, asks=asks))
    documents.append(workload(len(counts), 1, kind="DaemonSet"))
    plan = build(documents)
    total = Counter(pod.node for pod in plan.pods)
    room = {f"n{n}": (size or 253) - total[f"n{n}"] for n, size in enumerate(of, 1)}
    for pods in _by_workload(plan).values():
        first = pods[0].workload
        if first.kind == "DaemonSet" or first.template.node_name:
            continue
        own = Counter(pod.node for pod in pods)
        for here, count in own.items():
            for there in (name for name, left in room.items() if left > 0):
                assert count <= own[there] + 1
                assert count <= own[there] or total[here] <= total[there] + 1


def _by_workload(plan: Plan) -> dict[str, list[PlannedPod]]:
    found: dict[str, list[PlannedPod]] = {}
    for pod in plan.pods:
        found.setdefault(str(pod.workload.key), []).append(pod)
    return found
