"""How long the plan stage takes by itself, on one core."""

import gc
import time
from collections.abc import Iterable
from typing import NamedTuple

from manifests import choosy_workloads, nodes, workloads

from kcompile.load import load
from kcompile.plan import plan
from kcompile.plan.lock import Lock
from kcompile.plan.nodes import plan_nodes
from kcompile.plan.placement import place
from kcompile.resolve import resolve
from kcompile.resolve.flags import Flags
from kcompile.validate import validate

_FLAGS = Flags(pod_network_cidr="10.128.0.0/9", node_cidr_mask_size="21")


class Planning(NamedTuple):
    """Seconds of the whole plan stage, and of placement alone."""

    pods: int
    plan: float
    place: float


def bench_plans(node_count: int) -> None:
    gc.disable()
    cases = (
        ("10000 Deployments x 10 + 10000 Services", workloads(10_000, 10)),
        ("100 Deployments x 100, apart and spread", choosy_workloads(100, 100)),
        ("1000 Deployments x 10, apart and spread", choosy_workloads(1_000, 10)),
    )
    print(f"plan on {node_count} nodes, without a lock")
    first = 0.0
    for title, texts in cases:
        found = plan_once(texts, node_count)
        per_pod = found.place / found.pods
        first = first or per_pod
        print(
            f"  {title}: {found.pods} pods: {found.plan:6.2f} s, placement {found.place:6.2f} s,"
            f" {per_pod / first:5.1f} times the first a pod"
        )


def plan_once(texts: Iterable[str], node_count: int) -> Planning:
    text = "".join((*nodes(node_count), *texts))
    cluster = resolve(validate(load([("bench.yaml", text)])), _FLAGS)
    lock = Lock()
    started = time.perf_counter()
    made = plan(cluster, lock)
    planned = time.perf_counter()
    pod_cidrs, _ = plan_nodes(cluster, lock)
    before = time.perf_counter()
    place(cluster, pod_cidrs, lock)
    placed = time.perf_counter()
    return Planning(len(made.pods), planned - started, placed - before)
