"""What packets meet on a node: observed of kube-proxy, demanded of the text that is written.

The cases' states of endpoints come into the plan as manifests' EndpointSlices bring them, so that
none of them is beyond a static build. Those of kube-proxy's nftables mode alone are left out.
"""

import pytest

from kcompile.prove import prove
from packet_cases import SHARED_CASES, Case, Reader, own_cases, rules, shared_cases


def parameters() -> list[object]:
    found = [pytest.param(case, id=case.name) for case in own_cases()]
    if SHARED_CASES.exists():
        return found + [pytest.param(case, id=case.name) for case in shared_cases()]
    reason = "../shared/cases/packetflow.yaml is not beside the checkout"
    return [*found, pytest.param(None, id="shared", marks=pytest.mark.skip(reason=reason))]


@pytest.mark.parametrize("case", parameters())
def test_packets_meet_their_fate(case: Case) -> None:
    reader = Reader(case.plan, case.family)
    assert [(packet, reader.fate(packet)) for packet, _ in case.packets] == list(case.packets)


@pytest.mark.parametrize("case", parameters())
def test_the_prover_agrees(case: Case) -> None:
    assert prove(case.plan, rules(case.plan)) == ()


def test_our_cases_are_as_many_as_those_observed() -> None:
    assert len(own_cases()) == 30
    assert sum(len(case.packets) for case in own_cases()) == 169
