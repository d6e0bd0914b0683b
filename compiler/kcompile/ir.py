"""Rulesets, zones, listeners and node files as values, before they have a syntax.

A ruleset cannot print itself: kcompile.render is the only place that knows iptables-restore's
words, a zone file's columns and the other formats.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from kcompile.address import Cidr, Family
from kcompile.flow import PortId
from kcompile.model import Protocol
from kcompile.running import Fields
from kcompile.settings import Forwarding
from kcompile.source import Path

# ---- rulesets (netfilter's terms)


@dataclass(frozen=True, slots=True)
class Source:
    range: Cidr
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    range: Cidr
    negate: bool = False


@dataclass(frozen=True, slots=True)
class DestinationPort:
    """A transport protocol and a port; port 0 matches the protocol alone."""

    protocol: Protocol
    port: int


@dataclass(frozen=True, slots=True)
class LocalDestination:
    """addrtype: the destination is an address of this host."""


@dataclass(frozen=True, slots=True)
class LocalSource:
    """addrtype: the source is an address of this host."""


@dataclass(frozen=True, slots=True)
class Remember:
    """recent: notes the source in a list. Always true."""

    family: Family
    list: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """recent: the source came into a list at most `seconds` ago; older entries are removed."""

    family: Family
    list: str
    seconds: int


@dataclass(frozen=True, slots=True)
class ConntrackState:
    states: tuple[Literal["NEW", "RELATED", "ESTABLISHED", "INVALID", "DNAT"], ...]
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    value: int
    negate: bool = False


@dataclass(frozen=True, slots=True)
class OneIn:
    """True for one packet in `count`, at random."""

    count: int


Match = (
    Source
    | Destination
    | DestinationPort
    | LocalDestination
    | LocalSource
    | ConntrackState
    | Mark
    | OneIn
    | Remember
    | Remembered
)


@dataclass(frozen=True, slots=True)
class Jump:
    chain: str


@dataclass(frozen=True, slots=True)
class Accept: ...


@dataclass(frozen=True, slots=True)
class Drop: ...


@dataclass(frozen=True, slots=True)
class Reject:
    """The client is told that the port is unreachable."""

    family: Family


@dataclass(frozen=True, slots=True)
class Pass:
    """No action: the rule only counts, and says something in its comment."""


@dataclass(frozen=True, slots=True)
class Return: ...


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Source NAT to the address of the outgoing interface, ports fully random."""


@dataclass(frozen=True, slots=True)
class Dnat:
    family: Family
    address: int
    port: int


@dataclass(frozen=True, slots=True)
class SetMark:
    """Sets the bits of `value`."""

    value: int


@dataclass(frozen=True, slots=True)
class FlipMark:
    """Inverts the bits of `value`."""

    value: int


Action = Jump | Accept | Drop | Reject | Return | Pass | Masquerade | Dnat | SetMark | FlipMark


@dataclass(frozen=True, slots=True)
class Rule:
    """Every match must hold; "" is no comment."""

    matches: tuple[Match, ...]
    action: Action
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    rules: tuple[Rule, ...]


TableName = Literal["filter", "nat"]


@dataclass(frozen=True, slots=True)
class SharedRule:
    """A rule of a block in a chain that all blocks share."""

    table: TableName
    chain: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Block:
    """What one service port, seen by one view, adds to a ruleset. Rendered once, used by many.

    `chains` are its own, all in nat; `shared` are its rules in chains that other blocks use too.
    """

    origin: PortId
    chains: tuple[Chain, ...]
    shared: tuple[SharedRule, ...]


