"""Proves that the text of rules means the plan: reads it back, and compares.

It shares no code with what wrote the text: it imports nothing of traffic, lower or render. It
proves the file, not the node: what a kernel does with the file, and what else is loaded there, is
not known here.
"""

from collections.abc import Iterator, Mapping, Sequence

from kcompile.address import Family
from kcompile.planned import Plan, PlannedNode
from kcompile.problems import OurBugError
from kcompile.prove.compare import Half, Proof
from kcompile.prove.delta import Base
from kcompile.prove.expect import Expectation
from kcompile.prove.judge import Mismatch
from kcompile.prove.shared import Shared, own_addresses, share
from kcompile.prove.text import UnreadableRulesError, read_rules
from kcompile.prove.views import Views

Texts = Mapping[Family, Sequence[str]]
"""The text of a node's rules in chunks, by family."""

__all__ = ["Mismatch", "Texts", "UnreadableRulesError", "prove"]


def prove(plan: Plan, rules: Mapping[str, Texts], half: Half | None = None) -> tuple[Mismatch, ...]:
    """What the rules of each node do that the plan does not mean, the first few of each file.

    The first node is proved in full, others by what differs there; nodes that share chunks (the
    same objects) quickly. Of two processes each can prove a `half`: only both prove all. Raises
    UnreadableRulesError where a text is none that a kernel would load.
    """
    return tuple(
        mismatch
        for family in plan.settings.families
        for mismatch in _prove_family(plan, rules, family, half)
    )


def _prove_family(
    plan: Plan, rules: Mapping[str, Texts], family: Family, half: Half | None
) -> Iterator[Mismatch]:
    texts = [rules.get(node.name, {}).get(family, ()) for node in plan.nodes]
    for node, text in zip(plan.nodes, texts, strict=True):
        if not text:
            raise OurBugError(f"node {node.name} has no rules for IPv{family}")
    views = Views(plan, share(plan, family))
    if half == 1:
        return _second_half(plan, texts, views)
    return _prove_all(plan, texts, views, half)


def _prove_all(
    plan: Plan, texts: Sequence[Sequence[str]], views: Views, half: Half | None
) -> Iterator[Mismatch]:
    bases: list[Base] = []
    wrong: list[Sequence[str]] = []
    for node, text in zip(plan.nodes, texts, strict=True):
        if any(text is each for each in wrong) or any(base.proves(node, text) for base in bases):
            continue
        proof, mismatches = _proof(plan, node, text, views.shared, None if bases else half)
        if mismatches:
            wrong.append(text)
            yield from mismatches
        else:
            bases.append(Base(proof, node, text, views))


def _second_half(plan: Plan, texts: Sequence[Sequence[str]], views: Views) -> Iterator[Mismatch]:
    """What the first half takes for proven: the first node's other claims, and that these do not
    tell its addresses from those of others that see the same."""
    family = views.family
    first, *others = zip(plan.nodes, texts, strict=True)
    proof, mismatches = _proof(plan, *first, views.shared, 1)
    yield from mismatches
    ranges = views.ranges(own_addresses(first[0], family))
    for node, text in others:
        own = own_addresses(node, family)
        if views.ranges(own) == ranges and not proof.covers(own):
            yield from _proof(plan, node, text, views.shared, 1)[1]


def _proof(
    plan: Plan, node: PlannedNode, text: Sequence[str], shared: Shared, half: Half | None
) -> tuple[Proof, tuple[Mismatch, ...]]:
    """A proof of all of a node's text, and what is wrong there."""
    family = shared.family
    try:
        read = read_rules("".join(text), family)
        proof = Proof(read, Expectation(plan, node, family, shared))
        return proof, proof.mismatches(half)
    except UnreadableRulesError as error:
        name = "iptables" if family == 4 else "ip6tables"
        where = f"nodes/{node.name}/{name}.rules"
        raise UnreadableRulesError(error.line, error.message, where) from None
