"""What a lab is made of, as values that travel as JSON to the process that holds it."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Flavour = Literal["nft", "legacy"]
Policy = Literal["ACCEPT", "DROP"]

# Hosts that every lab has. Pods are called "namespace/name", so they never clash with these.
ROUTER = "router"
INTERNET = "internet"
NEIGHBOUR = "neighbour"
INTERNET_NET = "198.51.100.0/24"  # TEST-NET-2, RFC 5737
INTERNET_ROUTER = "198.51.100.1"
INTERNET_HOST = "198.51.100.10"
INTERNET_PORT = 80


@dataclass(frozen=True, slots=True)
class Port:
    protocol: Literal["TCP", "UDP"]
    number: int


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node and the files of the bundle that it is set up from."""

    name: str
    address: str
    pod_cidr: str
    sysctls: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    rules: str | None = None

    @property
    def gateway(self) -> str:
        """The address of the pods' bridge."""
        return str(ipaddress.ip_network(self.pod_cidr)[1])


@dataclass(frozen=True, slots=True)
class LabPod:
    """A pod, the ports that our server listens on in it, and its resolv.conf."""

    name: str
    node: str
    address: str
    workload: str
    ports: tuple[Port, ...] = ()
    resolv: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """What a node was like before the bundle came."""

    flavour: Flavour = "nft"
    forward: Policy = "ACCEPT"
    default_route: bool = True

    def __str__(self) -> str:
        route = "routed" if self.default_route else "no-default-route"
        return f"{self.flavour}-{self.forward.lower()}-{route}"


PLAIN = Variant()


@dataclass(frozen=True, slots=True)
class Lab:
    nodes: tuple[LabNode, ...]
    pods: tuple[LabPod, ...]
    variant: Variant = PLAIN

    @property
    def segment(self) -> ipaddress.IPv4Network:
        """The nodes' network: one /24 that holds all of them."""
        segments = {ipaddress.IPv4Network(f"{n.address}/24", strict=False) for n in self.nodes}
        if len(segments) != 1:
            raise ValueError(f"the lab needs all nodes in one /24, not in {sorted(segments)}")
        return segments.pop()

    @property
    def router(self) -> str:
        return str(self.segment[254])

    @property
    def neighbour(self) -> str:
        return str(self.segment[253])

    def node(self, name: str) -> LabNode:
        return next(node for node in self.nodes if node.name == name)

    def pod(self, name: str) -> LabPod:
        return next(pod for pod in self.pods if pod.name == name)

    def pods_of(self, workload: str) -> tuple[LabPod, ...]:
        return tuple(pod for pod in self.pods if pod.workload == workload)


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
        tuple(LabNode(**node) for node in value["nodes"]),
        tuple(
            LabPod(**{**pod, "ports": tuple(Port(**port) for port in pod["ports"])})
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


def _node(bundle: Path, node: Any) -> LabNode:
    folder = bundle / "nodes" / node["name"]
    return LabNode(
        node["name"],
        next(address for address in node["addresses"] if ":" not in address),
        next(cidr for cidr in node["podCIDRs"] if ":" not in cidr),
        tuple(str(path) for path in sorted((folder / "sysctl.d").glob("*.conf"))),
        tuple(str(path) for path in sorted((folder / "network").glob("*.batch"))),
        _existing(folder / "iptables.rules"),
    )


def _pod(bundle: Path, pod: Any, serve: Mapping[str, tuple[Port, ...]]) -> LabPod:
    namespace, name, workload = pod["namespace"], pod["name"], pod["workload"]["name"]
    resolv = bundle / "nodes" / pod["node"] / "resolv"
    return LabPod(
        f"{namespace}/{name}",
        pod["node"],
        next(address for address in pod["ips"] if ":" not in address),
        workload,
        serve.get(workload, ()),
        _existing(resolv / namespace / f"{name}.conf") or _existing(resolv / f"{namespace}.conf"),
    )


def _existing(path: Path) -> str | None:
    return str(path) if path.is_file() else None
