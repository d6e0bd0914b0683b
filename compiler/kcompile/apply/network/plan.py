"""All that is to be done about a node's network, found before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from kcompile.apply.difference import Difference
from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.network.boot import FileChange
from kcompile.apply.network.boot import changes as file_changes
from kcompile.apply.network.changes import Change, Conflict, additions, removals
from kcompile.apply.network.kernel import Kernel
from kcompile.apply.network.originals import Originals
from kcompile.apply.network.sysctls import Load, Write, loads, restores, writes
from kcompile.apply.network.wanted import Wanted

_T = TypeVar("_T")


class Plan(NamedTuple):
    """In the order in which it is done."""

    loads: tuple[Load, ...]
    writes: tuple[Write, ...]
    additions: tuple[Change, ...]
    removals: tuple[Change, ...]
    restores: tuple[Write, ...]
    files: tuple[FileChange, ...]
    conflicts: tuple[Conflict, ...]

    def differences(self) -> tuple[Difference, ...]:
        return tuple(step.difference for steps in self for step in steps)


def make_plan(
    host: Host, kernel: Kernel, before: Wanted, after: Wanted, originals: Originals
) -> Plan:
    """`kernel` is what `look` found; an image has none."""
    files, foreign = _parted(file_changes(host, before, after, originals))
    if not host.live:
        return Plan((), (), (), (), (), files, foreign)
    added, in_the_way = _parted(additions(kernel, before, after, originals))
    written, unset = _parted(writes(host, before, after))
    return Plan(
        tuple(loads(host, after)),
        written,
        added,
        tuple(removals(kernel, before, after, originals)),
        tuple(restores(host, before, after, originals)),
        files,
        (*in_the_way, *unset, *foreign),
    )


def _parted(found: Iterable[_T | Conflict]) -> tuple[tuple[_T, ...], tuple[Conflict, ...]]:
    steps = []
    conflicts = []
    for each in found:
        if isinstance(each, Conflict):
            conflicts.append(each)
        else:
            steps.append(each)
    return tuple(steps), tuple(conflicts)


def refuse_conflicts(plan: Plan) -> None:
    """Raises RefusedError, naming all that is in the way."""
    found = [conflict.difference for conflict in plan.conflicts if conflict.new]
    if found:
        raise RefusedError("; ".join(f"{each.what} {each.detail}" for each in found))
