"""Kubernetes objects of what a plan holds, in the form of the API (v1, apps/v1 and batch/v1).

They carry what the plan knows, and say of pods and nodes that they are ready: what kcompile plans
for is the running cluster.
"""

from typing import assert_never

from kcompile.explain.contents import (
    Contents,
    Endpoint,
    Exposure,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
    Settings,
    Workload,
)
from kcompile.explain.endpoints import EndpointPort, Endpoints, Subset, families
from kcompile.explain.object_pieces import Object, metadata, named, pod_spec
from kcompile.explain.object_workloads import workload_object
from kcompile.explain.select import Item


def kubernetes_object(item: Item, contents: Contents) -> Object:
    match item:
        case Node():
            return _node(item)
        case Namespace():
            return _namespace(item)
        case Pod():
            return _pod(item)
        case Service():
            return _service(item, contents.settings)
        case Endpoints():
            return _endpoints(item)
        case Workload():
            return workload_object(item)
        case _:
            assert_never(item)


def _node(node: Node) -> Object:
    addresses = [{"type": "InternalIP", "address": ip} for ip in node.addresses]
    hostname: Object = {"type": "Hostname", "address": node.name}
    ranges = list(node.pod_cidrs)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata("", node.name, node.labels),
        "spec": {"podCIDR": ranges[0], "podCIDRs": ranges} if ranges else {},
        "status": {"addresses": [*addresses, hostname], "conditions": [_ready()]},
    }


def _namespace(namespace: Namespace) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": metadata("", namespace.name, namespace.labels),
        "status": {"phase": "Active"},
    }


def _pod(pod: Pod) -> Object:
    host = pod.node.addresses
    status: Object = {"phase": "Running", "conditions": [_ready()]}
    if pod.ips:
        status |= {"podIP": pod.ips[0], "podIPs": [{"ip": ip} for ip in pod.ips]}
    if host:
        status |= {"hostIP": host[0], "hostIPs": [{"ip": ip} for ip in host]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(pod.namespace, pod.name, pod.labels),
        "spec": {"nodeName": pod.node.name, **pod_spec(pod.workload)},
        "status": status,
    }


def _service(service: Service, settings: Settings) -> Object:
    exposure = service.exposure
    spec: Object = {"type": service.type, "sessionAffinity": "None"}
    if exposure.affinity_seconds:
        spec["sessionAffinity"] = "ClientIP"
        timeout = {"timeoutSeconds": exposure.affinity_seconds}
        spec["sessionAffinityConfig"] = {"clientIP": timeout}
    if service.ports:
        spec["ports"] = [_service_port(port) for port in service.ports]
    if service.selector:
        spec["selector"] = dict(service.selector)
    if service.type == "ExternalName":
        spec["externalName"] = service.external_name
    else:
        spec |= _cluster_addresses(service, settings)
    if service.type in {"NodePort", "LoadBalancer"}:
        spec["externalTrafficPolicy"] = exposure.external_policy
    spec |= _exposed(exposure)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(service.namespace, service.name, service.labels),
        "spec": spec,
        "status": {"loadBalancer": _ingress(exposure)},
    }


def _exposed(exposure: Exposure) -> Object:
    """The fields that only some Services have."""
    found: Object = {
        "externalIPs": list(exposure.external_ips),
        "loadBalancerSourceRanges": list(exposure.source_ranges),
        "healthCheckNodePort": exposure.health_check_node_port,
        "publishNotReadyAddresses": exposure.publish_not_ready,
    }
    return {key: value for key, value in found.items() if value}


def _ingress(exposure: Exposure) -> Object:
    ips = exposure.load_balancer_ips
    return {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ips]} if ips else {}


def _cluster_addresses(service: Service, settings: Settings) -> Object:
    own_families = families(service, settings)
    ips = list(service.cluster_ips)
    return {
        **({"clusterIP": ips[0], "clusterIPs": ips} if ips else {}),
        "ipFamilies": list(own_families),
        "ipFamilyPolicy": service.family_policy,
        "internalTrafficPolicy": service.exposure.internal_policy,
    }


def _service_port(port: ServicePort) -> Object:
    return {
        **named(port.name),
        "protocol": port.protocol,
        "port": port.port,
        "targetPort": port.target_port,
        **({"nodePort": port.node_port} if port.node_port else {}),
    }


def _endpoints(endpoints: Endpoints) -> Object:
    head: Object = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata(endpoints.namespace, endpoints.name, endpoints.labels),
    }
    subsets = [_subset(subset, endpoints.namespace) for subset in endpoints.subsets]
    return head | {"subsets": subsets} if subsets else head


def _subset(subset: Subset, namespace: str) -> Object:
    addresses = [_endpoint_address(address, namespace) for address in subset.addresses]
    ports = [_endpoint_port(port) for port in subset.ports]
    return {"addresses": addresses, "ports": ports} if ports else {"addresses": addresses}


def _endpoint_address(endpoint: Endpoint, namespace: str) -> Object:
    target = {"kind": "Pod", "namespace": namespace, "name": endpoint.pod}
    return {
        "ip": endpoint.ip,
        **({"nodeName": endpoint.node} if endpoint.node else {}),
        **({"targetRef": target} if endpoint.pod else {}),
    }


def _endpoint_port(port: EndpointPort) -> Object:
    return {**named(port.name), "port": port.port, "protocol": port.protocol}


def _ready() -> Object:
    return {"type": "Ready", "status": "True"}
