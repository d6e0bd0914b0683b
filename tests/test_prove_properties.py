"""On clusters in which addresses meet where they can: what is written is proven, and what the
proof takes for equal is equal by the plainest evaluator."""

from dataclasses import replace

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exhaustive import first_mismatch
from generated_plans import plans
from kcompile.planned import Plan
from kcompile.prove import UnreadableRulesError, prove
from kcompile.prove.compare import Proof
from kcompile.prove.expect import Expectation
from kcompile.prove.shared import share
from kcompile.prove.text import read_rules
from mutants import mutants
from packet_cases import rules

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@given(plans())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=_SLOW)
def test_what_is_written_is_proven(a_plan: Plan) -> None:
    assert prove(a_plan, rules(a_plan)) == ()


@given(plans(), st.data())
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=_SLOW)
def test_the_proof_finds_what_the_plainest_evaluator_finds(
    a_plan: Plan, data: st.DataObject
) -> None:
    one = replace(a_plan, nodes=a_plan.nodes[:1])
    family = data.draw(st.sampled_from(one.settings.families))
    text = "".join(rules(one)[one.nodes[0].name][family])
    changed = data.draw(st.sampled_from([each.text for each in mutants(text)]))
    expectation = Expectation(one, one.nodes[0], family, share(one, family))
    try:
        found = Proof(read_rules(changed, family), expectation).mismatches()
        wrong = first_mismatch(one, family, changed)
    except UnreadableRulesError:
        return
    assert wrong is None or found
