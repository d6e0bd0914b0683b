"""Holds single packets in the text against what is meant."""

from dataclasses import dataclass
from fractions import Fraction

from kcompile.prove.evaluate import Evaluator
from kcompile.prove.expect import Expectation
from kcompile.prove.packet import Key, Packet
from kcompile.reach import (
    Client,
    ClientKind,
    PacketClass,
    State,
    Verdict,
    Way,
    WayKind,
    describe,
    verdict,
)

ENOUGH = 20
"""Mismatches of a file: there are few, or all have one cause."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`port` names the service port, "" if no Service is meant; `lines` are those of the rules
    that the packet matched."""

    port: str
    packet: PacketClass
    expected: Verdict
    found: Verdict
    lines: tuple[int, ...]

    def __str__(self) -> str:
        family = self.packet.family
        lines = ", ".join(map(str, self.lines)) or "none"
        return (
            f"node {self.packet.node}: {self.port or 'no Service'}: {self.packet}:"
            f" expected {describe(family, self.expected)};"
            f" found {describe(family, self.found)} (lines {lines})"
        )


class Judge:
    """Reads a text by one evaluator, and a plan by one expectation."""

    def __init__(self, evaluator: Evaluator, expectation: Expectation) -> None:
        self.evaluator = evaluator
        self.expectation = expectation
        # All bits that are not ours.
        self.foreign = (1 << 32) - 1 ^ expectation.mark

    def packet(self, address: int, key: Key, state: State = "NEW") -> Mismatch | None:
        """What is wrong with the fate of a packet from an address, whatever its mark."""
        expected = self.expectation.verdict(self.expectation.source(address), key, state)
        for mark in (0, self.foreign):
            found = verdict(self.evaluator.fates(Packet(address, *key, state, mark)))
            if found != expected:
                return self._mismatch(self._class(address, key, state), expected, found)
        return None

    def arrival(self, address: int, key: Key, *, marked: bool, translated: bool) -> Mismatch | None:
        """What is wrong with the fate of a packet from the routing decision on."""
        source = self.expectation.source(address)
        meant = self.expectation.deliver(source, key, marked=marked, translated=translated)
        expected = verdict({meant: Fraction(1)})
        own = self.expectation.mark if marked else 0
        for mark in (0, self.foreign):
            sent = Packet(address, *key, mark=mark, translated=translated)
            found = verdict(self.evaluator.delivered(sent, mark | own))
            if found != expected:
                return self._mismatch(self._class(address, key, "NEW"), expected, found)
        return None

    def _mismatch(self, packet: PacketClass, expected: Verdict, found: Verdict) -> Mismatch:
        claims = self.expectation.claims_on(_key(packet.way))
        text, trail = self.evaluator.text, self.evaluator.trail
        lines = tuple([text.line(offset) for offset in trail])
        return Mismatch(claims[0].port if claims else "", packet, expected, found, lines)

    def _class(self, address: int, key: Key, state: State) -> PacketClass:
        expectation = self.expectation
        claims = expectation.claims_on(key)
        kind: WayKind = claims[0].kind if claims else "elsewhere"
        source = expectation.source(address)
        client: ClientKind = "node" if source.local else "pod" if source.pod else "outside"
        if any(address == ip for claim in claims for ip, _ in claim.everywhere.places):
            client = "endpoint"
        return PacketClass(
            expectation.node.name,
            expectation.family,
            Client(client, address, source.local),
            Way(kind, *key),
            state,
        )


def _key(way: Way) -> Key:
    return way.address, way.protocol, way.port
