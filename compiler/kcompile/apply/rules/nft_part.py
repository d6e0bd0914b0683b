"""What a change means for one table, as messages: all of it that does not depend on what the real
table holds, made once, from what the kernel has in the scratch namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.apply.failures import NodeError
from kcompile.apply.netlink import Netfilter
from kcompile.apply.rules.change import TableChange
from kcompile.apply.rules.nft_batch import Batch, Where
from kcompile.apply.rules.nft_ruleset import (
    PROTOCOLS,
    chain_key,
    chain_of,
    digest,
    rules,
    rules_of,
)
from kcompile.apply.rules.nft_scratch import built_in


@dataclass(frozen=True)
class BaseChain:
    """A built-in chain: how it is made where it is missing, and the bodies of our rules in it."""

    where: Where
    definition: Mapping[int, bytes]
    jumps: tuple[bytes, ...]
    no_jumps: tuple[bytes, ...]


@dataclass(frozen=True)
class Part:
    """`chains` makes sure of our chains and empties them, `rules` fills them and deletes those
    that go. `brings`: whether anything of ours is there afterwards."""

    family: int
    table: str
    brings: bool
    removed: frozenset[str]
    base_chains: tuple[BaseChain, ...]
    chains: Batch
    rules: Batch
    digests: Mapping[tuple[str, str], str]


def part_of(kernel: Netfilter, family: int, change: TableChange, where: list[Where]) -> Part:
    """`kernel` speaks with the scratch namespace."""
    table, protocol = change.table, PROTOCOLS[family]
    chains, filled = Batch(where), Batch(where)
    found = {}
    for chain in (*change.replace, *change.remove):
        chains.empty_chain((family, table, chain))
    for chain in change.replace:
        bodies = [body for _handle, body in rules(kernel, protocol, chain_key(table, chain))]
        filled.append((family, table, chain), bodies)
        found[table, chain] = digest(bodies)  # no packet was counted there
    for chain in change.remove:
        filled.delete_chain((family, table, chain))
    brings = bool(change.replace) or any(change.jumps.values())
    base_chains = tuple(_base_chain(kernel, family, change, chain) for chain in built_in(change))
    removed = frozenset(change.remove)
    return Part(family, table, brings, removed, base_chains, chains, filled, found)


def _base_chain(kernel: Netfilter, family: int, change: TableChange, chain: str) -> BaseChain:
    protocol, table = PROTOCOLS[family], change.table
    wanted = len(change.jumps.get(chain, ()))
    unwanted = len(change.no_jumps.get(chain, ()))
    bodies = tuple(body for _handle, body in rules_of(kernel, protocol, table, chain))
    if len(bodies) != wanted + unwanted:
        raise NodeError(f"a jump in chain {chain} of table {table} is more than one rule")
    definition = chain_of(kernel, protocol, table, chain) or {}
    return BaseChain((family, table, chain), definition, bodies[:wanted], bodies[wanted:])
