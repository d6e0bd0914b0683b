"""The same questions asked of BIND, NSD and Knot on loopback ports, from the rendered files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dns_answers import Question, own_zones, questions, shown
from dns_servers import SERVERS, NameServer, serving
from dns_shared import CASES, Case, comparable, served, shared_cases
from kcompile.lower.zones import lower_zones
from plan_builder import plan, port, service


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NameServer]:
    """One that has the zones of all our clusters."""
    program: str = request.param
    with serving(program, tmp_path_factory.mktemp(program), own_zones()) as found:
        yield found


@pytest.mark.parametrize("question", questions(), ids=str)
def test_a_server_answers(server: NameServer, question: Question) -> None:
    reply = server.ask(question.name, question.kind)
    assert shown(reply.answer) == question.expected
    assert reply.authoritative
    if not reply.answer.records:
        assert reply.authority == {"SOA"}


@pytest.fixture(scope="module", params=SERVERS)
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NameServer]:
    """One that has the zones of all shared clusters."""
    program: str = request.param
    with serving(program, tmp_path_factory.mktemp(program), served()) as found:
        yield found


def asked() -> list[Any]:
    found = [pytest.param(case, id=case.id) for case in shared_cases() if not case.left_out]
    reason = f"../shared/cases/{CASES.name} is not beside the checkout"
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=reason))]


@pytest.mark.parametrize("case", asked())
def test_a_server_answers_the_shared_cases(shared_server: NameServer, case: Case) -> None:
    reply = shared_server.ask(case.name, case.kind)
    assert comparable(reply.answer) == (case.rcode, case.records)
    assert case.additional <= {record.lower() for record in reply.additional}
    if not case.records:
        assert reply.authority == {"SOA"}


def test_bind_loads_large_sets_only_if_it_is_told(tmp_path: Path) -> None:
    """named-checkzone and named-checkconf -z say nothing of it; so the build does (KC504)."""
    ips = [f"10.244.{n >> 7}.{n & 127}" for n in range(1, 102)]
    db = service("default/db", headless=True, ports=[port(80, *ips, name="pg")])
    zones = {zone.origin: zone for zone in lower_zones(plan(services=[db]))}
    both = [zones["cluster.local."], zones["244.10.in-addr.arpa."]]
    for options, rcode in (("", "SERVFAIL"), ("max-records-per-type 101; ", "NOERROR")):
        with serving("named", tmp_path, both, options=options, ready=both[1].origin) as server:
            assert server.ask("cluster.local.", "SOA").answer.rcode == rcode
