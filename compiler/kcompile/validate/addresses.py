"""Addresses and ranges in fields, read as Kubernetes' older fields are."""

from kcompile.address import Cidr, Family, format_ip, parse_cidr, parse_ip
from kcompile.problems import printable
from kcompile.source import Path
from kcompile.validate.review import Review
from kcompile.validate.schema import field_path

IpAddress = tuple[Family, int]
_MAPPED = 0xFFFF
"""What stands above the lowest 32 bits of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2)."""


def read_ip(text: str, review: Review, path: Path) -> IpAddress | None:
    """An address, or None and a finding. Go reads IPv4-mapped IPv6 addresses as IPv4; so do we."""
    try:
        family, value = parse_ip(text)
    except ValueError:
        review.invalid(path, text, "must be an IPv4 or IPv6 address")
        return None
    if family == 6 and value >> 32 == _MAPPED:
        family, value = 4, value & 0xFFFFFFFF
    if family == 4:
        _warn_unless_canonical(text, format_ip(family, value), review, path)
    return family, value


def read_cidr(text: str, review: Review, path: Path) -> Cidr | None:
    """A range, or None and a finding. IPv4-mapped ranges are of IPv4, as in Go."""
    try:
        cidr = parse_cidr(text)
    except ValueError:
        review.invalid(path, text, "must be a range such as 10.244.0.0/16")
        return None
    if cidr.family == 6 and cidr.prefix >= 96 and cidr.base >> 32 == _MAPPED:
        cidr = Cidr(4, cidr.base & 0xFFFFFFFF, cidr.prefix - 96)
    if cidr.family == 4:
        _warn_unless_canonical(text, str(cidr), review, path)
    return cidr


def read_cidrs(text: str, review: Review, path: Path) -> tuple[Cidr, ...]:
    """One range, or one of each family with a comma between them."""
    found = [read_cidr(part.strip(), review, path) for part in text.split(",")]
    cidrs = tuple(cidr for cidr in found if cidr is not None)
    if len(found) > 2 or (len(cidrs) == 2 and cidrs[0].family == cidrs[1].family):
        review.invalid(path, text, "must be one range, or an IPv4 and an IPv6 range")
    return cidrs


def is_ip(text: str) -> bool:
    try:
        parse_ip(text)
    except ValueError:
        return False
    return True


def is_special(address: IpAddress) -> bool:
    """Unspecified, loopback, link-local or link-local multicast (ValidateNonSpecialIP).

    The scope of an IPv6 multicast address is its second octet's lower half (RFC 4291, 2.7).
    """
    family, value = address
    if family == 4:
        return value == 0 or value >> 24 == 127 or value >> 16 == 0xA9FE or value >> 8 == 0xE00000
    multicast = value >> 120 == 0xFF
    return value <= 1 or value >> 118 == 0xFE80 >> 6 or (multicast and value >> 112 & 0xF == 2)


def _warn_unless_canonical(text: str, canonical: str, review: Review, path: Path) -> None:
    if text != canonical:
        message = f"{field_path(path)} is {printable(text)}; it is read as {canonical}"
        review.suspicious(path, message)
