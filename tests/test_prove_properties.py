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


@given(plans(), st.data())
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=_SLOW)
def test_a_node_proven_by_what_differs_is_one_proven_in_full(
    a_plan: Plan, data: st.DataObject
) -> None:
    """One line of a later node is broken: found by what differs if, and only if, by all of it."""
    family = data.draw(st.sampled_from(a_plan.settings.families))
    texts = {node: dict(of_node) for node, of_node in rules(a_plan).items()}
    node = data.draw(st.sampled_from(a_plan.nodes))
    broken = data.draw(
        st.sampled_from([each.text for each in mutants("".join(texts[node.name][family]))])
    )
    for of_node in texts.values():
        of_node[family] = tuple("".join(of_node[family]).splitlines(keepends=True))
    texts[node.name][family] = tuple(broken.splitlines(keepends=True))
    expectation = Expectation(a_plan, node, family, share(a_plan, family))
    try:
        in_full = bool(Proof(read_rules(broken, family), expectation).mismatches())
    except UnreadableRulesError:
        in_full = True
    try:
        by_difference = bool(prove(a_plan, texts))
        by_halves = bool((*prove(a_plan, texts, 0), *prove(a_plan, texts, 1)))
    except UnreadableRulesError:
        by_difference = by_halves = True
    assert by_difference is by_halves is in_full


@given(plans())
@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=_SLOW)
def test_one_nodes_rules_prove_no_other_node_that_they_do_not_fit(a_plan: Plan) -> None:
    texts = rules(a_plan)
    first = a_plan.nodes[0].name
    for node in a_plan.nodes[1:]:
        swapped = {**texts, node.name: texts[first]}
        fits = not any(
            Proof(
                read_rules("".join(text), family),
                Expectation(a_plan, node, family, share(a_plan, family)),
            ).mismatches()
            for family, text in texts[first].items()
        )
        assert (prove(a_plan, swapped) == ()) is fits
