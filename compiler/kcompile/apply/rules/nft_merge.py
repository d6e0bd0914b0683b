"""Our jumps among everybody's rules: what a table holds in the real namespace, and the messages
that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from kcompile.apply.netlink import Netfilter
from kcompile.apply.rules.nft_batch import Batch, Where
from kcompile.apply.rules.nft_part import BaseChain, Part
from kcompile.apply.rules.nft_ruleset import (
    ACCEPT,
    CHAIN_POLICY,
    PROTOCOLS,
    chain_of,
    chains_of,
    jump_of,
    rules_of,
    still,
    table_use,
)

Made = frozenset[Where]
"""Tables (chain "") and built-in chains that were not there before kcompile."""


@dataclass(frozen=True)
class FoundChain:
    """A built-in chain that is there: whether its policy is to accept, handles and bodies."""

    accepts: bool
    rules: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Reading:
    """What a table holds of which a change needs to know. `alone`: the chains of ours that go,
    and these built-in chains, are all there is."""

    absent: bool
    alone: bool
    chains: dict[Where, FoundChain]


@dataclass(frozen=True)
class Steps:
    """`first` makes built-in chains that are missing, `jumps` places our jumps, `last` removes
    what is empty then."""

    first: Batch
    jumps: Batch
    last: Batch


def read(kernel: Netfilter, part: Part, made: Made) -> Reading:
    protocol = PROTOCOLS[part.family]
    use = table_use(kernel, protocol, part.table)
    if use is None:
        return Reading(absent=True, alone=False, chains={})
    asked = {base.where for base in part.base_chains} | _made_in(part, made)
    chains = {where: found for where in asked if (found := _found(kernel, where)) is not None}
    alone = False
    if not part.brings and (part.family, part.table, "") in made:
        names = set(chains_of(kernel, protocol, part.table))
        alone = use == len(names) and names <= part.removed | {chain for _, _, chain in chains}
    return Reading(absent=False, alone=alone, chains=chains)


def merge(part: Part, reading: Reading, made: Made, steps: Steps) -> Made:
    """Adds what is to be done; `made` afterwards."""
    table = (part.family, part.table, "")
    now = set(made) - ({*_made_in(part, made), table} if reading.absent else set())
    if reading.absent:
        now.add(table)
    empty = {where for where, found in reading.chains.items() if not found.rules}
    for base in part.base_chains:
        found = reading.chains.get(base.where)
        if found is not None:
            if _place(base, found, steps.jumps):
                empty.add(base.where)
            else:
                empty.discard(base.where)
        elif base.jumps:
            steps.first.base_chain(base.where, base.definition)
            steps.jumps.prepend(base.where, list(base.jumps))
            now.add(base.where)
    for where in sorted(_made_in(part, made) & reading.chains.keys() & empty):
        if reading.chains[where].accepts:
            steps.last.delete_chain(where)
            now.discard(where)
            del reading.chains[where]
    if reading.alone and not reading.chains:
        steps.last.delete_table(part.family, part.table)
        now.discard(table)
    return frozenset(now)


def _made_in(part: Part, made: Made) -> frozenset[Where]:
    return frozenset(where for where in made if where[:2] == (part.family, part.table) and where[2])


def _found(kernel: Netfilter, where: Where) -> FoundChain | None:
    family, table, chain = where
    definition = chain_of(kernel, PROTOCOLS[family], table, chain)
    if definition is None:
        return None
    accepts = definition.get(CHAIN_POLICY) == ACCEPT
    return FoundChain(accepts, tuple(rules_of(kernel, PROTOCOLS[family], table, chain)))


def _place(base: BaseChain, found: FoundChain, jumps: Batch) -> bool:
    """Have our jumps in front, in order, and nowhere else; whether no rule is left then."""
    wanted = [still(body) for body in base.jumps]
    listed = [(handle, still(body)) for handle, body in found.rules]
    known = {still(body) for body in (*base.jumps, *base.no_jumps)}
    # Another version of iptables wrote other bytes: the same chain of ours, the same comment.
    alike = {jump for body in known if (jump := jump_of(body)) is not None}
    ours = [handle for handle, body in listed if body in known or jump_of(body) in alike]
    if [body for _handle, body in listed[: len(wanted)]] != wanted or len(ours) != len(wanted):
        for handle in ours:
            jumps.delete_rule(base.where, handle)
        jumps.prepend(base.where, list(base.jumps))
    return not wanted and len(ours) == len(listed)
