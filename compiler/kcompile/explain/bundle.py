"""Reads plan.json of a bundle back."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from kcompile.explain.contents import (
    Container,
    ContainerPort,
    Contents,
    Endpoint,
    Exposure,
    Expression,
    Namespace,
    Node,
    Pod,
    PodRange,
    Service,
    ServicePort,
    Settings,
    Workload,
)
from kcompile.labels import Labels
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

PLAN_FILE = "plan.json"
_VERSION = 1
"""The format's version that this reader knows; kcompile.render.plan_json writes it."""


class _UnexpectedError(Exception):
    """A value has not the form that the format gives it."""

    def __init__(self, wanted: str, found: object) -> None:
        super().__init__(f"found {printable(found)} where {wanted} is expected")


def read(directory: Path) -> Contents:
    """The plan in a bundle's directory; InputError if there is none that can be read."""
    path = directory / PLAN_FILE
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise _not_a_bundle(path, _reason(directory, error)) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Contents:
    """The plan in the text of a plan.json; `path` is shown in messages only."""
    try:
        return _contents(json.loads(text))
    except json.JSONDecodeError as error:
        raise _not_a_bundle(path, f"not JSON: {error.msg}", error.lineno, error.colno) from None
    except _UnexpectedError as error:
        raise _not_a_bundle(path, str(error)) from None
    except (RecursionError, ValueError):
        # json gives up on deep nesting and on numbers of thousands of digits.
        raise _not_a_bundle(path, "no plan has nesting or numbers like that") from None


def _not_a_bundle(path: Path, message: str, line: int = 1, column: int = 1) -> InputError:
    hint = "`kcompile build` makes a bundle, --bundle names its directory"
    return InputError(
        [Problem(Code.NOT_A_BUNDLE, Position(str(path), line, column), message, hint)]
    )


def _reason(directory: Path, error: OSError | UnicodeDecodeError) -> str:
    match error:
        case FileNotFoundError() if not directory.exists():
            return "there is no such directory"
        case FileNotFoundError():
            return f"the directory has no {PLAN_FILE}, so it is not a bundle"
        case OSError():
            return f"cannot be read: {error.strerror}"
        case UnicodeDecodeError():
            return "not UTF-8"


def _contents(value: object) -> Contents:
    match value:
        case {
            "version": 1,
            "settings": settings,
            "capacity": {"podCIDRs": list(pod_ranges)},
            "namespaces": list(namespaces),
            "nodes": list(nodes),
            "workloads": list(workloads),
            "pods": list(pods),
            "services": list(services),
        }:
            pass
        case {"version": int(version)} if version != _VERSION:
            raise _UnexpectedError(f"format version {_VERSION}", version)
        case _:
            raise _UnexpectedError("a plan", value)
    read_nodes = tuple(map(_node, nodes))
    placed = Counter(map(_owner, pods))
    read_workloads = tuple(_workload(each, placed) for each in workloads)
    by_name = {node.name: node for node in read_nodes}
    by_key = {(owner.namespace, owner.kind, owner.name): owner for owner in read_workloads}
    return Contents(
        settings=_settings(settings),
        pod_ranges=tuple(map(_pod_range, pod_ranges)),
        namespaces=tuple(map(_namespace, namespaces)),
        nodes=read_nodes,
        workloads=read_workloads,
        pods=tuple(_pod(pod, by_key, by_name) for pod in pods),
        services=tuple(map(_service, services)),
    )


def _settings(value: object) -> Settings:
    match value:
        case {
            "podCIDRs": list(pod_cidrs),
            "serviceCIDRs": list(service_cidrs),
            "nodeCIDRMaskSizeIPv4": int() | None as mask_ipv4,
            "nodeCIDRMaskSizeIPv6": int() | None as mask_ipv6,
            "clusterDomain": str(cluster_domain),
            "nodePortRange": str(node_port_range),
            "detectLocal": bool(detect_local),
            "masqueradeAll": bool(masquerade_all),
            "masqueradeBit": int(masquerade_bit),
            "localhostNodePorts": bool(localhost_node_ports),
            "egressMasquerade": bool(egress_masquerade),
            "forwardAccept": bool(forward_accept),
            "nonMasqueradeCIDRs": list(non_masquerade_cidrs),
            "nodeDNSAddress": str() | None as node_dns,
        }:
            return Settings(
                pod_cidrs=_texts(pod_cidrs),
                service_cidrs=_texts(service_cidrs),
                node_cidr_mask_size_ipv4=mask_ipv4,
                node_cidr_mask_size_ipv6=mask_ipv6,
                cluster_domain=cluster_domain,
                node_port_range=node_port_range,
                detect_local=detect_local,
                masquerade_all=masquerade_all,
                masquerade_bit=masquerade_bit,
                localhost_node_ports=localhost_node_ports,
                egress_masquerade=egress_masquerade,
                forward_accept=forward_accept,
                non_masquerade_cidrs=_texts(non_masquerade_cidrs),
                node_dns_address=node_dns,
            )
    raise _UnexpectedError("the settings", value)


