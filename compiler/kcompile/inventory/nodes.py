"""Hosts become nodes: names, addresses, labels and taints that Kubernetes would take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kcompile.address import Family, format_ip, parse_ip
from kcompile.inventory.listing import STATED, Listing, Place, problems
from kcompile.inventory.scheduling import Taint, read_labels, read_taints
from kcompile.inventory.select import Chosen
from kcompile.labels import Labels
from kcompile.problems import Code, InputError, Problem, Severity, printable
from kcompile.validate.addresses import is_special
from kcompile.validate.names import DNS_SUBDOMAIN

IpAddress = tuple[Family, int]

# Where a host's address is looked for; of the first line that has one.
_SOURCES = (
    (STATED,),
    ("ip", "ip6"),
    ("access_ip", "access_ip6"),
    ("ansible_host",),
    ("ansible_ssh_host",),
)
_LOGINS = ("ansible_host", "ansible_ssh_host")
"""They say where Ansible logs in, which may be a name, or an address from outside."""


@dataclass(frozen=True, slots=True)
class DraftNode:
    """`comments` are for whoever reads the document; `source` is where the addresses are from."""

    name: str
    addresses: tuple[IpAddress, ...]
    source: str
    comments: tuple[str, ...]
    labels: Labels
    taints: tuple[Taint, ...]
    control_plane: bool


def draft_nodes(
    hosts: Sequence[Chosen], listing: Listing
) -> tuple[tuple[DraftNode, ...], tuple[Problem, ...]]:
    """The nodes in the order of the hosts, and warnings. Raises InputError with all problems."""
    drafts = [_Draft(host, listing) for host in hosts]
    nodes = tuple(draft.node() for draft in drafts)
    _check_names(hosts, nodes, listing)
    _check_addresses(hosts, nodes, listing)
    found = problems(listing.troubles)
    if errors := [problem for problem in found if problem.severity is Severity.ERROR]:
        raise InputError(errors)
    return nodes, found


@dataclass(slots=True)
class _Draft:
    host: Chosen
    listing: Listing
    comments: list[str] = field(default_factory=list)
    wrong: bool = False

    def node(self) -> DraftNode:
        host = self.host
        name = self._name()
        addresses, source = self._addresses()
        if not addresses and not self.wrong:
            self._needs_address()
        return DraftNode(
            name=name,
            addresses=addresses,
            source=source,
            comments=tuple(self.comments),
            labels=read_labels(host.variables.get("node_labels"), host.name, self.listing),
            taints=read_taints(host.variables.get("node_taints"), host.name, self.listing),
            control_plane=host.control_plane,
        )

    def _name(self) -> str:
        """In lower case, as the kubelet makes its host's name (nodeutil.GetHostname)."""
        given = self.host.name
        name = given.lower() if given.isascii() else given
        if not DNS_SUBDOMAIN.accepts(name):
            message = f"{printable(given)} is no name for a node: it {DNS_SUBDOMAIN.allowed}"
            hint = "give the host the name that `hostname` prints there"
            self.listing.report(Code.HOST_NAME, self.host.place, message, hint)
        elif name != given:
            self.comments.append(f"The host is listed as {printable(given)}.")
        return name

    def _addresses(self) -> tuple[tuple[IpAddress, ...], str]:
        """The addresses as they are stated, and the variable that they are from."""
        found: dict[IpAddress, None] = {}
        source = ""
        for variables in _SOURCES:
            for variable in variables:
                stated = self._read(variable)
                if not source or source in variables:
                    found |= dict.fromkeys(stated)
                    source = source or (variable if stated else "")
                elif stated and variable in _LOGINS and stated[0] not in found:
                    shown = format_ip(*stated[0])
                    self.comments.append(f"Ansible logs in at {shown} ({variable}).")
        if not found and (own := _parsed(self.host.name)):
            found, source = {own: None}, "the host's name"
            self.comments.append(
                "The host has no name but its address: name it as `hostname` does."
            )
        return tuple(found), source

    def _read(self, name: str) -> list[IpAddress]:
        variable = self.host.variables.get(name)
        if variable is None or variable.value is None or variable.value == "":
            return []
        text, place = variable.value, variable.place
        shown = "address" if name == STATED else name
        if not isinstance(text, str):
            self._no_address(shown, text, place)
            return []
        if "{{" in text or "{%" in text:
            self.listing.unread(place, shown, text)
            self.comments.append(f"{shown} is {printable(text)}, for Ansible to work out.")
            return []
        if name in _LOGINS and _parsed(text) is None and not _is_address_like(text):
            self.comments.append(f"{name} is the name {printable(text)}; none is looked up.")
            return []
        return list(self._parse_all(shown, text, place, login=name in _LOGINS))

    def _parse_all(
        self, shown: str, text: str, place: Place, *, login: bool
    ) -> Iterator[IpAddress]:
        for part in text.split(","):
            address = _parsed(part.strip())
            if address is None:
                self._no_address(shown, part.strip(), place)
            elif not is_special(address):
                yield address
            elif login:
                self.comments.append(f"{shown} {format_ip(*address)} is of this machine alone.")
            else:
                self._bad(place, shown, format_ip(*address), "cannot be reached from other nodes")

    def _no_address(self, shown: str, value: object, place: Place) -> None:
        self._bad(place, shown, printable(value), "is no IP address", "names are not looked up")

    def _bad(self, place: Place, name: str, value: str, reason: str, hint: str = "") -> None:
        self.wrong = True
        message = f"{name} {value} of {printable(self.host.name)} {reason}"
        self.listing.report(Code.HOST_ADDRESS, place, message, hint)

    def _needs_address(self) -> None:
        message = f"{printable(self.host.name)} has no address, which routes to its pods need"
        hint = "write it in the place that is marked"
        self.listing.report(Code.NEEDS_ADDRESS, self.host.place, message, hint)


def _parsed(text: str) -> IpAddress | None:
    """An address; an IPv4-mapped IPv6 one is the IPv4 one, as Kubernetes reads it."""
    try:
        family, value = parse_ip(text)
    except ValueError:
        return None
    return (4, value & 0xFFFFFFFF) if family == 6 and value >> 32 == 0xFFFF else (family, value)


def _is_address_like(text: str) -> bool:
    """Whether a text that is no address is no name either."""
    return "," in text or ":" in text or text.replace(".", "").isdigit()


def _check_names(hosts: Sequence[Chosen], nodes: Sequence[DraftNode], listing: Listing) -> None:
    owners: dict[str, Chosen] = {}
    for host, node in zip(hosts, nodes, strict=True):
        other = owners.setdefault(node.name, host)
        if other is not host:
            message = (
                f"{printable(host.name)} and {printable(other.name)} are both node {node.name}"
            )
            listing.report(Code.HOST_TWICE, host.place, message)


def _check_addresses(hosts: Sequence[Chosen], nodes: Sequence[DraftNode], listing: Listing) -> None:
    owners: dict[IpAddress, Chosen] = {}
    for host, node in zip(hosts, nodes, strict=True):
        for address in node.addresses:
            other = owners.setdefault(address, host)
            if other is not host:
                message = (
                    f"{printable(host.name)} has the address {format_ip(*address)}"
                    f" of {printable(other.name)}"
                )
                listing.report(Code.HOST_TWICE, host.place, message)
