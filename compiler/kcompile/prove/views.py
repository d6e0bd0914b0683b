"""What of a plan looks different from different nodes."""

from collections.abc import Hashable, Iterator, Sequence

from kcompile.address import Family
from kcompile.planned import Plan, PlannedNode
from kcompile.prove.endpoints import Usable, is_served, same_on_all_nodes, usable
from kcompile.prove.expect import keys_of
from kcompile.prove.packet import Key
from kcompile.prove.shared import Shared, own_addresses

Index = int
"""Of a Service in the plan."""


class Views:
    """Which Services a packet, an address of a node, or a node's place is a matter of.

    `by_key` are those that have a say on a destination, `by_port` the keys with a protocol and
    port, `backends` all endpoints.
    """

    def __init__(self, plan: Plan, shared: Shared) -> None:
        self.plan = plan
        self.shared = shared
        self.family: Family = shared.family
        self.by_key: dict[Key, list[Index]] = {}
        self.by_port: dict[tuple[str, int], set[Key]] = {}
        self.backends: set[Key] = set()
        self._by_own: dict[int, set[Index]] = {}
        self._looking: list[Index] = []
        own = {address for node in plan.nodes for address in own_addresses(node, self.family)}
        for index, service in enumerate(plan.services):
            if not is_served(service, self.family):
                continue
            self._enter(index, own)
            if not all(same_on_all_nodes(service, port, self.family) for port in service.ports):
                self._looking.append(index)

    def _enter(self, index: Index, own: set[int]) -> None:
        service = self.plan.services[index]
        for key in keys_of(service, self.family):
            self.by_key.setdefault(key, []).append(index)
            self.by_port.setdefault(key[1:], set()).add(key)
        keys = {*keys_of(service, self.family), *self.places_of(index)}
        self.backends.update(self.places_of(index))
        for address in own.intersection([key[0] for key in keys]):
            self._by_own.setdefault(address, set()).add(index)

    def places_of(self, index: Index) -> Iterator[Key]:
        """Where a Service's packets may end."""
        for port in self.plan.services[index].ports:
            protocol = port.spec.protocol.lower()
            for endpoint in port.endpoints(self.family):
                yield endpoint.ip, protocol, endpoint.port

    def of(self, node: PlannedNode) -> "View":
        """What a node uses of the Services that differ between nodes."""
        return {index: self._usable(index, node) for index in self._looking}

    def _usable(self, index: Index, node: PlannedNode) -> tuple[Usable, ...]:
        service = self.plan.services[index]
        return tuple([usable(service, port, node, self.family) for port in service.ports])

    def naming(self, own: Sequence[int]) -> set[Index]:
        """The Services that name one of a node's addresses."""
        return {index for address in own for index in self._by_own.get(address, ())}

    def ranges(self, own: Sequence[int]) -> Hashable:
        """The ranges that the plan speaks of and each of a node's addresses is in."""
        cidrs = self.shared.cidrs
        return tuple([tuple([cidr for cidr in cidrs if address in cidr]) for address in own])


View = dict[Index, tuple[Usable, ...]]
