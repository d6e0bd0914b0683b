"""What of a plan looks different from different nodes."""

from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property

from kcompile.address import Family
from kcompile.planned import Plan, PlannedNode, PlannedService
from kcompile.prove.endpoints import Usable, is_served, same_on_all_nodes, usable
from kcompile.prove.expect import keys_of
from kcompile.prove.packet import Key
from kcompile.prove.shared import Shared, own_addresses

Index = int
"""Of a Service in the plan."""


class Owners:
    """Which Services a packet, or an address of a node, is a matter of.

    `by_key` are those that have a say on a destination, `by_port` the keys with a protocol and
    port, `backends` all endpoints, `by_own` those that name an address of some node.
    """

    def __init__(self, plan: Plan, family: Family) -> None:
        self.family = family
        self.by_key: dict[Key, list[Index]] = {}
        self.by_port: dict[tuple[str, int], set[Key]] = {}
        self.backends: set[Key] = set()
        self.by_own: dict[int, set[Index]] = {}
        own = {address for node in plan.nodes for address in own_addresses(node, family)}
        for index, service in enumerate(plan.services):
            if is_served(service, family):
                self._enter(index, service, own)

    def _enter(self, index: Index, service: PlannedService, own: set[int]) -> None:
        keys = set(keys_of(service, self.family))
        for key in keys:
            self.by_key.setdefault(key, []).append(index)
            self.by_port.setdefault(key[1:], set()).add(key)
        ends = set(places_of(service, self.family))
        self.backends |= ends
        for address in own.intersection([key[0] for key in keys | ends]):
            self.by_own.setdefault(address, set()).add(index)


def places_of(service: PlannedService, family: Family) -> Iterator[Key]:
    """Where a Service's packets may end."""
    for port in service.ports:
        protocol = port.spec.protocol.lower()
        for endpoint in port.endpoints(family):
            yield endpoint.ip, protocol, endpoint.port


class Views:
    """What each node sees of a plan."""

    def __init__(self, plan: Plan, shared: Shared) -> None:
        self.plan = plan
        self.shared = shared
        self.family: Family = shared.family
        self._looking = [
            index
            for index, service in enumerate(plan.services)
            if is_served(service, shared.family)
            and not all(same_on_all_nodes(service, port, shared.family) for port in service.ports)
        ]

    @cached_property
    def owners(self) -> Owners:
        return Owners(self.plan, self.family)

    def of(self, node: PlannedNode) -> "View":
        """What a node uses of the Services that differ between nodes."""
        return {index: self._usable(index, node) for index in self._looking}

    def _usable(self, index: Index, node: PlannedNode) -> tuple[Usable, ...]:
        service = self.plan.services[index]
        return tuple([usable(service, port, node, self.family) for port in service.ports])

    def naming(self, own: Sequence[int]) -> set[Index]:
        """The Services that name one of a node's addresses."""
        if self.shared.named.isdisjoint(own):
            return set()
        return {index for address in own for index in self.owners.by_own.get(address, ())}

    def ranges(self, own: Sequence[int]) -> Hashable:
        """The ranges that the plan speaks of and each of a node's addresses is in."""
        cidrs = self.shared.cidrs
        return tuple([tuple([cidr for cidr in cidrs if address in cidr]) for address in own])


View = dict[Index, tuple[Usable, ...]]
