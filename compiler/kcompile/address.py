"""IP addresses as integers, and ranges of them. Text is read and written only at the edges."""

import ipaddress
from dataclasses import dataclass
from typing import Literal

Family = Literal[4, 6]

BITS: dict[Family, int] = {4: 32, 6: 128}


def format_ip(family: Family, address: int) -> str:
    """The canonical text (RFC 5952 for IPv6) of an address."""
    if family == 4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return str(ipaddress.IPv6Address(address))


def parse_ip(text: str) -> tuple[Family, int]:
    """Family and value of an address.

    As Kubernetes' legacy parser does, leading zeros of IPv4 octets are read as decimal; no zone
    index, no other inet_aton form. Raises ValueError.
    """
    if ":" in text:
        if "%" in text:
            raise ValueError(f"{text!r} has a zone index")
        return 6, int(ipaddress.IPv6Address(text))
    octets = text.split(".")
    if len(octets) != 4 or not all(o.isascii() and o.isdigit() for o in octets):
        raise ValueError(f"{text!r} is not an IP address")
    values = [int(o) for o in octets if len(o) <= 8]
    if len(values) != 4 or max(values) > 255:
        raise ValueError(f"{text!r} is not an IP address")
    return 4, values[0] << 24 | values[1] << 16 | values[2] << 8 | values[3]


@dataclass(frozen=True, slots=True, order=True)
class Cidr:
    """A range of addresses: family, first address, prefix length in bits."""

    family: Family
    base: int
    prefix: int

    @property
    def size(self) -> int:
        return 1 << BITS[self.family] - self.prefix

    @property
    def last(self) -> int:
        return self.base + self.size - 1

    def __contains__(self, address: int) -> bool:
        return self.base <= address <= self.last

    def covers(self, other: "Cidr") -> bool:
        return self.family == other.family and self.base <= other.base and other.last <= self.last

    def overlaps(self, other: "Cidr") -> bool:
        return self.family == other.family and self.base <= other.last and other.base <= self.last

    def __str__(self) -> str:
        return f"{format_ip(self.family, self.base)}/{self.prefix}"


def parse_cidr(text: str) -> Cidr:
    """A range in CIDR form; host bits are cleared, as Kubernetes does. Raises ValueError."""
    address, slash, prefix = text.partition("/")
    family, value = parse_ip(address)
    if not slash or not (prefix.isascii() and prefix.isdigit()) or len(prefix) > 3:
        raise ValueError(f"{text!r} is not ADDRESS/PREFIX")
    bits = BITS[family]
    length = int(prefix)
    if length > bits or (len(prefix) > 1 and prefix[0] == "0"):
        raise ValueError(f"{text!r}: an IPv{family} prefix is 0 to {bits}")
    return Cidr(family, value >> bits - length << bits - length, length)