def _pod_range(value: object) -> PodRange:
    match value:
        case {"node": str(node), "cidr": str(cidr), "size": int(size), "used": int(used)}:
            return PodRange(node, cidr, size, used)
    raise _UnexpectedError("how full a pod CIDR is", value)


def _namespace(value: object) -> Namespace:
    match value:
        case {"name": str(name), "labels": dict(labels)}:
            return Namespace(name, _labels(labels))
    raise _UnexpectedError("a namespace", value)


def _node(value: object) -> Node:
    match value:
        case {
            "name": str(name),
            "addresses": list(addresses),
            "podCIDRs": list(pod_cidrs),
            "labels": dict(labels),
        }:
            return Node(name, _texts(addresses), _texts(pod_cidrs), _labels(labels))
    raise _UnexpectedError("a node", value)


Owner = tuple[str, str, str]
"""Namespace, kind and name of a workload."""


def _owner(pod: object) -> Owner | None:
    match pod:
        case {"namespace": str(namespace), "workload": {"kind": str(kind), "name": str(name)}}:
            return namespace, kind, name
    return None


def _workload(value: object, placed: Mapping[Owner | None, int]) -> Workload:
    match value:
        case {
            "namespace": str(namespace),
            "kind": str(kind),
            "name": str(name),
            "labels": dict(labels),
            "replicas": int(replicas),
            "selector": {"matchLabels": dict(match_labels), "matchExpressions": list(expressions)},
            "podLabels": dict(pod_labels),
            "containers": list(containers),
            "sidecars": list(sidecars),
        }:
            return Workload(
                namespace=namespace,
                kind=kind,
                name=name,
                labels=_labels(labels),
                replicas=replicas,
                match_labels=_labels(match_labels),
                match_expressions=tuple(map(_expression, expressions)),
                pod_labels=_labels(pod_labels),
                containers=tuple(map(_container, containers)),
                sidecars=tuple(map(_container, sidecars)),
                ready=placed.get((namespace, kind, name), 0),
            )
    raise _UnexpectedError("a workload", value)


def _expression(value: object) -> Expression:
    match value:
        case {"key": str(key), "operator": str(operator), "values": list(values)}:
            return Expression(key, operator, _texts(values))
    raise _UnexpectedError("a selector's requirement", value)


def _container(value: object) -> Container:
    match value:
        case {"name": str(name), "image": str(image), "ports": list(ports)}:
            return Container(name, image, tuple(map(_container_port, ports)))
    raise _UnexpectedError("a container", value)


def _container_port(value: object) -> ContainerPort:
    match value:
        case {"name": str(name), "containerPort": int(port), "protocol": str(protocol)}:
            return ContainerPort(name, port, protocol)
    raise _UnexpectedError("a container port", value)


def _pod(
    value: object,
    workloads: Mapping[Owner, Workload],
    nodes: Mapping[str, Node],
) -> Pod:
    match value:
        case {
            "namespace": str(namespace),
            "name": str(name),
            "workload": {"kind": str(owner_kind), "name": str(owner_name)},
            "ordinal": int(ordinal) | str(ordinal),
            "node": str(node_name),
            "ips": list(ips),
            "labels": dict(labels),
        }:
            workload = workloads.get((namespace, owner_kind, owner_name))
            node = nodes.get(node_name)
            if workload and node:
                return Pod(namespace, name, workload, ordinal, node, _texts(ips), _labels(labels))
    raise _UnexpectedError("a pod of a workload and a node in the plan", value)


def _service(value: object) -> Service:
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
                cluster_ips=_texts(cluster_ips),
                family_policy=family_policy,
                external_name=external_name,
                exposure=_exposure(value),
                labels=_labels(labels),
                selector=_labels(selector),
                synthesised=synthesised,
                ports=tuple(map(_service_port, ports)),
                portless_endpoints=tuple(map(_endpoint, portless_endpoints)),
            )
    raise _UnexpectedError("a service", value)


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
                external_ips=_texts(external_ips),
                load_balancer_ips=_texts(load_balancer_ips),
                source_ranges=_texts(source_ranges),
                external_policy=external_policy,
                internal_policy=internal_policy,
                affinity_seconds=affinity_seconds,
                health_check_node_port=health_check_node_port,
                publish_not_ready=publish_not_ready,
            )
    raise _UnexpectedError("who may reach a service", value)


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
    raise _UnexpectedError("a service port", value)


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
    raise _UnexpectedError("an endpoint", value)


def _labels(value: Mapping[object, object]) -> Labels:
    return tuple((_text(key), _text(text)) for key, text in value.items())


def _texts(values: list[object]) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise _UnexpectedError("a string", value)
