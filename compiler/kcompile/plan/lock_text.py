"""Reads kcompile.lock.

The file is YAML, but only the form that kcompile writes is read: a line that differs is refused
with its position, so nothing that somebody typed is guessed at.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from socket import AF_INET, inet_pton

from kcompile.address import Cidr, Family, format_ip, parse_cidr, parse_ip
from kcompile.plan.lock import (
    ALGORITHM,
    FORMAT,
    Addresses,
    Lock,
    PodEntry,
    PodKey,
    PortKey,
    ServiceEntry,
    ServiceKey,
)
from kcompile.planned import Ordinal
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

_NAME = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_KIND = r"[A-Z][A-Za-z]{0,62}"
_LIST = r"\[([0-9a-f.:/\", ]*)\]"
_FREED = r"(?:, freed: ([0-9]{1,9}))?"
_NODE = re.compile(
    rf"(freed/)?node/({_NAME})(/freed)?: {{podCIDRs: {_LIST}{_FREED}}}",
    re.ASCII,
)
_POD = re.compile(
    rf"(freed/)?pod/({_NAME})/({_KIND})/({_NAME})/({_NAME})(/freed)?: "
    rf"{{node: ({_NAME}), ips: {_LIST}(?:, name: ({_NAME}))?{_FREED}}}",
    re.ASCII,
)
_SERVICE = re.compile(
    rf"(freed/)?service/({_NAME})/({_NAME})(/freed)?: {{clusterIPs: {_LIST}"
    rf"(?:, nodePorts: {{([0-9A-Z/:, ]+)}})?(?:, healthCheckNodePort: ([1-9][0-9]{{0,4}}))?"
    rf"(?:, loadBalancerIPs: \[([0-9a-f.:\", ]+)\])?{_FREED}}}",
    re.ASCII,
)
_HEADING = re.compile(rf"# (?:{_KIND} (?:{_NAME}/)?{_NAME}|end)", re.ASCII)
_ALLOWED = "pod/, service/ or node/... and {fields}"
_ORDINAL = re.compile(r"0|[1-9][0-9]{0,9}")
_NODE_PORT = re.compile(r"([1-9][0-9]{0,4})/(TCP|UDP|SCTP): ([1-9][0-9]{0,4})")

_MOVES = "kcompile lock resolve --base BRANCH takes it from the one that is new"


@dataclass(frozen=True, slots=True)
class Holder:
    """A live line that holds something which one alone may hold: an address as (family, number),
    a CIDR, a ("node port", number), a ("pod name", namespace, name), or a ("key", its parts)."""

    line: int
    key: str
    value: object

    @property
    def is_key(self) -> bool:
        match self.value:
            case ("key", _):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Reading:
    """A lock with what two of its lines hold: `clashes` are in the order of the file.

    `holders` are the numbers of the lines that hold a value first. Of two lines with one key,
    `lock` has the later.
    """

    version: int
    lock: Lock
    lines: Sequence[str]
    holders: Mapping[object, int]
    clashes: tuple[tuple[Holder, Holder], ...]

    def key_on(self, number: int) -> str:
        return _key_of(self.lines[number - 1])

    def line_of(self, holder: Holder) -> str:
        """The first line that holds what `holder` does, "" if there is none."""
        number = self.holders.get(holder.value)
        return self.lines[number - 1] if number else ""


def parse_lock(name: str, text: str) -> Lock:
    """The lock in `text`; `name` is what positions show. Raises InputError.

    Entries may come in any order, as a merge may leave them; that two hold one address is an
    error that names both lines.
    """
    reading = read_lock(name, text)
    if reading.clashes:
        raise InputError(_clash(name, one, two) for one, two in reading.clashes)
    return reading.lock


def read_lock(name: str, text: str) -> Reading:
    """A lock in which two lines may hold the same. Raises InputError for any other error."""
    return _Reader(name).read(text)


def version_of(text: str) -> int:
    """The number of a lock's form, 0 if it has none."""
    match = re.match(r"kcompile-lock: ([0-9]{1,9})\n", text)
    return int(match[1]) if match else 0


def is_node_name(text: str) -> bool:
    """Whether a lock can hold a node of this name."""
    return re.fullmatch(_NAME, text, re.ASCII) is not None


def _clash(name: str, one: Holder, two: Holder) -> Problem:
    what = f"the same {shown_value(one.value)}"
    if one.value != two.value:
        what = f"pod CIDRs that overlap, {two.value} and {one.value}"
    message = f"{two.key} and {one.key} ({name}:{one.line}) hold {what}"
    return Problem(Code.LOCK_CONFLICT, Position(name, two.line, 1), message, _MOVES)


def shown_value(value: object) -> str:
    """What a line holds, in words."""
    match value:
        case Cidr():
            return f"pod CIDR {value}"
        case (4, int(number)):
            return f"address {format_ip(4, number)}"
        case (6, int(number)):
            return f"address {format_ip(6, number)}"
        case ("node port" | "pod name" as kind, *_, last):
            return f"{kind} {last}"
    return "key"


