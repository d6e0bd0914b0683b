"""What is taken on each node: pods, addresses, resources and host ports.

kube-scheduler's NodeResourcesFit and NodePorts, and the room in the node's pod CIDRs (which pods in
the host's network do not need).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kcompile.model import HostPort, Node
from kcompile.plan.placement.amounts import shown_amount
from kcompile.plan.placement.demand import ONE, PODS, Demand


@dataclass(slots=True)
class Board:
    """By node: `room` for pods, those in the host's network (`hosted`) included, the `pods` that
    are there, and what is `left` of each resource that the node limits."""

    nodes: Sequence[Node]
    room: list[int]
    pods: list[int] = field(init=False)
    hosted: list[int] = field(init=False)
    left: list[dict[str, int]] = field(init=False)
    ports: dict[tuple[int, int, str], list[HostPort]] = field(default_factory=dict)
    """Those taken, by node, number and protocol."""

    def __post_init__(self) -> None:
        self.pods = [0] * len(self.nodes)
        self.hosted = [0] * len(self.nodes)
        self.left = [dict(node.allocatable) for node in self.nodes]

    def takes(self, demand: Demand, node: int) -> bool:
        if self.pods[node] >= self.room[node] and not demand.host_network:
            return False
        if demand.requests:
            left = self.left[node]
            for name, amount in demand.requests:
                if left.get(name, amount) < amount:
                    return False
        return not (demand.ports and self._taken_port(demand.ports, node))

    def put(self, demand: Demand, node: int) -> None:
        self.pods[node] += 1
        if demand.host_network:
            # It takes none of the addresses that the room counts.
            self.room[node] += 1
            self.hosted[node] += 1
        if demand.requests:
            self._use(demand, node, 1)
        for port in demand.ports:
            self.ports.setdefault((node, port.host_port, port.protocol), []).append(port)

    def take_away(self, demand: Demand, node: int) -> None:
        self.pods[node] -= 1
        if demand.host_network:
            self.room[node] -= 1
            self.hosted[node] -= 1
        if demand.requests:
            self._use(demand, node, -1)
        for port in demand.ports:
            self.ports[node, port.host_port, port.protocol].remove(port)

    def _use(self, demand: Demand, node: int, times: int) -> None:
        left = self.left[node]
        for name, amount in demand.requests:
            if name in left:
                left[name] -= amount * times

    def _taken_port(self, ports: Sequence[HostPort], node: int) -> HostPort | None:
        """The first of the ports that another pod has on the node, on the same address."""
        for port in ports:
            for other in self.ports.get((node, port.host_port, port.protocol), ()):
                if not (port.host_ip and other.host_ip) or set(port.host_ip) & set(other.host_ip):
                    return port
        return None

    def why_not(self, demand: Demand, node: int) -> str:
        """Why a node has no place for one more pod, "" if it has."""
        if port := self._taken_port(demand.ports, node):
            return f"host port {port.host_port}/{port.protocol} is taken"
        left, most = self.left[node], dict(self.nodes[node].allocatable)
        for name, amount in demand.requests:
            if left.get(name, amount) < amount:
                if name == PODS:
                    return f"{self.pods[node]} pods are there, {most[PODS] // ONE} are allocatable"
                asked, rest, of = (
                    shown_amount(name, each) for each in (amount, left[name], most[name])
                )
                return f"{name}: {asked} asked, {rest} of {of} left"
        pods, room = (each[node] - self.hosted[node] for each in (self.pods, self.room))
        if pods >= room and not demand.host_network:
            return f"its pod CIDR is full ({pods} of {room})"
        return ""
