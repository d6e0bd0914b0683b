"""Addresses that stand for all addresses: rules ask for ranges, and addresses that are in the same
ranges meet the same fate."""

from collections.abc import Iterable

from kcompile.address import BITS, Family
from kcompile.prove.packet import LOOPBACK, Own

Range = tuple[int, int]
"""First and last address."""

# Of the ranges that are for documentation (RFC 5737, RFC 3849), so that no node should have them.
_SOMEWHERE: dict[Family, int] = {4: 0xCB007107, 6: 0x20010DB8_FFFF0000_00000000_00000007}


def representatives(family: Family, ranges: Iterable[Range], own: Own) -> tuple[int, ...]:
    """One address for each set of ranges that some address is in exactly; each of the node's own
    stands for itself."""
    ordered = sorted(set(ranges))
    loopback = LOOPBACK[family]
    last = (1 << BITS[family]) - 1
    candidates = [_SOMEWHERE[family], 0, *sorted(own.addresses), loopback.first]
    for first, end in (*ordered, (loopback.first, loopback.last)):
        # The second address after the first one looks like somebody's; the others are the
        # beginnings of all intervals between boundaries.
        candidates += [min(first + 2, end), first, min(end + 1, last)]
    found: dict[tuple[int, ...], int] = {}
    for address in candidates:
        inside = [i for i, (first, end) in enumerate(ordered) if first <= address <= end]
        place = -1 - address if address in own.addresses else -1 if address in loopback else 0
        found.setdefault((place, *inside), address)
    return tuple(found.values())


class Clients:
    """Sources as the bits of a number: `everyone` has all of them, `locals_` the node's own."""

    def __init__(self, family: Family, ranges: frozenset[Range], own: Own) -> None:
        self.ranges = ranges
        self.addresses = representatives(family, ranges, own)
        self.everyone = (1 << len(self.addresses)) - 1
        self.own = sum(1 << i for i, each in enumerate(self.addresses) if each in own)
        self._inside: dict[Range, int] = {}

    def inside(self, range_: Range) -> int:
        """The clients in a range, which must be one of `ranges`."""
        found = self._inside.get(range_)
        if found is None:
            first, last = range_
            found = self._inside[range_] = sum(
                1 << i for i, address in enumerate(self.addresses) if first <= address <= last
            )
        return found
