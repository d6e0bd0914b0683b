"""From what is in the kernel to what is wanted, as values: only what differs is touched."""

from __future__ import annotations

from kcompile.apply.failures import RefusedError
from kcompile.apply.rules.change import FamilyChange, Lines, TableChange
from kcompile.apply.rules.text import NOTHING, Table, Tables, alike, require_plain, target, words

_ORDER = ("filter", "nat")
# A packet's way is decided here by the first rule that takes it, Docker's DNAT included.
_FIRST = frozenset((("nat", "PREROUTING"), ("nat", "OUTPUT")))


def family_change(
    family: int, before: Tables, after: Tables, seen: Tables, kept: Tables
) -> FamilyChange:
    """`before` is what kcompile may have put there, `seen` what is in the kernel, `kept` what
    was there before kcompile and is left (or put back) when it goes. No tables: nothing to do."""
    names = [*_ORDER, *sorted({*before, *after} - set(_ORDER))]
    changes = (
        _table_change(
            name,
            before.get(name, NOTHING),
            after.get(name, NOTHING),
            seen.get(name, NOTHING),
            kept.get(name, NOTHING),
        )
        for name in names
    )
    return FamilyChange(family, tuple(change for change in changes if _says_something(change)))


def require_unused(change: FamilyChange, ours: Tables, seen: Tables) -> None:
    """Refuse to remove a chain that a rule of somebody else leads to: the kernel would."""
    for table in change.tables:
        gone = set(table.remove)
        leaving = {line for lines in table.no_jumps.values() for line in lines}
        there = seen.get(table.table, NOTHING)
        mine = ours.get(table.table, NOTHING).chains
        for chain, lines in {**there.chains, **there.built_in}.items() if gone else ():
            for line in () if chain in mine else lines:
                if target(line) in gone and line not in leaving:
                    raise RefusedError(
                        f"chain {target(line)} of table {table.table} cannot be removed, because"
                        f" a rule of somebody else leads to it: {line}"
                    )


def _table_change(name: str, before: Table, after: Table, seen: Table, kept: Table) -> TableChange:
    there = seen.chains
    replace = {
        chain: lines
        for chain, lines in after.chains.items()
        if chain not in there or not alike(there[chain], lines)
    }
    for chain, lines in replace.items():
        require_plain(chain, lines, after.chains)
    gone = [chain for chain in before.chains if chain not in after.chains and chain in there]
    for chain in gone:
        if chain in kept.chains and not alike(there[chain], kept.chains[chain]):
            replace[chain] = kept.chains[chain]
    jumps: dict[str, Lines] = {}
    no_jumps: dict[str, Lines] = {}
    for chain in {**after.built_in, **before.built_in}:
        have = seen.built_in.get(chain, ())
        theirs = set(map(words, kept.built_in.get(chain, ())))
        want = after.built_in.get(chain, ())
        # A jump that was there before kcompile stays where its owner put it.
        theirs_now = theirs.intersection(map(words, have))
        block = tuple(line for line in want if words(line) not in theirs_now)
        stale = set(map(words, before.built_in.get(chain, ()))) - {*map(words, want), *theirs}
        leaving = tuple(line for line in have if words(line) in stale)
        if not _stands(block, have, first=(name, chain) in _FIRST):
            jumps[chain] = block
        if leaving:
            no_jumps[chain] = leaving
    remove = tuple(chain for chain in gone if chain not in kept.chains)
    return TableChange(name, replace, remove, jumps, no_jumps)


def _stands(block: Lines, have: Lines, *, first: bool) -> bool:
    """Whether the jumps are there, each once and in their order. Others that came in front later
    are none of our business, unless the first rule wins."""
    wanted = list(map(words, block))
    there = list(map(words, have))
    if [rule for rule in there if rule in wanted] != wanted:
        return False
    return not first or there[: len(wanted)] == wanted


def _says_something(change: TableChange) -> bool:
    return bool(change.replace or change.remove or change.jumps or change.no_jumps)
