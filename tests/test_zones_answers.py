"""Questions and answers, of a model of a name server. Of real ones: test_zones_servers.py."""

from functools import cache

import pytest

from dns_answers import Question, questions, shown, zones_of
from dns_model import Answer, Server


@cache
def model(cluster: str) -> Server:
    return Server(zones_of(cluster))


@pytest.mark.parametrize("question", questions(), ids=str)
def test_a_model_of_a_name_server_answers(question: Question) -> None:
    answer = model(question.cluster).ask(question.name, question.kind)
    assert shown(answer) == question.expected


def test_aliases_are_followed_within_the_zones() -> None:
    alias = "ext-in.default.svc.demo.test. 30 CNAME httpd-svc.default.svc.demo.test."
    assert model("demo").ask("ext-in.default.svc.demo.test.", "A") == Answer(
        "NOERROR", (alias, "httpd-svc.default.svc.demo.test. 30 A 10.96.203.6")
    )
    assert model("demo").ask("ext-in.default.svc.demo.test.", "AAAA") == Answer("NOERROR", (alias,))
