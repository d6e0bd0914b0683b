"""kcompile.lock: what was given out before, one entry a line, made for git.

docs/lock.md describes the form, and lock_text reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeVar

from kcompile.address import Cidr, Family, format_ip
from kcompile.planned import Ordinal

FORMAT = 2
ALGORITHM = 1

PodKey = tuple[str, str, str, Ordinal]
"""Namespace, kind, name of the workload, ordinal."""
ServiceKey = tuple[str, str]
"""Namespace, name."""
PortKey = tuple[int, str]
"""Service port number, protocol."""
Addresses = tuple[tuple[Family, int], ...]


@dataclass(frozen=True, slots=True)
class PodEntry:
    """`name` is "" unless pinned."""

    node: str
    ips: Addresses
    name: str = ""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """`load_balancer_ips` are those that came from pools; port 0 stands for none."""

    cluster_ips: Addresses
    node_ports: tuple[tuple[PortKey, int], ...]
    health_check_node_port: int = 0
    load_balancer_ips: Addresses = ()


_Key = TypeVar("_Key", str, PodKey, ServiceKey)
_Entry = TypeVar("_Entry", tuple[Cidr, ...], PodEntry, ServiceEntry)


@dataclass(frozen=True, slots=True)
class Lock:
    """Live entries by key. Freed ones have the number of the build that freed them: the highest
    of the lock then, plus one. They go back to their own key, to others only as a last resort."""

    nodes: Mapping[str, tuple[Cidr, ...]] = field(default_factory=dict)
    pods: Mapping[PodKey, PodEntry] = field(default_factory=dict)
    services: Mapping[ServiceKey, ServiceEntry] = field(default_factory=dict)
    freed_nodes: Mapping[str, tuple[tuple[Cidr, ...], int]] = field(default_factory=dict)
    freed_pods: Mapping[PodKey, tuple[PodEntry, int]] = field(default_factory=dict)
    freed_services: Mapping[ServiceKey, tuple[ServiceEntry, int]] = field(default_factory=dict)

    @property
    def next_number(self) -> int:
        """The number of what the next build frees."""
        numbers = [number for _, number in self.freed_nodes.values()]
        numbers += [number for _, number in self.freed_pods.values()]
        numbers += [number for _, number in self.freed_services.values()]
        return max(numbers, default=0) + 1

    # What a build may free: until it is known who comes back, all that was ever given out is for
    # others the last resort.

    def once_nodes(self) -> Iterator[tuple[tuple[Cidr, ...], int]]:
        yield from self.freed_nodes.values()
        number = self.next_number
        for entry in self.nodes.values():
            yield entry, number

    def once_pods(self) -> Iterator[tuple[PodEntry, int]]:
        yield from self.freed_pods.values()
        number = self.next_number
        for entry in self.pods.values():
            yield entry, number

    def once_services(self) -> Iterator[tuple[ServiceEntry, int]]:
        yield from self.freed_services.values()
        number = self.next_number
        for entry in self.services.values():
            yield entry, number


def service_sections(lock: Lock) -> tuple[tuple[Mapping[ServiceKey, ServiceEntry], bool], ...]:
    """What the lock holds of Services, live entries before freed ones, and whether they live."""
    freed = {key: entry for key, (entry, _) in lock.freed_services.items()}
    return (lock.services, True), (freed, False)


def format_lock(lock: Lock) -> str:
    """The file's text: keys sorted, nothing that every change would touch.

    What is freed keeps its place. Before each object stand an empty line and a heading, which
    never change: git merges what happened to two neighbours, or between them, without a conflict.
    """
    lines = [f"kcompile-lock: {FORMAT}", f"algorithm: {ALGORITHM}"]
    before: object = None
    for name, number, cidrs in _in_order(lock.nodes, lock.freed_nodes):
        if name != before:
            lines += ("", f"# Node {name}")
            before = name
        lines.append(_line(node_key(name), number, _node_fields(cidrs)))
    for key, number, pod in _in_order(lock.pods, lock.freed_pods):
        if key[:3] != before:
            lines += ("", f"# {key[1]} {key[0]}/{key[2]}")
            before = key[:3]
        lines.append(_line(pod_key(key), number, _pod_fields(pod)))
    for own, number, service in _in_order(lock.services, lock.freed_services):
        if own != before:
            lines += ("", f"# Service {own[0]}/{own[1]}")
            before = own
        lines.append(_line(service_key(own), number, _service_fields(service)))
    return "\n".join([*lines, "", "# end"]) + "\n"


def node_key(name: str) -> str:
    return f"node/{name}"


def pod_key(key: PodKey) -> str:
    return f"pod/{key[0]}/{key[1]}/{key[2]}/{key[3]}"


def service_key(key: ServiceKey) -> str:
    return f"service/{key[0]}/{key[1]}"


def _in_order(
    live: Mapping[_Key, _Entry], freed: Mapping[_Key, tuple[_Entry, int]]
) -> list[tuple[_Key, int, _Entry]]:
    """Live entries, whose number is 0, and freed ones by key; of one key the live one first."""
    if not freed:
        return [(key, 0, live[key]) for key in sorted(live)]
    entries = [(key, 0, entry) for key, entry in live.items()]
    entries += [(key, number, entry) for key, (entry, number) in freed.items()]
    entries.sort(key=itemgetter(0, 1))
    return entries


def _line(key: str, number: int, fields: str) -> str:
    return f"{key}/freed: {{{fields}, freed: {number}}}" if number else f"{key}: {{{fields}}}"


def _node_fields(cidrs: tuple[Cidr, ...]) -> str:
    return f"podCIDRs: [{', '.join(_quoted(cidr.family, str(cidr)) for cidr in cidrs)}]"


def _addresses(addresses: Addresses) -> str:
    return ", ".join([_quoted(family, format_ip(family, value)) for family, value in addresses])


def _quoted(family: Family, text: str) -> str:
    """YAML would take a colon at an end for its own, and some addresses for numbers to base 60."""
    return text if family == 4 else f'"{text}"'


def _pod_fields(entry: PodEntry) -> str:
    name = f", name: {entry.name}" if entry.name else ""
    return f"node: {entry.node}, ips: [{_addresses(entry.ips)}]{name}"


def _service_fields(entry: ServiceEntry) -> str:
    fields = f"clusterIPs: [{_addresses(entry.cluster_ips)}]"
    if entry.node_ports:
        ports = ", ".join(
            f"{port}/{protocol}: {number}" for (port, protocol), number in entry.node_ports
        )
        fields += f", nodePorts: {{{ports}}}"
    if entry.health_check_node_port:
        fields += f", healthCheckNodePort: {entry.health_check_node_port}"
    if entry.load_balancer_ips:
        fields += f", loadBalancerIPs: [{_addresses(entry.load_balancer_ips)}]"
    return fields


def changes(old: str, new: str) -> tuple[str, ...]:
    """The keys of live entries that differ between two locks' texts, sorted."""
    lines = set(old.splitlines()) ^ set(new.splitlines())
    entries = {line.partition(": {") for line in lines if "/" in line and line[0] != "#"}
    return tuple(sorted({key for key, _, rest in entries if ", freed: " not in rest}))
