"""Topology hints of pods, as the EndpointSlice controller gives them.

Source: k8s.io/endpointslice (trafficdist: every ready endpoint's own zone, where it has one), and
KEP-3015 for PreferSameNode.
"""

from collections.abc import Iterator, Mapping, Sequence

from kcompile.model import READY, Cluster, EndpointSlice, EndpointState, Node, Service
from kcompile.problems import Code, Finding

ZONE = "topology.kubernetes.io/zone"

States = Mapping[str, EndpointState]
"""By node. Shared: 100,000 endpoints have as many states as there are zones or nodes."""


class Hints:
    """The states of pods by node, for each distribution that some Service asks for."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        zones: dict[str, EndpointState] = {"": READY}
        self.by_zone: dict[str, EndpointState] = {}
        self.by_node: dict[str, EndpointState] = {}
        for node in nodes:
            zone = dict(node.labels).get(ZONE, "")
            hint_zones = (zone,) if zone else ()
            self.by_zone[node.name] = zones.setdefault(zone, EndpointState(hint_zones=hint_zones))
            self.by_node[node.name] = EndpointState(hint_zones=hint_zones, hint_nodes=(node.name,))

    def of(self, service: Service) -> States | None:
        """None where the controller gives no hints: without a distribution, or with the older
        annotation, which wins over one and for which a static cluster lacks what it weighs."""
        if not service.distribution or service.topology_hints:
            return None
        return self.by_node if service.distribution == "PreferSameNode" else self.by_zone


def has_hints(service: Service, states: States | None, slices: Sequence[EndpointSlice]) -> bool:
    """Whether endpoints' hints count for a Service."""
    if states is not None:
        return True
    return service.topology_hints and any(
        endpoint.state.hint_zones or endpoint.state.hint_nodes
        for slice_ in slices
        for endpoint in slice_.endpoints
    )


def notes_on_hints(service: Service, cluster: Cluster) -> Iterator[Finding]:
    if service.topology_hints and service.selector:
        also = " (and it wins over spec.trafficDistribution)" if service.distribution else ""
        yield Finding(
            Code.SUSPICIOUS,
            cluster.origins.get(service.key),
            ("metadata", "annotations"),
            f"the topology mode of {service.key} gives no hints{also}: Kubernetes weighs zones by"
            " their nodes' CPUs, and falls back to all endpoints where it cannot",
            "spec.trafficDistribution: PreferSameZone keeps traffic in a zone",
        )
