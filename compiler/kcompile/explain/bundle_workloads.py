"""Reads the workloads and pods of a plan.json."""

from collections.abc import Mapping

from kcompile.explain.bundle_values import UnexpectedError, labels_of, texts_of
from kcompile.explain.contents import (
    Container,
    ContainerPort,
    Expression,
    LonePod,
    Node,
    Pod,
    Workload,
)

Owner = tuple[str, str, str]
"""Namespace, kind and name of a workload."""


def owner_of(pod: object) -> Owner | None:
    match pod:
        case {"namespace": str(namespace), "workload": {"kind": str(kind), "name": str(name)}}:
            return namespace, kind, name
    return None


def read_workload(value: object, placed: Mapping[Owner | None, int]) -> Workload | LonePod:
    match value:
        case {
            "namespace": str(namespace),
            "kind": "Pod",
            "name": str(name),
            "containers": list(containers),
            "sidecars": list(sidecars),
        }:
            return LonePod(
                namespace,
                name,
                tuple(map(_container, containers)),
                tuple(map(_container, sidecars)),
            )
        case {
            "namespace": str(namespace),
            "kind": "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "ReplicationController"
            | "Job" as kind,
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
                labels=labels_of(labels),
                replicas=replicas,
                match_labels=labels_of(match_labels),
                match_expressions=tuple(map(_expression, expressions)),
                pod_labels=labels_of(pod_labels),
                containers=tuple(map(_container, containers)),
                sidecars=tuple(map(_container, sidecars)),
                ready=placed.get((namespace, kind, name), 0),
            )
    raise UnexpectedError("a workload", value)


def _expression(value: object) -> Expression:
    match value:
        case {"key": str(key), "operator": str(operator), "values": list(values)}:
            return Expression(key, operator, texts_of(values))
    raise UnexpectedError("a selector's requirement", value)


def _container(value: object) -> Container:
    match value:
        case {"name": str(name), "image": str(image), "ports": list(ports)}:
            return Container(name, image, tuple(map(_container_port, ports)))
    raise UnexpectedError("a container", value)


def _container_port(value: object) -> ContainerPort:
    match value:
        case {"name": str(name), "containerPort": int(port), "protocol": str(protocol)}:
            return ContainerPort(name, port, protocol)
    raise UnexpectedError("a container port", value)


def read_pod(
    value: object,
    workloads: Mapping[Owner, Workload | LonePod],
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
                return Pod(
                    namespace, name, workload, ordinal, node, texts_of(ips), labels_of(labels)
                )
    raise UnexpectedError("a pod of a workload and a node in the plan", value)
