"""The reachability relation as a value: who reaches what, where it lands, with what odds, seen as
whom.

A packet class is a new connection's first packet as one node sees it. Only what netfilter decides
is here: whether a route exists, a pod listens or hairpin mode is on is the node's own matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from kcompile.address import Family, format_ip

ClientKind = Literal["pod", "endpoint", "node", "outside"]
WayKind = Literal["cluster IP", "external IP", "load balancer IP", "node port", "elsewhere"]
State = Literal["NEW", "RELATED", "ESTABLISHED", "INVALID"]
"""What conntrack knows about a packet; NEW are those that begin a connection."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends: `kind` is what the plan knows about the address. The node's own packets (its
    addresses are `local`) pass OUTPUT, all others PREROUTING."""

    kind: ClientKind
    address: int
    local: bool


@dataclass(frozen=True, slots=True)
class Way:
    """Where a packet is sent: `kind` is how the plan calls it. Protocol "" is any but those that
    Services know, and port 0 then."""

    kind: WayKind
    address: int
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class PacketClass:
    node: str
    family: Family
    client: Client
    way: Way
    state: State = "NEW"

    def __str__(self) -> str:
        source = format_ip(self.family, self.client.address)
        target = show(self.family, self.way.address, self.way.port)
        state = "" if self.state == "NEW" else f" ({self.state})"
        protocol = self.way.protocol.upper() or "other"
        return f"{self.client.kind} {source} to {self.way.kind} {target} {protocol}{state}"


@dataclass(frozen=True, slots=True)
class Refused:
    """The client is told that the port is unreachable."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The client hears nothing."""


@dataclass(frozen=True, slots=True)
class Untouched:
    """The packet goes where it was sent. `accepted` says that a rule accepts it, whatever the
    node's policies are; `mark` has the bits of its mark that are not as they were."""

    masqueraded: bool
    accepted: bool
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a packet lands. `affinity_seconds` is how long its client comes here again, 0 for
    not at all; the rest is as for Untouched."""

    address: int
    port: int
    masqueraded: bool
    accepted: bool
    mark: int = 0
    affinity_seconds: int = 0


Fate = Refused | Dropped | Untouched | Backend
"""What becomes of one packet."""


@dataclass(frozen=True, slots=True)
class Balanced:
    """Backends with their exact odds, by address and port. The odds sum to 1."""

    backends: tuple[tuple[Backend, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Not always the same kind of fate: never what a plan means."""

    fates: tuple[tuple[Fate, Fraction], ...]


Verdict = Refused | Dropped | Untouched | Balanced | Mixed


def verdict(fates: Mapping[Fate, Fraction]) -> Verdict:
    """What happens to a packet class, from the odds of each fate."""
    backends = [(fate, odds) for fate, odds in fates.items() if isinstance(fate, Backend)]
    others = [fate for fate in fates if not isinstance(fate, Backend)]
    if not others:
        return Balanced(tuple(sorted(backends, key=_place)))
    if len(fates) == 1:
        return others[0]
    return Mixed(tuple(sorted(fates.items(), key=lambda item: repr(item[0]))))


def _place(item: tuple[Backend, Fraction]) -> tuple[int, int, str]:
    return item[0].address, item[0].port, repr(item[0])


def describe(family: Family, found: Verdict) -> str:
    """A verdict in words."""
    match found:
        case Balanced(backends):
            return ", ".join(_share(family, backend, odds) for backend, odds in backends)
        case Mixed(fates):
            return ", ".join(_share(family, fate, odds) for fate, odds in fates)
        case _:
            return _fate(family, found)


def _share(family: Family, fate: Fate, odds: Fraction) -> str:
    return f"{float(odds):.11g} {_fate(family, fate)}"


def _fate(family: Family, fate: Fate) -> str:
    match fate:
        case Refused():
            return "refused"
        case Dropped():
            return "dropped"
        case Untouched():
            return "untouched" + _manner(fate)
        case Backend(address, port, affinity_seconds=seconds):
            kept = f", kept for {seconds} s" if seconds else ""
            return show(family, address, port) + _manner(fate) + kept


def _manner(fate: Untouched | Backend) -> str:
    masqueraded = ", masqueraded" if fate.masqueraded else ""
    accepted = ", accepted" if fate.accepted else ""
    return masqueraded + accepted + (f", mark changed by {fate.mark:#x}" if fate.mark else "")


def show(family: Family, address: int, port: int) -> str:
    """ADDRESS:PORT as Kubernetes writes it."""
    text = format_ip(family, address)
    return f"{text}:{port}" if family == 4 else f"[{text}]:{port}"
