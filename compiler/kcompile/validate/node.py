"""Node v1 and Namespace v1 to their models."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.address import Cidr
from kcompile.model import Namespace, Node, Taint
from kcompile.problems import printable
from kcompile.source import Path
from kcompile.validate.addresses import IpAddress, read_cidr, read_ip
from kcompile.validate.metadata import read_cluster_metadata
from kcompile.validate.names import DNS_LABEL, DNS_SUBDOMAIN, LABEL_VALUE, QUALIFIED_NAME
from kcompile.validate.resources import read_allocatable
from kcompile.validate.review import Review

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def read_namespace(value: Mapping[str, Any], review: Review) -> Namespace:
    return Namespace(*read_cluster_metadata(value, review, DNS_LABEL))


def read_node(value: Mapping[str, Any], review: Review) -> Node:
    name, labels = read_cluster_metadata(value, review, DNS_SUBDOMAIN)
    spec = value.get("spec") or {}
    status = value.get("status") or {}
    return Node(
        name,
        labels,
        _read_taints(spec.get("taints") or (), review),
        bool(spec.get("unschedulable")),
        _read_addresses(status.get("addresses") or (), review),
        _read_pod_cidrs(spec, review),
        read_allocatable(status, review),
    )


def _read_taints(taints: Sequence[Mapping[str, Any]], review: Review) -> tuple[Taint, ...]:
    read: list[Taint] = []
    taken: dict[tuple[str, str], Path] = {}
    for index, taint in enumerate(taints):
        path: Path = ("spec", "taints", index)
        key, text = taint.get("key") or "", taint.get("value") or ""
        effect: Any = taint.get("effect") or ""
        review.name((*path, "key"), key, QUALIFIED_NAME)
        review.name((*path, "value"), text, LABEL_VALUE)
        review.one_of((*path, "effect"), effect, _EFFECTS)
        if taken.setdefault((key, effect), path) is not path:
            review.duplicate(path, f"{key}:{effect}", taken[key, effect])
        read.append(Taint(key, text, effect))
    return tuple(read)


def _read_addresses(
    addresses: Sequence[Mapping[str, Any]], review: Review
) -> tuple[IpAddress, ...]:
    read: list[IpAddress] = []
    for index, address in enumerate(addresses):
        if address.get("type") != "InternalIP":
            continue
        path = ("status", "addresses", index, "address")
        found = read_ip(address.get("address") or "", review, path)
        if found in read:
            review.duplicate(path, address["address"])
        elif found is not None:
            read.append(found)
    return tuple(read)


def _read_pod_cidrs(spec: Mapping[str, Any], review: Review) -> tuple[Cidr, ...]:
    """podCIDR alone stands for a list of one; beside podCIDRs it is the first of them."""
    single = spec.get("podCIDR") or ""
    several: list[str] = [text or "" for text in spec.get("podCIDRs") or ()]
    path: Path = ("spec", "podCIDRs")
    if not several:
        cidr = read_cidr(single, review, ("spec", "podCIDR")) if single else None
        return (cidr,) if cidr is not None else ()
    if single and several[0] != single:
        review.invalid(path, several, f"must begin with spec.podCIDR, {printable(single)}")
    found = [read_cidr(text, review, (*path, index)) for index, text in enumerate(several)]
    cidrs = tuple(cidr for cidr in found if cidr is not None)
    if len(several) > 2 or (len(cidrs) == 2 and cidrs[0].family == cidrs[1].family):
        review.invalid(path, several, "must hold at most one range of each family")
    return cidrs
