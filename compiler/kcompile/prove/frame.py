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
class Frame:
    """What is known once the frame is proven.

    `sources` and `destinations` are the ranges that matter; `places` stand for all destinations.
    A packet with another key than `filtered` meets the fate of those that were evaluated, once it
    is translated or left alone. `strays` are keys of rules that no claim explains, `later` keys
    that count for packets of known connections too. `chains` are the tables and chains that these
    packets pass, `late` those of them that come after the translation.
    """

    sources: frozenset[Range]
    destinations: frozenset[Range]
    places: tuple[int, ...]
    filtered: frozenset[Key]
    strays: tuple[Key, ...]
    later: tuple[Key, ...]
    chains: frozenset[tuple[str, str]]
    late: frozenset[tuple[str, str]]
    mismatches: tuple[Mismatch, ...]


def prove_frame(rules: Indexed, expectation: Expectation) -> Frame:
    return _FrameProof(rules, expectation).prove()


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
        return Frame(
            frozenset(self.sources),
            frozenset(self.destinations),
            self._places(),
            self._filtered(),
            tuple(sorted(self._strays())),
            tuple(sorted(self._later())),
            frozenset((t, c) for _, _, t, c, _ in self.judge.evaluator.asked.chains),
            self._late(),
            mismatches,
        )

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

    def _filtered(self) -> frozenset[Key]:
        """Keys that rules have where packets come after their translation, or that are meant."""
        keys = self.expectation.filtered | {(ANYWHERE, *port) for port in self.ports if port[1]}
        for table, chain in self._late():
            keys |= self.rules.keys(table, chain)
        return frozenset(keys)

    def _late(self) -> frozenset[tuple[str, str]]:
        chains = self.judge.evaluator.asked.chains
        return frozenset((t, c) for hook, _, t, c, _ in chains if _is_late(hook, t))

    def _strays(self) -> set[Key]:
        expected = {claim.key for claim in self.expectation.claims}
        chains = self.judge.evaluator.asked.chains
        outward = {(table, chain) for _, inward, table, chain, _ in chains if not inward}
        found = set()
        for table, chain in {(t, c) for _, _, t, c, _ in chains}:
            for key in self.rules.keys(table, chain):
                if key[0] == ANYWHERE and (table, chain) not in outward:
                    found.add((OWN, *key[1:]))
                else:
                    found.add(key)
        return found - expected | self._health_checks()

    def _later(self) -> set[Key]:
        found = self._health_checks()
        for table, chain in {
            (t, c) for _, _, t, c, later in self.judge.evaluator.asked.chains if later
        }:
            found |= self.rules.keys(table, chain)
        return found

    def _health_checks(self) -> set[Key]:
        return {(OWN, "tcp", port) for port in self.expectation.health_checks}


def _is_late(hook: str, table: str) -> bool:
    return table == "filter" or hook == "POSTROUTING"
