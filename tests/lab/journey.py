"""What the prover says becomes of a packet, from node to node.

The prover knows single nodes: where a packet ends or leaves, by the text of the node's rules. What
lies between is the lab's: which node a packet comes to next, whether a server listens where it
lands, and whether the answer finds back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from kcompile.address import format_ip, parse_ip
from kcompile.prove.chains import Linear
from kcompile.prove.evaluate import Evaluator
from kcompile.prove.packet import LOOPBACK, Own, Packet
from kcompile.prove.text import read_rules
from kcompile.reach import Backend, Dropped, Refused, Untouched
from lab.describe import PROGRAMS, Lab, Probe, family_of
from lab.observe import LOST, REFUSED, End, Landed

LOCALHOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The odds of each end. `kept` says that a client comes to the same one again and again."""

    ends: Mapping[End, Fraction]
    kept: bool


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A packet as a node sees it. Its answer has to come by the nodes `by`: they translated it,
    and nobody hid its source since. `kept` is Prediction's."""

    node: str
    source: str
    to: str
    port: int
    protocol: str
    odds: Fraction = Fraction(1)
    by: frozenset[str] = frozenset()
    kept: bool = False


class Journeys:
    """`led` says to which node something outside leads an address."""

    def __init__(self, lab: Lab, led: Mapping[str, str]) -> None:
        self.lab = lab
        self.led = led
        self.evaluators = {
            (node.name, family): _evaluator(Path(path), node.address(family))
            for node in lab.nodes
            for path in node.rules
            for family, program in PROGRAMS.items()
            if Path(path).stem == program
        }
        self.pods = {address: pod for pod in lab.pods for address in pod.addresses}
        self.nodes = {address: node.name for node in lab.nodes for address in node.addresses}
        self.served = {
            (address, port.protocol, port.number)
            for pod in lab.pods
            for address in pod.addresses
            for port in pod.ports
        }

    def predict(self, probe: Probe) -> Prediction | None:
        """None where a packet comes back to a node that had sent it: no prover knows of that."""
        ends: dict[End, Fraction] = {}
        kept = False
        for end, last in self._arrive(self._start(probe)):
            if end is None:
                return None
            ends[end] = ends.get(end, Fraction(0)) + last.odds
            kept |= last.kept
        return Prediction(ends, kept)

    def _start(self, probe: Probe) -> _Arrival:
        """At the client's node; from outside at the one that is asked."""
        own = self.lab.address(probe.client, family_of(probe.to))
        node = self._home(own) or self.nodes.get(probe.to) or self.led[probe.to]
        # A program has the address that it asks where that is one of its own.
        source = LOCALHOST if probe.to == LOCALHOST else own
        return _Arrival(node, source, probe.to, probe.port, probe.protocol)

    def _home(self, address: str) -> str:
        """The node that an address is on, "" for those outside."""
        if address in self.nodes:
            return self.nodes[address]
        return self.pods[address].node if address in self.pods else ""

    def _arrive(self, packet: _Arrival) -> Iterator[tuple[End | None, _Arrival]]:
        """Each end, and the packet as it was there."""
        family = family_of(packet.to)
        source, to = parse_ip(packet.source)[1], parse_ip(packet.to)[1]
        sent = Packet(source, to, packet.protocol.lower(), packet.port)
        for fate, odds in self.evaluators[packet.node, family].fates(sent).items():
            then = replace(packet, odds=packet.odds * odds)
            match fate:
                case Refused():
                    yield REFUSED, then
                case Dropped():
                    yield LOST, then
                case Untouched():
                    yield from self._leave(then, fate)
                case Backend():
                    moved = replace(
                        then,
                        to=format_ip(family, fate.address),
                        port=fate.port,
                        by=then.by | {then.node},
                        kept=then.kept or fate.affinity_seconds > 0,
                    )
                    yield from self._leave(moved, fate)

    def _leave(
        self, packet: _Arrival, fate: Untouched | Backend
    ) -> Iterator[tuple[End | None, _Arrival]]:
        """On from the node's filters: to a server here, or to another node."""
        node, family = self.lab.node(packet.node), family_of(packet.to)
        own = (*node.addresses, LOCALHOST)
        inward = packet.to in own
        forwarded = packet.source not in own and not inward
        if forwarded and not fate.accepted and self.lab.variant.forward == "DROP":
            yield LOST, packet
            return
        there = node.name if inward else self._home(packet.to) or self.led.get(packet.to, "")
        if fate.masqueraded:
            beside = there == node.name and not inward
            seen = node.gateway(family) if beside else node.address(family)
            packet = replace(packet, source=seen, by=frozenset())
        if there != node.name:
            yield from self._arrive(replace(packet, node=there)) if there else [(LOST, packet)]
        elif packet.to in self.led:
            # It comes back with a source of the node's own: an IPv4 node takes that for a forgery.
            yield LOST if family == 4 else None, packet
        else:
            yield self._land(packet), packet

    def _land(self, packet: _Arrival) -> End:
        if not packet.by <= {packet.node, self._home(packet.source)}:
            return LOST  # the answer goes past who translated the question
        if (packet.to, packet.protocol, packet.port) not in self.served:
            return REFUSED
        return Landed(packet.to, packet.port, packet.source)


def _evaluator(path: Path, address: str) -> Evaluator:
    family, value = parse_ip(address)
    own = Own(frozenset({value}), LOOPBACK[family])
    return Evaluator(Linear(read_rules(path.read_text(), family)), own)
