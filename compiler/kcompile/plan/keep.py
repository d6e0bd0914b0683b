"""What the next build's lock holds."""

from collections.abc import Mapping

from kcompile.address import Cidr
from kcompile.plan.lock import Addresses, Lock, PodEntry, PodKey, ServiceEntry, ServiceKey
from kcompile.planned import Plan, PlannedPod, PlannedService


def next_lock(plan: Plan, lock: Lock) -> Lock:
    """The plan's addresses, ports and places as a lock; what nobody uses any more is freed."""
    nodes = {node.name: node.pod_cidrs for node in plan.nodes}
    pods = dict(_pods(plan, lock))
    services = dict(filter(None, map(_service, plan.services)))
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
        ips = _pod_addresses(pod)
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
    return (service.namespace, service.name), ServiceEntry(service.cluster_ips, node_ports)


def _freed_nodes(
    nodes: Mapping[str, tuple[Cidr, ...]], lock: Lock, number: int
) -> dict[str, tuple[tuple[Cidr, ...], int]]:
    used = {cidr for cidrs in nodes.values() for cidr in cidrs}
    freed = {}
    for name, (cidrs, when) in {
        **lock.freed_nodes,
        **{name: (cidrs, number) for name, cidrs in lock.nodes.items()},
    }.items():
        left = tuple(cidr for cidr in cidrs if cidr not in used)
        if left:
            freed[name] = left, when
    return freed


def _freed_pods(
    pods: Mapping[PodKey, PodEntry], lock: Lock, number: int
) -> dict[PodKey, tuple[PodEntry, int]]:
    used = {address for entry in pods.values() for address in entry.ips}
    freed = {
        key: (entry, when)
        for key, (entry, when) in lock.freed_pods.items()
        if not used.intersection(entry.ips)
    }
    for key, entry in lock.pods.items():
        if not used.intersection(entry.ips):
            freed[key] = entry, number
    return freed


def _freed_services(
    services: Mapping[ServiceKey, ServiceEntry], lock: Lock, number: int
) -> dict[ServiceKey, tuple[ServiceEntry, int]]:
    addresses = {address for entry in services.values() for address in entry.cluster_ips}
    ports = {node_port for entry in services.values() for _, node_port in entry.node_ports}
    freed = {}
    for key, (entry, when) in {
        **lock.freed_services,
        **{key: (entry, number) for key, entry in lock.services.items()},
    }.items():
        left = ServiceEntry(
            tuple(address for address in entry.cluster_ips if address not in addresses),
            tuple((port, number) for port, number in entry.node_ports if number not in ports),
        )
        if left.cluster_ips or left.node_ports:
            freed[key] = left, when
    return freed
