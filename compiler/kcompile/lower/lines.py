"""Records of one name as lines of a master file (RFC 1035, 5.1)."""

from collections.abc import Iterable, Sequence

from kcompile.address import Family
from kcompile.ir import RecordType, record_line

Address = tuple[Family, int, str]
"""An address, and its text."""

Place = tuple[int, str]
"""The number of a port, and the name of the host that has it."""

MAX_MESSAGE = 65535
"""Octets; what TCP carries at once (RFC 1035, 4.2.2)."""
MESSAGE_HEAD = 12
"""Octets (RFC 1035, 4.1.1)."""
QUESTION = 5
"""Octets; length of the root, type, class."""
RECORD_HEAD = 12
"""Octets; compressed owner, type, class, TTL, length of the data."""

_TYPES: dict[Family, RecordType] = {4: "A", 6: "AAAA"}


def address_lines(owner: str, ttl: int, addresses: Iterable[Address]) -> list[str]:
    return [record_line(owner, ttl, _TYPES[family], text) for family, _, text in addresses]


def location_lines(owner: str, ttl: int, places: Sequence[Place]) -> list[str]:
    """SRV records. The weight counts places before equal ones become one, as CoreDNS does."""
    if not places:
        return []
    weight = max(1, 100 // len(places))
    head = f"{owner} {ttl} IN SRV 0 {weight}"
    return [f"{head} {number} {target}\n" for number, target in sorted(set(places))]


def locations_fit(owner: str, places: Sequence[Place]) -> bool:
    """Whether a message holds the SRV records that `location_lines` gives."""
    largest = RECORD_HEAD + 6 + 256
    head = MESSAGE_HEAD + len(owner) + QUESTION
    if head + largest * len(places) <= MAX_MESSAGE:
        return True
    # Priority, weight, port, and the target with a length for its root.
    sizes = (RECORD_HEAD + 6 + len(target) + 1 for _, target in set(places))
    return head + sum(sizes) <= MAX_MESSAGE


def marker(name: str, ttl: int) -> str:
    """A record below a name that has none: the name then exists, and a question about it is
    answered with "no data", not "no such name"."""
    return record_line(f"_ent.{name}", ttl, "TXT", '"exists"')
