"""Sends packets through a text by the plainest evaluator: from and to every address that the plan
or the text names, and those beside them, to every port. Slow, but it leaves nothing out that could
tell two texts apart."""

import re
from collections.abc import Iterator

from kcompile.address import BITS, Family
from kcompile.planned import Plan
from kcompile.prove.chains import Linear
from kcompile.prove.evaluate import Evaluator
from kcompile.prove.expect import Expectation
from kcompile.prove.judge import Judge, Mismatch
from kcompile.prove.packet import Key
from kcompile.prove.parse import parse_address
from kcompile.prove.shared import share
from kcompile.prove.text import read_rules
from kcompile.reach import State

_RANGE: dict[Family, str] = {4: r"[0-9.]+/[0-9]+", 6: r"[0-9a-f:]+/[0-9]+"}
_STATES: tuple[State, ...] = ("NEW", "RELATED", "ESTABLISHED", "INVALID")


def first_mismatch(plan: Plan, family: Family, text: str) -> Mismatch | None:
    """What is wrong with the text of the plan's first node."""
    node = plan.nodes[0]
    expectation = Expectation(plan, node, family, share(plan, family))
    judge = Judge(Evaluator(Linear(read_rules(text, family)), expectation.own), expectation)
    addresses = sorted(_addresses(plan, family, text, expectation))
    for key in sorted(_keys(expectation, text, addresses)):
        for address in addresses:
            for state in _STATES:
                if found := judge.packet(address, key, state):
                    return found
    return None


def _addresses(plan: Plan, family: Family, text: str, expectation: Expectation) -> set[int]:
    found = set(expectation.own.addresses) | {expectation.own.loopback.first, 1 << 20}
    found |= {claim.key[0] for claim in expectation.claims if claim.key[0] >= 0}
    for word in re.findall(rf"-[sd] ({_RANGE[family]}) ", text):
        address, _, prefix = word.partition("/")
        first = parse_address(address, family)
        last = first + (1 << BITS[family] - int(prefix)) - 1
        found |= {first, last}
        if first != last:
            found |= {max(first - 1, 0), min(last + 1, (1 << BITS[family]) - 1)}
    for service in plan.services:
        for port in service.ports:
            found |= {endpoint.ip for endpoint in port.endpoints(family)}
    return found


def _keys(expectation: Expectation, text: str, addresses: list[int]) -> Iterator[Key]:
    claimed = {claim.key[1:] for claim in expectation.claims}
    health = {("tcp", port) for port in expectation.health_checks}
    ruled = {("tcp", int(port)) for port in re.findall(r"--dport ([0-9]+) ", text)}
    for protocol, port in claimed | health | ruled | {("tcp", 9), ("udp", 9), ("sctp", 9), ("", 0)}:
        for address in addresses:
            yield address, protocol, port
