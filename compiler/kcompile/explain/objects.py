"""Kubernetes objects of what a plan holds, in the form of the API (v1 and apps/v1).

They carry what the plan knows, and say of pods and nodes that they are ready: what kcompile plans
for is the running cluster.
"""

from collections.abc import Iterable
from typing import assert_never

from kcompile.explain.contents import (
    Container,
    ContainerPort,
    Contents,
    Endpoint,
    Exposure,
    Node,
    Pod,
    Service,
    ServicePort,
    Settings,
    Workload,
)
from kcompile.explain.endpoints import EndpointPort, Endpoints, Subset, families
from kcompile.explain.select import Item
from kcompile.labels import Labels

Object = dict[str, object]


def kubernetes_object(item: Item, contents: Contents) -> Object:
    match item:
        case Node():
            return _node(item)
        case Pod():
            return _pod(item)
        case Service():
            return _service(item, contents.settings)
        case Endpoints():
            return _endpoints(item)
        case Workload():
            return _deployment(item)
        case _:
            assert_never(item)


def _node(node: Node) -> Object:
    addresses = [{"type": "InternalIP", "address": ip} for ip in node.addresses]
    hostname: Object = {"type": "Hostname", "address": node.name}
    ranges = list(node.pod_cidrs)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _metadata("", node.name, node.labels),
        "spec": {"podCIDR": ranges[0], "podCIDRs": ranges} if ranges else {},
        "status": {"addresses": [*addresses, hostname], "conditions": [_ready()]},
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
        "metadata": _metadata(pod.namespace, pod.name, pod.labels),
        "spec": {"nodeName": pod.node.name, **_containers(pod.workload)},
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
        "metadata": _metadata(service.namespace, service.name, service.labels),
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
        **_named(port.name),
        "protocol": port.protocol,
        "port": port.port,
        "targetPort": port.target_port,
        **({"nodePort": port.node_port} if port.node_port else {}),
    }


def _endpoints(endpoints: Endpoints) -> Object:
    head: Object = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": _metadata(endpoints.namespace, endpoints.name, endpoints.labels),
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
    return {**_named(port.name), "port": port.port, "protocol": port.protocol}


def _deployment(workload: Workload) -> Object:
    replicas, ready = workload.replicas, workload.ready
    counts = {
        "replicas": replicas,
        "updatedReplicas": replicas,
        **({"readyReplicas": ready, "availableReplicas": ready} if ready else {}),
        **({"unavailableReplicas": replicas - ready} if replicas > ready else {}),
    }
    template_metadata: Object = {"labels": dict(workload.pod_labels)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(workload.namespace, workload.name, workload.labels),
        "spec": {
            "replicas": replicas,
            "selector": _selector(workload),
            "template": {"metadata": template_metadata, "spec": _containers(workload)},
        },
        "status": counts if replicas else {},
    }


def _selector(workload: Workload) -> Object:
    expressions = [
        {"key": each.key, "operator": each.operator}
        | ({"values": list(each.values)} if each.values else {})
        for each in workload.match_expressions
    ]
    return {
        **({"matchLabels": dict(workload.match_labels)} if workload.match_labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def _containers(workload: Workload) -> Object:
    """Sidecars are init containers that keep running."""
    sidecars = [_container(each) | {"restartPolicy": "Always"} for each in workload.sidecars]
    containers = [_container(each) for each in workload.containers]
    return {
        "containers": containers,
        **({"initContainers": sidecars} if sidecars else {}),
    }


def _container(container: Container) -> Object:
    ports = _container_ports(container.ports)
    return {"name": container.name, "image": container.image, **({"ports": ports} if ports else {})}


def _container_ports(ports: Iterable[ContainerPort]) -> list[Object]:
    return [
        {**_named(port.name), "containerPort": port.container_port, "protocol": port.protocol}
        for port in ports
    ]


def _metadata(namespace: str, name: str, labels: Labels) -> Object:
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": dict(labels)} if labels else {}),
    }


def _named(name: str) -> Object:
    return {"name": name} if name else {}


def _ready() -> Object:
    return {"type": "Ready", "status": "True"}
