"""Traffic: what happens to packets, by Kubernetes' meaning of Services."""

from collections.abc import Iterator

from kcompile.address import Family
from kcompile.flow import (
    Balance,
    Masquerade,
    NodeGroup,
    PortFlow,
    PortId,
    Refuse,
    Target,
    ToClusterIp,
    ToNodePort,
    Traffic,
    Way,
)
from kcompile.model import Settings
from kcompile.planned import Plan, PlannedPort, PlannedService


def traffic(plan: Plan) -> Traffic:
    """Every service port's ways in and verdict, sorted by namespace, name and port.

    All nodes are one group: with the Cluster policies a port looks the same from each.
    """
    flows = tuple(_flows(plan, 4)) if 4 in plan.settings.families else ()
    nodes = tuple(node.name for node in plan.nodes)
    return Traffic(groups4=(NodeGroup(nodes, flows),))


def _flows(plan: Plan, family: Family) -> Iterator[PortFlow]:
    for service in plan.services:
        if service.cluster_ip(family):
            for port in service.ports:
                yield _flow(service, port, family, plan.settings)


def _flow(
    service: PlannedService, port: PlannedPort, family: Family, settings: Settings
) -> PortFlow:
    endpoints = port.endpoints(family)
    return PortFlow(
        id=PortId(service.namespace, service.name, port.spec.name, port.spec.protocol),
        service=service.key,
        family=family,
        ways=_ways(service.cluster_ip(family), port, settings),
        verdict=Balance(tuple(Target(e.ip, e.port) for e in endpoints)) if endpoints else Refuse(),
    )


def _ways(cluster_ip: int, port: PlannedPort, settings: Settings) -> tuple[Way, ...]:
    if settings.masquerade_all:
        masquerade = Masquerade.ALWAYS
    elif settings.detect_local:
        masquerade = Masquerade.UNLESS_FROM_POD
    else:
        masquerade = Masquerade.NEVER
    cluster = ToClusterIp(cluster_ip, port.spec.port, masquerade)
    if not port.node_port:
        return (cluster,)
    # Replies must come back through the node that the client spoke to (externalTrafficPolicy
    # Cluster).
    return cluster, ToNodePort(port.node_port, Masquerade.ALWAYS)
