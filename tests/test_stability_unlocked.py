"""How much moves without a lock, and that nothing else does: an address or a port moves only if it
was taken by somebody else.

KCOMPILE_ADDITIONS sets how many objects are added, one at a time, to 1,000 others (5 if it is not
set); docs/lock.md has the numbers of 200.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings

from generated_edits import edited
from generated_hundreds import Cluster, cluster_of, clusters, seeds
from kcompile.pipeline import Planned, make_plan
from kcompile.plan.capacity import capacity
from kcompile.plan.lock import Lock
from kcompile.planned import Plan
from kcompile.render.plan_json import plan_json
from kcompile.resolve.flags import Flags
from notation import deployment, nodes, service
from stability_oracle import pods_of

ADDITIONS = int(os.environ.get("KCOMPILE_ADDITIONS", "5"))


def build(texts: Sequence[str], flags: Flags) -> Planned:
    return make_plan([("m.yaml", "".join(texts))], flags, Lock(), proved=False)


def given_out(plan: Plan) -> dict[tuple[object, ...], object]:
    """Each Service's address and node ports."""
    found: dict[tuple[object, ...], object] = {}
    for each in plan.services:
        found |= {(each.namespace, each.name, family): ip for family, ip in each.cluster_ips}
        for port in each.ports:
            if port.node_port:
                found[each.namespace, each.name, port.spec.port, "port"] = port.node_port
    return found


def displaced(
    before: Mapping[tuple[object, ...], object], after: Mapping[tuple[object, ...], object]
) -> int:
    """How many have another address or port, all of which somebody else must have taken."""
    holders = {value: key for key, value in after.items()}
    moved = [key for key, value in before.items() if after[key] != value]
    assert all(before[key] in holders for key in moved)
    return len(moved)


CASES = {
    "an address of the default /12": (Flags(), ""),
    "an address of a /20": (Flags(service_cidr="10.96.0.0/20"), ""),
    "an address of a /21": (Flags(service_cidr="10.96.0.0/21"), ""),
    "an address and a node port": (Flags(), "type: NodePort"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_more_of_a_thousand_services(case: str) -> None:
    flags, spec = CASES[case]
    thousand = [service(f"s{number:03}", spec=spec) for number in range(1000)]
    before = given_out(build(thousand, flags).plan)
    counts = []
    for number in range(ADDITIONS):
        new = service(f"new{number}" if number % 2 else f"z{number}", spec=spec)
        counts.append(displaced(before, given_out(build([*thousand, new], flags).plan)))
    print(f"{case}: {ADDITIONS} additions: {_shown(counts)}")
    assert sum(counts) <= 2 * ADDITIONS


def test_one_more_deployment() -> None:
    """Placement is even, so it shifts; of the pods that stay on their node only those have another
    address whose own somebody else has now."""
    hundred = [nodes(20), *(deployment(f"d{number:03}", 3) for number in range(330))]
    before = pods_of(build(hundred, Flags()).plan)
    moved, readdressed = [], []
    for number in range(ADDITIONS):
        new = deployment(f"d{number * 331 // ADDITIONS:03}-new", 3)
        after = pods_of(build([*hundred, new], Flags()).plan)
        there = {pod.ipv4 for pod in after.values()}
        stayed = [key for key, pod in before.items() if after[key].node == pod.node]
        others = [key for key in stayed if after[key].ipv4 != before[key].ipv4]
        assert all(before[key].ipv4 in there for key in others)
        moved.append(len(before) - len(stayed))
        readdressed.append(len(others))
    print(
        f"{len(before)} pods, another node: {_shown(moved)}; another address only: {_shown(readdressed)}"
    )


@settings(max_examples=25, deadline=None)
@given(clusters, seeds)
def test_files_and_orders_change_nothing_of_hundreds_of_objects(
    cluster: Cluster, seed: int
) -> None:
    """test_determinism says so of whole bundles of small clusters."""
    assert digest(edited(cluster, ("reorder", seed))) == digest(cluster)


def digest(cluster: Cluster) -> str:
    made = make_plan(cluster.files(), cluster.flags, Lock(), proved=False)
    text = made.lock + plan_json(made.plan, capacity(made.plan))
    return sha256(text.encode()).hexdigest()


SCRIPT = (
    "from test_stability_unlocked import *; "
    "print([digest(cluster_of(n, 60, dual=n % 2 == 0)) for n in range(3)])"
)


def test_hash_seeds_change_nothing_of_hundreds_of_objects() -> None:
    path = str(Path(__file__).parent)
    found = set()
    for seed in ("0", "1", "4294967295"):
        variables = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert found == {f"{[digest(cluster_of(n, 60, dual=n % 2 == 0)) for n in range(3)]}\n"}


def _shown(counts: Sequence[int]) -> str:
    return f"mean {sum(counts) / len(counts):.2f}, most {max(counts)}"
