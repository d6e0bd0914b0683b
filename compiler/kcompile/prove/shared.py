"""What a proof knows of a plan whichever node it is about."""

from dataclasses import dataclass

from kcompile.address import BITS, Cidr, Family
from kcompile.planned import Plan, PlannedNode
from kcompile.prove.endpoints import Usable

# Ranges for measuring devices (RFC 2544, RFC 5180): no plan should know an address of theirs.
_UNKNOWN: dict[Family, int] = {4: 0xC6120001, 6: 0x20010002 << 96 | 1}


@dataclass(frozen=True, slots=True)
class Shared:
    """`cidrs` and `named` are the ranges and the single addresses that the plan speaks of. `own`
    are the addresses that each node has for itself, and one that no plan knows: it stands for
    those of bridges and tunnels. `usable` fills with the endpoints of ports that look the same
    from everywhere."""

    family: Family
    cidrs: tuple[Cidr, ...]
    named: frozenset[int]
    own: frozenset[int]
    usable: dict[int, Usable]


def share(plan: Plan, family: Family) -> Shared:
    cidrs = _cidrs(plan, family)
    named, everywhere = _named(plan, family)
    unknown = _unknown(cidrs, named, family)
    return Shared(family, cidrs, frozenset(named), frozenset({*everywhere, unknown}), {})


def own_addresses(node: PlannedNode, family: Family) -> tuple[int, ...]:
    """A node's stated addresses, and those of its bridges to its pods."""
    stated = [address for own, address in node.addresses if own == family]
    bridges = [cidr.base + 1 for cidr in node.pod_cidrs if cidr.family == family]
    return (*stated, *bridges)


def _cidrs(plan: Plan, family: Family) -> tuple[Cidr, ...]:
    settings = plan.settings
    found = {
        *settings.pod_cidrs,
        *settings.service_cidrs,
        *settings.non_masquerade_cidrs,
        *settings.node_port_addresses,
        *(cidr for service in plan.services for cidr in service.source_ranges),
    }
    return tuple(cidr for cidr in sorted(found) if cidr.family == family)


def _named(plan: Plan, family: Family) -> tuple[set[int], set[int]]:
    """All addresses of Services and endpoints, and those of endpoints that are everywhere."""
    named: set[int] = set()
    everywhere: set[int] = set()
    for service in plan.services:
        named.add(service.cluster_ip(family))
        named.update(address for own, address in service.external_ips if own == family)
        named.update(address for own, address, _ in service.load_balancer_ips if own == family)
        for port in service.ports:
            endpoints = port.endpoints(family)
            named.update([endpoint.ip for endpoint in endpoints])
            everywhere.update([endpoint.ip for endpoint in endpoints if endpoint.everywhere])
    return named, everywhere


def _unknown(cidrs: tuple[Cidr, ...], named: set[int], family: Family) -> int:
    """An address that is in none of the ranges, as far as there is one."""
    address = _UNKNOWN[family]
    for cidr in cidrs:
        # In ascending order, so that an address beyond this range is in none before it.
        if cidr.prefix > 0 and address in cidr and cidr.last < (1 << BITS[family]) - 1:
            address = cidr.last + 1
    while address in named:
        address += 1
    return address
