"""The address that every node has for its own DNS server."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kcompile.address import Cidr, Family, format_ip, parse_cidr, parse_ip
from kcompile.model import EndpointSlice, Node, Service
from kcompile.problems import Code, Finding, printable
from kcompile.resolve.flags import Flags
from kcompile.resolve.services import DNS
from kcompile.settings import Settings

_FLAG = "--node-dns-address"
_DEFAULTS: Mapping[Family, str] = {
    # Customary since NodeLocal DNSCache (kubernetes.io, "Using NodeLocal DNSCache").
    4: "169.254.20.10",
    # RFC 4193: fd, then a global identifier of 40 bits (here the letters "kcomp").
    6: "fd6b:636f:6d70::53",
}
# Nobody can have these, or (127.0.0.0/8, ::1, fe80::/10) no packet of a pod can be sent there.
_UNUSABLE = tuple(
    map(
        parse_cidr,
        ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8"),
    )
)

NodeDns = tuple[tuple[Family, int], ...]


def resolve_node_dns(
    flags: Flags, services: Sequence[Cidr], pods: Sequence[Cidr]
) -> tuple[NodeDns, tuple[Finding, ...]]:
    """One address of the DNS Service's family, the primary one; () for none."""
    family = services[0].family
    text = flags.node_dns_address
    if text == "none":
        return (), ()
    if text is None:
        # Where the defaults' ranges are in use otherwise, a cluster does without.
        address = parse_ip(_DEFAULTS[family])
        taken = any(cidr.family == family and address[1] in cidr for cidr in (*services, *pods))
        return () if taken else (address,), ()
    try:
        address = parse_ip(text)
    except ValueError:
        return (), (_finding(f"{printable(text)}: an IP address or none is allowed"),)
    wrong = _wrong(address, services, pods)
    return (address,), (_finding(f"{format_ip(*address)} {wrong}"),) if wrong else ()


def settle_node_dns(
    settings: Settings,
    flags: Flags,
    made: Sequence[Service],
    slices: Sequence[EndpointSlice],
    nodes: Sequence[Node],
) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings without the address where the DNS Service has endpoints of its own, or where
    there is none."""
    if not settings.node_dns:
        return settings, ()
    own = any((each.namespace, each.service) == (DNS.namespace, DNS.name) for each in slices)
    if own or not any(service.key == DNS for service in made):
        message = "the DNS Service is the manifests' own: no address on the nodes is used for it"
        unused = Finding(Code.SYNTHESISED_SERVICE, None, (), message, label=_FLAG)
        return replace(settings, node_dns=()), (unused,) if flags.node_dns_address else ()
    return settings, tuple(
        _finding(f"{format_ip(*address)} is node {node.name}'s own address")
        for address in settings.node_dns
        for node in nodes
        if address in node.addresses
    )


def _wrong(address: tuple[Family, int], services: Sequence[Cidr], pods: Sequence[Cidr]) -> str:
    family, value = address
    if family != services[0].family:
        return f"is not of the DNS Service's family, IPv{services[0].family}"
    for cidr in _UNUSABLE:
        if cidr.family == family and value in cidr:
            return f"lies in {cidr}, where no server for pods can be"
    for what, ranges in (("service", services), ("pod", pods)):
        for cidr in ranges:
            if cidr.family == family and value in cidr:
                return f"lies in the {what} range {cidr}"
    return ""


def _finding(message: str) -> Finding:
    return Finding(Code.SETTING_INVALID, None, (), message, label=_FLAG)
