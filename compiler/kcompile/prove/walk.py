"""A packet's way through the chains of a table, with every random choice and its odds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, Protocol, assert_never

from kcompile.prove.packet import Key, Own, Packet
from kcompile.prove.rule import (
    ALWAYS,
    ANY,
    Accept,
    Dnat,
    Drop,
    Jump,
    MarkIs,
    Masquerade,
    Pass,
    Reject,
    Remember,
    Remembered,
    Return,
    Rule,
    SetMark,
    StateIs,
    Terminal,
)
from kcompile.prove.text import RulesText


class Candidates(Protocol):
    """Rules of a chain in order, at least those that a packet with this key can match."""

    text: RulesText

    def candidates(self, table: str, chain: str, key: Key) -> Sequence[Rule]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules have asked packets for: ranges of sources and of destinations, protocols with a
    port or with 0.

    `chains` are those that they were in: after which built-in one, whether for a packet to the node
    itself, table, chain, and whether for a packet of a known connection.
    """

    sources: set[tuple[int, int]] = field(default_factory=set)
    destinations: set[tuple[int, int]] = field(default_factory=set)
    ports: set[tuple[str, int]] = field(default_factory=set)
    chains: set[tuple[str, bool, str, str, bool]] = field(default_factory=set)


class Branch(NamedTuple):
    """One of the ways that a packet may take so far. `lists` are those that note its source now,
    `seconds` the age that a list was asked for, `trail` the offsets of the rules that matched,
    `target` what ended the last table, None if nothing did.

    A named tuple: each rule makes one.
    """

    odds: Fraction
    mark: int
    lists: frozenset[str]
    seconds: int
    trail: tuple[int, ...]
    target: Terminal | None


START = Branch(Fraction(1), 0, frozenset(), 0, (), None)


class Walker:
    """Walks chains on one node. `asked` grows."""

    def __init__(self, rules: Candidates, own: Own) -> None:
        self.rules = rules
        self.own = own
        self.asked = Asked()

    def base(self, table: str, hook: str, packet: Packet, branch: Branch) -> list[Branch]:
        """All branches that leave a built-in chain: by a target, or by its policy (None)."""
        start = branch._replace(target=None)
        ended, through = self._walk(table, hook, packet, start, (hook,))
        return ended + through

    def _walk(
        self, table: str, chain: str, packet: Packet, start: Branch, inside: tuple[str, ...]
    ) -> tuple[list[Branch], list[Branch]]:
        """Branches that a target ended, and those that come back to the calling chain."""
        inward = packet.destination in self.own
        self.asked.chains.add((inside[0], inward, table, chain, packet.state != "NEW"))
        going, ended, returned = [start], [], []
        for rule in self.rules.candidates(table, chain, packet.key):
            if not going:
                break
            branches, going = going, []
            for branch in branches:
                hit, miss = self._split(rule, packet, branch)
                if miss:
                    going.append(miss)
                if not hit:
                    continue
                match rule.target:
                    case Pass():
                        going.append(hit)
                    case SetMark(value, mask):
                        going.append(hit._replace(mark=hit.mark & ~mask ^ value))
                    case Return():
                        returned.append(hit)
                    case Jump(target):
                        if target in inside:
                            raise self.rules.text.bug(rule.offset, f"a loop through {target!r}")
                        deeper = self._walk(table, target, packet, hit, (*inside, target))
                        ended += deeper[0]
                        going += deeper[1]
                    case Accept() | Drop() | Reject() | Masquerade() | Dnat() as terminal:
                        ended.append(hit._replace(target=terminal))
                    case _:
                        assert_never(rule.target)
        return ended, returned + going

    def _split(
        self, rule: Rule, packet: Packet, branch: Branch
    ) -> tuple[Branch | None, Branch | None]:
        """The part of a branch that a rule matches, and the rest."""
        if not self._matches(rule, packet, branch):
            return None, branch
        hit = branch._replace(trail=(*branch.trail, rule.offset))
        match rule.recent:
            case Remember(name):
                hit = hit._replace(lists=hit.lists | {name})
            case Remembered(name, seconds, reap):
                if name not in packet.remembered:
                    return None, branch
                hit = hit._replace(seconds=seconds if reap else 0)
        if rule.threshold >= ALWAYS:
            return hit, None
        odds = Fraction(rule.threshold, ALWAYS)
        miss = branch._replace(odds=branch.odds * (1 - odds))
        return (hit._replace(odds=hit.odds * odds) if odds else None), miss

    def _matches(self, rule: Rule, packet: Packet, branch: Branch) -> bool:
        """All matches but the random one and that of lists."""
        return (
            self._is_sent_to(rule, packet)
            and (not rule.state or _has_state(rule.state, packet))
            and (not rule.mark or _has_mark(rule.mark, branch.mark))
            and self._comes_from(rule, packet)
        )

    def _is_sent_to(self, rule: Rule, packet: Packet) -> bool:
        if rule.protocol:
            self.asked.ports.add((rule.protocol, rule.port))
            if rule.protocol != packet.protocol or rule.port not in (0, packet.port):
                return False
        if rule.destination is not ANY:
            self.asked.destinations.add((rule.destination.first, rule.destination.last))
            if packet.destination not in rule.destination:
                return False
        return not rule.destination_local or packet.destination in self.own

    def _comes_from(self, rule: Rule, packet: Packet) -> bool:
        if rule.source_local and packet.source not in self.own:
            return False
        if rule.source is not ANY:
            self.asked.sources.add((rule.source.first, rule.source.last))
        return packet.source in rule.source


def _has_state(wanted: StateIs, packet: Packet) -> bool:
    states = {packet.state, "DNAT"} if packet.translated else {packet.state}
    return bool(wanted.states & states) is not wanted.negate


def _has_mark(wanted: MarkIs, mark: int) -> bool:
    return (mark & wanted.mask == wanted.value) is not wanted.negate
