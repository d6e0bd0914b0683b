"""What a node needs around its rules: listeners, routes, sysctls and modules."""

from collections.abc import Iterator

from kcompile.address import Family
from kcompile.ir import Listener, NodeNetwork, Route
from kcompile.model import Settings
from kcompile.planned import Plan, PlannedNode

SERVICE_LINK = "kcompile0"
"""An empty bridge that the service range is routed to, on every node."""


def lower_listeners(plan: Plan) -> tuple[Listener, ...]:
    """Every node port, sorted by port and protocol; the same on each node."""
    families = plan.settings.families
    found = [
        Listener(
            port.node_port,
            port.spec.protocol,
            tuple(family for family, _ in service.cluster_ips) or families,
            f"{service.namespace}/{service.name}",
            port.spec.name,
        )
        for service in plan.services
        for port in service.ports
        if port.node_port
    ]
    return tuple(sorted(found, key=lambda listener: (listener.port, listener.protocol)))


def lower_networks(plan: Plan, listeners: tuple[Listener, ...]) -> tuple[NodeNetwork, ...]:
    """Each node's network, in the plan's order."""
    sysctls = tuple(_sysctls(plan.settings, listeners))
    pod_routes = [
        (node.name, Route(cidr, node.address(cidr.family), "", 0))
        for node in plan.nodes
        for cidr in node.pod_cidrs
    ]
    # br_netfilter passes bridged packets to netfilter; without it a pod that asks a Service for a
    # pod on its own bridge gets the answer from an address that it did not ask.
    modules = ("br_netfilter",)
    return tuple(
        NodeNetwork(
            node.name,
            (SERVICE_LINK,),
            (
                *(route for owner, route in pod_routes if owner != node.name),
                *_service_routes(node, plan.settings),
            ),
            sysctls,
            modules,
        )
        for node in plan.nodes
    )


def _service_routes(node: PlannedNode, settings: Settings) -> Iterator[Route]:
    """A way to the service range, without which connect() on a node that has no default route
    fails before netfilter sees a packet.

    What a rule translates never gets there; the rest is unreachable at once. Not by way of lo:
    the kernel then answers a refused connection from the Service's address, which is not the
    node's, and so not at all (net/ipv4/icmp.c; docs/adr/0005).
    """
    for cidr in settings.service_cidrs:
        yield Route(cidr, 0, SERVICE_LINK, node.address(cidr.family))


def _sysctls(settings: Settings, listeners: tuple[Listener, ...]) -> Iterator[tuple[str, str]]:
    families: tuple[Family, ...] = settings.families
    if 6 in families:
        yield "net.bridge.bridge-nf-call-ip6tables", "1"
        yield "net.ipv6.conf.all.forwarding", "1"
    if 4 in families:
        yield "net.bridge.bridge-nf-call-iptables", "1"
        yield "net.ipv4.ip_forward", "1"
        if settings.localhost_node_ports and listeners:
            yield "net.ipv4.conf.all.route_localnet", "1"
