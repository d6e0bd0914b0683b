"""kcompile.lock: what was given out before, one entry a line, made for git.

The file is YAML, but only the form that kcompile writes is read: a line that differs is refused
with its position, so nothing that somebody typed is guessed at. docs/lock.md describes the form.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kcompile.address import Cidr, Family, format_ip, parse_cidr, parse_ip
from kcompile.planned import Ordinal
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

FORMAT = 1
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


Entry = tuple[Cidr, ...] | PodEntry | ServiceEntry


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
    """The file's text: keys sorted, nothing that every change would touch."""
    lines = [f"kcompile-lock: {FORMAT}", f"algorithm: {ALGORITHM}"]
    lines += (
        f"freed/node/{name}: {{{_node_fields(cidrs)}, freed: {number}}}"
        for name, (cidrs, number) in sorted(lock.freed_nodes.items())
    )
    lines += (
        f"freed/pod/{_pod_key(key)}: {{{_pod_fields(entry)}, freed: {number}}}"
        for key, (entry, number) in sorted(lock.freed_pods.items(), key=_first)
    )
    lines += (
        f"freed/service/{key[0]}/{key[1]}: {{{_service_fields(entry)}, freed: {number}}}"
        for key, (entry, number) in sorted(lock.freed_services.items(), key=_first)
    )
    lines += (
        f"node/{name}: {{{_node_fields(cidrs)}}}" for name, cidrs in sorted(lock.nodes.items())
    )
    lines += (
        f"pod/{_pod_key(key)}: {{{_pod_fields(entry)}}}"
        for key, entry in sorted(lock.pods.items(), key=_first)
    )
    lines += (
        f"service/{key[0]}/{key[1]}: {{{_service_fields(entry)}}}"
        for key, entry in sorted(lock.services.items(), key=_first)
    )
    return "\n".join(lines) + "\n"


def _first(item: tuple[PodKey | ServiceKey, object]) -> PodKey | ServiceKey:
    return item[0]


def _pod_key(key: PodKey) -> str:
    return f"{key[0]}/{key[1]}/{key[2]}/{key[3]}"


def _node_fields(cidrs: tuple[Cidr, ...]) -> str:
    return f"podCIDRs: [{', '.join(_quoted(cidr.family, str(cidr)) for cidr in cidrs)}]"


def _addresses(addresses: Addresses) -> str:
    return ", ".join(_quoted(family, format_ip(family, value)) for family, value in addresses)


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


# ---- reading

_NAME = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_LIST = r"\[([0-9a-f.:/\", ]*)\]"
_FREED = r"(?:, freed: ([0-9]{1,9}))?"
_NODE = re.compile(rf"(freed/)?node/({_NAME}): {{podCIDRs: {_LIST}{_FREED}}}", re.ASCII)
_POD = re.compile(
    rf"(freed/)?pod/({_NAME})/([A-Z][A-Za-z]{{0,62}})/({_NAME})/({_NAME}): "
    rf"{{node: ({_NAME}), ips: {_LIST}(?:, name: ({_NAME}))?{_FREED}}}",
    re.ASCII,
)
_SERVICE = re.compile(
    rf"(freed/)?service/({_NAME})/({_NAME}): {{clusterIPs: {_LIST}"
    rf"(?:, nodePorts: {{([0-9A-Z/:, ]+)}})?(?:, healthCheckNodePort: ([1-9][0-9]{{0,4}}))?"
    rf"(?:, loadBalancerIPs: \[([0-9a-f.:\", ]+)\])?{_FREED}}}",
    re.ASCII,
)
_ALLOWED = "pod/, service/, node/ or freed/... and {fields}"
_NODE_PORT = re.compile(r"([1-9][0-9]{0,4})/(TCP|UDP|SCTP): ([1-9][0-9]{0,4})")


def parse_lock(name: str, text: str) -> Lock:
    """The lock in `text`; `name` is what positions show. Raises InputError.

    Entries may come in any order, as a merge may leave them; that two hold one address is an
    error that names both lines.
    """
    return _Reader(name).read(text)