class _Reader:
    """Reads a lock's lines into mappings and remembers which line holds what."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = FORMAT
        self.problems: list[Problem] = []
        self.nodes: dict[str, tuple[Cidr, ...]] = {}
        self.pods: dict[PodKey, PodEntry] = {}
        self.services: dict[ServiceKey, ServiceEntry] = {}
        self.freed_nodes: dict[str, tuple[tuple[Cidr, ...], int]] = {}
        self.freed_pods: dict[PodKey, tuple[PodEntry, int]] = {}
        self.freed_services: dict[ServiceKey, tuple[ServiceEntry, int]] = {}
        self.cidrs: list[tuple[Cidr, int]] = []
        self.holders: dict[object, int] = {}
        self.clashes: list[tuple[object, int, object, int]] = []

    def read(self, text: str) -> Reading:
        lines = text.split("\n")
        self._header(lines)
        if not self.problems:
            for number, line in enumerate(lines[2:], 3):
                if line and not (line[0] == "#" and _HEADING.fullmatch(line)):
                    self._entry(number, line)
        if self.problems:
            raise InputError(self.problems)
        self._overlaps()
        lock = Lock(
            self.nodes,
            self.pods,
            self.services,
            self.freed_nodes,
            self.freed_pods,
            self.freed_services,
        )
        clashes = [
            (_holder(lines, one, value), _holder(lines, two, other))
            for value, one, other, two in sorted(self.clashes, key=itemgetter(3))
        ]
        return Reading(self.version, lock, lines, self.holders, tuple(clashes))

    def _header(self, lines: list[str]) -> None:
        for number, (key, known) in enumerate(
            (("kcompile-lock", range(1, FORMAT + 1)), ("algorithm", range(1, ALGORITHM + 1))), 1
        ):
            line = lines[number - 1] if number <= len(lines) else ""
            found = re.fullmatch(rf"{key}: ([0-9]{{1,9}})", line)
            if not found:
                self._syntax(number, line, f"{key}: {known[-1]}")
                continue
            if int(found[1]) not in known:
                message = f"{key} is {int(found[1])}; this kcompile knows {_numbers(known)}"
                hint = "use the kcompile that wrote it, or a newer one"
                self._problem(Code.LOCK_VERSION, number, message, hint)
            if key == "kcompile-lock":
                self.version = int(found[1])

    def _problem(self, code: Code, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(code, Position(self.name, line, 1), message, hint))

    def _syntax(self, number: int, line: str, allowed: str) -> None:
        merge = line.startswith(("<<<<<<<", "|||||||", "=======", ">>>>>>>"))
        hint = (
            "kcompile lock resolve --base BRANCH settles a merge"
            if merge
            else "restore the file from git"
        )
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
        before, namespace, kind, name, ordinal, after, node, ips, pinned, when = match.groups()
        key = (namespace, kind, name, _ordinal(kind, ordinal))
        entry = PodEntry(node, _parse_addresses(ips), pinned or "")
        if self._is_freed(before, after, when):
            self.freed_pods[key] = entry, int(when)
            return
        self._hold(("key", key), number)
        for address in entry.ips:
            self._hold(address, number)
        if pinned:
            self._hold(("pod name", namespace, pinned), number)
        self.pods[key] = entry

    def _service(self, number: int, match: re.Match[str]) -> None:
        before, namespace, name, after, ips, ports, health, balancer_ips, when = match.groups()
        key = (namespace, name)
        entry = ServiceEntry(
            _parse_addresses(ips),
            tuple(_parse_node_ports(ports)),
            _port(health) if health else 0,
            _parse_addresses(balancer_ips) if balancer_ips else (),
        )
        if self._is_freed(before, after, when):
            self.freed_services[key] = entry, int(when)
            return
        self._hold(("key", key), number)
        for address in (*entry.cluster_ips, *entry.load_balancer_ips):
            self._hold(address, number)
        for _, node_port in entry.node_ports:
            self._hold(("node port", node_port), number)
        if health:
            self._hold(("node port", entry.health_check_node_port), number)
        self.services[key] = entry

    def _node(self, number: int, match: re.Match[str]) -> None:
        before, name, after, cidrs, when = match.groups()
        entry = tuple(parse_cidr(_unquoted(text)) for text in cidrs.split(", "))
        if self._is_freed(before, after, when):
            self.freed_nodes[name] = entry, int(when)
            return
        self._hold(("key", name), number)
        for cidr in entry:
            self._hold(cidr, number)
            self.cidrs.append((cidr, number))
        self.nodes[name] = entry

    def _is_freed(self, before: str | None, after: str | None, when: str | None) -> bool:
        """Form 1 marks a freed entry before its key, form 2 behind it."""
        mark, other = (before, after) if self.version == 1 else (after, before)
        if other or (mark is None) != (when is None):
            raise ValueError(mark)
        return mark is not None

    def _hold(self, value: object, number: int) -> None:
        other = self.holders.setdefault(value, number)
        if other != number:
            self.clashes.append((value, other, value, number))

    def _overlaps(self) -> None:
        """CIDRs of different lengths; equal ones clash already."""
        widest: tuple[Cidr, int] | None = None
        for cidr, line in sorted(self.cidrs):
            if widest is None or not widest[0].overlaps(cidr):
                widest = cidr, line
            elif widest[1] != line and widest[0] != cidr:
                (one, first), (two, second) = sorted((widest, (cidr, line)), key=itemgetter(1))
                self.clashes.append((one, first, two, second))


def _holder(lines: list[str], number: int, value: object) -> Holder:
    return Holder(number, _key_of(lines[number - 1]), value)


def _key_of(line: str) -> str:
    return line.partition(": {")[0]


def _numbers(known: range) -> str:
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _parse_addresses(text: str) -> Addresses:
    return tuple([_parse_address(part) for part in text.split(", ")]) if text else ()


def _parse_address(text: str) -> tuple[Family, int]:
    if ":" in text:
        return parse_ip(_unquoted(text))
    try:
        # Three times as fast as parse_ip, and there are 100,000 pods.
        return 4, int.from_bytes(inet_pton(AF_INET, text), "big")
    except OSError:
        raise ValueError(text) from None


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
    if not _ORDINAL.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _port(digits: str) -> int:
    if int(digits) > 65535:
        raise ValueError(digits)
    return int(digits)
