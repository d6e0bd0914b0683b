"""Who may reach a Service from where: external addresses, load balancers, affinity, policies."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.problems import printable
from kcompile.source import Path
from kcompile.validate.addresses import is_special, read_cidr, read_ip
from kcompile.validate.names import QUALIFIED_NAME
from kcompile.validate.review import Review

_POLICIES = ("Cluster", "Local")
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_TOPOLOGY = (
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
)
_AFFINITY_SECONDS = 86400
"""The longest client affinity (core validation's MaxClientIPServiceAffinitySeconds): a day."""
_DISTRIBUTIONS = ("PreferClose",)
"""What Kubernetes 1.33 takes with its default feature gates."""


def check_exposure(
    spec: Mapping[str, Any], annotations: Mapping[str, Any], service_type: str, review: Review
) -> None:
    """Holds the fields to Kubernetes' rules, then refuses those that are not compiled yet."""
    external_ips = spec.get("externalIPs") or ()
    _check_external_ips(external_ips, review)
    _check_load_balancer(spec, annotations, service_type, review)
    _check_affinity(spec, review)
    outside = service_type in {"NodePort", "LoadBalancer"} or (
        service_type == "ClusterIP" and bool(external_ips)
    )
    _check_external_policy(spec, service_type, review, outside=outside)
    _check_inside(spec, review)
    if annotations:
        _check_topology(annotations, review)


def _check_external_ips(external_ips: Sequence[str], review: Review) -> None:
    for index, text in enumerate(external_ips):
        path = ("spec", "externalIPs", index)
        address = read_ip(text or "", review, path)
        if address is not None and is_special(address):
            allowed = "must not be unspecified, loopback or link-local"
            review.invalid(path, text, allowed)
    if external_ips:
        review.not_implemented(("spec", "externalIPs"), "externalIPs")


def _check_load_balancer(
    spec: Mapping[str, Any], annotations: Mapping[str, Any], service_type: str, review: Review
) -> None:
    balanced = service_type == "LoadBalancer"
    why = "may only be set on type LoadBalancer"
    for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(key) is not None and not balanced:
            review.forbidden(("spec", key), why)
    if spec.get("loadBalancerClass") is not None and balanced:
        review.name(("spec", "loadBalancerClass"), spec["loadBalancerClass"], QUALIFIED_NAME)
    ranges = spec.get("loadBalancerSourceRanges") or ()
    annotated = _SOURCE_RANGES in annotations
    path: Path = ("metadata", "annotations", _SOURCE_RANGES)
    if ranges:
        path = ("spec", "loadBalancerSourceRanges")
        for index, text in enumerate(ranges):
            read_cidr((text or "").strip(), review, (*path, index))
    elif annotated:
        _check_annotated_ranges(annotations[_SOURCE_RANGES] or "", review, path)
    if (ranges or annotated) and not balanced:
        review.forbidden(path, why)


def _check_annotated_ranges(text: str, review: Review, path: Path) -> None:
    if not text.strip():
        return
    for part in text.split(","):
        read_cidr(part.strip(), review, path)


def _check_affinity(spec: Mapping[str, Any], review: Review) -> None:
    affinity = spec.get("sessionAffinity") or "None"
    path = ("spec", "sessionAffinity")
    review.one_of(path, affinity, ("None", "ClientIP"))
    if affinity != "ClientIP":
        return
    config = spec.get("sessionAffinityConfig") or {}
    seconds = (config.get("clientIP") or {}).get("timeoutSeconds")
    if seconds is not None:
        timeout = ("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        review.within(timeout, seconds, 1, _AFFINITY_SECONDS)
    review.not_implemented(path, "sessionAffinity ClientIP")


def _check_external_policy(
    spec: Mapping[str, Any], service_type: str, review: Review, *, outside: bool
) -> None:
    path = ("spec", "externalTrafficPolicy")
    policy = spec.get("externalTrafficPolicy") or ""
    if policy and not outside:
        allowed = "may only be set on type NodePort or LoadBalancer, or with externalIPs"
        review.invalid(path, policy, allowed)
    elif policy:
        review.one_of(path, policy, _POLICIES)
        if policy == "Local":
            review.not_implemented(path, "externalTrafficPolicy Local")
    health_port = spec.get("healthCheckNodePort") or 0
    if health_port:
        health = ("spec", "healthCheckNodePort")
        review.within(health, health_port, 1, 65535)
        if (service_type, policy) != ("LoadBalancer", "Local"):
            allowed = "may only be set on type LoadBalancer with externalTrafficPolicy Local"
            review.invalid(health, health_port, allowed)


def _check_inside(spec: Mapping[str, Any], review: Review) -> None:
    internal = spec.get("internalTrafficPolicy")
    if internal is not None:
        path = ("spec", "internalTrafficPolicy")
        review.one_of(path, internal, _POLICIES)
        if internal == "Local":
            review.not_implemented(path, "internalTrafficPolicy Local")
    distribution = spec.get("trafficDistribution")
    if distribution is not None:
        path = ("spec", "trafficDistribution")
        review.one_of(path, distribution, _DISTRIBUTIONS)
        if distribution in _DISTRIBUTIONS:
            review.not_implemented(path, f"trafficDistribution {distribution}")


def _check_topology(annotations: Mapping[str, Any], review: Review) -> None:
    stated = {key: annotations[key] or "" for key in _TOPOLOGY if key in annotations}
    if len(set(stated.values())) > 1:
        path = ("metadata", "annotations", _TOPOLOGY[0])
        review.invalid(path, stated[_TOPOLOGY[0]], f"must equal the annotation {_TOPOLOGY[1]}")
    for key, mode in stated.items():
        if mode not in {"", "disabled", "Disabled"}:
            review.not_implemented(
                ("metadata", "annotations", key), f"topology mode {printable(mode)}"
            )
