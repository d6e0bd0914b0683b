"""The cluster's settings: flags win over documents, documents over defaults."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kcompile.address import BITS, Cidr, parse_cidr
from kcompile.load.locate import locate
from kcompile.model import ClusterConfiguration, KubeProxyConfiguration, Settings
from kcompile.problems import Code, Finding, printable
from kcompile.resolve.flags import Flags
from kcompile.source import Origin, Path

T = TypeVar("T")

# kubeadm's defaults and the article's ranges.
_POD_SUBNET = parse_cidr("10.244.0.0/16")
_SERVICE_SUBNET = parse_cidr("10.96.0.0/12")
_NODE_MASK_IPV4 = 24
_NODE_MASK_IPV6 = 64
_NODE_PORTS = (30000, 32767)
_DOMAIN = "cluster.local"
_MASQUERADE_BIT = 14

# kubeadm (cmd/kubeadm/app/constants): a service range has at most 20 host bits.
_SERVICE_HOST_BITS = 20
# kube-controller-manager (ipam/cidrset): a pod range is cut into at most 2^16 shares.
_NODE_BITS = 16
# Network, gateway, broadcast and at least one pod.
_LONGEST_NODE_MASK = 30

_SUBDOMAIN = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
)
_PORT_RANGE = re.compile(r"([0-9]{1,5})([-+])([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Stated(Generic[T]):
    """A setting and who states it: a document's field, or a flag or the default (`label`)."""

    value: T
    origin: Origin | None = None
    path: Path = ()
    label: str = "default"

    def finding(self, code: Code, message: str, hint: str = "") -> Finding:
        return Finding(code, self.origin, self.path, message, hint, label=self.label)

    def __str__(self) -> str:
        return self.label if self.origin is None else str(locate(self.origin, self.path))


@dataclass(frozen=True, slots=True)
class Configurations:
    """The documents that state settings, each with its origin."""

    cluster: tuple[tuple[ClusterConfiguration, Origin], ...]
    proxy: tuple[tuple[KubeProxyConfiguration, Origin], ...]

    def kubeadm(
        self, read: Callable[[ClusterConfiguration], T | None], *path: str
    ) -> Iterator[Stated[T]]:
        for document, origin in self.cluster:
            if (value := read(document)) is not None:
                yield Stated(value, origin, path)

    def kube_proxy(
        self, read: Callable[[KubeProxyConfiguration], T | None], *path: str
    ) -> Iterator[Stated[T]]:
        for document, origin in self.proxy:
            if (value := read(document)) is not None:
                yield Stated(value, origin, path)


