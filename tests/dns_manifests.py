"""Manifests, lock and flags of a plan, so that a cluster of tests can go through a whole build."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kcompile.address import Cidr, Family, format_ip
from kcompile.pipeline import make_plan
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from kcompile.planned import Endpoint, Plan, PlannedPod, PlannedPort, PlannedService
from kcompile.resolve.flags import Flags

_FAMILIES: tuple[Family, ...] = (4, 6)

Document = Mapping[str, Any]  # as JSON has it


def built(plan: Plan) -> Plan:
    """The plan that a build makes of a plan's manifests. Services that Kubernetes refuses, those
    with an address and no ports, are not in it."""
    pods = [pod for pod in plan.pods if pod.ipv4]
    documents = [*_documents(plan), *(_pod(pod) for pod in pods), *_nodes(pods)]
    text = "\n---\n".join(map(json.dumps, documents))
    return make_plan([("m.yaml", text)], _flags(plan), _lock(pods)).plan


def is_allowed(service: PlannedService) -> bool:
    return bool(service.ports) or service.headless or service.type == "ExternalName"


def _flags(plan: Plan) -> Flags:
    settings, dns = plan.settings, plan.settings.dns
    masks = {cidr.family: max(64, cidr.prefix + 16) for cidr in settings.pod_cidrs}
    return Flags(
        service_cidr=",".join(str(_allowed(cidr)) for cidr in settings.service_cidrs),
        pod_network_cidr=",".join(map(str, settings.pod_cidrs)),
        node_cidr_mask_size_ipv6=str(masks[6]) if 6 in masks else None,
        service_dns_domain=settings.cluster_domain,
        dns_ttl=str(dns.ttl),
        dns_pods="verified" if dns.pod_records else "disabled",
        dns_endpoint_pod_names=dns.endpoint_pod_names,
        dns_zonal=dns.zonal,
        dns_ignore_empty_services=dns.ignore_empty,
        dns_external_zone=dns.external_zone or None,
    )


def _allowed(cidr: Cidr) -> Cidr:
    """Kubernetes takes no service range of more than 20 bits."""
    return cidr if cidr.family == 4 else Cidr(6, cidr.base, max(cidr.prefix, 108))


def _documents(plan: Plan) -> Iterator[Document]:
    for namespace in plan.namespaces:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name}}
    for service in filter(is_allowed, plan.services):
        yield _service(service)
        ports = (*service.ports, None) if service.headless else service.ports
        for index, port in enumerate(ports):
            for family in _FAMILIES:
                endpoints = _endpoints(service, port, family)
                if endpoints:
                    yield _slice(service, index, port, family, endpoints)


def _endpoints(
    service: PlannedService, port: PlannedPort | None, family: Family
) -> tuple[Endpoint, ...]:
    if port:
        return port.endpoints(family)
    return service.portless4 if family == 4 else service.portless6


def _service(service: PlannedService) -> Document:
    spec: dict[str, object] = {"type": service.type}
    if service.external_name:
        spec["externalName"] = service.external_name
    if service.headless:
        spec["clusterIP"] = "None"
    if service.cluster_ips:
        spec["clusterIPs"] = [format_ip(*ip) for ip in service.cluster_ips]
        spec["clusterIP"] = format_ip(*service.cluster_ips[0])
        spec["ipFamilyPolicy"] = "PreferDualStack" if len(service.cluster_ips) > 1 else None
    spec["externalIPs"] = [format_ip(*ip) for ip in service.external_ips]
    spec["ports"] = [
        {"name": _name(service, port), "port": port.spec.port, "protocol": port.spec.protocol}
        for port in service.ports
    ]
    metadata = {"name": service.name, "namespace": service.namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _name(service: PlannedService, port: PlannedPort) -> str:
    """Kubernetes takes a name once, whatever the protocol."""
    same = [each for each in service.ports if each.spec.name == port.spec.name]
    name = port.spec.name
    return name if same[0] is port else f"{name}-{port.spec.protocol.lower()}"


def _slice(
    service: PlannedService,
    index: int,
    port: PlannedPort | None,
    family: Family,
    endpoints: tuple[Endpoint, ...],
) -> Document:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service.name}-{index}-{family}",
            "namespace": service.namespace,
            "labels": {"kubernetes.io/service-name": service.name},
        },
        "addressType": f"IPv{family}",
        "ports": [
            {
                "name": _name(service, port),
                "port": endpoints[0].port,
                "protocol": port.spec.protocol,
            }
        ]
        if port
        else [],
        "endpoints": [_endpoint(endpoint, family) for endpoint in endpoints],
    }


def _endpoint(endpoint: Endpoint, family: Family) -> Document:
    found: dict[str, object] = {"addresses": [format_ip(family, endpoint.ip)]}
    if endpoint.hostname:
        found["hostname"] = endpoint.hostname
    if endpoint.zone:
        found["zone"] = endpoint.zone
    if endpoint.pod:
        found["targetRef"] = {"kind": "Pod", "name": endpoint.pod}
    return found


def _pod(pod: PlannedPod) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def _nodes(pods: list[PlannedPod]) -> Iterator[Document]:
    """A node for each /24 that a pod is in, with the /64 of those pods, and one for the rest."""
    cidrs: dict[tuple[str, int], set[str]] = {("n-any", 0): set()}
    for pod in pods:
        own = cidrs.setdefault((_node(pod), pod.ipv4 & ~255), set())
        own.add(f"{format_ip(4, pod.ipv4 & ~255)}/24")
        if pod.ipv6:
            own.add(f"{format_ip(6, pod.ipv6 >> 64 << 64)}/64")
    for (node, first), own in sorted(cidrs.items()):
        spec = {"podCIDRs": sorted(own)} if own else {}
        third = first >> 8 & 255
        addresses = (f"192.0.2.{third}", f"2001:db8:99::{third:x}")
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node},
            "spec": spec,
            "status": {"addresses": [{"type": "InternalIP", "address": ip} for ip in addresses]},
        }


def _node(pod: PlannedPod) -> str:
    return f"n-{pod.ipv4 >> 8 & 255}"


def _lock(pods: list[PlannedPod]) -> Lock:
    lines = sorted(
        f"pod/{pod.namespace}/Pod/{pod.name}/0: {{node: {_node(pod)}, ips: [{_addresses(pod)}]}}"
        for pod in pods
    )
    return parse_lock("kcompile.lock", "\n".join(["kcompile-lock: 2", "algorithm: 1", *lines, ""]))


def _addresses(pod: PlannedPod) -> str:
    ipv6 = f', "{format_ip(6, pod.ipv6)}"' if pod.ipv6 else ""
    return f"{format_ip(4, pod.ipv4)}{ipv6}"
