"""How full each pod CIDR, service range, node port range and load balancer pool of a plan is."""

from collections import Counter
from collections.abc import Iterator, Sequence

from kcompile.address import Cidr, Family
from kcompile.capacity import Banded, Capacity, Filling, NodeCapacity, PoolCapacity
from kcompile.plan.choice import Band
from kcompile.plan.node_ports import node_port_bands
from kcompile.plan.placement import pod_band
from kcompile.plan.services import service_bands
from kcompile.planned import Plan
from kcompile.problems import Code, Finding
from kcompile.resolve.services import DNS, KUBERNETES, reserved_address


def capacity(plan: Plan) -> Capacity:
    return Capacity(
        nodes=tuple(_nodes(plan)),
        services=tuple(_services(plan)),
        node_ports=_banded(node_port_bands(*plan.settings.node_ports), _node_ports(plan)),
        pools=tuple(_pools(plan)),
    )


def notes_on(found: Capacity) -> tuple[Finding, ...]:
    """A note for what is nearly full: the next change may be refused."""
    pods = [(f"pod CIDR {each.cidr} of node {each.node}", each.pods) for each in found.nodes]
    services = [(f"service range {cidr}", own.whole) for cidr, own in found.services]
    ports = [("node port range", found.node_ports.whole)]
    pools = [
        (f"IPv{each.family} addresses of load balancer pool {each.name}", each.addresses)
        for each in found.pools
    ]
    return tuple(note for kind in (pods, services, ports, pools) for note in _nearly_full(kind))


def _nearly_full(ranges: Sequence[tuple[str, Filling]]) -> Iterator[Finding]:
    """One note for all ranges of a kind, of which there can be thousands."""
    full = [each for each in ranges if each[1].used * 10 >= each[1].size * 9 and each[1].used]
    if full:
        name, filling = full[0]
        more = f", and {len(full) - 1} more are nearly full" if len(full) > 1 else ""
        message = f"{name}: {filling.used} of {filling.size} are used{more}"
        yield Finding(Code.NEARLY_FULL, None, (), message)


def _nodes(plan: Plan) -> Iterator[NodeCapacity]:
    """Every pod that is not in its host's network has an address of each of the node's ranges."""
    pods = Counter(pod.node for pod in plan.pods if not pod.workload.template.host_network)
    for node in plan.nodes:
        for cidr in node.pod_cidrs:
            yield NodeCapacity(node.name, cidr, Filling(pod_band(cidr).size, pods[node.name]))


def _services(plan: Plan) -> Iterator[tuple[Cidr, Banded]]:
    """What is reserved counts as used: nobody else gets it."""
    for index, cidr in enumerate(plan.settings.service_cidrs):
        used = {service.cluster_ip(cidr.family) for service in plan.services}
        if index == 0:
            used |= {reserved_address(cidr, KUBERNETES), reserved_address(cidr, DNS)}
        yield cidr, _banded(service_bands(cidr), used - {0})


def _node_ports(plan: Plan) -> set[int]:
    used = {port.node_port for service in plan.services for port in service.ports}
    return (used | {service.health_check_node_port for service in plan.services}) - {0}


def _banded(bands: Sequence[Band], used: set[int]) -> Banded:
    dynamic, static = bands
    first_dynamic = dynamic.first if dynamic.size else static.first + static.size
    low = sum(place < first_dynamic for place in used)
    return Banded(
        whole=Filling(dynamic.size + static.size, len(used)),
        static=Filling(static.size, low),
        dynamic=Filling(dynamic.size, len(used) - low),
    )


def _pools(plan: Plan) -> Iterator[PoolCapacity]:
    """Addresses that nodes, statuses or externalIPs hold are not free either."""
    used = {address for node in plan.nodes for address in node.addresses}
    for service in plan.services:
        used.update(service.external_ips)
        used.update((family, address) for family, address, _ in service.load_balancer_ips)
    for pool in plan.pools:
        for family in _FAMILIES:
            ranges = [(first, last) for own, first, last in pool.ranges if own == family]
            if ranges:
                size = sum(last - first + 1 for first, last in ranges)
                held = sum(
                    first <= address <= last
                    for own, address in used
                    if own == family
                    for first, last in ranges
                )
                filling = Filling(size, held)
                yield PoolCapacity(pool.namespace, pool.name, family, filling)


_FAMILIES: tuple[Family, ...] = (4, 6)
