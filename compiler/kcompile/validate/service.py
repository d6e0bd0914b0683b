"""Service v1 to model.Service, by the rules of ValidateService."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.model import Protocol, Service, ServicePort, ServiceType
from kcompile.validate.exposure import PLAIN, read_exposure
from kcompile.validate.families import NOTHING_STATED, read_cluster_ips
from kcompile.validate.metadata import read_labels, read_metadata
from kcompile.validate.names import (
    DNS_1035_LABEL,
    DNS_LABEL,
    DNS_SUBDOMAIN,
    PORT_NAME,
    QUALIFIED_NAME,
)
from kcompile.validate.review import Review

_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
PROTOCOLS = ("TCP", "UDP", "SCTP")
_MORE = frozenset({"ExternalName", "LoadBalancer"})
_PLAIN = frozenset({"type", "selector", "ports"})
"""Fields of a spec that ask for nothing beyond what `read_service` itself does."""


def read_service(value: Mapping[str, Any], review: Review) -> Service:
    metadata = read_metadata(value, review, DNS_1035_LABEL)
    spec = value.get("spec") or {}
    service_type: ServiceType = spec.get("type") or "ClusterIP"
    if service_type != "ClusterIP":
        review.one_of(("spec", "type"), service_type, _TYPES)
    external_name, stated, exposure = "", NOTHING_STATED, PLAIN
    annotations = value["metadata"].get("annotations") if value.get("metadata") else None
    if annotations or service_type in _MORE or not spec.keys() <= _PLAIN:
        stated = read_cluster_ips(spec, service_type, review)
        external_name = _read_external_name(spec, service_type, review)
        exposure = read_exposure(value, spec, service_type, review)
    ports = spec.get("ports") or ()
    if not (ports or stated.headless or service_type == "ExternalName"):
        review.required(("spec", "ports"), "only a headless or ExternalName Service may have none")
    return Service(
        namespace=metadata.namespace,
        name=metadata.name,
        labels=metadata.labels,
        type=service_type,
        selector=read_labels(spec.get("selector"), review, ("spec", "selector")),
        ports=_read_ports(ports, service_type, review),
        cluster_ips=stated.cluster_ips,
        headless=stated.headless,
        external_name=external_name,
        publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        families=stated.families,
        family_policy=stated.policy,
        external_ips=exposure.external_ips,
        external_policy=exposure.external_policy,
        internal_policy=exposure.internal_policy,
        affinity_seconds=exposure.affinity_seconds,
        load_balancer=exposure.load_balancer,
        distribution=exposure.distribution,
        topology_hints=exposure.topology_hints,
    )


def _read_external_name(spec: Mapping[str, Any], service_type: str, review: Review) -> str:
    path = ("spec", "externalName")
    text: str = spec.get("externalName") or ""
    if service_type != "ExternalName":
        if text:
            review.suspicious(path, f"spec.externalName has no effect on type {service_type}")
        return ""
    name = text.removesuffix(".")
    if not name:
        review.required(path, "type ExternalName needs the name that it stands for")
    elif not DNS_SUBDOMAIN.accepts(name):
        review.invalid(path, text, DNS_SUBDOMAIN.allowed)
    return name


def _read_ports(
    ports: Sequence[Mapping[str, Any]], service_type: str, review: Review
) -> tuple[ServicePort, ...]:
    read = tuple(_read_port(port, i, service_type, review) for i, port in enumerate(ports))
    if len(read) > 1:
        _check_together(read, review)
    return read


def _read_port(
    port: Mapping[str, Any], index: int, service_type: str, review: Review
) -> ServicePort:
    name = port.get("name") or ""
    if name and not DNS_LABEL.accepts(name):
        review.invalid(("spec", "ports", index, "name"), name, DNS_LABEL.allowed)
    number = port.get("port") or 0
    if not 1 <= number <= 65535:
        path = ("spec", "ports", index, "port")
        if port.get("port") is None:
            review.required(path)
        else:
            review.within(path, number, 1, 65535)
    protocol: Protocol = port.get("protocol") or "TCP"
    if protocol != "TCP":
        review.one_of(("spec", "ports", index, "protocol"), protocol, PROTOCOLS)
    target = port.get("targetPort") or number
    if target != number:
        _check_target(target, index, review)
    if port.get("appProtocol") is not None:
        review.name(("spec", "ports", index, "appProtocol"), port["appProtocol"], QUALIFIED_NAME)
    node_port = port.get("nodePort") or 0
    if node_port:
        _check_node_port(node_port, index, service_type, review)
    return ServicePort(name, protocol, number, target, node_port)


def _check_target(target: int | str, index: int, review: Review) -> None:
    path = ("spec", "ports", index, "targetPort")
    if not isinstance(target, str):
        review.within(path, target, 1, 65535)
    elif not PORT_NAME.accepts(target):
        digits = target.isascii() and target.isdigit()
        hint = "a number stands without quotes" if digits else ""
        review.invalid(path, target, f"{PORT_NAME.allowed}, or a number 1 to 65535", hint)


def _check_node_port(node_port: int, index: int, service_type: str, review: Review) -> None:
    path = ("spec", "ports", index, "nodePort")
    review.within(path, node_port, 1, 65535)
    if service_type == "ClusterIP":
        review.forbidden(path, "must not be set on type ClusterIP; type NodePort has node ports")


def _check_together(ports: tuple[ServicePort, ...], review: Review) -> None:
    """Names, port numbers and node ports are each unique (numbers per protocol)."""
    seen: dict[tuple[str, object, str], int] = {}
    for index, port in enumerate(ports):
        if not port.name:
            why = "each port needs a name where there are several"
            review.required(("spec", "ports", index, "name"), why)
        for field, value, protocol in (
            ("name", port.name, ""),
            ("port", port.port, port.protocol),
            ("nodePort", port.node_port, port.protocol),
        ):
            first = seen.setdefault((field, value, protocol), index)
            if value and first != index:
                path = ("spec", "ports", index, field)
                shown = f"{value}/{protocol}" if protocol else value
                review.duplicate(path, shown, ("spec", "ports", first, field))
