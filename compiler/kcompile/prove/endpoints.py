"""Which endpoints of a service port a node uses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kcompile.address import Family
from kcompile.planned import Endpoint, PlannedNode, PlannedPort, PlannedService

_ZONE = "topology.kubernetes.io/zone"

Place = tuple[int, int]
"""Address and port."""


@dataclass(frozen=True, slots=True)
class Usable:
    """`everywhere` are the endpoints that the Cluster policy may use, `here` those that the Local
    policy may use. `any` says that there is one somewhere in the cluster."""

    everywhere: tuple[Place, ...]
    here: tuple[Place, ...]
    any: bool


def is_served(service: PlannedService, family: Family) -> bool:
    """Whether packets to a Service are a matter of the rules here."""
    return service.cluster_ip(family) != 0 and not service.for_another_proxy


def usable(service: PlannedService, port: PlannedPort, node: PlannedNode, family: Family) -> Usable:
    """Ready endpoints; where there is none, those that still serve while they terminate."""
    endpoints = port.endpoints(family)
    external = accepts_external(service, port, family)
    everywhere: tuple[Place, ...] = ()
    here: tuple[Place, ...] = ()
    some = False
    if external or service.internal_policy == "Cluster":
        everywhere = _ready_or_draining(_near(service, endpoints, node), endpoints)
        some = bool(everywhere)
    if service.internal_policy == "Local" or (external and keeps_sources(service)):
        local = [each for each in endpoints if each.everywhere or each.node == node.name]
        here = _ready_or_draining([each for each in local if each.state.ready], local)
        some = some or bool(_ready_or_draining([e for e in endpoints if e.state.ready], endpoints))
    return Usable(everywhere, here, some)


def same_on_all_nodes(service: PlannedService, port: PlannedPort, family: Family) -> bool:
    """Whether no node can have a view of its own."""
    return (
        service.internal_policy == "Cluster"
        and not service.hints
        and not (keeps_sources(service) and accepts_external(service, port, family))
    )


def keeps_sources(service: PlannedService) -> bool:
    """externalTrafficPolicy Local counts where Kubernetes lets it be set."""
    exposed = service.type in ("NodePort", "LoadBalancer") or bool(service.external_ips)
    return service.external_policy == "Local" and exposed


def accepts_external(service: PlannedService, port: PlannedPort, family: Family) -> bool:
    """Whether there is a way in besides the cluster address."""
    return (
        port.node_port != 0
        or any(own == family for own, _ in service.external_ips)
        or any(own == family and mode == "VIP" for own, _, mode in service.load_balancer_ips)
    )


def _ready_or_draining(
    ready: Sequence[Endpoint], endpoints: Iterable[Endpoint]
) -> tuple[Place, ...]:
    found = ready or [e for e in endpoints if e.state.serving and e.state.terminating]
    return tuple(dict.fromkeys([(each.ip, each.port) for each in found]))


def _near(
    service: PlannedService, endpoints: Sequence[Endpoint], node: PlannedNode
) -> Sequence[Endpoint]:
    """Ready endpoints that hints give to this node, or to its zone; all of them where a hint is
    missing or none is for here."""
    ready = [each for each in endpoints if each.state.ready]
    if not service.hints or not ready:
        return ready
    if all(each.state.hint_nodes for each in ready):
        same = [each for each in ready if node.name in each.state.hint_nodes]
        if same:
            return same
    zone = dict(node.labels).get(_ZONE, "")
    if zone and all(each.state.hint_zones for each in ready):
        same = [each for each in ready if zone in each.state.hint_zones]
        if same:
            return same
    return ready
