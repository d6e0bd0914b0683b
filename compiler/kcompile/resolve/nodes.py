"""The nodes: those of documents, those of `--node`, or the one that stands in for all."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kcompile.address import Cidr, Family, format_ip, parse_cidr, parse_ip
from kcompile.load.locate import locate, path_to
from kcompile.model import Key, Node
from kcompile.problems import Code, Finding, printable
from kcompile.resolve.flags import Flags
from kcompile.settings import Settings
from kcompile.source import Origin, Path

STAND_IN = Node("node-1", (), (), False, (), ())
"""The one node of a build without Node documents: every pod fits on it."""

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
ADDRESS_HINT = "give it one: --node NAME=IP[,IP]"

Origins = Mapping[Key, Origin]


def resolve_nodes(
    declared: Sequence[Node], flags: Flags, settings: Settings, origins: Origins
) -> tuple[tuple[Node, ...], tuple[Finding, ...]]:
    """The nodes, sorted by name, and what is wrong with them as a set."""
    findings: list[Finding] = []
    by_name = {node.name: node for node in declared}
    for text in flags.nodes:
        name, addresses, problem = _parse_flag(text)
        if problem:
            findings.append(Finding(Code.SETTING_INVALID, None, (), problem, label="--node"))
            continue
        node = by_name.get(name, replace(STAND_IN, name=name))
        by_name[name] = replace(node, addresses=addresses)
    if not by_name and not findings:
        return (STAND_IN,), (_stand_in_note(),)
    nodes = tuple(by_name[name] for name in sorted(by_name))
    findings += _check_routes(nodes, settings, origins)
    findings += _check_addresses(nodes, origins)
    findings += _check_pod_cidrs(nodes, settings, origins)
    return nodes, tuple(findings)


def _stand_in_note() -> Finding:
    return Finding(
        Code.SYNTHESISED_NODE,
        None,
        (),
        f"no Node documents: this is a build for one node, {STAND_IN.name},"
        " that satisfies every constraint and has no address",
        "declare Node documents or give --node NAME=IP[,IP]",
    )


def _parse_flag(text: str) -> tuple[str, tuple[tuple[Family, int], ...], str]:
    name, _, addresses = text.partition("=")
    form = f"{printable(text)}: NAME=IP[,IP] is allowed"
    if not _SUBDOMAIN.fullmatch(name) or ".." in name:
        return "", (), f"{form}, NAME a DNS name in lower case"
    try:
        return name, tuple(parse_ip(address) for address in addresses.split(",")), ""
    except ValueError:
        return "", (), form


def _finding(node: Node, origins: Origins, code: Code, message: str, *path: str | int) -> Finding:
    origin = origins.get(node.key)
    return Finding(code, origin, path if origin else (), message, label="--node")


def _check_routes(nodes: Sequence[Node], settings: Settings, origins: Origins) -> Iterator[Finding]:
    """Nodes reach each other's pods by way of an address of the pods' family."""
    families = [cidr.family for cidr in settings.pod_cidrs]
    for node in nodes if len(nodes) > 1 else ():
        lacking = [each for each in families if each not in {own for own, _ in node.addresses}]
        for family in lacking:
            kind = f"IPv{family} InternalIP" if len(families) > 1 else "InternalIP"
            message = f"node {node.name} has no {kind}, which routes to its pods need"
            yield replace(
                _finding(node, origins, Code.NODE_ADDRESS, message, "status", "addresses"),
                hint=ADDRESS_HINT,
            )


def _check_addresses(nodes: Sequence[Node], origins: Origins) -> Iterator[Finding]:
    owners: dict[tuple[Family, int], Node] = {}
    for node in nodes:
        for address in node.addresses:
            other = owners.setdefault(address, node)
            if other is not node:
                message = (
                    f"node {node.name} has the address {format_ip(*address)} of node"
                    f" {other.name} ({_where(other, origins)})"
                )
                yield _conflict(node, origins, message, ("status", "addresses"), address)


def _check_pod_cidrs(
    nodes: Sequence[Node], settings: Settings, origins: Origins
) -> Iterator[Finding]:
    stated = sorted((cidr, node.name, node) for node in nodes for cidr in node.pod_cidrs)
    for cidr, _, node in stated:
        if not any(pods.covers(cidr) for pods in settings.pod_cidrs):
            ranges = ", ".join(map(str, settings.pod_cidrs))
            message = f"podCIDR {cidr} of node {node.name} lies outside the pod range {ranges}"
            yield _conflict(node, origins, message, ("spec",), cidr)
    # Sorted by first address, so a range that overlaps an earlier one overlaps the widest so far.
    widest = stated[0] if stated else None
    for entry in stated[1:]:
        if widest and entry[0].overlaps(widest[0]):
            message = (
                f"podCIDR {entry[0]} of node {entry[1]} overlaps {widest[0]} of node"
                f" {widest[1]} ({_where(widest[2], origins)})"
            )
            yield _conflict(entry[2], origins, message, ("spec",), entry[0])
        if not widest or entry[0].last >= widest[0].last:
            widest = entry


def _conflict(
    node: Node, origins: Origins, message: str, path: Path, value: Cidr | tuple[Family, int]
) -> Finding:
    """At the very address or range, which may be spelled in more than one way."""

    def is_it(text: str) -> bool:
        try:
            return (parse_cidr(text) if isinstance(value, Cidr) else parse_ip(text)) == value
        except ValueError:
            return False

    origin = origins.get(node.key)
    place = path_to(origin, path, is_it) if origin else ()
    return _finding(node, origins, Code.NODE_CONFLICT, message, *place)


def _where(node: Node, origins: Origins) -> str:
    origin = origins.get(node.key)
    return str(locate(origin, ())) if origin else "--node"
