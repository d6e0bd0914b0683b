"""Where an address or a port goes when nothing says where: by a hash of who asks.

The preferred place depends on the asker's key alone, so what others do moves nobody whose very
place was not taken.
"""

from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Band:
    """Consecutive places: the first and how many."""

    first: int
    size: int


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def preferred(key_digest: bytes, size: int) -> int:
    """The offset that a key prefers in a band of `size` places."""
    return int.from_bytes(key_digest[:8], "big") % size


@dataclass(slots=True)
class Pool:
    """Places that are given out, from the bands in their order; freed ones as the last resort.

    `taken` maps places to who has them; `freed` maps places to the number of the build that freed
    them.
    """

    bands: tuple[Band, ...]
    taken: dict[int, str] = field(default_factory=dict)
    freed: dict[int, int] = field(default_factory=dict)
    exhausted: set[Band] = field(default_factory=set)

    def take(self, place: int, owner: str) -> str:
        """Give `owner` this very place; the name of who has it already, or ""."""
        holder = self.taken.setdefault(place, owner)
        return "" if holder == owner else holder

    def choose(self, key_digest: bytes, owner: str) -> int | None:
        """Give `owner` the place it prefers or the next free one; None when all are taken."""
        for band in self.bands:
            place = self._free_place(key_digest, band)
            if place is not None:
                self.taken[place] = owner
                return place
        left = [
            (number, place)
            for place, number in self.freed.items()
            if place not in self.taken and self._is_inside(place)
        ]
        if not left:
            return None
        place = min(left)[1]
        self.taken[place] = owner
        return place

    def _is_inside(self, place: int) -> bool:
        """What was freed may lie outside: ranges can be changed."""
        return any(band.first <= place < band.first + band.size for band in self.bands)

    def _free_place(self, key_digest: bytes, band: Band) -> int | None:
        if band in self.exhausted or band.size <= 0:
            return None
        taken, freed, first, size = self.taken, self.freed, band.first, band.size
        start = preferred(key_digest, size)
        for offset in range(start, start + size):
            place = first + offset % size
            if place not in taken and place not in freed:
                return place
        self.exhausted.add(band)
        return None


def static_band_size(size: int, divisor: int, most: int) -> int:
    """How many places at the start are kept for those who ask for one by number.

    Kubernetes (KEP-3070 for addresses: divisor 16, most 256; KEP-3668 for node ports: 32, 128).
    """
    if size <= 16:
        return 0
    return min(max(16, size // divisor), most)
