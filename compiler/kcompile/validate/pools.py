"""IPAddressPool metallb.io/v1beta1 to model.AddressPool."""

from collections.abc import Mapping
from typing import Any

from kcompile.address import Family
from kcompile.model import AddressPool
from kcompile.source import Path
from kcompile.validate.addresses import read_cidr, read_ip
from kcompile.validate.metadata import read_metadata
from kcompile.validate.names import DNS_SUBDOMAIN
from kcompile.validate.review import Review


def read_pool(value: Mapping[str, Any], review: Review) -> AddressPool:
    metadata = read_metadata(value, review, DNS_SUBDOMAIN)
    spec = value.get("spec") or {}
    for key in ("avoidBuggyIPs", "serviceAllocation"):
        if spec.get(key):
            review.ignored(("spec", key))
    ranges = [
        found
        for index, text in enumerate(spec.get("addresses") or ())
        if (found := _read_range(text or "", review, ("spec", "addresses", index)))
    ]
    if not ranges:
        review.required(("spec", "addresses"), "a pool has at least one range")
    auto_assign = spec.get("autoAssign") is not False
    return AddressPool(metadata.name, metadata.namespace, tuple(ranges), auto_assign)


def _read_range(text: str, review: Review, path: Path) -> tuple[Family, int, int] | None:
    """CIDR or FIRST-LAST, both ends included."""
    first, dash, last = text.partition("-")
    if not dash:
        cidr = read_cidr(text.strip(), review, path)
        return (cidr.family, cidr.base, cidr.last) if cidr else None
    low, high = read_ip(first.strip(), review, path), read_ip(last.strip(), review, path)
    if low is None or high is None:
        return None
    if low[0] != high[0] or low[1] > high[1]:
        review.invalid(path, text, "must be FIRST-LAST of one family, the lower one first")
        return None
    return low[0], low[1], high[1]
