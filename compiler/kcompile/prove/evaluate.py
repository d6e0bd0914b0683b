"""What a ruleset does to one packet: exactly, with every random choice and its odds.

Slow and plain, it is the measure of the faster `sweep`, and the word on what that leaves open.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from kcompile.prove.packet import Own, Packet
from kcompile.prove.rule import Accept, Dnat, Drop, Masquerade, Reject
from kcompile.prove.walk import START, Branch, Candidates, Walker
from kcompile.reach import Backend, Dropped, Fate, Refused, Untouched


@dataclass(frozen=True, slots=True)
class _End:
    fate: Fate
    branch: Branch


@dataclass(frozen=True, slots=True)
class _Passage:
    """A branch that nothing stopped yet. `accepted` says that a rule let it pass."""

    branch: Branch
    accepted: bool = False
    masqueraded: bool = False


class Evaluator:
    """A node's rules."""

    def __init__(self, rules: Candidates, own: Own) -> None:
        self.text = rules.text
        self.own = own
        self._walker = Walker(rules, own)
        self.asked = self._walker.asked
        self._last: list[tuple[Fate, Branch]] = []

    @property
    def trail(self) -> tuple[int, ...]:
        """The offsets of the rules that the last packet matched."""
        return tuple(sorted({offset for _, branch in self._last for offset in branch.trail}))

    def fates(self, packet: Packet) -> dict[Fate, Fraction]:
        """The odds of everything that can become of a packet."""
        ends = self._journey(packet)
        again: dict[frozenset[str], list[_End]] = {frozenset(): []}
        for end in ends:
            lists = end.branch.lists
            if lists not in again:
                again[lists] = self._journey(replace(packet, remembered=lists))
        return self._sum([(_kept(end, again[end.branch.lists]), end.branch) for end in ends])

    def delivered(self, packet: Packet, mark: int) -> dict[Fate, Fraction]:
        """As `fates`, from the routing decision on; by then it has another mark."""
        ends = self._deliver(packet, START._replace(mark=mark))
        return self._sum([(end.fate, end.branch) for end in ends])

    def _sum(self, ends: list[tuple[Fate, Branch]]) -> dict[Fate, Fraction]:
        self._last = ends
        fates: dict[Fate, Fraction] = {}
        for fate, branch in ends:
            fates[fate] = fates[fate] + branch.odds if fate in fates else branch.odds
        return fates

    def _journey(self, packet: Packet) -> list[_End]:
        """nat before the routing decision, then all that follows."""
        start = START._replace(mark=packet.mark)
        # conntrack has an answer for packets of known connections, and none for invalid ones.
        if packet.state != "NEW":
            return self._deliver(packet, start)
        ends = []
        hook = "OUTPUT" if packet.source in self.own else "PREROUTING"
        for branch in self._walker.base("nat", hook, packet, start):
            match branch.target:
                case Dnat(address, port):
                    moved = replace(packet, destination=address, port=port, translated=True)
                    ends += self._deliver(moved, branch)
                case Masquerade():
                    raise self.text.bug(branch.trail[-1], "MASQUERADE before routing")
                case _:
                    ends += self._deliver(packet, branch)
        return ends

    def _deliver(self, packet: Packet, branch: Branch) -> list[_End]:
        """From the routing decision on. The node's packets to itself come back in by loopback."""
        local = packet.source in self.own
        inward = packet.destination in self.own
        first = "OUTPUT" if local else "INPUT" if inward else "FORWARD"
        ends, passed = self._filter(first, packet, _Passage(branch))
        if local or not inward:
            passed = [after for each in passed for after in self._after_routing(packet, each)]
        if local and inward:
            entering, passed = passed, []
            for each in entering:
                stopped, entered = self._filter("INPUT", packet, each)
                ends += stopped
                passed += entered
        return ends + [_End(_arrival(packet, each), each.branch) for each in passed]

    def _filter(
        self, hook: str, packet: Packet, passage: _Passage
    ) -> tuple[list[_End], list[_Passage]]:
        """What ends here, and what passes."""
        ends, passed = [], []
        for branch in self._walker.base("filter", hook, packet, passage.branch):
            match branch.target:
                case Drop():
                    ends.append(_End(Dropped(), branch))
                case Reject():
                    ends.append(_End(Refused(), branch))
                case target:
                    accepted = isinstance(target, Accept)
                    passed.append(_Passage(branch, accepted, passage.masqueraded))
        return ends, passed

    def _after_routing(self, packet: Packet, passage: _Passage) -> list[_Passage]:
        if packet.state != "NEW":
            return [passage]
        after = []
        for branch in self._walker.base("nat", "POSTROUTING", packet, passage.branch):
            if isinstance(branch.target, Dnat):
                raise self.text.bug(branch.trail[-1], "DNAT after routing")
            masqueraded = isinstance(branch.target, Masquerade)
            after.append(_Passage(branch, passage.accepted, masqueraded))
        return after


def _arrival(packet: Packet, passage: _Passage) -> Fate:
    mark = packet.mark ^ passage.branch.mark
    if packet.translated:
        key = packet.destination, packet.port
        return Backend(*key, passage.masqueraded, passage.accepted, mark)
    return Untouched(passage.masqueraded, passage.accepted, mark)


def _kept(end: _End, again: list[_End]) -> Fate:
    """A backend with how long its client comes back to it: it must land there for certain."""
    fate = end.fate
    if not isinstance(fate, Backend) or not again:
        return fate
    seconds = {one.branch.seconds for one in again}
    back = all(one.fate == fate and one.branch.lists == end.branch.lists for one in again)
    if not back or len(seconds) > 1:
        return fate
    return replace(fate, affinity_seconds=seconds.pop())
