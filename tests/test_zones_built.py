"""Clusters of tests as manifests, through a whole build: the answers are the same."""

from functools import cache
from typing import Any

import pytest

from dns_answers import Question, questions, shown
from dns_cluster import CLUSTERS
from dns_manifests import built
from dns_model import Server
from dns_shared import CASES, Case, comparable, plan_of, shared, shared_cases
from kcompile.lower.zones import lower_zones

# Kubernetes refuses a Service that has an address and no ports.
REFUSED = "noports."


@cache
def of_ours(cluster: str) -> Server:
    return Server(lower_zones(built(CLUSTERS[cluster](f"{cluster}.test"))))


@pytest.mark.parametrize(
    "question", [each for each in questions() if not each.name.startswith(REFUSED)], ids=str
)
def test_a_build_gives_the_answers(question: Question) -> None:
    answer = of_ours(question.cluster).ask(question.name, question.kind)
    assert shown(answer) == question.expected


@cache
def of_shared(cluster: str) -> Server:
    return Server(lower_zones(built(plan_of(shared()["clusters"][cluster], cluster))))


def cases() -> list[Any]:
    found = [
        pytest.param(case, id=case.id)
        for case in shared_cases()
        if case.cluster in ("demo", "reverse") and not case.name.startswith(REFUSED)
    ]
    reason = f"../shared/cases/{CASES.name} is not beside the checkout"
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=reason))]


@pytest.mark.parametrize("case", cases())
def test_a_build_gives_the_answers_of_the_shared_cases(case: Case) -> None:
    answer = of_shared(case.cluster).ask(case.name, case.kind)
    assert comparable(answer) == (case.rcode, case.records)
