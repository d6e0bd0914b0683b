"""The cluster's settings: flags win over documents, documents over defaults."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from kcompile.address import Cidr, Family, parse_cidr
from kcompile.problems import Code, Finding, printable
from kcompile.resolve.dns import resolve_dns
from kcompile.resolve.flags import Flags
from kcompile.resolve.node_dns import resolve_node_dns
from kcompile.resolve.ranges import Ranges, check_node_masks, check_ranges, families_of
from kcompile.resolve.stated import Configurations, Stated
from kcompile.settings import Settings

T = TypeVar("T")

# kubeadm's defaults and the article's ranges.
_POD_SUBNET = parse_cidr("10.244.0.0/16")
_SERVICE_SUBNET = parse_cidr("10.96.0.0/12")
_LOOPBACK = parse_cidr("127.0.0.0/8")
_NODE_MASKS: Mapping[Family, int] = {4: 24, 6: 64}
_NODE_PORTS = (30000, 32767)
_DOMAIN = "cluster.local"
_MASQUERADE_BIT = 14

_CIDRS = "CIDR[,CIDR]"
_BITS = "a number of bits"
_PORTS = "FIRST-LAST or FIRST+MORE"

_SUBDOMAIN = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
)
_PORT_RANGE = re.compile(r"([0-9]{1,5})([-+])([0-9]{1,5})")


def resolve_settings(
    documents: Configurations, flags: Flags
) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings, and what is wrong with them (then they are not to be used)."""
    reader = _Reader(documents, flags)
    pods, services = reader.pod_ranges(), reader.service_ranges()
    node_masks, node_ports = reader.node_masks(pods), reader.node_ports()
    domain = reader.domain()
    node_port_addresses = reader.node_port_addresses()
    dns, wrong_dns = resolve_dns(flags, domain.value)
    node_dns, wrong_node_dns = resolve_node_dns(flags, services.value, pods.value)
    settings = Settings(
        pod_cidrs=pods.value,
        service_cidrs=services.value,
        node_masks={family: mask.value for family, mask in node_masks.items()},
        cluster_domain=domain.value,
        node_ports=node_ports.value,
        detect_local=flags.detect_local,
        masquerade_all=reader.masquerade_all(),
        masquerade_bit=reader.masquerade_bit(),
        localhost_node_ports=reader.localhost_node_ports() and _hold_loopback(node_port_addresses),
        egress_masquerade=flags.egress_masquerade,
        forward_accept=flags.forward_accept,
        reject_unmatched=flags.reject_unmatched_service_ips,
        non_masquerade_cidrs=reader.non_masquerade_cidrs(),
        node_port_addresses=node_port_addresses,
        dns=dns,
        node_dns=node_dns,
    )
    return settings, (
        *reader.findings,
        *wrong_dns,
        *wrong_node_dns,
        *check_ranges(pods, services),
        *check_node_masks(pods, node_masks),
        *_check_domain(domain),
        *_check_node_ports(node_ports),
    )


def _hold_loopback(node_port_addresses: Sequence[Cidr]) -> bool:
    """Ranges without a loopback address turn node ports on 127.0.0.1 off, and with them
    route_localnet (kube-proxy's NewProxier)."""
    stated = [cidr for cidr in node_port_addresses if cidr.family == 4]
    return not stated or any(cidr.overlaps(_LOOPBACK) for cidr in stated)


