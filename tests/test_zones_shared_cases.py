"""The shared DNS cases, asked of a model of a name server. Of real ones: test_zones_servers.py."""

from functools import cache
from typing import Any

import pytest

from dns_model import Server
from dns_shared import CASES, Case, comparable, domain_of, plan_of, shared, shared_cases, zones_of
from kcompile.lower.zones import lower_zones

NOT_THERE = f"../shared/cases/{CASES.name} is not beside the checkout"


def cases() -> list[Any]:
    found = [pytest.param(case, id=case.id) for case in shared_cases()]
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=NOT_THERE))]


@cache
def server(cluster: str) -> Server:
    return Server(zones_of(cluster))


@pytest.mark.parametrize("case", cases())
def test_case(case: Case) -> None:
    if case.left_out:
        pytest.skip(case.left_out)
    answer = server(case.cluster).ask(case.name, case.kind)
    assert comparable(answer) == (case.rcode, case.records)


@pytest.mark.skipif(not CASES.exists(), reason=NOT_THERE)
def test_a_transfer_has_all_that_the_plugin_transfers() -> None:
    (case,) = [case for case in shared()["cases"] if "axfr" in case]
    cluster = shared()["clusters"][case["cluster"]]
    changed = {**cluster, "options": {**cluster["options"], **case["override"]}}
    (zone,) = [
        zone
        for zone in lower_zones(plan_of(changed, case["cluster"]))
        if not zone.origin.endswith(".arpa.")
    ]
    found = {
        f"{record.owner} {record.type} {_without_weight(record.data)}" for record in zone.records
    }
    wanted = {
        f"{r['name']} {r['type']} {_without_weight(r['rdata'])}".replace(
            "cluster.local.", f"{domain_of(case['cluster'])}."
        )
        for r in case["axfr"]["records"]
    }
    assert wanted <= found


def _without_weight(data: str) -> str:
    """Of an SRV record, whose weight in a transfer is another than in an answer."""
    words = data.split()
    return f"{words[2]} {words[3]}" if len(words) == 4 else data
