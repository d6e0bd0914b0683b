"""Reads the Services of a plan.json, with their endpoints."""

from kcompile.explain.bundle_values import UnexpectedError, labels_of, texts_of
from kcompile.explain.contents import Endpoint, Exposure, Service, ServicePort


def read_service(value: object) -> Service:
    match value:
        case {
            "namespace": str(namespace),
            "name": str(name),
            "type": str(service_type),
            "clusterIPs": list(cluster_ips),
            "familyPolicy": str(family_policy),
            "externalName": str() | None as external_name,
            "labels": dict(labels),
            "selector": dict(selector),
            "synthesised": bool(synthesised),
            "ports": list(ports),
            "portlessEndpoints": list(portless_endpoints),
        }:
            return Service(
                namespace=namespace,
                name=name,
                type=service_type,
                cluster_ips=texts_of(cluster_ips),
                family_policy=family_policy,
                external_name=external_name,
                exposure=_exposure(value),
                labels=labels_of(labels),
                selector=labels_of(selector),
                synthesised=synthesised,
                ports=tuple(map(_service_port, ports)),
                portless_endpoints=tuple(map(_endpoint, portless_endpoints)),
            )
    raise UnexpectedError("a service", value)


def _exposure(value: object) -> Exposure:
    match value:
        case {
            "externalIPs": list(external_ips),
            "loadBalancerIPs": list(load_balancer_ips),
            "loadBalancerSourceRanges": list(source_ranges),
            "externalTrafficPolicy": str(external_policy),
            "internalTrafficPolicy": str(internal_policy),
            "affinitySeconds": int() | None as affinity_seconds,
            "healthCheckNodePort": int() | None as health_check_node_port,
            "publishNotReadyAddresses": bool(publish_not_ready),
        }:
            return Exposure(
                external_ips=texts_of(external_ips),
                load_balancer_ips=texts_of(load_balancer_ips),
                source_ranges=texts_of(source_ranges),
                external_policy=external_policy,
                internal_policy=internal_policy,
                affinity_seconds=affinity_seconds,
                health_check_node_port=health_check_node_port,
                publish_not_ready=publish_not_ready,
            )
    raise UnexpectedError("who may reach a service", value)


def _service_port(value: object) -> ServicePort:
    match value:
        case {
            "name": str(name),
            "protocol": str(protocol),
            "port": int(port),
            "targetPort": int() | str() as target_port,
            "nodePort": int() | None as node_port,
            "endpoints": list(endpoints),
        }:
            read_endpoints = tuple(map(_endpoint, endpoints))
            return ServicePort(name, protocol, port, target_port, node_port, read_endpoints)
    raise UnexpectedError("a service port", value)


def _endpoint(value: object) -> Endpoint:
    match value:
        case {
            "ip": str(ip),
            "port": int() | None as port,
            "node": str() | None as node,
            "pod": str() | None as pod,
            "ready": bool(ready),
        }:
            return Endpoint(ip, port, node, pod, ready)
    raise UnexpectedError("an endpoint", value)
