"""Hosts, groups and variables as a list or an Ansible inventory states them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from kcompile.inventory.patterns import PatternError, expand
from kcompile.load.locate import problems_of
from kcompile.problems import Code, Finding, Problem, Severity, printable, severity
from kcompile.source import Origin, Path, Position

ALL = "all"
STATED = "=addresses"
"""The variable of NAME=IP[,IP]; no inventory can have one of this name."""
PRIORITY = "ansible_group_priority"
VARIABLES = (
    STATED,
    "ip",
    "ip6",
    "access_ip",
    "access_ip6",
    "ansible_host",
    "ansible_ssh_host",
    "node_labels",
    "node_taints",
    PRIORITY,
)
"""Those that say something about a node: Ansible's, and those of Kubespray. The rest is skipped."""

MOST_HOSTS = 10_000
"""Kubernetes is made for 5,000 nodes."""
MOST_GROUPS = 1_000
MOST_MENTIONS = 200_000
"""How often hosts may be named in all: ranges name many at once."""
MOST_ERRORS = 1_000


@dataclass(frozen=True, slots=True)
class InDocument:
    """A place in a YAML or JSON document, looked up when somebody asks."""

    origin: Origin
    path: Path
    at_key: bool = True


Place = Position | InDocument


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem whose position nobody has looked up yet."""

    code: Code
    place: Place
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    value: object
    place: Place


Variables = dict[str, Variable]


@dataclass(slots=True)
class Group:
    place: Place
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Place] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)


@dataclass(slots=True)
class Host:
    """A host as it is named; `place` is where it is named first."""

    name: str
    place: Place
    variables: Variables = field(default_factory=dict)


@dataclass(slots=True)
class Listing:
    """What the readers fill, in the order of the text."""

    hosts: dict[str, Host] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    mentions: int = 0
    errors: int = 0
    exceeded: set[str] = field(default_factory=set)

    def group(self, name: str, place: Place) -> Group:
        found = self.groups.get(name)
        if found is None:
            if len(self.groups) >= MOST_GROUPS:
                self._exceeds(MOST_GROUPS, "groups", place)
                return Group(place)
            found = self.groups[name] = Group(place)
        return found

    def add(self, pattern: str, group: Group | None, place: Place) -> list[Host]:
        """The hosts that a pattern stands for, in the group; none if there would be too many."""
        if self.mentions >= MOST_MENTIONS:
            self._exceeds(MOST_MENTIONS, "mentions of hosts", place)
            return []
        try:
            names = expand(pattern, MOST_HOSTS)
        except PatternError as error:
            self.wrong(place, f"host {printable(pattern)}: {error}")
            return []
        self.mentions += len(names)
        return [self._host(name, group, place) for name in names]

    def _host(self, name: str, group: Group | None, place: Place) -> Host:
        host = self.hosts.get(name)
        if host is None:
            host = Host(name, place)
            if len(self.hosts) >= MOST_HOSTS:
                self._exceeds(MOST_HOSTS, "hosts", place)
                return host
            self.hosts[name] = host
        if group is not None:
            group.hosts[name] = None
        return host

    def _exceeds(self, most: int, what: str, place: Place) -> None:
        if what not in self.exceeded:
            self.exceeded.add(what)
            self.report(Code.LIMIT, place, f"more than {most:,} {what}")

    def report(self, code: Code, place: Place, message: str, hint: str = "") -> None:
        """Past so many errors, more of them say nothing new."""
        if severity(code) is Severity.ERROR:
            self.errors += 1
            if self.errors > MOST_ERRORS:
                return
        self.troubles.append(Trouble(code, place, message, hint))

    def wrong(self, place: Place, message: str, hint: str = "") -> None:
        self.report(Code.INVENTORY_ENTRY, place, message, hint)

    def unread(self, place: Place, what: str, value: object) -> None:
        self.report(
            Code.INVENTORY_IGNORED,
            place,
            f"{what} {printable(value)} is for Ansible to work out, so it is not used",
        )


def problems(troubles: Iterable[Trouble]) -> tuple[Problem, ...]:
    """In the order of their positions; each document is read again once."""
    found: set[Problem] = set()
    findings: list[Finding] = []
    for trouble in troubles:
        match trouble.place:
            case Position() as position:
                found.add(Problem(trouble.code, position, trouble.message, trouble.hint))
            case InDocument(origin, path, at_key):
                findings.append(
                    Finding(trouble.code, origin, path, trouble.message, trouble.hint, at_key)
                )
    found.update(problems_of(findings))
    return tuple(sorted(found, key=lambda p: (p.position, p.code.value, p.message)))
