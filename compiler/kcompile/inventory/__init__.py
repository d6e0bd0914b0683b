"""Lists of hosts and Ansible inventories become Node documents: people without a control plane have
no `kubectl get nodes`."""

from collections.abc import Sequence
from dataclasses import dataclass

from kcompile.address import Cidr, Family, parse_cidr
from kcompile.inventory.nodes import DraftNode, draft_nodes
from kcompile.inventory.read import read_hosts
from kcompile.inventory.select import Selection, check_groups, select
from kcompile.inventory.text import ClusterSettings, nodes_text
from kcompile.load.locate import problems_of
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.resolve.flags import Flags
from kcompile.resolve.settings import resolve_settings
from kcompile.resolve.stated import Configurations
from kcompile.source import Position, shown_name

_NAMES_SHOWN = 10
# kubeadm's defaults; of IPv6, which has none, the ranges of kcompile's own examples.
_POD_SUBNETS: dict[Family, str] = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
_SERVICE_SUBNETS: dict[Family, str] = {4: "10.96.0.0/12", 6: "fd00:10:96::/108"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; ranges and domain are None where it says nothing."""

    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    cluster_configuration: bool = False
    pod_network_cidr: str | None = None
    service_cidr: str | None = None
    service_dns_domain: str | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """The documents, how many of the nodes lack an address, and warnings."""

    text: str
    nodes: int
    without_address: int
    notes: tuple[Problem, ...]


def draft(inputs: Sequence[tuple[str, bytes]], wanted: Wanted) -> Drafted:
    """The documents for the hosts of the command line and of files (name and content). Raises
    InputError with all problems."""
    listing = read_hosts(wanted.hosts, inputs)
    check_groups(listing, wanted.groups, Position("--group", 1, 1))
    selection = select(listing, wanted.groups)
    nodes, notes = draft_nodes(selection.hosts, listing)
    if not nodes:
        raise InputError([_no_hosts(inputs, selection)])
    text = nodes_text(
        nodes,
        _settings(nodes, wanted) if wanted.cluster_configuration else None,
        origin=_origin([name for name, _ in inputs], wanted.hosts, len(nodes)),
        remarks=_remarks(selection),
    )
    return Drafted(text, len(nodes), sum(not node.addresses for node in nodes), notes)


def _no_hosts(inputs: Sequence[tuple[str, bytes]], selection: Selection) -> Problem:
    place = Position(shown_name(inputs[0][0]) if inputs else "HOST", 1, 1)
    message = "no host is listed here"
    if selection.left_out:
        shown = ", ".join(map(printable, selection.groups))
        message = f"group {shown} has none of the {len(selection.left_out)} hosts"
        return Problem(Code.NO_SUCH_GROUP, place, message, "--group chooses another")
    return Problem(Code.INVENTORY_ENTRY, place, message, "a line is NAME, NAME=IP or IP NAME")


def _origin(names: Sequence[str], words: Sequence[str], count: int) -> str:
    sources = [shown_name(name) for name in names]
    if words:
        sources.insert(0, "the command line")
    return f"{count} {'node' if count == 1 else 'nodes'} from {', '.join(sources)}"


def _remarks(selection: Selection) -> list[str]:
    remarks = []
    if selection.groups:
        plural = "s" if len(selection.groups) > 1 else ""
        shown = ", ".join(map(printable, selection.groups))
        remarks.append(f"The nodes are the hosts of the group{plural} {shown}.")
    if selection.left_out:
        names = [printable(name) for name in selection.left_out[:_NAMES_SHOWN]]
        more = len(selection.left_out) - len(names)
        rest = f" and {more} more" if more else ""
        remarks.append(f"Hosts that are left out, being in none of them: {', '.join(names)}{rest}.")
    return remarks


def _settings(nodes: Sequence[DraftNode], wanted: Wanted) -> ClusterSettings:
    """Held to what a build would say of them. Where nothing is asked for, the families are those
    that every node with an address has."""
    families = _families(nodes, wanted)
    settings, findings = resolve_settings(
        Configurations((), ()),
        Flags(
            pod_network_cidr=wanted.pod_network_cidr
            or ",".join(_POD_SUBNETS[family] for family in families),
            service_cidr=wanted.service_cidr
            or ",".join(_SERVICE_SUBNETS[family] for family in families),
            service_dns_domain=wanted.service_dns_domain,
        ),
    )
    if findings:
        raise InputError(problems_of(findings))
    return ClusterSettings(settings.pod_cidrs, settings.service_cidrs, settings.cluster_domain)


def _families(nodes: Sequence[DraftNode], wanted: Wanted) -> tuple[Family, ...]:
    stated = wanted.pod_network_cidr or wanted.service_cidr
    if stated:
        return tuple(dict.fromkeys(cidr.family for cidr in _cidrs(stated))) or (4,)
    everywhere = [{family for family, _ in node.addresses} for node in nodes if node.addresses]
    shared = set.intersection(*everywhere) if everywhere else {4}
    return tuple(family for family in _POD_SUBNETS if family in shared) or (4,)


def _cidrs(text: str) -> list[Cidr]:
    """What can be read of a flag; the rest is reported where it is resolved."""
    try:
        return [parse_cidr(part.strip(" ")) for part in text.split(",")]
    except ValueError:
        return []
