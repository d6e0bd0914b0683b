"""resolv.conf files of pods. Container runtimes read them from the installed slice itself, so there
is nothing to converge; but a change of them is one."""

from __future__ import annotations

from kcompile.apply.difference import Difference
from kcompile.apply.slices import Slice


def changes(before: Slice | None, after: Slice) -> tuple[Difference, ...]:
    """What pods that start after the change will find, in one line: a cluster has many of them."""
    old, new = (_digests(before) if before else {}), _digests(after)
    count = sum(old.get(path) != new.get(path) for path in {*old, *new})
    if not count:
        return ()
    action = "change" if old and new else "add" if new else "remove"
    files = "1 file" if count == 1 else f"{count} files"
    return (Difference("dns", action, "resolv.conf of pods", f"{files}, for pods that start then"),)


def _digests(slice_: Slice) -> dict[str, str]:
    prefix = f"nodes/{slice_.node}/resolv/"
    return {path[len(prefix) :]: slice_.files[path] for path in slice_.below(prefix)}
