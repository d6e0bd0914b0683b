"""Rules into the kernel where iptables is the nft flavour: all tables of both families in one step.

iptables itself cannot do it: `--noflush` on a large table takes minutes, a restore without it takes
everybody else's rules. So it loads what changes into a scratch network namespace, and what the
kernel then has there is put into the real one over netlink, in a single transaction that the kernel
refuses if anything there is not as it was read. Rules keep the form that this node's iptables gives
them. Nothing of anybody else's is written: neither rules nor counters nor policies.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.netlink import Netfilter, NetlinkError
from kcompile.apply.rules import nft_ruleset
from kcompile.apply.rules.change import FamilyChange
from kcompile.apply.rules.nft_batch import Batch, Where
from kcompile.apply.rules.nft_merge import Made, Reading, Steps, merge, read
from kcompile.apply.rules.nft_part import Part, part_of
from kcompile.apply.rules.nft_ruleset import PROTOCOLS, SUBSYSTEM
from kcompile.apply.rules.nft_scratch import in_scratch_netns, restore, targets

_ATTEMPTS = 20
_STRICT_ATTEMPTS = 12

digests = nft_ruleset.digests


@dataclass(frozen=True)
class Prepared:
    """A change that the kernel took in a scratch namespace.

    `digests`: of the chains it brings, by family, then table and chain, as `digests` gives them
    after the commit. `load_seconds` went into iptables, `read_seconds` into reading its work.
    """

    parts: tuple[Part, ...]
    where: tuple[Where, ...]
    digests: Mapping[int, Mapping[tuple[str, str], str]]
    load_seconds: float
    read_seconds: float


@dataclass(frozen=True)
class Loaded:
    """`generation`: the ruleset's right after the commit. `made`: what the next commit is to be
    told."""

    generation: int
    made: Made
    load_seconds: float
    read_seconds: float
    commit_seconds: float


def load(host: Host, changes: Sequence[FamilyChange], made: Made = frozenset()) -> Loaded:
    """`prepare` and `commit`."""
    return commit(prepare(host, changes), made)


def generation() -> int:
    """The number of the kernel's ruleset, which every change of anything in it raises."""
    with closing(Netfilter()) as kernel:
        return nft_ruleset.generation_of(kernel)


def prepare(host: Host, changes: Sequence[FamilyChange]) -> Prepared:
    """Have the kernel take the change in a scratch namespace; nothing real is touched.

    Raises CommandError with what iptables says."""
    where: list[Where] = []
    parts: list[Part] = []
    found: dict[int, dict[tuple[str, str], str]] = {}
    load_seconds = read_seconds = 0.0
    for change in changes:
        if not change.tables:
            continue
        stubs = _stubs(change)
        loaded, read_out = in_scratch_netns(partial(_try, host, change, stubs, where, parts))
        load_seconds += loaded
        read_seconds += read_out
    for part in parts:
        found.setdefault(part.family, {}).update(part.digests)
    return Prepared(tuple(parts), tuple(where), found, load_seconds, read_seconds)


def commit(prepared: Prepared, made: Made = frozenset()) -> Loaded:
    """Do it, in one step. Raises NodeError; then everything is as it was.

    `made`: what earlier commits gave back as `made`: tables and built-in chains that were not
    there before them. Those go with the last rule that they hold; without `made` they stay, empty
    and accepting, as iptables itself leaves them.

    Whatever the change, the kernel looks through the whole table for loops: a fifth of a second
    where it holds 215,000 rules."""
    started = time.perf_counter()
    with closing(Netfilter()) as kernel:
        for attempt in range(_ATTEMPTS):
            before = nft_ruleset.generation_of(kernel)
            readings = [read(kernel, part, made) for part in prepared.parts]
            where = list(prepared.where)
            messages, made_now = _messages(prepared.parts, readings, where, made)
            if not messages:
                return _loaded(prepared, before, made, started)
            # Who changes rules without a pause would never let a long transaction through. What
            # it names by handle are rules of ours, handles are not given twice, and built-in
            # chains are left as they are: so in the end it may do without that check.
            strict = attempt < _STRICT_ATTEMPTS
            try:
                kernel.transact(SUBSYSTEM, messages, before if strict else 0)
            except NetlinkError as error:
                if error.number == errno.ERESTART or (not strict and error.number == errno.ENOENT):
                    continue
                raise _refusal(error, where) from None
            return _loaded(prepared, (before + 1) & 0xFFFFFFFF or 1, made_now, started)
    raise NodeError(
        f"other programs changed this node's rules during each of {_ATTEMPTS} attempts; "
        "nothing was changed by kcompile: stop what keeps changing them and try again"
    )


def _stubs(change: FamilyChange) -> list[tuple[str, str]]:
    """Chains by table that stay as they are, for what jumps to them."""
    with closing(Netfilter()) as kernel:
        protocol = PROTOCOLS[change.family]
        return [
            (table.table, target)
            for table in change.tables
            for target in sorted(targets(table))
            if nft_ruleset.chain_of(kernel, protocol, table.table, target) is not None
        ]


def _try(
    host: Host,
    change: FamilyChange,
    stubs: list[tuple[str, str]],
    where: list[Where],
    parts: list[Part],
) -> tuple[float, float]:
    with closing(Netfilter()) as kernel:
        started = time.perf_counter()
        restore(host, change, stubs)
        loaded = time.perf_counter()
        parts += [part_of(kernel, change.family, table, where) for table in change.tables]
        return loaded - started, time.perf_counter() - loaded


def _messages(
    parts: Sequence[Part], readings: Sequence[Reading], where: list[Where], made: Made
) -> tuple[list[bytearray], Made]:
    """In the order in which they depend on each other: tables; built-in chains; our chains,
    emptied; jumps to them; their rules, and chains that go; what is empty after that."""
    tables, steps = Batch(where), Steps(Batch(where), Batch(where), Batch(where))
    wanted = []
    for part, reading in zip(parts, readings):
        if reading.absent and not part.brings:
            continue
        wanted.append(part)
        made = merge(part, reading, made, steps)
    chains = [part.chains.messages for part in wanted]
    rules = [part.rules.messages for part in wanted]
    first, jumps, last = steps.first.messages, steps.jumps.messages, steps.last.messages
    messages = [first, *chains, jumps, *rules, last]
    if not any(messages):
        return [], made
    for part in wanted:
        tables.new_table(part.family, part.table)
    return [tables.messages, *messages], made


def _loaded(prepared: Prepared, number: int, made: Made, started: float) -> Loaded:
    seconds = time.perf_counter() - started
    return Loaded(number, made, prepared.load_seconds, prepared.read_seconds, seconds)


def _refusal(error: NetlinkError, where: list[Where]) -> NodeError:
    place = "the change of this node's rules"
    if 0 < error.sequence <= len(where):
        family, table, chain = where[error.sequence - 1]
        place = f"table {table} of IPv{family}"
        if chain:
            place = f"chain {chain} in {place}"
    why = "; a rule that is not kcompile's jumps to it" if error.number == errno.EBUSY else ""
    return NodeError(f"the kernel refused {place}: {error.reason}{why}; nothing was changed")
