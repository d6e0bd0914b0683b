"""Traffic: what happens to packets, by Kubernetes' meaning of Services.

Source: kube-proxy's pkg/proxy/topology.go (which endpoints), serviceport.go (which policy) and
iptables/proxier.go (which way meets what).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kcompile.address import Family
from kcompile.flow import (
    ClusterPolicy,
    Drop,
    ExternalPolicy,
    FamilyTraffic,
    HealthCheck,
    LocalPolicy,
    Masquerade,
    NodeGroup,
    PortFlow,
    PortId,
    Refuse,
    Target,
    ToAll,
    ToClusterIp,
    ToExternalIp,
    ToLoadBalancerIp,
    ToLocal,
    ToNodePort,
    Traffic,
    Verdict,
    Way,
)
from kcompile.planned import Endpoint, Plan, PlannedNode, PlannedPort, PlannedService
from kcompile.settings import Settings

_ZONE = "topology.kubernetes.io/zone"

_REFUSE, _DROP, _TO_ALL, _TO_LOCAL = Refuse(), Drop(), ToAll(), ToLocal()


def traffic(plan: Plan) -> Traffic:
    """Every service port's fate on every node, ports sorted by namespace, name and port."""
    return Traffic(
        families=tuple(_family(plan, family) for family in plan.settings.families),
        health_checks=tuple(
            HealthCheck(service.key, service.health_check_node_port)
            for service in plan.services
            if service.health_check_node_port and not service.for_another_proxy
        ),
    )


@dataclass(frozen=True, slots=True)
class View:
    """All that a service port sees of a node. Equal views meet the same fate.

    `targets` and `local` are the endpoints to use; `own` says that the node's primary address is
    in a range of load balancer sources.
    """

    targets: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]
    own: bool


def _family(plan: Plan, family: Family) -> FamilyTraffic:
    ports = [
        _Port(service, port, family, plan.settings)
        for service in plan.services
        if service.cluster_ip(family) and not service.for_another_proxy
        for port in service.ports
    ]
    nodes: dict[object, list[str]] = {}
    flows: dict[object, tuple[tuple[PortFlow, ...], tuple[int, ...] | None]] = {}
    common = [None if port.differs else port.only_flow() for port in ports]
    differing = [index for index, flow in enumerate(common) if flow is None]
    for node in plan.nodes:
        own = [ports[index].flow(ports[index].view(node)) for index in differing]
        addresses = node_port_addresses(node, family, plan.settings)
        group = (tuple(map(id, own)), addresses)
        nodes.setdefault(group, []).append(node.name)
        if group not in flows:
            merged = list(common)
            for index, flow in zip(differing, own, strict=True):
                merged[index] = flow
            flows[group] = tuple(flow for flow in merged if flow), addresses
    return FamilyTraffic(
        family, tuple(NodeGroup(tuple(names), *flows[group]) for group, names in nodes.items())
    )


def node_port_addresses(
    node: PlannedNode, family: Family, settings: Settings
) -> tuple[int, ...] | None:
    """Those of the node's addresses that the ranges hold; None where nothing narrows them."""
    ranges = [cidr for cidr in settings.node_port_addresses if cidr.family == family]
    # Ranges of the other family alone narrow nothing (kube-proxy's NewNodePortAddresses).
    if not ranges or any(cidr.prefix == 0 for cidr in ranges):
        return None
    addresses = [value for own, value in node.addresses if own == family]
    if family == 4 and settings.localhost_node_ports:
        addresses.append((127 << 24) + 1)
    return tuple(value for value in addresses if any(value in cidr for cidr in ranges))


