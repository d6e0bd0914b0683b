"""What a node needs around its rules: listeners, routes, sysctls and modules."""

from collections.abc import Iterable, Iterator

from kcompile.address import format_ip
from kcompile.ir import HealthCheck, Listener, NodeListeners, NodeNetwork, Route
from kcompile.planned import Plan, PlannedNode, PlannedService
from kcompile.settings import Settings
from kcompile.traffic import node_port_addresses

SERVICE_LINK = "kcompile0"
"""An empty bridge that the service range is routed to, on every node."""

EPHEMERAL_PORTS = range(32768, 61000)
"""Local ports that the kernel gives to clients (net.ipv4.ip_local_port_range, its default)."""


def lower_listeners(plan: Plan) -> tuple[NodeListeners, ...]:
    """Every node's listeners, in the plan's order; node ports sorted by port and protocol."""
    families = plan.settings.families
    ours = [service for service in plan.services if not service.for_another_proxy]
    found = [
        Listener(
            port.node_port,
            port.spec.protocol,
            tuple(family for family, _ in service.cluster_ips) or families,
            f"{service.namespace}/{service.name}",
            port.spec.name,
        )
        for service in ours
        for port in service.ports
        if port.node_port
    ]
    listeners = tuple(sorted(found, key=lambda listener: (listener.port, listener.protocol)))
    checked = [service for service in ours if service.health_check_node_port]
    return tuple(
        NodeListeners(
            node.name,
            tuple(_node_port_addresses(node, plan.settings)),
            listeners,
            tuple(_health_check(service, node) for service in checked),
        )
        for node in plan.nodes
    )


def _node_port_addresses(node: PlannedNode, settings: Settings) -> Iterator[str]:
    for family in settings.families:
        for address in node_port_addresses(node, family, settings) or ():
            yield format_ip(family, address)


def _health_check(service: PlannedService, node: PlannedNode) -> HealthCheck:
    """kube-proxy counts the addresses of ready endpoints on the node, over all ports."""
    local = {
        endpoint.ip
        for port in service.ports
        for endpoint in (*port.endpoints4, *port.endpoints6)
        if endpoint.state.ready and endpoint.node == node.name
    }
    name = f"{service.namespace}/{service.name}"
    return HealthCheck(service.health_check_node_port, name, len(local))


def lower_networks(plan: Plan) -> tuple[NodeNetwork, ...]:
    """Each node's network, in the plan's order."""
    sysctls = tuple(_sysctls(plan))
    mtus = {node.name: plan.settings.mtu(node.name) for node in plan.nodes}
    # Nodes with the same MTU share their routes.
    pod_routes = {
        own: [
            (node.name, Route(cidr, node.address(cidr.family), "", 0, _smaller(own, mtu)))
            for node, mtu in zip(plan.nodes, mtus.values(), strict=True)
            for cidr in node.pod_cidrs
        ]
        for own in set(mtus.values())
    }
    # br_netfilter passes bridged packets to netfilter; without it a pod that asks a Service for a
    # pod on its own bridge gets the answer from an address that it did not ask.
    modules = ("br_netfilter",)
    return tuple(
        NodeNetwork(
            node.name,
            plan.settings.node_dns,
            (SERVICE_LINK,),
            (
                *(route for owner, route in pod_routes[mtus[node.name]] if owner != node.name),
                *_service_routes(node, plan.settings),
            ),
            sysctls,
            modules,
        )
        for node in plan.nodes
    )


def _smaller(one: int, other: int) -> int:
    """Of two MTUs; 0 is none."""
    return min(filter(None, (one, other)), default=0)


def _service_routes(node: PlannedNode, settings: Settings) -> Iterator[Route]:
    """A way to the service range, without which connect() on a node that has no default route
    fails before netfilter sees a packet.

    What a rule translates never gets there; the rest is unreachable at once. Not by way of lo:
    the kernel then answers a refused connection from the Service's address, which is not the
    node's, and so not at all (net/ipv4/icmp.c; docs/adr/0005).
    """
    for cidr in settings.service_cidrs:
        yield Route(cidr, 0, SERVICE_LINK, node.address(cidr.family))


def _sysctls(plan: Plan) -> Iterator[tuple[str, str]]:
    settings = plan.settings
    services = [service for service in plan.services if not service.for_another_proxy]
    node_ports = {port.node_port for service in services for port in service.ports} - {0}
    if 6 in settings.families:
        yield "net.bridge.bridge-nf-call-ip6tables", "1"
        yield "net.ipv6.conf.all.forwarding", "1"
    if 4 in settings.families:
        yield "net.bridge.bridge-nf-call-iptables", "1"
        yield "net.ipv4.ip_forward", "1"
        if settings.localhost_node_ports and node_ports:
            yield "net.ipv4.conf.all.route_localnet", "1"
    # So that no client has a port before its listener. Also for IPv6, in spite of its name.
    taken = node_ports | {service.health_check_node_port for service in services}
    if reserved := _ranges(sorted(taken.intersection(EPHEMERAL_PORTS))):
        yield "net.ipv4.ip_local_reserved_ports", reserved


def _ranges(ports: Iterable[int]) -> str:
    """Sorted ports as the kernel shows a set of them: 32768,32800-32802."""
    ranges: list[tuple[int, int]] = []
    for port in ports:
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
