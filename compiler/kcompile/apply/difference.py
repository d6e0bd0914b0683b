"""What is not as it should be on a node, or is about to change, as values."""

from __future__ import annotations

from typing import NamedTuple

NOTE = "note"


class Difference(NamedTuple):
    """`part` is rules, dns, network, listeners, units or conntrack; `action` add, change or
    remove, as what would be done about it, or note: nothing that kcompile changes, but that the
    operator should know. `what` names one thing (a chain, a zone, a route, a sysctl, a port),
    `detail` says in words what is there and what should be."""

    part: str
    action: str
    what: str
    detail: str = ""


def is_change(difference: Difference) -> bool:
    """Whether something is to be done about it."""
    return difference.action != NOTE