@dataclass(frozen=True, slots=True)
class Hook:
    """A jump from a built-in chain. `owner` says whose: "kube-proxy" or "kcompile"."""

    table: TableName
    builtin: Literal["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
    order: int
    owner: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Table:
    """The fixed part of a table: chains in the order of the file.

    Shared rules of blocks go to the end of their chain, before `tails` of that chain.
    """

    name: TableName
    chains: tuple[Chain, ...]
    tails: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rules of a group of nodes. Blocks are in the order of their first chain's name,
    `shared_order` lists them by namespace, name, port."""

    family: Family
    nodes: tuple[str, ...]
    tables: tuple[Table, ...]
    hooks: tuple[Hook, ...]
    blocks: tuple[Block, ...]
    shared_order: tuple[Block, ...]


# ---- zones (RFC 1035's terms)

RecordType = Literal["NS", "A", "AAAA", "CNAME", "PTR", "SRV", "TXT"]


class Record(NamedTuple):
    """A resource record but the SOA. `owner` is absolute, in lower case, with a trailing dot;
    `data` is in presentation form."""

    owner: str
    ttl: int
    type: RecordType
    data: str


@dataclass(frozen=True, slots=True)
class Soa:
    """The SOA record at a zone's origin. Times in seconds; `negative_ttl` is RFC 2308's."""

    ttl: int
    primary: str
    mailbox: str
    serial: int
    refresh: int
    retry: int
    expire: int
    negative_ttl: int


@dataclass(frozen=True, slots=True)
class Zone:
    """`origin` is absolute with a trailing dot.

    `lines` are the records as a master file has them (RFC 1035, 5.1), a line each, sorted, the NS
    of the origin first: text, because a big zone has 500,000 records, and an object for each takes
    longer than all the rest. `digest` is the SHA-256, in hex, of all that the zone holds but the
    SOA's serial. The serial is of the digest unless it is `rising`.
    """

    origin: str
    soa: Soa
    lines: str
    digest: str
    rising: bool = False

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(map(read_record, self.lines.splitlines()))


def record_line(owner: str, ttl: int, type_: RecordType, data: str) -> str:
    return f"{owner} {ttl} IN {type_} {data}\n"


def read_record(line: str) -> Record:
    """What `record_line` wrote."""
    owner, ttl, _, type_, data = line.rstrip("\n").split(" ", 4)
    return Record(owner, int(ttl), cast("RecordType", type_), data)  # it was one when written


@dataclass(frozen=True, slots=True)
class NameServers:
    """What servers of the zones need to know, whatever their make.

    `zones` are origins without a dot at the end. `clients` are who may ask. `largest_set` is the
    size of the largest set of records with one owner and type, 0 if none is worth telling;
    `odd_names` says that owners of addresses are not all host names.
    """

    zones: tuple[str, ...]
    listen: tuple[tuple[Family, int], ...]
    clients: tuple[Cidr, ...]
    largest_set: int
    odd_names: bool
    forwarding: Forwarding


# ---- resolvers (resolv.conf(5)'s terms)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What a pod's resolver reads; an option without a value has the value ""."""

    nameservers: tuple[str, ...]
    searches: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


# ---- nodes


@dataclass(frozen=True, slots=True)
class Listener:
    """A node port that the node shows as taken. `service` is namespace/name."""

    port: int
    protocol: Protocol
    families: tuple[Family, ...]
    service: str
    port_name: str


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A port that answers whether the node has endpoints of a Service (namespace/name)."""

    port: int
    service: str
    local_endpoints: int


@dataclass(frozen=True, slots=True)
class NodeListeners:
    """What a node shows as taken. `addresses` are those that answer on node ports, texts; empty
    for all of the node's."""

    node: str
    addresses: tuple[str, ...]
    listeners: tuple[Listener, ...]
    health_checks: tuple[HealthCheck, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """`via`, `source` and `mtu` are 0 where the kernel chooses, `device` "" where `via` tells."""

    destination: Cidr
    via: int
    device: str
    source: int
    mtu: int = 0


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """What a node needs besides rules: addresses on its loopback interface, links (empty bridges),
    routes, sysctls (key and value) and kernel modules."""

    node: str
    addresses: tuple[tuple[Family, int], ...]
    links: tuple[str, ...]
    routes: tuple[Route, ...]
    sysctls: tuple[tuple[str, str], ...]
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuadletPod:
    """A pod as podman is to run it. `file` is its files' name; `manifest` are documents for
    `podman kube play`; with no `addresses` it is in the node's own network. `at_boot` pods start
    with the node. `missing` are fields of the manifest that podman has nothing for.
    """

    file: str
    namespace: str
    name: str
    manifest: tuple[Fields, ...]
    addresses: tuple[tuple[Family, int], ...]
    at_boot: bool
    missing: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class NodeQuadlets:
    """The pods of a node and their network, a bridge with a gateway in each range."""

    node: str
    bridge: str
    mac: str
    ranges: tuple[tuple[Cidr, int], ...]
    pods: tuple[QuadletPod, ...]


class PodInterface(NamedTuple):
    """What a container runtime gives a pod. An address 0 means none of that family; a pod in the
    host's network has neither. `resolv_conf` is a path in the node's folder, "" for the node's own
    file."""

    namespace: str
    name: str
    host_name: str
    host_network: bool
    ipv4: int
    ipv6: int
    resolv_conf: str


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """A node's pods and the bridge that joins them; in each of `networks`, the node's pod CIDRs,
    the first address is the bridge's. An `mtu` of 0 is what links have by themselves."""

    node: str
    bridge: str
    networks: tuple[Cidr, ...]
    mtu: int
    pods: tuple[PodInterface, ...]
