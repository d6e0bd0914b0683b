"""What is not as it should be on a node, or is about to change, as values."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """`part` is rules, dns, network, listeners, units or conntrack; `action` add, change or
    remove, as what would be done about it; `what` names one thing (a chain, a zone, a route, a
    sysctl, a port), `detail` says in words what is there and what should be."""

    part: str
    action: str
    what: str
    detail: str = ""
