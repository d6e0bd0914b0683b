"""Packets that no Service claims, and what becomes of those that were translated.

What rules without a destination and port of their own ask for divides sources, destinations and
ports. One packet of each part is evaluated, until nothing more is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kcompile.prove.chains import Indexed
from kcompile.prove.clients import Range, representatives
from kcompile.prove.evaluate import Evaluator
from kcompile.prove.expect import Expectation
from kcompile.prove.judge import ENOUGH, Judge, Mismatch
from kcompile.prove.packet import ANYWHERE, OWN, Key
from kcompile.reach import State

_LATER: tuple[State, ...] = ("RELATED", "ESTABLISHED", "INVALID")
_PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class Known:
    """What rules without a key ask for: it says which packets are alike.

    `chains` are those that packets pass which have no key: after which built-in one, whether for a
    packet to the node itself, table, chain, and whether for a packet of a known connection.
    """

    sources: frozenset[Range]
    destinations: frozenset[Range]
    ports: frozenset[tuple[str, int]]
    chains: frozenset[tuple[str, bool, str, str, bool]]

    @property
    def passed(self) -> frozenset[tuple[str, str]]:
        """Tables and chains."""
        return frozenset((table, chain) for _, _, table, chain, _ in self.chains)

    @property
    def late(self) -> frozenset[tuple[str, str]]:
        """Those that come after the translation."""
        return frozenset((t, c) for hook, _, t, c, _ in self.chains if _is_late(hook, t))


@dataclass(frozen=True, slots=True)
class Frame:
    """What is known once the frame is proven.

    `places` stand for all destinations. A packet with another key than `filtered` meets the fate of
    those that were evaluated, once it is translated or left alone. `strays` are keys of rules that
    no claim explains, `later` keys that count for packets of known connections too.
    """

    known: Known
    places: tuple[int, ...]
    filtered: frozenset[Key]
    strays: tuple[Key, ...]
    later: tuple[Key, ...]
    mismatches: tuple[Mismatch, ...]


def prove_frame(rules: Indexed, expectation: Expectation) -> Frame:
    return _FrameProof(rules, expectation).prove()


def same_frame(known: Known, rules: Indexed, expectation: Expectation) -> Frame:
    """The frame of a node whose rules without a key are those of one that is proven, and whose
    addresses these do not tell from that one's."""
    return _frame(known, rules, expectation, ())


def _frame(
    known: Known, rules: Indexed, expectation: Expectation, mismatches: tuple[Mismatch, ...]
) -> Frame:
    return Frame(
        known,
        representatives(expectation.family, known.destinations, expectation.own),
        _filtered(known, rules, expectation),
        tuple(sorted(_strays(known, rules, expectation))),
        tuple(sorted(_later(known, rules, expectation))),
        mismatches,
    )


def _filtered(known: Known, rules: Indexed, expectation: Expectation) -> frozenset[Key]:
    """Keys that rules have where packets come after their translation, or that are meant."""
    keys = expectation.filtered | {(ANYWHERE, *port) for port in known.ports if port[1]}
    for table, chain in known.late:
        keys |= rules.keys(table, chain)
    return frozenset(keys)


def _strays(known: Known, rules: Indexed, expectation: Expectation) -> set[Key]:
    expected = {claim.key for claim in expectation.claims}
    outward = {(table, chain) for _, inward, table, chain, _ in known.chains if not inward}
    found = set()
    for table, chain in known.passed:
        for key in rules.keys(table, chain):
            if key[0] == ANYWHERE and (table, chain) not in outward:
                found.add((OWN, *key[1:]))
            else:
                found.add(key)
    return found - expected | _health_checks(expectation)


def _later(known: Known, rules: Indexed, expectation: Expectation) -> set[Key]:
    found = _health_checks(expectation)
    for table, chain in {(t, c) for _, _, t, c, later in known.chains if later}:
        found |= rules.keys(table, chain)
    return found


def _health_checks(expectation: Expectation) -> set[Key]:
    return {(OWN, "tcp", port) for port in expectation.health_checks}


class _FrameProof:
    def __init__(self, rules: Indexed, expectation: Expectation) -> None:
        self.rules = rules
        self.expectation = expectation
        self.judge = Judge(Evaluator(rules, expectation.own), expectation)
        loopback = (expectation.own.loopback.first, expectation.own.loopback.last)
        self.sources: set[Range] = {*expectation.pods, loopback}
        self.destinations: set[Range] = {*expectation.inside, loopback}
        self.free_port = self._free_port()
        # While no rule asks for a protocol, one stands for all.
        self.ports = {("tcp", self.free_port)}

    def prove(self) -> Frame:
        while True:
            before = self._known()
            mismatches = tuple(islice(self._mismatches(), ENOUGH))
            asked = self.judge.evaluator.asked
            self.sources |= asked.sources
            self.destinations |= asked.destinations
            if asked.ports:
                self.ports |= {("", 0), *((protocol, self.free_port) for protocol in _PROTOCOLS)}
                self.ports |= {(protocol, port) for protocol, port in asked.ports if port}
            # What is wrong here shows in every claim as well.
            if mismatches or self._known() == before:
                break
        known = Known(
            frozenset(self.sources),
            frozenset(self.destinations),
            frozenset(self.ports),
            frozenset(self.judge.evaluator.asked.chains),
        )
        return _frame(known, self.rules, self.expectation, mismatches)

    def _known(self) -> tuple[int, int, int]:
        return len(self.sources), len(self.destinations), len(self.ports)

    def _places(self) -> tuple[int, ...]:
        return representatives(self.expectation.family, self.destinations, self.expectation.own)

    def _free_port(self) -> int:
        """A port that no rule and no claim has."""
        claimed = {claim.key[2] for claim in self.expectation.claims}
        claimed |= self.expectation.health_checks
        text = self.rules.text.text
        return next(
            port
            for port in range(1, 65536)
            if port not in claimed and f"--dport {port} " not in text
        )

    def _mismatches(self) -> Iterator[Mismatch]:
        places = self._places()
        clients = representatives(self.expectation.family, self.sources, self.expectation.own)
        for protocol, port in sorted(self.ports):
            for place in places:
                key = (place, protocol, port)
                for client in clients:
                    yield from self._new(client, key)
                    for state in _LATER:
                        found = self.judge.packet(client, key, state)
                        if found:
                            yield found

    def _new(self, client: int, key: Key) -> Iterator[Mismatch]:
        """The first packet of a connection; and what would become of it had it been translated,
        marked or not."""
        found = self.judge.packet(client, key)
        if found:
            yield found
        if key[1]:
            for marked in (False, True):
                if found := self.judge.arrival(client, key, marked=marked, translated=True):
                    yield found


def _is_late(hook: str, table: str) -> bool:
    return table == "filter" or hook == "POSTROUTING"