def resolve_settings(
    documents: Configurations, flags: Flags
) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings, and what is wrong with them (then they are not to be used)."""
    reader = _Reader(documents, flags)
    pods, services = reader.pod_ranges(), reader.service_ranges()
    node_mask, node_ports = reader.node_mask(), reader.node_ports()
    domain = reader.domain()
    settings = Settings(
        pod_cidrs=pods.value,
        service_cidrs=services.value,
        node_masks={4: node_mask.value, 6: _NODE_MASK_IPV6},
        cluster_domain=domain.value,
        node_ports=node_ports.value,
        detect_local=flags.detect_local,
        masquerade_all=reader.masquerade_all(),
        masquerade_bit=reader.masquerade_bit(),
        localhost_node_ports=reader.localhost_node_ports(),
        egress_masquerade=flags.egress_masquerade,
        forward_accept=flags.forward_accept,
        non_masquerade_cidrs=reader.non_masquerade_cidrs(),
    )
    return settings, (
        *reader.findings,
        *_check_ranges(pods, services),
        *_check_node_mask(pods, node_mask),
        *_check_domain(domain),
        *_check_node_ports(node_ports),
    )


class _Reader:
    """Reads one setting after the other; `findings` are flags that cannot be read and documents
    that disagree."""

    def __init__(self, documents: Configurations, flags: Flags) -> None:
        self.documents = documents
        self.flags = flags
        self.findings: list[Finding] = []

    def pod_ranges(self) -> Stated[tuple[Cidr, ...]]:
        stated = self._flag("--pod-network-cidr", self.flags.pod_network_cidr, _cidrs) or [
            *self.documents.kubeadm(lambda c: c.pod_subnets, "networking", "podSubnet"),
            *self.documents.kube_proxy(lambda c: c.cluster_cidrs, "clusterCIDR"),
        ]
        return self._agreed(stated, (_POD_SUBNET,))

    def service_ranges(self) -> Stated[tuple[Cidr, ...]]:
        stated = self._flag("--service-cidr", self.flags.service_cidr, _cidrs) or [
            *self.documents.kubeadm(lambda c: c.service_subnets, "networking", "serviceSubnet")
        ]
        return self._agreed(stated, (_SERVICE_SUBNET,))

    def node_mask(self) -> Stated[int]:
        stated = self._flag("--node-cidr-mask-size", self.flags.node_cidr_mask_size, _number) or [
            *self.documents.kubeadm(lambda c: c.node_mask_ipv4, "controllerManager", "extraArgs")
        ]
        return self._agreed(stated, _NODE_MASK_IPV4)

    def node_ports(self) -> Stated[tuple[int, int]]:
        text = self.flags.service_node_port_range
        stated = self._flag("--service-node-port-range", text, parse_port_range) or [
            *self.documents.kubeadm(lambda c: c.node_port_range, "apiServer", "extraArgs")
        ]
        return self._agreed(stated, _NODE_PORTS)

    def domain(self) -> Stated[str]:
        stated = self._flag("--service-dns-domain", self.flags.service_dns_domain, str) or [
            *self.documents.kubeadm(lambda c: c.dns_domain, "networking", "dnsDomain")
        ]
        return self._agreed(stated, _DOMAIN)

    def masquerade_all(self) -> bool:
        stated = self.documents.kube_proxy(lambda c: c.masquerade_all, "iptables", "masqueradeAll")
        return self._agreed([*stated], default=False).value

    def masquerade_bit(self) -> int:
        stated = self.documents.kube_proxy(lambda c: c.masquerade_bit, "iptables", "masqueradeBit")
        return self._agreed([*stated], _MASQUERADE_BIT).value

    def localhost_node_ports(self) -> bool:
        stated = self.documents.kube_proxy(
            lambda c: c.localhost_node_ports, "iptables", "localhostNodePorts"
        )
        return self._agreed([*stated], default=True).value

    def non_masquerade_cidrs(self) -> tuple[Cidr, ...]:
        found = [
            cidr
            for text in self.flags.non_masquerade_cidrs
            for stated in self._flag("--non-masquerade-cidr", text, _cidrs)
            for cidr in stated.value
        ]
        return tuple(sorted(found))

    def _flag(self, label: str, text: str | None, parse: Callable[[str], T]) -> list[Stated[T]]:
        if text is None:
            return []
        try:
            return [Stated(parse(text), None, (), label)]
        except ValueError:
            message = f"{printable(text)} cannot be read; kcompile build --help shows its form"
            self.findings.append(Finding(Code.SETTING_INVALID, None, (), message, label=label))
            return []

    def _agreed(self, stated: Sequence[Stated[T]], default: T) -> Stated[T]:
        if not stated:
            return Stated(default)
        first = stated[0]
        self.findings += [
            other.finding(
                Code.SETTINGS_CONFLICT,
                f"{'.'.join(map(str, other.path))} is {_shown(other.value)},"
                f" but {_shown(first.value)} at {first}",
                "make them equal, or let a flag decide",
            )
            for other in stated[1:]
            if other.value != first.value
        ]
        return first


def parse_port_range(text: str) -> tuple[int, int]:
    """First and last port of `FIRST-LAST` or `FIRST+MORE` (apimachinery's PortRange)."""
    match = _PORT_RANGE.fullmatch(text)
    if not match:
        raise ValueError("a port range is FIRST-LAST")
    first, number = int(match[1]), int(match[3])
    return first, first + number if match[2] == "+" else number


def _cidrs(text: str) -> tuple[Cidr, ...]:
    return tuple(parse_cidr(part.strip(" ")) for part in text.split(","))


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise ValueError(text)
    return int(text)


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else printable(value)


def _check_ranges(
    pods: Stated[tuple[Cidr, ...]], services: Stated[tuple[Cidr, ...]]
) -> Iterator[Finding]:
    for stated in (pods, services):
        yield from _check_families(stated)
    for cidr in services.value:
        if BITS[cidr.family] - cidr.prefix > _SERVICE_HOST_BITS:
            yield services.finding(
                Code.SETTING_INVALID,
                f"service range {cidr} is too large: an IPv{cidr.family} one is"
                f" /{BITS[cidr.family] - _SERVICE_HOST_BITS} or smaller",
            )
        for other in pods.value:
            if cidr.overlaps(other):
                yield services.finding(
                    Code.SETTINGS_CONFLICT,
                    f"service range {cidr} overlaps pod range {other} ({pods})",
                )


def _check_families(stated: Stated[tuple[Cidr, ...]]) -> Iterator[Finding]:
    for cidr in stated.value:
        if cidr.family == 6:
            yield stated.finding(
                Code.NOT_IMPLEMENTED, f"{cidr}: IPv6 and dual stack are not implemented yet"
            )
    if len(stated.value) > 1 and all(cidr.family == 4 for cidr in stated.value):
        yield stated.finding(
            Code.SETTING_INVALID, f"{_shown(stated.value)}: one range a family is allowed"
        )


def _check_node_mask(pods: Stated[tuple[Cidr, ...]], node_mask: Stated[int]) -> Iterator[Finding]:
    for cidr in pods.value:
        longest = min(cidr.prefix + _NODE_BITS, _LONGEST_NODE_MASK)
        if cidr.family == 4 and not cidr.prefix <= node_mask.value <= longest:
            culprit = pods if node_mask.label == "default" else node_mask
            yield culprit.finding(
                Code.SETTING_INVALID,
                f"a node's share of pod range {cidr} is a /{node_mask.value},"
                f" but /{cidr.prefix} to /{longest} is possible",
                "--node-cidr-mask-size",
            )


def _check_domain(domain: Stated[str]) -> Iterator[Finding]:
    # 253: RFC 1035's 255 octets on the wire, less the length octets at both ends.
    if len(domain.value) > 253 or not _SUBDOMAIN.fullmatch(domain.value):
        yield domain.finding(
            Code.SETTING_INVALID,
            f"cluster domain {printable(domain.value)}: a DNS name in lower case is allowed,"
            " labels up to 63 characters, up to 253 in all",
        )


def _check_node_ports(node_ports: Stated[tuple[int, int]]) -> Iterator[Finding]:
    first, last = node_ports.value
    if not 1 <= first <= last <= 65535:
        yield node_ports.finding(
            Code.SETTING_INVALID, f"node port range {first}-{last}: 1-65535 is allowed"
        )
