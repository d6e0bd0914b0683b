"""Who may reach a Service from where: external addresses, load balancers, affinity, policies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kcompile.address import Cidr, Family
from kcompile.model import (
    NO_LOAD_BALANCER,
    Distribution,
    IpMode,
    LoadBalancer,
    TrafficPolicy,
)
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.addresses import IpAddress, is_ip, is_special, read_cidr, read_ip
from kcompile.validate.names import DNS_SUBDOMAIN, QUALIFIED_NAME
from kcompile.validate.review import Review

_POLICIES = ("Cluster", "Local")
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_TOPOLOGY = (
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
)
_IP_MODES = ("VIP", "Proxy")
_METALLB = tuple(
    f"{group}/{name}"
    for group in ("metallb.io", "metallb.universe.tf")
    for name in ("address-pool", "allow-shared-ip", "loadBalancerIPs")
)
"""Annotations by which MetalLB chooses addresses, and kcompile does not."""
_AFFINITY_SECONDS = 86400
"""The longest client affinity (core validation's MaxClientIPServiceAffinitySeconds): a day."""
_DEFAULT_AFFINITY_SECONDS = 10800
"""Three hours (core/v1 defaults' DefaultClientIPServiceAffinitySeconds)."""
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")


@dataclass(frozen=True, slots=True)
class Exposure:
    external_ips: tuple[IpAddress, ...] = ()
    external_policy: TrafficPolicy = "Cluster"
    internal_policy: TrafficPolicy = "Cluster"
    affinity_seconds: int = 0
    load_balancer: LoadBalancer = NO_LOAD_BALANCER
    distribution: Distribution = ""
    topology_hints: bool = False


PLAIN = Exposure()


def read_exposure(
    value: Mapping[str, Any], spec: Mapping[str, Any], service_type: str, review: Review
) -> Exposure:
    """All of it, held to Kubernetes' rules. `value` is the whole Service."""
    annotations = (value.get("metadata") or {}).get("annotations") or {}
    external_ips = tuple(_read_external_ips(spec.get("externalIPs") or (), review))
    outside = service_type in {"NodePort", "LoadBalancer"} or (
        service_type == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    return Exposure(
        external_ips=external_ips if service_type != "ExternalName" else (),
        external_policy=_read_external_policy(spec, service_type, review, outside=outside),
        internal_policy=_read_internal_policy(spec, review),
        affinity_seconds=_read_affinity(spec, review),
        load_balancer=_read_load_balancer(value, spec, annotations, service_type, review),
        distribution=_read_distribution(spec, review),
        topology_hints=_read_topology(annotations, review),
    )


def _read_external_ips(external_ips: Sequence[str], review: Review) -> Iterator[IpAddress]:
    for index, text in enumerate(external_ips):
        path = ("spec", "externalIPs", index)
        address = read_ip(text or "", review, path)
        if address is None:
            continue
        if is_special(address):
            allowed = "must not be unspecified, loopback or link-local"
            review.invalid(path, text, allowed)
        yield address
    if external_ips:
        message = "spec.externalIPs can take over any address: every node answers for them"
        review.error(Code.EXTERNAL_IP, ("spec", "externalIPs"), message)


def _read_load_balancer(
    value: Mapping[str, Any],
    spec: Mapping[str, Any],
    annotations: Mapping[str, Any],
    service_type: str,
    review: Review,
) -> LoadBalancer:
    balanced = service_type == "LoadBalancer"
    why = "may only be set on type LoadBalancer"
    for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(key) is not None and not balanced:
            review.forbidden(("spec", key), why)
    class_name = spec.get("loadBalancerClass")
    if class_name is not None and balanced:
        review.name(("spec", "loadBalancerClass"), class_name, QUALIFIED_NAME)
    ranges, path = _read_source_ranges(spec, annotations, review)
    if path and not balanced:
        review.forbidden(path, why)
    if not balanced:
        return NO_LOAD_BALANCER
    for key in _METALLB:
        if key in annotations:
            review.ignored(("metadata", "annotations", key))
    address = _read_stated_ip(spec.get("loadBalancerIP") or "", review)
    return LoadBalancer(
        stated_ips=(address,) if address else (),
        ingress=tuple(_read_ingress(value, review)),
        source_ranges=ranges,
        allocate_node_ports=spec.get("allocateLoadBalancerNodePorts") is not False,
        class_name=class_name or "",
        health_check_node_port=spec.get("healthCheckNodePort") or 0,
    )


def _read_stated_ip(text: str, review: Review) -> IpAddress | None:
    """Kubernetes takes any text for loadBalancerIP: it is a wish."""
    path = ("spec", "loadBalancerIP")
    if not text or is_ip(text):
        return read_ip(text, review, path) if text else None
    review.suspicious(path, f"spec.loadBalancerIP {printable(text)} is no address: not used")
    return None


def _read_source_ranges(
    spec: Mapping[str, Any], annotations: Mapping[str, Any], review: Review
) -> tuple[tuple[Cidr, ...], Path]:
    """The ranges and the field that states them, () if none does. The field wins over the
    annotation (pkg/api/v1/service GetLoadBalancerSourceRanges)."""
    texts = [text or "" for text in spec.get("loadBalancerSourceRanges") or ()]
    if texts:
        path: Path = ("spec", "loadBalancerSourceRanges")
        read = [read_cidr(text.strip(), review, (*path, i)) for i, text in enumerate(texts)]
        return tuple(cidr for cidr in read if cidr), path
    if _SOURCE_RANGES not in annotations:
        return (), ()
    path = ("metadata", "annotations", _SOURCE_RANGES)
    text = annotations[_SOURCE_RANGES] or ""
    parts = text.split(",") if text.strip() else []
    read = [read_cidr(part.strip(), review, path) for part in parts]
    return tuple(cidr for cidr in read if cidr), path


def _read_ingress(value: Mapping[str, Any], review: Review) -> Iterator[tuple[Family, int, IpMode]]:
    """status.loadBalancer.ingress: addresses and how traffic to them arrives, by the rules of
    ValidateLoadBalancerStatus."""
    balancer = (value.get("status") or {}).get("loadBalancer") or {}
    for index, ingress in enumerate(balancer.get("ingress") or ()):
        path = ("status", "loadBalancer", "ingress", index)
        text, mode = ingress.get("ip") or "", ingress.get("ipMode")
        hostname = ingress.get("hostname") or ""
        if hostname and (is_ip(hostname) or not DNS_SUBDOMAIN.accepts(hostname)):
            allowed = f"must be a name, not an address, and {DNS_SUBDOMAIN.allowed}"
            review.invalid((*path, "hostname"), hostname, allowed)
        if not text:
            if mode is not None:
                review.forbidden((*path, "ipMode"), "must not be set without ip")
            shown = f" {printable(hostname)}" if hostname else ""
            review.suspicious(path, f"load balancer{shown} has no address, so no rules")
            continue
        if mode is not None:
            review.one_of((*path, "ipMode"), mode, _IP_MODES)
        address = read_ip(text, review, (*path, "ip"))
        if address is not None:
            yield *address, mode or "VIP"


def _read_affinity(spec: Mapping[str, Any], review: Review) -> int:
    affinity = spec.get("sessionAffinity") or "None"
    config = spec.get("sessionAffinityConfig")
    path = ("spec", "sessionAffinity")
    review.one_of(path, affinity, ("None", "ClientIP"))
    if affinity != "ClientIP":
        return 0
    seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    if seconds is None:
        return _DEFAULT_AFFINITY_SECONDS
    timeout = ("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
    review.within(timeout, seconds, 1, _AFFINITY_SECONDS)
    return int(seconds)


def _read_external_policy(
    spec: Mapping[str, Any], service_type: str, review: Review, *, outside: bool
) -> TrafficPolicy:
    path = ("spec", "externalTrafficPolicy")
    policy: TrafficPolicy = spec.get("externalTrafficPolicy") or "Cluster"
    stated = bool(spec.get("externalTrafficPolicy"))
    if stated and not outside:
        allowed = "may only be set on type NodePort or LoadBalancer, or with externalIPs"
        review.invalid(path, policy, allowed)
    elif stated:
        review.one_of(path, policy, _POLICIES)
    health_port = spec.get("healthCheckNodePort") or 0
    if health_port:
        health = ("spec", "healthCheckNodePort")
        review.within(health, health_port, 1, 65535)
        if (service_type, policy) != ("LoadBalancer", "Local"):
            allowed = "may only be set on type LoadBalancer with externalTrafficPolicy Local"
            review.invalid(health, health_port, allowed)
    return policy


def _read_internal_policy(spec: Mapping[str, Any], review: Review) -> TrafficPolicy:
    internal: TrafficPolicy | None = spec.get("internalTrafficPolicy")
    if internal is None:
        return "Cluster"
    review.one_of(("spec", "internalTrafficPolicy"), internal, _POLICIES)
    return internal


def _read_distribution(spec: Mapping[str, Any], review: Review) -> Distribution:
    distribution: Distribution | None = spec.get("trafficDistribution")
    if distribution is None:
        return ""
    review.one_of(("spec", "trafficDistribution"), distribution, _DISTRIBUTIONS)
    return distribution


def _read_topology(annotations: Mapping[str, Any], review: Review) -> bool:
    stated = {key: annotations[key] or "" for key in _TOPOLOGY if key in annotations}
    if len(set(stated.values())) > 1:
        path = ("metadata", "annotations", _TOPOLOGY[0])
        review.invalid(path, stated[_TOPOLOGY[0]], f"must equal the annotation {_TOPOLOGY[1]}")
    return any(mode not in {"", "disabled", "Disabled"} for mode in stated.values())
