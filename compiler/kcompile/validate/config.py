"""kubeadm's ClusterConfiguration and kube-proxy's KubeProxyConfiguration to their models."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kcompile.address import Cidr
from kcompile.model import ClusterConfiguration, KubeProxyConfiguration
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.addresses import read_cidr, read_cidrs
from kcompile.validate.names import DNS_SUBDOMAIN
from kcompile.validate.review import Review

_PORT_RANGE = re.compile(r"([0-9]{1,5})(?:([-+])([0-9]{1,5}))?")
_MODES = ("iptables", "nftables", "ipvs", "kernelspace")
_DETECT_MODES = ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix")


def read_cluster_configuration(value: Mapping[str, Any], review: Review) -> ClusterConfiguration:
    networking = value.get("networking") or {}
    pod_subnets = _read_subnets(networking, "podSubnet", review)
    domain = networking.get("dnsDomain") or None
    if domain is not None:
        review.name(("networking", "dnsDomain"), domain, DNS_SUBDOMAIN)
    node_port_range = None
    for name, text, path in _extra_args(value, "apiServer"):
        if name == "service-node-port-range" and text:
            node_port_range = _read_port_range(text, review, path)
    masks = _read_masks(value, review)
    general = masks.get("node-cidr-mask-size")
    only_ipv6 = pod_subnets is not None and {cidr.family for cidr in pod_subnets} == {6}
    return ClusterConfiguration(
        pod_subnets,
        _read_subnets(networking, "serviceSubnet", review),
        domain,
        node_port_range,
        masks.get("node-cidr-mask-size-ipv4", None if only_ipv6 else general),
        masks.get("node-cidr-mask-size-ipv6", general if only_ipv6 else None),
    )


def read_kube_proxy_configuration(
    value: Mapping[str, Any], review: Review
) -> KubeProxyConfiguration:
    cidrs = value.get("clusterCIDR") or ""
    _check_modes(value, review)
    conntrack = value.get("conntrack") or {}
    if conntrack.get("tcpBeLiberal"):
        # kube-proxy then lets packets pass that conntrack calls invalid.
        review.not_implemented(("conntrack", "tcpBeLiberal"), "another way with invalid packets")
    elif any(conntrack.values()):
        review.ignored(("conntrack",))
    iptables = value.get("iptables") or {}
    bit = iptables.get("masqueradeBit")
    if bit is not None:
        review.within(("iptables", "masqueradeBit"), bit, 0, 31)
    return KubeProxyConfiguration(
        read_cidrs(cidrs, review, ("clusterCIDR",)) if cidrs else None,
        iptables.get("masqueradeAll"),
        bit,
        iptables.get("localhostNodePorts"),
        _read_node_port_addresses(value.get("nodePortAddresses") or (), review),
    )


def _read_node_port_addresses(texts: Sequence[str], review: Review) -> tuple[Cidr, ...] | None:
    if not texts:
        return None
    path: Path = ("nodePortAddresses",)
    if list(texts) == ["primary"]:
        message = "nodePortAddresses primary is not supported: only ranges are"
        hint = "write ranges that hold the nodes' addresses"
        review.error(Code.NOT_SUPPORTED, path, message, hint)
        return None
    read = [read_cidr(text or "", review, (*path, i)) for i, text in enumerate(texts)]
    return tuple(cidr for cidr in read if cidr)


def _read_subnets(
    networking: Mapping[str, Any], key: str, review: Review
) -> tuple[Cidr, ...] | None:
    text = networking.get(key) or ""
    return read_cidrs(text, review, ("networking", key)) if text else None


def _extra_args(value: Mapping[str, Any], component: str) -> Iterator[tuple[str, str, Path]]:
    """Name, value and path of each argument: a mapping up to v1beta3, a list from v1beta4 on."""
    arguments = (value.get(component) or {}).get("extraArgs") or {}
    path: Path = (component, "extraArgs")
    if isinstance(arguments, Mapping):
        for name, text in arguments.items():
            yield name, text or "", (*path, name)
        return
    for index, argument in enumerate(arguments):
        yield argument.get("name") or "", argument.get("value") or "", (*path, index, "value")


def _read_port_range(text: str, review: Review, path: Path) -> tuple[int, int] | None:
    """FIRST-LAST, FIRST+MORE or a single port, as apimachinery's PortRange reads it."""
    parts = _PORT_RANGE.fullmatch(text.strip())
    if parts is not None:
        first, second = int(parts[1]), int(parts[3] or 0)
        last = {"-": second, "+": first + second, None: first}[parts[2]]
        if 1 <= first <= last <= 65535:
            return first, last
    review.invalid(path, text, "must be a range of ports such as 30000-32767")
    return None


def _read_masks(value: Mapping[str, Any], review: Review) -> dict[str, int]:
    longest = {
        "node-cidr-mask-size": 128,
        "node-cidr-mask-size-ipv4": 32,
        "node-cidr-mask-size-ipv6": 128,
    }
    masks: dict[str, int] = {}
    for name, text, path in _extra_args(value, "controllerManager"):
        if name not in longest or not text:
            continue
        digits = text.isascii() and text.isdigit() and len(text) <= 3
        if digits and 1 <= int(text) <= longest[name]:
            masks[name] = int(text)
        else:
            review.invalid(path, text, f"must be a prefix length, 1 to {longest[name]}")
    return masks


def _check_modes(value: Mapping[str, Any], review: Review) -> None:
    mode = value.get("mode") or ""
    if mode == "nftables":
        review.not_implemented(("mode",), "mode nftables")
    elif mode in {"ipvs", "kernelspace"}:
        message = f"mode {mode} is not supported: kcompile writes iptables rules"
        review.error(Code.NOT_SUPPORTED, ("mode",), message, "use mode iptables")
    elif mode != "iptables" and mode:
        review.one_of(("mode",), mode, _MODES)
    detect = value.get("detectLocalMode") or ""
    if detect not in {"", "ClusterCIDR"}:
        if detect in _DETECT_MODES:
            review.not_implemented(("detectLocalMode",), f"detectLocalMode {printable(detect)}")
        else:
            review.one_of(("detectLocalMode",), detect, _DETECT_MODES)
