"""Changes of a lock that its user asks for, entry by entry."""

from dataclasses import replace

from kcompile.plan.lock import Lock, PodEntry, PodKey, ServiceEntry, ServiceKey
from kcompile.plan.pod_names import names_in_lock

Value = object
"""What a line may hold alone; lock_text.Holder names the forms."""


def pod_key_of(key: str) -> PodKey:
    """The parts of a pod's key as the file has it."""
    _, namespace, kind, name, ordinal = key.split("/")
    return namespace, kind, name, ordinal if kind == "DaemonSet" else int(ordinal)


def service_key_of(key: str) -> ServiceKey:
    _, namespace, name = key.split("/")
    return namespace, name


def without(lock: Lock, key: str, value: Value) -> Lock:
    """A lock in which a live entry no longer holds a value; the next build chooses another."""
    match key.partition("/")[0]:
        case "node":
            return _without_cidr(lock, key.removeprefix("node/"), value)
        case "pod":
            pod = pod_key_of(key)
            return replace(lock, pods={**lock.pods, pod: _pod_without(lock.pods[pod], value)})
    service = service_key_of(key)
    entry = _service_without(lock.services[service], value)
    return replace(lock, services={**lock.services, service: entry})


def _without_cidr(lock: Lock, name: str, value: Value) -> Lock:
    nodes = dict(lock.nodes)
    nodes[name] = tuple(cidr for cidr in nodes[name] if cidr != value)
    if not nodes[name]:
        del nodes[name]
    return replace(lock, nodes=nodes)


def _pod_without(entry: PodEntry, value: Value) -> PodEntry:
    match value:
        case ("pod name", *_):
            return replace(entry, name="")
    return replace(entry, ips=tuple(address for address in entry.ips if address != value))


def _service_without(entry: ServiceEntry, value: Value) -> ServiceEntry:
    match value:
        case ("node port", number):
            ports = tuple((port, n) for port, n in entry.node_ports if n != number)
            health = entry.health_check_node_port
            return replace(
                entry, node_ports=ports, health_check_node_port=0 if health == number else health
            )
    return replace(
        entry,
        cluster_ips=tuple(address for address in entry.cluster_ips if address != value),
        load_balancer_ips=tuple(a for a in entry.load_balancer_ips if a != value),
    )


def pruned(lock: Lock, keep: int) -> Lock:
    """Without what was freed, but for what the last `keep` builds that freed something freed."""
    oldest = lock.next_number - keep
    return replace(
        lock,
        freed_nodes={k: freed for k, freed in lock.freed_nodes.items() if freed[1] >= oldest},
        freed_pods={k: freed for k, freed in lock.freed_pods.items() if freed[1] >= oldest},
        freed_services={k: freed for k, freed in lock.freed_services.items() if freed[1] >= oldest},
    )


def node_renamed(lock: Lock, old: str, new: str) -> Lock:
    """A node with another name: its CIDRs and pods are those that it had.

    A DaemonSet's pod is called after its node's name, so the name that it had is pinned.
    """
    nodes = {new if name == old else name: cidrs for name, cidrs in lock.nodes.items()}
    freed = {new if name == old else name: own for name, own in lock.freed_nodes.items()}
    pods = dict(_on_renamed(key, entry, old, new) for key, entry in lock.pods.items())
    freed_pods = {}
    for key, (entry, number) in lock.freed_pods.items():
        renamed, moved = _on_renamed(key, entry, old, new)
        freed_pods[renamed] = moved, number
    return replace(lock, nodes=nodes, pods=pods, freed_nodes=freed, freed_pods=freed_pods)


def _on_renamed(key: PodKey, entry: PodEntry, old: str, new: str) -> tuple[PodKey, PodEntry]:
    if key[3] == old:
        entry = replace(entry, name=entry.name or names_in_lock(key, entry.name)[0])
        key = (*key[:3], new)
    return key, replace(entry, node=new) if entry.node == old else entry
