"""The parts of a node's state, and the order in which they change.

Each part can be taken from whatever lies between two slices to either of them, so going back is
the same as going on, with the slices exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from kcompile.apply import conntrack, dns, listeners, network, package, rules, units
from kcompile.apply.difference import Difference
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice

PROGRAM_STEP = "program"

Before = Optional[Slice]
After = Optional[Slice]


@dataclass(frozen=True)
class Choices:
    """What the operator chose beside the slice: to take over a kube-proxy's chains, and the
    name server (`auto` detects it)."""

    adopt: bool = False
    dns: str = "auto"


Step = tuple[str, Callable[[], object]]
"""What is worked on, in a word, and the work; a rules.Timings from it is shown."""


def steps(host: Host, before: Before, after: After, choices: Choices) -> tuple[Step, ...]:
    """The work from one slice to another, in order. None: nothing of ours (is to be) there."""
    if after is None:
        return _removal(host, before, choices)
    return (
        (PROGRAM_STEP, lambda: package.install_program(host)),
        # Only adds: packets of the old rules still need what the old slice had.
        ("network", lambda: network.extend(host, before, after)),
        ("units", lambda: units.extend(host, before, after)),
        ("dns", lambda: dns.converge(host, before, after, server=choices.dns)),
        # A socket on a port without rules would accept clients; one with rules never sees any. So
        # sockets close before their rules go, and open after theirs have come.
        ("listeners to close", lambda: listeners.release(host, before, after)),
        ("rules", lambda: rules.converge(host, before, after, adopt=choices.adopt)),
        ("listeners", lambda: listeners.converge(host, before, after)),
        ("conntrack", lambda: conntrack.converge(host, before, after)),
        ("network to remove", lambda: network.converge(host, before, after)),
        ("units to remove", lambda: units.converge(host, before, after)),
    )


def _removal(host: Host, before: Before, choices: Choices) -> tuple[Step, ...]:
    return (
        ("listeners to close", lambda: listeners.release(host, before, None)),
        ("rules", lambda: rules.converge(host, before, None)),
        ("listeners", lambda: listeners.converge(host, before, None)),
        ("conntrack", lambda: conntrack.converge(host, before, None)),
        ("dns", lambda: dns.converge(host, before, None, server=choices.dns)),
        ("network", lambda: network.converge(host, before, None)),
        ("units", lambda: units.converge(host, before, None)),
    )


def refuse(host: Host, before: Before, after: After) -> None:
    """Raises RefusedError for what a step would refuse, before any is taken. What the other parts
    refuse, they do when they look for differences."""
    network.refuse(host, before, after)
    units.refuse(host, after)


def notices(host: Host, before: Before, after: After) -> tuple[str, ...]:
    """What the operator should know, and which nothing is done about."""
    return (*network.notices(host, before, after), *conntrack.notices(host, before, after))


def differences(
    host: Host, before: Before, after: After, choices: Choices
) -> tuple[Difference, ...]:
    """What is not as a slice says, of all parts. Reads only."""
    return (
        *network.differences(host, before, after),
        *units.differences(host, before, after),
        *dns.differences(host, before, after, server=choices.dns),
        *rules.differences(host, before, after, adopt=choices.adopt),
        *listeners.differences(host, before, after),
        *conntrack.differences(host, before, after),
    )
