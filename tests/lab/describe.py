"""What a lab is made of, as values that travel as JSON to the process that holds it."""

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Family = Literal[4, 6]
Flavour = Literal["nft", "legacy"]
Policy = Literal["ACCEPT", "DROP"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROGRAMS: dict[Family, str] = {4: "iptables", 6: "ip6tables"}

# Hosts that every lab has. Pods are called "namespace/name", so they never clash with these.
ROUTER = "router"
INTERNET = "internet"
NEIGHBOUR = "neighbour"
# TEST-NET-2 of RFC 5737, and of the prefix of RFC 3849. The first address is the router's.
INTERNET_NETS: dict[Family, str] = {4: "198.51.100.0/24", 6: "2001:db8:51::/64"}
INTERNET_HOSTS: dict[Family, str] = {4: "198.51.100.10", 6: "2001:db8:51::10"}
INTERNET_PORT = 80
# The nodes' own wire is one network of this size; its last hosts but one are ours.
WIRE_PREFIXES: dict[Family, int] = {4: 24, 6: 64}
WIRE_HOSTS = {ROUTER: 254, NEIGHBOUR: 253}


@dataclass(frozen=True, slots=True)
class Port:
    protocol: Literal["TCP", "UDP"]
    number: int


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node and the files of the bundle that it is set up from. Each file of rules is called
    after the program that loads it."""

    name: str
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    sysctls: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    runtime: str | None = None  # the folder with pods.json

    @property
    def gateways(self) -> tuple[str, ...]:
        """The addresses of the pods' bridge."""
        return tuple(str(ipaddress.ip_network(cidr)[1]) for cidr in self.pod_cidrs)

    def address(self, family: Family = 4) -> str:
        return of_family(family, self.addresses)

    def gateway(self, family: Family = 4) -> str:
        return of_family(family, self.gateways)


@dataclass(frozen=True, slots=True)
class LabPod:
    """A pod, the ports that our server listens on in it, and its resolv.conf. One in the host's
    network has its node's addresses."""

    name: str
    node: str
    addresses: tuple[str, ...]
    workload: str
    ports: tuple[Port, ...] = ()
    resolv: str | None = None

    def address(self, family: Family = 4) -> str:
        return of_family(family, self.addresses)


@dataclass(frozen=True, slots=True)
class Variant:
    """What a node was like before the bundle came."""

    flavour: Flavour = "nft"
    forward: Policy = "ACCEPT"
    default_route: bool = True
    # Who plugs the pods in: the lab by pods.json, or the real CNI plugins, told the addresses so.
    cni: Literal["", "ips", "args"] = ""
    # The wire loses, without a word, what is larger; 0 for a usual wire.
    wire_mtu: int = 0

    def __str__(self) -> str:
        route = "routed" if self.default_route else "no-default-route"
        cni = f"-cni-{self.cni}" if self.cni else ""
        return f"{self.flavour}-{self.forward.lower()}-{route}{cni}"


PLAIN = Variant()


@dataclass(frozen=True, slots=True)
class Lab:
    nodes: tuple[LabNode, ...]
    pods: tuple[LabPod, ...]
    variant: Variant = PLAIN

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(dict.fromkeys(family_of(cidr) for cidr in self.nodes[0].pod_cidrs))

    def wire(self, family: Family) -> Network:
        """The nodes' network: one that holds all of them."""
        prefix = WIRE_PREFIXES[family]
        wires = {
            ipaddress.ip_network(f"{node.address(family)}/{prefix}", strict=False)
            for node in self.nodes
        }
        if len(wires) != 1:
            raise ValueError(f"the lab needs all nodes in one /{prefix}, not in {sorted(wires)}")
        return wires.pop()

    def address(self, host: str, family: Family = 4) -> str:
        """The address of a node, a pod or one of the hosts around them."""
        if host in WIRE_HOSTS:
            return str(self.wire(family)[WIRE_HOSTS[host]])
        if host == INTERNET:
            return INTERNET_HOSTS[family]
        return next(each.address(family) for each in (*self.nodes, *self.pods) if each.name == host)

    def node(self, name: str) -> LabNode:
        return next(node for node in self.nodes if node.name == name)

    def pod(self, name: str) -> LabPod:
        return next(pod for pod in self.pods if pod.name == name)

    def pods_of(self, workload: str) -> tuple[LabPod, ...]:
        return tuple(pod for pod in self.pods if pod.workload == workload)


def family_of(address: str) -> Family:
    """That of an address or of a range."""
    return 6 if ":" in address else 4


def of_family(family: Family, addresses: Iterable[str]) -> str:
    """The first one."""
    return next(address for address in addresses if family_of(address) == family)


@dataclass(frozen=True, slots=True)
class Probe:
    """Connections of one client to one address and port."""

    client: str
    to: str
    port: int
    protocol: Literal["TCP", "UDP"] = "TCP"
    count: int = 1
    timeout: float = 10.0  # seconds; only what fails waits


def to_json(lab: Lab) -> str:
    return json.dumps(asdict(lab))


def from_json(text: str) -> Lab:
    value = json.loads(text)
    return Lab(
        tuple(
            LabNode(**{key: _tuple(each) for key, each in node.items()}) for node in value["nodes"]
        ),
        tuple(
            LabPod(
                **{
                    **pod,
                    "addresses": tuple(pod["addresses"]),
                    "ports": tuple(Port(**port) for port in pod["ports"]),
                }
            )
            for pod in value["pods"]
        ),
        Variant(**value["variant"]),
    )


def from_bundle(
    bundle: Path, serve: Mapping[str, tuple[Port, ...]], variant: Variant = PLAIN
) -> Lab:
    """The cluster of a bundle's plan.json, its nodes to be set up from the bundle's files.

    `serve` says by workload what our servers listen on, as an image would.
    """
    plan = json.loads((bundle / "plan.json").read_text())
    return Lab(
        tuple(_node(bundle, node) for node in plan["nodes"]),
        tuple(_pod(bundle, pod, serve) for pod in plan["pods"]),
        variant,
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _node(bundle: Path, node: Any) -> LabNode:
    folder = bundle / "nodes" / node["name"]
    return LabNode(
        node["name"],
        tuple(node["addresses"]),
        tuple(node["podCIDRs"]),
        tuple(str(path) for path in sorted((folder / "sysctl.d").glob("*.conf"))),
        tuple(str(path) for path in sorted((folder / "network").glob("*.batch"))),
        tuple(str(path) for path in sorted(folder.glob("*.rules"))),
        str(folder / "runtime"),
    )


def _pod(bundle: Path, pod: Any, serve: Mapping[str, tuple[Port, ...]]) -> LabPod:
    namespace, name, workload = pod["namespace"], pod["name"], pod["workload"]["name"]
    resolv = bundle / "nodes" / pod["node"] / "resolv"
    return LabPod(
        f"{namespace}/{name}",
        pod["node"],
        tuple(pod["ips"]),
        workload,
        serve.get(workload, ()),
        _existing(resolv / namespace / f"{name}.conf") or _existing(resolv / f"{namespace}.conf"),
    )


def _existing(path: Path) -> str | None:
    return str(path) if path.is_file() else None
