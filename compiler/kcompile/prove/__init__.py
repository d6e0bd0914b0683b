"""Proves that the text of rules means the plan: reads it back, and compares.

It shares no code with what wrote the text: it imports nothing of traffic, lower or render. It
proves the file, not the node: what a kernel does with the file, and what else is loaded there, is
not known here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kcompile.address import Family
from kcompile.planned import Plan, PlannedNode
from kcompile.problems import OurBugError
from kcompile.prove.compare import Proof
from kcompile.prove.expect import Expectation
from kcompile.prove.judge import Mismatch
from kcompile.prove.shared import own_addresses, share
from kcompile.prove.text import UnreadableRulesError, read_rules
from kcompile.prove.views import View, Views

Texts = Mapping[Family, Iterable[str]]
"""The text of a node's rules, whole or in chunks, by family."""

__all__ = ["Mismatch", "Texts", "UnreadableRulesError", "prove"]


def prove(plan: Plan, rules: Mapping[str, Texts]) -> tuple[Mismatch, ...]:
    """What the rules of each node do that the plan does not mean, the first few of each file.

    Nodes that share a text (the same object) and see the same are proved once. Raises
    UnreadableRulesError where a text is none that a kernel would load.
    """
    return tuple(
        mismatch
        for family in plan.settings.families
        for mismatch in _prove_family(plan, rules, family)
    )


def _prove_family(plan: Plan, rules: Mapping[str, Texts], family: Family) -> Iterator[Mismatch]:
    shared = share(plan, family)
    views = Views(plan, shared)
    by_text: dict[int, list[PlannedNode]] = {}
    for node in plan.nodes:
        text = rules.get(node.name, {}).get(family)
        if text is None:
            raise OurBugError(f"node {node.name} has no rules for IPv{family}")
        by_text.setdefault(id(text), []).append(node)
    for nodes in by_text.values():
        chunks = rules[nodes[0].name][family]
        yield from _prove_text(plan, nodes, "".join(chunks), views)


def _prove_text(
    plan: Plan, nodes: Sequence[PlannedNode], text: str, views: Views
) -> Iterator[Mismatch]:
    """Proves one text for all nodes that have it: once for those that see the same."""
    family = views.shared.family
    try:
        read = read_rules(text, family)
        proven: dict[View, list[Proof]] = {}
        for node in nodes:
            view = views.of(node) if len(nodes) > 1 else ()
            own = own_addresses(node, family)
            alike = proven.setdefault(view, [])
            if not any(proof.covers(own) for proof in alike):
                proof = Proof(read, Expectation(plan, node, family, views.shared))
                yield from proof.mismatches()
                alike.append(proof)
    except UnreadableRulesError as error:
        name = "iptables" if family == 4 else "ip6tables"
        where = f"nodes/{nodes[0].name}/{name}.rules"
        raise UnreadableRulesError(error.line, error.message, where) from None
