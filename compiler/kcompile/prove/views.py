"""What of a plan looks different from different nodes."""

from collections.abc import Hashable

from kcompile.planned import Plan, PlannedNode
from kcompile.prove.endpoints import same_on_all_nodes, usable
from kcompile.prove.shared import Shared, own_addresses

View = tuple[Hashable, ...]
"""Equal for nodes that a plan means the same for."""


class Views:
    def __init__(self, plan: Plan, shared: Shared) -> None:
        family = shared.family
        self.family = family
        self.shared = shared
        self._looking = [
            (service, port)
            for service in plan.services
            if service.cluster_ip(family) and not service.for_another_proxy
            for port in service.ports
            if not same_on_all_nodes(service, port, family)
        ]

    def of(self, node: PlannedNode) -> View:
        return (
            *(self._place(address) for address in own_addresses(node, self.family)),
            *(usable(service, port, node, self.family) for service, port in self._looking),
        )

    def _place(self, address: int) -> Hashable:
        """All that the plan says about one of a node's addresses."""
        if address in self.shared.named:
            return address
        return tuple([cidr for cidr in self.shared.cidrs if address in cidr])
