"""Finds in a plan what was asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from kcompile.explain.contents import (
    Contents,
    Namespace,
    Node,
    Pod,
    Service,
    Workload,
)
from kcompile.explain.endpoints import Endpoints, endpoints
from kcompile.explain.kinds import Kind, Request

Item = Node | Namespace | Pod | Service | Endpoints | Workload


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request found: objects, and names without an object."""

    kind: Kind
    names: tuple[str, ...]
    items: tuple[Item, ...]
    missing: tuple[str, ...]


def select(contents: Contents, request: Request, namespace: str | None) -> Selection:
    """Objects of a namespace, or of all if it is None, in the order of the request's names.

    Without names, all of them are found, sorted by namespace and name as an API server does.
    """
    items = _items(contents, request.kind, namespace)
    if not request.names:
        return Selection(request.kind, (), tuple(sorted(items, key=_key)), ())
    wanted = frozenset(request.names)
    by_name = {item.name: item for item in items if item.name in wanted}
    return Selection(
        kind=request.kind,
        names=request.names,
        items=tuple(by_name[name] for name in request.names if name in by_name),
        missing=tuple(name for name in request.names if name not in by_name),
    )


def namespace_of(item: Item) -> str:
    """ "" for what is cluster-wide."""
    match item:
        case Node() | Namespace():
            return ""
        case _:
            return item.namespace


def _items(contents: Contents, kind: Kind, namespace: str | None) -> Iterable[Item]:
    match kind:
        case "node":
            return contents.nodes
        case "namespace":
            return contents.namespaces
        case "pod":
            return (pod for pod in contents.pods if namespace in {None, pod.namespace})
        case "service":
            return _services(contents, namespace)
        case "endpoints":
            found = (endpoints(each, contents.settings) for each in _services(contents, namespace))
            return (each for each in found if each is not None)
        case (
            "deployment"
            | "statefulset"
            | "daemonset"
            | "replicaset"
            | "replicationcontroller"
            | "job"
        ):
            return _workloads(contents, kind, namespace)
        case _:
            assert_never(kind)


def _services(contents: Contents, namespace: str | None) -> Iterable[Service]:
    return (each for each in contents.services if namespace in {None, each.namespace})


def _workloads(contents: Contents, kind: Kind, namespace: str | None) -> Iterable[Workload]:
    """kubectl's word for a kind is the API's own in lower case."""
    return (
        workload
        for workload in contents.workloads
        if workload.kind.lower() == kind and namespace in {None, workload.namespace}
    )


def _key(item: Item) -> tuple[str, str]:
    return namespace_of(item), item.name
