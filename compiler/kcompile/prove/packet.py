"""A packet, and the node that it passes."""

from dataclasses import dataclass

from kcompile.address import Family
from kcompile.prove.rule import Addresses
from kcompile.reach import State

ANYWHERE = -1
OWN = -2

Key = tuple[int, str, int]
"""Destination, protocol in lower case and port; protocol "" and port 0 for others than those of
Services. ANYWHERE stands for all addresses, OWN for all of the node's."""

LOOPBACK: dict[Family, Addresses] = {
    4: Addresses(127 << 24, (128 << 24) - 1, negate=False),
    6: Addresses(1, 1, negate=False),
}


@dataclass(frozen=True, slots=True)
class Own:
    """The addresses of a node: those of the plan, and loopback."""

    addresses: frozenset[int]
    loopback: Addresses

    def __contains__(self, address: int) -> bool:
        return address in self.addresses or address in self.loopback


@dataclass(frozen=True, slots=True)
class Packet:
    """`mark` is what it comes with: other programs use bits of their own. `translated` is
    conntrack's DNAT bit, `remembered` the lists that have the source."""

    source: int
    destination: int
    protocol: str
    port: int
    state: State = "NEW"
    mark: int = 0
    translated: bool = False
    remembered: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        return self.destination, self.protocol, self.port
