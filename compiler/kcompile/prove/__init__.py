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
from kcompile.prove.shared import Shared, share
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
    shared = share(plan, family)
    views = Views(plan, shared)
    bases: list[Base] = []
    wrong: list[Sequence[str]] = []
    for node in plan.nodes:
        text = rules.get(node.name, {}).get(family)
        if text is None:
            raise OurBugError(f"node {node.name} has no rules for IPv{family}")
        if any(text is each for each in wrong) or any(base.proves(node, text) for base in bases):
            continue
        proof, mismatches = _proof(plan, node, text, shared, None if bases else half)
        if half == 1:
            # The first node's text is most of the work, and all that is shared.
            yield from mismatches
            return
        if mismatches:
            wrong.append(text)
            yield from mismatches
        else:
            bases.append(Base(proof, node, text, views))


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
