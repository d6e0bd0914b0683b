"""What is in the kernel, as cheaply as it can be known.

A save costs under a second on the legacy flavour, and 23 on nft where there are 215,000 rules. So
on nft digests tell which chains are still those of the text that was put there, and only the others
are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour, nft, saved
from kcompile.apply.rules.change import Lines
from kcompile.apply.rules.memory import Digests, Place
from kcompile.apply.rules.nft_ruleset import digest
from kcompile.apply.rules.text import BUILT_IN, NOTHING, Table, Tables

_TABLES = ("filter", "mangle", "nat")  # where kcompile's, and a kube-proxy's, chains are
_FEW = 100  # chains; reading each by itself costs about 10 ms
_EMPTY = digest([])
_HIDDEN = re.compile(r"^# Table `(filter|nat|mangle)' is incompatible", re.MULTILINE)
_NFT_FAMILIES = {4: "ip", 6: "ip6"}


@dataclass(frozen=True)
class Seen:
    """Chains and rules; of others' chains perhaps not all. `digests` of the chains, if known."""

    tables: Tables
    digests: Digests


def see_all(host: Host, kind: str, family: int) -> Seen:
    """Everything, read by iptables-save. Raises RefusedError if that does not show it all."""
    text = flavour.save(host, kind, family)
    hidden = _HIDDEN.search(text)
    if hidden:
        raise RefusedError(
            f"table {hidden[1]} of {flavour.STEMS[family]} has rules of nft's own that iptables"
            f" cannot show: move them to another table (nft list table"
            f" {_NFT_FAMILIES[family]} {hidden[1]} shows them)"
        )
    return Seen(saved.tables(text), {})


def see_changed(host: Host, family: int, installed: Tables, known: Digests, after: Tables) -> Seen:
    """The nft flavour's rules, by what they were when the chains of `installed` had the digests
    `known`: only what changed since is read, and what is not in `installed`, but in `after`."""
    now = nft.digests(family, _TABLES)
    unread = [
        (table, chain)
        for (table, chain), found in now.items()
        if _is_looked_at(table, chain, installed, after)
        if found not in (known.get((table, chain)), _EMPTY)
        or chain not in installed.get(table, NOTHING).chains
    ]
    if len(unread) > _FEW:
        return Seen(see_all(host, "nft", family).tables, now)
    read = {place: tuple(_rules(host, family, *place)) for place in unread}
    tables = {
        table: Table(
            dict(_chains(table, now, read, installed.get(table, NOTHING))),
            {
                chain: read[table, chain]
                for chain in BUILT_IN.get(table, ())
                if (table, chain) in read
            },
        )
        for table in _TABLES
    }
    return Seen(tables, now)


def _is_looked_at(table: str, chain: str, installed: Tables, after: Tables) -> bool:
    return (
        chain in BUILT_IN.get(table, ())
        or chain in installed.get(table, NOTHING).chains
        or chain in after.get(table, NOTHING).chains
    )


def _chains(
    table: str, now: Digests, read: dict[Place, Lines], installed: Table
) -> Iterator[tuple[str, Lines]]:
    for (name, chain), found in now.items():
        if name != table or chain in BUILT_IN.get(table, ()):
            continue
        if (table, chain) in read:
            yield chain, read[table, chain]
        elif found == _EMPTY or chain not in installed.chains:
            yield chain, ()  # of others' chains only the name counts
        else:
            yield chain, installed.chains[chain]


def _rules(host: Host, family: int, table: str, chain: str) -> Iterator[str]:
    program = flavour.program(host, "nft", family)
    for line in host.run([program, "-t", table, "-S", chain]).split("\n"):
        if line.startswith("-A "):
            yield line
