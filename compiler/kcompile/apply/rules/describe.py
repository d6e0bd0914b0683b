"""Differences of rules in words: whole tables at an install, else chain by chain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kcompile.apply.difference import Difference
from kcompile.apply.rules.change import Lines, TableChange
from kcompile.apply.rules.flavour import STEMS
from kcompile.apply.rules.plan import FamilyPlan
from kcompile.apply.rules.text import NOTHING, Table, target, words

_SERVICE = re.compile(r'"(?:masquerade traffic for )?([a-z0-9.-]+/[a-z0-9.-]+:[a-z0-9-]*)[ "]')
_SHOWN = 3  # rules in one difference


def describe(plan: FamilyPlan) -> Iterator[Difference]:
    """Every chain once; whole tables in a line where all of a family comes or goes."""
    stem = STEMS[plan.change.family]
    for change in plan.change.tables:
        what = f"{stem} {change.table}"
        before = plan.before.get(change.table, NOTHING)
        seen = plan.seen.tables.get(change.table, NOTHING)
        if plan.before and plan.after:
            yield from _chains(what, change, before, seen)
            yield from _jumps(what, change, seen)
        else:
            yield _summary(what, change, seen)


def _summary(what: str, change: TableChange, seen: Table) -> Difference:
    if change.remove and not change.jumps:
        rules = [seen.chains.get(chain, ()) for chain in change.remove]
        said = _count(len(change.remove), [*rules, *change.no_jumps.values()])
        return Difference("rules", "remove", what, said)
    said = _count(len(change.replace), [*change.replace.values(), *change.jumps.values()])
    if change.remove:
        said += f"; {len(change.remove)} chains of a kube-proxy go"
    return Difference("rules", "add", what, said)


def _count(chains: int, rules: list[Lines]) -> str:
    return f"{chains:,} chains, {sum(map(len, rules)):,} rules"


def _chains(what: str, change: TableChange, before: Table, seen: Table) -> Iterator[Difference]:
    for chain, lines in sorted(change.replace.items()):
        name = f"{what} {_named(chain, lines)}"
        there = seen.chains.get(chain)
        if there is None:
            yield Difference("rules", "add", name, _content(lines))
        elif before.chains.get(chain) == lines:
            yield Difference("rules", "change", name, _drift(chain, there, lines))
        else:
            yield Difference("rules", "change", name, _edit(chain, there, lines))
    for chain in sorted(change.remove):
        lines = seen.chains.get(chain, ())
        yield Difference("rules", "remove", f"{what} {_named(chain, lines)}", _content(lines))


def _jumps(what: str, change: TableChange, seen: Table) -> Iterator[Difference]:
    for chain, block in sorted(change.jumps.items()):
        there = seen.built_in.get(chain, ())
        detail = "; ".join(_misplaced(block, there))
        yield Difference("rules", "change", f"{what} {chain}", detail)
    for chain, lines in sorted(change.no_jumps.items()):
        names = ", ".join(map(target, lines))
        yield Difference("rules", "remove", f"{what} {chain}", f"jump to {names}")


def _misplaced(block: Lines, there: Lines) -> Iterator[str]:
    found = list(map(words, there))
    missing = [target(line) for line in block if words(line) not in found]
    twice = [target(line) for line in block if found.count(words(line)) > 1]
    if missing:
        yield f"no jump to {', '.join(missing)}"
    if twice:
        yield f"more than one jump to {', '.join(twice)}"
    if not missing and not twice:
        wanted = list(map(words, block))
        in_order = [rule for rule in found if rule in wanted] == wanted
        yield "jumps stand behind other rules" if in_order else "jumps are in another order"


def _named(chain: str, lines: Lines) -> str:
    """A chain of one Service with the Service."""
    for line in lines if re.fullmatch(r"KUBE-[A-Z]+-[A-Z2-7]{16}", chain) else ():
        service = _SERVICE.search(line)
        if service:
            return f"{chain} ({service[1]})"
    return chain


def _content(lines: Lines) -> str:
    endpoints = _endpoints(lines)
    return _plural(endpoints, "endpoint") if endpoints else _plural(len(lines), "rule")


def _edit(chain: str, there: Lines, lines: Lines) -> str:
    old, new = _endpoints(there), _endpoints(lines)
    if old != new:
        return f"{old} -> {new} endpoints"
    added = sum((Counter(lines) - Counter(there)).values())
    gone = sum((Counter(there) - Counter(lines)).values())
    if not added and not gone:
        return _drift(chain, there, lines)
    return f"{_plural(added, 'rule')} new, {gone} gone"


def _drift(chain: str, there: Lines, lines: Lines) -> str:
    said = []
    for word, rules in (
        ("missing", Counter(lines) - Counter(there)),
        ("not ours", Counter(there) - Counter(lines)),
    ):
        found = [line[len(chain) + 4 :] for line in rules.elements()]
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            said.append(f"{word}: {' | '.join(found[:_SHOWN])}{more}")
    return "; ".join(said) or "the rules are in another order"


def _endpoints(lines: Lines) -> int:
    return sum(target(line)[:9] == "KUBE-SEP-" for line in lines)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