class _Port:
    """A service port of one family: its flow by view, and whether nodes differ in their view."""

    def __init__(
        self, service: PlannedService, port: PlannedPort, family: Family, settings: Settings
    ) -> None:
        self.service = service
        self.port = port
        self.family = family
        self.settings = settings
        self.flows: dict[View, PortFlow] = {}
        endpoints = port.endpoints(family)
        self.ready = tuple(endpoint for endpoint in endpoints if endpoint.state.ready)
        self.last = tuple(
            endpoint
            for endpoint in endpoints
            if endpoint.state.serving and endpoint.state.terminating
        )
        """What is used when nothing is ready: endpoints that shut down but still answer."""
        self.anywhere = self.ready or self.last
        self.external = bool(
            port.node_port
            or any(own == family for own, _ in service.external_ips)
            or any(own == family for own, _, mode in service.load_balancer_ips if mode == "VIP")
        )
        self.external_local = self.external and service.external_policy == "Local"
        self.sources = tuple(cidr for cidr in service.source_ranges if cidr.family == family)
        self.differs = bool(self.anywhere) and (
            self.external_local
            or service.internal_policy == "Local"
            or service.hints
            or bool(self.sources)
        )

    def view(self, node: PlannedNode) -> View:
        local: tuple[Endpoint, ...] = ()
        if self.external_local or self.service.internal_policy == "Local":
            local = _on(node, self.ready) or _on(node, self.last)
        address = node.address(self.family)
        own = any(address in cidr for cidr in self.sources) if address else False
        return View(self._near(node), local, own)

    def _near(self, node: PlannedNode) -> tuple[Endpoint, ...]:
        """The ready endpoints that hints allot to a node; all if they do not fit it."""
        if not self.ready or not self.service.hints:
            return self.anywhere
        if all(endpoint.state.hint_nodes for endpoint in self.ready):
            found = tuple(e for e in self.ready if node.name in e.state.hint_nodes)
            if found:
                return found
        zone = dict(node.labels).get(_ZONE, "")
        if zone and all(endpoint.state.hint_zones for endpoint in self.ready):
            found = tuple(e for e in self.ready if zone in e.state.hint_zones)
            return found or self.ready
        return self.ready

    def only_flow(self) -> PortFlow:
        """The flow of a port that looks the same from every node."""
        return self._flow(View(self.anywhere, (), own=False))

    def flow(self, view: View) -> PortFlow:
        if view not in self.flows:
            self.flows[view] = self._flow(view)
        return self.flows[view]

    def _flow(self, view: View) -> PortFlow:
        service, port = self.service, self.port
        return PortFlow(
            id=PortId(service.namespace, service.name, port.spec.name, port.spec.protocol),
            service=service.key,
            family=self.family,
            ways=tuple(self._ways(view)),
            masquerade=_masquerade(self.settings),
            internal=self._internal(view),
            external=self._external(view),
            targets=_targets(view.targets) if self._uses_all() else (),
            local_targets=_targets(view.local),
            affinity_seconds=service.affinity_seconds,
        )

    def _uses_all(self) -> bool:
        return self.external or self.service.internal_policy == "Cluster"

    def _ways(self, view: View) -> Iterator[Way]:
        service, number = self.service, self.port.spec.port
        yield ToClusterIp(service.cluster_ip(self.family), number)
        for family, address in service.external_ips:
            if family == self.family:
                yield ToExternalIp(address, number)
        for family, address, mode in service.load_balancer_ips:
            # A proxying load balancer sends to node ports or pods, not to its own address.
            if family == self.family and mode == "VIP":
                yield ToLoadBalancerIp(address, number, self.sources, view.own)
        if self.port.node_port:
            yield ToNodePort(self.port.node_port)

    def _internal(self, view: View) -> Verdict:
        if not self.anywhere:
            return _REFUSE
        if self.service.internal_policy == "Cluster":
            return _TO_ALL
        return _TO_LOCAL if view.local else _DROP

    def _external(self, view: View) -> ExternalPolicy:
        if not self.external_local:
            return ClusterPolicy(_TO_ALL if self.anywhere else _REFUSE)
        if not self.anywhere:
            return LocalPolicy(_REFUSE)
        return LocalPolicy(_TO_LOCAL if view.local else _DROP)


def _on(node: PlannedNode, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(e for e in endpoints if e.everywhere or e.node == node.name)


def _targets(endpoints: Sequence[Endpoint]) -> tuple[Target, ...]:
    return tuple([Target(endpoint.ip, endpoint.port) for endpoint in endpoints])


def _masquerade(settings: Settings) -> Masquerade:
    if settings.masquerade_all:
        return Masquerade.ALWAYS
    return Masquerade.UNLESS_FROM_POD if settings.detect_local else Masquerade.NEVER
