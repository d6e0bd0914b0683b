"""iptables and ip6tables on a node: from the installed rules to the wanted ones."""

from __future__ import annotations

import time
from typing import NamedTuple

from kcompile.apply.difference import Difference
from kcompile.apply.host import Host
from kcompile.apply.rules import legacy
from kcompile.apply.rules.describe import describe
from kcompile.apply.rules.originals import forget, read_originals, write_originals
from kcompile.apply.rules.plan import Plan, make_plan, refuse_other_flavour
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
        refuse_other_flavour(host, plan.originals)
    read_back = time.perf_counter() - start
    timings = Timings(read_back)
    if plan.originals != read_originals(host):
        write_originals(host, plan.originals)
    if plan.families:
        timings = _legacy(host, plan, read_back)
    if after is None:
        forget(host)
    return timings


def _legacy(host: Host, plan: Plan, read_back: float) -> Timings:
    start = time.perf_counter()
    for family in plan.families:
        legacy.verify(host, plan.originals.flavour, family.change)
    verified = time.perf_counter()
    for family in plan.families:
        legacy.restore(host, plan.originals.flavour, family.change, family.seen)
    return Timings(read_back, verified - start, time.perf_counter() - verified)
