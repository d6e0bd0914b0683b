"""The same questions asked of BIND, NSD and Knot on loopback ports, from the rendered files."""

from collections.abc import Iterator
from typing import Any

import pytest

from dns_answers import Question, own_zones, questions, shown
from dns_servers import SERVERS, NameServer, serving
from dns_shared import CASES, Case, comparable, served, shared_cases


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
