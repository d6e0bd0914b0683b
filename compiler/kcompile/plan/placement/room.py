"""How many pods a node's pod CIDRs have addresses for."""

from collections.abc import Sequence

from kcompile.address import Cidr
from kcompile.plan.choice import Band

MOST_PODS = 1 << 16
"""More than any kubelet runs; without it an IPv6 share would hold billions of pods."""


def pod_room(cidrs: Sequence[Cidr]) -> int:
    """How many pods the smallest of a node's pod CIDRs holds."""
    return min((MOST_PODS, *(pod_band(cidr).size for cidr in cidrs))) if cidrs else 0


def pod_band(cidr: Cidr) -> Band:
    """A pod CIDR without its network address, its gateway (the first) and, in IPv4, broadcast."""
    return Band(cidr.base + 2, max(0, cidr.size - (3 if cidr.family == 4 else 2)))
