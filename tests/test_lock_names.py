"""The names of pods follow from the lock's keys, as `lock pin pod/NAME` and `rename-node` need."""

import json
from pathlib import Path

from kcompile.plan.lock_text import parse_lock
from kcompile.plan.pod_names import names_in_lock

CASE = Path(__file__).parent / "compat" / "0.1.0"


def test_names_are_those_of_the_plan() -> None:
    lock = parse_lock("kcompile.lock", (CASE / "input" / "kcompile.lock").read_text())
    plan = json.loads((CASE / "expected" / "plan.json").read_text())
    seen = set()
    for pod in plan["pods"]:
        workload = pod["workload"]
        key = (pod["namespace"], workload["kind"], workload["name"], pod["ordinal"])
        names = names_in_lock(key, lock.pods[key].name)
        assert pod["name"] in names
        assert len(names) == (2 if workload["kind"] == "Job" else 1)
        seen.add(workload["kind"])
    assert len(seen) == 7
