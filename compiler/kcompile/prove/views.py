"""What of a plan looks different from different nodes."""

from collections.abc import Hashable

from kcompile.address import Family
from kcompile.planned import Plan, PlannedNode
from kcompile.prove.endpoints import same_on_all_nodes, usable
from kcompile.prove.expect import Shared

View = tuple[Hashable, ...]
"""Equal for nodes that a plan means the same for."""


class Views:
    def __init__(self, plan: Plan, family: Family, shared: Shared) -> None:
        self.family = family
        self._shared = shared
        settings = plan.settings
        cidrs = {
            *settings.pod_cidrs,
            *settings.service_cidrs,
            *settings.non_masquerade_cidrs,
            *settings.node_port_addresses,
            *(cidr for service in plan.services for cidr in service.source_ranges),
        }
        self._cidrs = [cidr for cidr in sorted(cidrs) if cidr.family == family]
        self._named = _named(plan, family)
        self._looking = [
            (service, port)
            for service in plan.services
            if service.cluster_ip(family)
            for port in service.ports
            if not same_on_all_nodes(service, port, family)
        ]

    def of(self, node: PlannedNode) -> View:
        addresses = [address for family, address in node.addresses if family == self.family]
        return (
            *(self._place(address) for address in addresses),
            *(usable(service, port, node, self.family) for service, port in self._looking),
        )

    def _place(self, address: int) -> Hashable:
        """All that the plan says about one of a node's addresses."""
        if address in self._named:
            return address
        return tuple([cidr for cidr in self._cidrs if address in cidr])


def _named(plan: Plan, family: Family) -> frozenset[int]:
    """Addresses that the plan says something about by name."""
    named = set()
    for service in plan.services:
        named.add(service.cluster_ip(family))
        named.update(address for own, address in service.external_ips if own == family)
        named.update(address for own, address, _ in service.load_balancer_ips if own == family)
        for port in service.ports:
            named.update([endpoint.ip for endpoint in port.endpoints(family)])
    return frozenset(named)
