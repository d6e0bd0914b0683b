"""iptables and ip6tables on a node: from the installed rules to the wanted ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from kcompile.apply.difference import Difference
from kcompile.apply.failures import CommandError
from kcompile.apply.host import Host
from kcompile.apply.rules import legacy, nft
from kcompile.apply.rules.describe import describe
from kcompile.apply.rules.memory import (
    Digests,
    Place,
    forget,
    read_originals,
    remember,
    write_originals,
)
from kcompile.apply.rules.nft_merge import Made
from kcompile.apply.rules.plan import FamilyPlan, Plan, digests, make_plan, refuse_other_flavour
from kcompile.apply.slices import Slice


class Timings(NamedTuple):
    """Seconds: what is there was looked up, the new rules were tried out, and put in place."""

    read_back: float = 0.0
    verify: float = 0.0
    restore: float = 0.0


def differences(
    host: Host, before: Slice | None, after: Slice | None, *, adopt: bool = False
) -> tuple[Difference, ...]:
    """What in the kernel is not as `after` says."""
    plan = make_plan(host, before, after, adopt=adopt) if host.live else None
    families = plan.families if plan else ()
    return tuple(difference for family in families for difference in describe(family))


def converge(
    host: Host, before: Slice | None, after: Slice | None, *, adopt: bool = False
) -> Timings:
    """Make the kernel's rules what `after` says; others' stay as they are."""
    if not host.live:
        return Timings()
    start = time.perf_counter()
    plan = make_plan(host, before, after, adopt=adopt)
    if plan is None:
        return Timings()
    if after is not None:
        _refuse_other_flavour(host, plan)
    if plan.originals != read_originals(host):
        write_originals(host, plan.originals)
    read_back = time.perf_counter() - start
    if plan.installed is None:
        try:
            timings = _converge_legacy(host, plan, read_back)
        except CommandError:
            # Others may have changed a built-in chain since it was read.
            again = make_plan(host, before, after, adopt=adopt)
            if again is None or again.families == plan.families:
                raise
            timings = _converge_legacy(host, again, read_back)
    else:
        timings = _converge_nft(host, plan, plan.installed.made, digests(after), read_back)
    if after is None:
        forget(host)
    return timings


def _refuse_other_flavour(host: Host, plan: Plan) -> None:
    try:
        refuse_other_flavour(host, plan.originals)
    except CommandError:
        # Who goes back may do so because just this program is broken: then there is nothing to do.
        if plan.changes:
            raise


def _converge_legacy(host: Host, plan: Plan, read_back: float) -> Timings:
    start = time.perf_counter()
    for change in plan.changes:
        legacy.verify(host, change)
    verified = time.perf_counter()
    for family in plan.families:
        if family.change.tables:
            legacy.restore(host, family.change, family.seen.tables)
    return Timings(read_back, verified - start, time.perf_counter() - verified)


def _converge_nft(
    host: Host, plan: Plan, made: Made, files: Mapping[int, str], read_back: float
) -> Timings:
    if not plan.families:
        return Timings(read_back)
    start = verified = restored = time.perf_counter()
    generation = plan.generation
    brought: Mapping[int, Mapping[Place, str]] = {}
    if plan.changes:
        prepared = nft.prepare(host, plan.changes)
        verified = time.perf_counter()
        loaded = nft.commit(prepared, made)
        restored = time.perf_counter()
        made, brought = loaded.made, prepared.digests
        # If others changed rules since the look, the number of then has the next look be close.
        if loaded.generation == generation + 1:
            generation = loaded.generation
    if files:
        known = {
            family.change.family: _digests(family, brought, generation) for family in plan.families
        }
        remember(host, files, known, made, generation)
    return Timings(read_back, verified - start, restored - verified)


def _digests(
    family: FamilyPlan, brought: Mapping[int, Mapping[Place, str]], generation: int
) -> Digests:
    """Of the chains that are there now, as far as they are known."""
    number = family.change.family
    ours = [(table, chain) for table, wanted in family.after.items() for chain in wanted.chains]
    known = {**family.seen.digests, **brought.get(number, {})}
    if any(place not in known for place in ours):
        # What somebody changed since must not pass for ours.
        now = nft.digests(number, tuple(family.after))
        known = {**now, **known} if nft.generation() == generation else known
    return {place: known[place] for place in ours if place in known}