class _Reader:
    """Reads one setting after the other; `findings` are flags that cannot be read and documents
    that disagree."""

    def __init__(self, documents: Configurations, flags: Flags) -> None:
        self.documents = documents
        self.flags = flags
        self.findings: list[Finding] = []

    def pod_ranges(self) -> Stated[tuple[Cidr, ...]]:
        stated = self._flag("--pod-network-cidr", self.flags.pod_network_cidr, _cidrs, _CIDRS) or [
            *self.documents.kubeadm(lambda c: c.pod_subnets, "networking", "podSubnet"),
            *self.documents.kube_proxy(lambda c: c.cluster_cidrs, "clusterCIDR"),
        ]
        return self._agreed(stated, (_POD_SUBNET,))

    def service_ranges(self) -> Stated[tuple[Cidr, ...]]:
        stated = self._flag("--service-cidr", self.flags.service_cidr, _cidrs, _CIDRS) or [
            *self.documents.kubeadm(lambda c: c.service_subnets, "networking", "serviceSubnet")
        ]
        return self._agreed(stated, (_SERVICE_SUBNET,))

    def node_masks(self, pods: Ranges) -> dict[Family, Stated[int]]:
        """By family. As kube-controller-manager has it, the flag without a family is for clusters
        of one family, and one with a family for clusters that have it."""
        families = families_of(pods)
        whole = self._flag("--node-cidr-mask-size", self.flags.node_cidr_mask_size, _number, _BITS)
        ipv4 = self._mask_flag(4, self.flags.node_cidr_mask_size_ipv4, families)
        ipv6 = self._mask_flag(6, self.flags.node_cidr_mask_size_ipv6, families)
        if whole and (ipv4 or ipv6 or len(families) > 1):
            message = "this mask is for a cluster of one family, and stands alone"
            hint = "--node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6"
            self.findings.append(whole[0].finding(Code.SETTINGS_CONFLICT, message, hint))
        kubeadm, path = self.documents.kubeadm, ("controllerManager", "extraArgs")
        stated4 = (whole if 4 in families else []) or ipv4
        stated6 = (whole if 6 in families else []) or ipv6
        return {
            4: self._agreed(
                stated4 or [*kubeadm(lambda c: c.node_mask_ipv4, *path)], _NODE_MASKS[4]
            ),
            6: self._agreed(
                stated6 or [*kubeadm(lambda c: c.node_mask_ipv6, *path)], _NODE_MASKS[6]
            ),
        }

    def _mask_flag(
        self, family: Family, text: str | None, families: Sequence[Family]
    ) -> list[Stated[int]]:
        found = self._flag(f"--node-cidr-mask-size-ipv{family}", text, _number, _BITS)
        if found and family not in families:
            message = f"there is no IPv{family} pod range for this mask"
            self.findings.append(found[0].finding(Code.SETTINGS_CONFLICT, message))
        return found

    def node_ports(self) -> Stated[tuple[int, int]]:
        text = self.flags.service_node_port_range
        stated = self._flag("--service-node-port-range", text, parse_port_range, _PORTS) or [
            *self.documents.kubeadm(lambda c: c.node_port_range, "apiServer", "extraArgs")
        ]
        return self._agreed(stated, _NODE_PORTS)

    def domain(self) -> Stated[str]:
        stated = self._flag(
            "--service-dns-domain", self.flags.service_dns_domain, str, "a DNS name"
        ) or [*self.documents.kubeadm(lambda c: c.dns_domain, "networking", "dnsDomain")]
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

    def node_port_addresses(self) -> tuple[Cidr, ...]:
        stated = self.documents.kube_proxy(lambda c: c.node_port_addresses, "nodePortAddresses")
        return self._agreed([*stated], ()).value

    def non_masquerade_cidrs(self) -> tuple[Cidr, ...]:
        found = [
            cidr
            for text in self.flags.non_masquerade_cidrs
            for stated in self._flag("--non-masquerade-cidr", text, _cidrs, _CIDRS)
            for cidr in stated.value
        ]
        return tuple(sorted(found))

    def _flag(
        self, label: str, text: str | None, parse: Callable[[str], T], allowed: str
    ) -> list[Stated[T]]:
        if text is None:
            return []
        try:
            return [Stated(parse(text), None, (), label)]
        except ValueError:
            message = f"{printable(text)}: {allowed} is allowed"
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
        wrong = "its first port is above its last" if first > last else "1-65535 is allowed"
        yield node_ports.finding(Code.SETTING_INVALID, f"node port range {first}-{last}: {wrong}")