class _Reader:
    """Reads a lock's lines into mappings and remembers on which line each entry stands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.nodes: dict[str, tuple[Cidr, ...]] = {}
        self.pods: dict[PodKey, PodEntry] = {}
        self.services: dict[ServiceKey, ServiceEntry] = {}
        self.freed_nodes: dict[str, tuple[tuple[Cidr, ...], int]] = {}
        self.freed_pods: dict[PodKey, tuple[PodEntry, int]] = {}
        self.freed_services: dict[ServiceKey, tuple[ServiceEntry, int]] = {}
        self.holders: dict[object, tuple[str, int]] = {}

    def read(self, text: str) -> Lock:
        lines = text.split("\n")
        self._header(lines)
        if not self.problems:
            for number, line in enumerate(lines[2:], 3):
                if line:
                    self._entry(number, line)
        if self.problems:
            raise InputError(self.problems)
        return Lock(
            self.nodes,
            self.pods,
            self.services,
            self.freed_nodes,
            self.freed_pods,
            self.freed_services,
        )

    def _problem(self, code: Code, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(code, Position(self.name, line, 1), message, hint))

    def _header(self, lines: list[str]) -> None:
        for number, (key, version) in enumerate(
            (("kcompile-lock", FORMAT), ("algorithm", ALGORITHM)), 1
        ):
            line = lines[number - 1] if number <= len(lines) else ""
            found = re.fullmatch(rf"{key}: ([0-9]{{1,9}})", line)
            if not found:
                self._syntax(number, line, f"{key}: {version}")
            elif int(found[1]) != version:
                self._problem(
                    Code.LOCK_VERSION,
                    number,
                    f"{key} is {int(found[1])}; this kcompile knows {version}",
                    "use the kcompile that wrote it, or a newer one",
                )

    def _syntax(self, number: int, line: str, allowed: str) -> None:
        merge = line.startswith(("<<<<<<<", "=======", ">>>>>>>"))
        hint = "resolve the merge conflict" if merge else "restore the file from git"
        message = f"{printable(line)} is not a line that kcompile writes; {allowed} is allowed"
        self._problem(Code.LOCK_SYNTAX, number, message, hint)

    def _entry(self, number: int, line: str) -> None:
        try:
            if match := _POD.fullmatch(line):
                self._pod(number, match)
            elif match := _SERVICE.fullmatch(line):
                self._service(number, match)
            elif match := _NODE.fullmatch(line):
                self._node(number, match)
            else:
                self._syntax(number, line, _ALLOWED)
        except ValueError:
            self._syntax(number, line, _ALLOWED)

    def _pod(self, number: int, match: re.Match[str]) -> None:
        freed, namespace, kind, name, ordinal, node, ips, pinned, when = match.groups()
        key = (namespace, kind, name, _ordinal(kind, ordinal))
        entry = PodEntry(node, _parse_addresses(ips), pinned or "")
        if self._freed(freed, when):
            self.freed_pods[key] = entry, int(when)
            return
        shown = f"pod {namespace}/{kind}/{name}/{ordinal}"
        self._hold(("pod", key), shown, number)
        for address in entry.ips:
            self._hold(address, shown, number)
        if pinned:
            self._hold(("pod name", namespace, pinned), shown, number)
        self.pods[key] = entry

    def _service(self, number: int, match: re.Match[str]) -> None:
        freed, namespace, name, ips, ports, health, balancer_ips, when = match.groups()
        key = (namespace, name)
        entry = ServiceEntry(
            _parse_addresses(ips),
            tuple(_parse_node_ports(ports)),
            _port(health) if health else 0,
            _parse_addresses(balancer_ips) if balancer_ips else (),
        )
        if self._freed(freed, when):
            self.freed_services[key] = entry, int(when)
            return
        shown = f"service {namespace}/{name}"
        self._hold(("service", key), shown, number)
        for address in (*entry.cluster_ips, *entry.load_balancer_ips):
            self._hold(address, shown, number)
        for _, node_port in entry.node_ports:
            self._hold(("node port", node_port), shown, number)
        if health:
            self._hold(("node port", entry.health_check_node_port), shown, number)
        self.services[key] = entry

    def _node(self, number: int, match: re.Match[str]) -> None:
        freed, name, cidrs, when = match.groups()
        entry = tuple(parse_cidr(_unquoted(text)) for text in cidrs.split(", "))
        if self._freed(freed, when):
            self.freed_nodes[name] = entry, int(when)
            return
        self._hold(("node", name), f"node {name}", number)
        for cidr in entry:
            self._hold(cidr, f"node {name}", number)
        self.nodes[name] = entry

    def _freed(self, freed: str | None, when: str | None) -> bool:
        if (freed is None) != (when is None):
            raise ValueError(freed)
        return freed is not None

    def _hold(self, what: object, who: str, number: int) -> None:
        other = self.holders.setdefault(what, (who, number))
        if other[1] != number:
            message = f"{who} and {other[0]} (line {other[1]}) hold the same {_shown(what)}"
            self._problem(
                Code.LOCK_CONFLICT, number, message, "remove one of the two lines and build again"
            )


def _shown(what: object) -> str:
    match what:
        case Cidr():
            return f"pod CIDR {what}"
        case (4, int(value)):
            return f"address {format_ip(4, value)}"
        case (6, int(value)):
            return f"address {format_ip(6, value)}"
        case ("node port" | "pod name" as kind, *_, last):
            return f"{kind} {last}"
    return "key"


def _parse_addresses(text: str) -> Addresses:
    return tuple([parse_ip(_unquoted(part)) for part in text.split(", ")]) if text else ()


def _unquoted(text: str) -> str:
    if ":" not in text:
        return text
    if len(text) < 2 or not text[0] == text[-1] == '"':
        raise ValueError(text)
    return text[1:-1]


def _parse_node_ports(text: str | None) -> Iterator[tuple[PortKey, int]]:
    for part in text.split(", ") if text else ():
        match = _NODE_PORT.fullmatch(part)
        if not match:
            raise ValueError(part)
        yield (_port(match[1]), match[2]), _port(match[3])


def _ordinal(kind: str, text: str) -> Ordinal:
    if kind == "DaemonSet":
        return text
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", text):
        raise ValueError(text)
    return int(text)


def _port(digits: str) -> int:
    if int(digits) > 65535:
        raise ValueError(digits)
    return int(digits)


def changes(old: str, new: str) -> tuple[str, ...]:
    """The keys of live entries that differ between two locks' texts, sorted."""
    lines = set(old.splitlines()) ^ set(new.splitlines())
    keys = {line.partition(": {")[0] for line in lines}
    return tuple(sorted(key for key in keys if "/" in key and not key.startswith("freed/")))
