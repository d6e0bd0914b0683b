"""clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy of a Service, and how they agree.

The rules of ValidateServiceClusterIPsRelatedFields, and those of the allocator that need no
knowledge of the cluster's ranges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kcompile.address import Family
from kcompile.model import FamilyPolicy
from kcompile.problems import Code, printable
from kcompile.validate.addresses import IpAddress, read_ip
from kcompile.validate.review import Review

_POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
_FAMILIES = ("IPv4", "IPv6")
_NUMBERS: dict[str, Family] = {"IPv4": 4, "IPv6": 6}
_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a Service says of its addresses; a policy "" is for the cluster to default."""

    headless: bool
    cluster_ips: tuple[IpAddress, ...]
    families: tuple[Family, ...]
    policy: FamilyPolicy


NOTHING_STATED = Stated(headless=False, cluster_ips=(), families=(), policy="")


def read_cluster_ips(spec: Mapping[str, Any], service_type: str, review: Review) -> Stated:
    if spec.keys().isdisjoint(_FIELDS):
        return NOTHING_STATED
    if service_type == "ExternalName":
        for key in _FIELDS:
            if spec.get(key) or (key == "ipFamilyPolicy" and spec.get(key) is not None):
                review.forbidden(("spec", key), "must not be set on type ExternalName")
        return NOTHING_STATED
    texts = _agreed(spec, review)
    headless = texts == ["None"]
    if headless and service_type in {"NodePort", "LoadBalancer"}:
        path = ("spec", "clusterIP")
        review.invalid(path, "None", f"must not be None on type {service_type}")
    addresses = None if headless else _read_addresses(texts, spec, review)
    families: Sequence[str] = spec.get("ipFamilies") or ()
    _check_families(families, review)
    if addresses is not None:
        _check_match(texts, addresses, families, spec, review)
    selects = bool(spec.get("selector"))
    _check_policy(spec, len(texts), len(set(families)), review, free=headless and not selects)
    return Stated(
        headless,
        tuple(addresses or ()),
        tuple(_NUMBERS[family] for family in families if family in _NUMBERS),
        spec.get("ipFamilyPolicy") or "",
    )


def _agreed(spec: Mapping[str, Any], review: Review) -> list[str]:
    """The texts of clusterIPs; clusterIP alone stands for a list of one."""
    single = spec.get("clusterIP") or ""
    several = [text or "" for text in spec.get("clusterIPs") or ()]
    path = ("spec", "clusterIPs")
    if several and not single:
        review.invalid(path, several, "must not be set without clusterIP")
    elif several and several[0] != single:
        review.invalid(path, several, f"must begin with clusterIP, {printable(single)}")
    return several or ([single] if single else [])


def _read_addresses(
    texts: list[str], spec: Mapping[str, Any], review: Review
) -> list[IpAddress] | None:
    """The addresses, or None where one is none."""
    found: list[IpAddress | None] = []
    for index, text in enumerate(texts):
        path = ("spec", "clusterIPs", index) if spec.get("clusterIPs") else ("spec", "clusterIP")
        if text == "None":
            review.invalid(path, text, "must be the only value if it is None")
            found.append(None)
        else:
            found.append(read_ip(text, review, path))
    addresses = [address for address in found if address is not None]
    several = ("spec", "clusterIPs")
    if len(texts) > 2:
        review.invalid(several, texts, "must hold at most two addresses")
    elif len(addresses) == 2 and addresses[0][0] == addresses[1][0]:
        review.invalid(several, texts, "must hold at most one address of each family")
    return addresses if len(addresses) == len(texts) else None


def _check_families(families: Sequence[str], review: Review) -> None:
    for index, family in enumerate(families):
        path = ("spec", "ipFamilies", index)
        review.one_of(path, family, _FAMILIES)
        if family in families[:index]:
            review.duplicate(path, family, ("spec", "ipFamilies", families.index(family)))


def _check_match(
    texts: Sequence[str],
    addresses: Sequence[IpAddress],
    families: Sequence[str],
    spec: Mapping[str, Any],
    review: Review,
) -> None:
    """Each address is of the family in its place."""
    for index, (family, _) in enumerate(addresses[:2]):
        path = ("spec", "clusterIPs", index) if spec.get("clusterIPs") else ("spec", "clusterIP")
        wanted = families[index] if index < len(families) else ""
        if wanted in _FAMILIES and wanted != f"IPv{family}":
            reason = f"must be {wanted}, as spec.ipFamilies[{index}] says"
            review.invalid(path, texts[index], reason)


def _check_policy(
    spec: Mapping[str, Any], addresses: int, families: int, review: Review, *, free: bool
) -> None:
    """Two addresses or families need a policy that allows two.

    `free` is a headless Service without a selector: without a policy it takes two families.
    """
    path = ("spec", "ipFamilyPolicy")
    policy = spec.get("ipFamilyPolicy")
    if policy is not None:
        review.one_of(path, policy, _POLICIES)
    single = policy == "SingleStack" or (policy is None and not free)
    if single and max(addresses, families) == 2:
        shown = policy or "SingleStack, its default"
        message = f"spec.ipFamilyPolicy is {shown}; two families need a dual-stack policy"
        review.error(Code.INVALID_VALUE, path, message, "PreferDualStack or RequireDualStack")
