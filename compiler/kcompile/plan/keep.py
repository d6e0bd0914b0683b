"""What the next build's lock holds."""

from collections.abc import Mapping

from kcompile.address import Cidr, Family
from kcompile.plan.lock import Addresses, Lock, PodEntry, PodKey, ServiceEntry, ServiceKey
from kcompile.planned import Plan, PlannedPod, PlannedService


def next_lock(plan: Plan, lock: Lock) -> Lock:
    """The plan's addresses, ports and places as a lock; what nobody uses any more is freed."""
    return settled(
        lock,
        {node.name: node.pod_cidrs for node in plan.nodes},
        dict(_pods(plan, lock)),
        dict(filter(None, map(_service, plan.services))),
    )


def settled(
    lock: Lock,
    nodes: Mapping[str, tuple[Cidr, ...]],
    pods: Mapping[PodKey, PodEntry],
    services: Mapping[ServiceKey, ServiceEntry],
) -> Lock:
    """These live after a lock: what nobody of them uses any more is freed."""
    number = lock.next_number
    return Lock(
        nodes,
        pods,
        services,
        _freed_nodes(nodes, lock, number),
        _freed_pods(pods, lock, number),
        _freed_services(services, lock, number),
    )


def _pods(plan: Plan, lock: Lock) -> list[tuple[PodKey, PodEntry]]:
    entries: list[tuple[PodKey, PodEntry]] = []
    for pod in plan.pods:
        workload = pod.workload
        key = (workload.namespace, workload.kind, workload.name, pod.ordinal)
        # The address of a pod in the host's network is the node's: not ours to give.
        ips = () if workload.template.host_network else _pod_addresses(pod)
        old = lock.pods.get(key)
        if old is None and key in lock.freed_pods:
            old = lock.freed_pods[key][0]
        name = pod.name if old and old.name == pod.name else ""
        entries.append((key, PodEntry(pod.node, ips, name)))
    return entries


def _pod_addresses(pod: PlannedPod) -> Addresses:
    ipv4: Addresses = ((4, pod.ipv4),) if pod.ipv4 else ()
    return (*ipv4, (6, pod.ipv6)) if pod.ipv6 else ipv4


def _service(service: PlannedService) -> tuple[ServiceKey, ServiceEntry] | None:
    node_ports = tuple(
        sorted(
            ((port.spec.port, port.spec.protocol), port.node_port)
            for port in service.ports
            if port.node_port
        )
    )
    if service.synthesised or not (service.cluster_ips or node_ports):
        return None
    return (service.namespace, service.name), ServiceEntry(
        service.cluster_ips,
        node_ports,
        service.health_check_node_port,
        # Those of a status were given by somebody else.
        ()
        if service.load_balanced_elsewhere
        else tuple((family, address) for family, address, _ in service.load_balancer_ips),
    )


def _freed_nodes(
    nodes: Mapping[str, tuple[Cidr, ...]], lock: Lock, number: int
) -> dict[str, tuple[tuple[Cidr, ...], int]]:
    used = {cidr for cidrs in nodes.values() for cidr in cidrs}
    freed: dict[str, tuple[tuple[Cidr, ...], int]] = {}
    for name, (cidrs, when) in lock.freed_nodes.items():
        if left := tuple(cidr for cidr in cidrs if cidr not in used):
            freed[name] = left, when
    for name, cidrs in lock.nodes.items():
        if left := tuple(cidr for cidr in cidrs if cidr not in used):
            before, _ = freed.get(name, ((), 0))
            families = {cidr.family for cidr in left}
            freed[name] = (*left, *(c for c in before if c.family not in families)), number
    return freed


def _freed_pods(
    pods: Mapping[PodKey, PodEntry], lock: Lock, number: int
) -> dict[PodKey, tuple[PodEntry, int]]:
    used = {address for entry in pods.values() for address in entry.ips}
    freed: dict[PodKey, tuple[PodEntry, int]] = {}
    for key, (entry, when) in lock.freed_pods.items():
        if _is_left(entry, used, live=key in pods):
            freed[key] = _unused(entry, used), when
    for key, entry in lock.pods.items():
        if _is_left(entry, used, live=key in pods):
            left = _unused(entry, used)
            before = freed.get(key)
            if before and before[0].node == left.node:
                left = PodEntry(left.node, _joined(before[0].ips, left.ips), left.name)
            freed[key] = left, number
    return freed


def _is_left(entry: PodEntry, used: set[tuple[Family, int]], *, live: bool) -> bool:
    """Whether an entry still says something: an address that nobody has, or, without any (a pod
    in the host's network), the place of a pod that is gone."""
    if entry.ips:
        return not used.issuperset(entry.ips)
    return not live


def _unused(entry: PodEntry, used: set[tuple[Family, int]]) -> PodEntry:
    if used.isdisjoint(entry.ips):
        return entry
    return PodEntry(entry.node, _left(entry.ips, used), entry.name)


def _freed_services(
    services: Mapping[ServiceKey, ServiceEntry], lock: Lock, number: int
) -> dict[ServiceKey, tuple[ServiceEntry, int]]:
    addresses: set[tuple[Family, int]] = set()
    ports: set[int] = {0}
    for entry in services.values():
        addresses.update(entry.cluster_ips, entry.load_balancer_ips)
        ports.update(node_port for _, node_port in entry.node_ports)
        ports.add(entry.health_check_node_port)
    freed: dict[ServiceKey, tuple[ServiceEntry, int]] = {}
    live = ((key, entry, number) for key, entry in lock.services.items())
    once = ((key, entry, when) for key, (entry, when) in lock.freed_services.items())
    for key, entry, when in (*once, *live):
        health = entry.health_check_node_port
        left = ServiceEntry(
            _left(entry.cluster_ips, addresses),
            tuple((port, n) for port, n in entry.node_ports if n not in ports),
            0 if health in ports else health,
            _left(entry.load_balancer_ips, addresses),
        )
        if left != _NOTHING:
            freed[key] = _joined_services(freed[key][0], left) if key in freed else left, when
    return freed


_NOTHING = ServiceEntry((), ())


def _left(ips: Addresses, used: set[tuple[Family, int]]) -> Addresses:
    return tuple(address for address in ips if address not in used)


def _joined_services(old: ServiceEntry, new: ServiceEntry) -> ServiceEntry:
    return ServiceEntry(
        _joined(old.cluster_ips, new.cluster_ips),
        tuple(sorted({**dict(old.node_ports), **dict(new.node_ports)}.items())),
        new.health_check_node_port or old.health_check_node_port,
        _joined(old.load_balancer_ips, new.load_balancer_ips),
    )


def _joined(old: Addresses, new: Addresses) -> Addresses:
    """At most one address a family, the newer one."""
    return tuple(sorted({**dict(old), **dict(new)}.items()))
