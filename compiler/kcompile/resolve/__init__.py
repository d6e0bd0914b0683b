"""Resolve: do the objects fit together? Objects and flags become one cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from kcompile.load.locate import locate, problems_of
from kcompile.model import (
    AddressPool,
    Cluster,
    ClusterConfiguration,
    DnsConfigMap,
    EndpointSlice,
    Key,
    KubeProxyConfiguration,
    Namespace,
    Node,
    Object,
    Objects,
    Service,
    Workload,
)
from kcompile.problems import Code, Finding, InputError, Problem, Severity, severity
from kcompile.resolve.controllers import find_overlaps
from kcompile.resolve.flags import Flags
from kcompile.resolve.forwarding import resolve_forwarding
from kcompile.resolve.mtu import resolve_mtus
from kcompile.resolve.node_dns import settle_node_dns
from kcompile.resolve.nodes import resolve_nodes
from kcompile.resolve.pools import resolve_pools
from kcompile.resolve.services import synthesise
from kcompile.resolve.settings import resolve_settings
from kcompile.resolve.stated import Configurations
from kcompile.source import Origin

# The namespaces that every cluster has (kube-apiserver's system namespaces, and default).
_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})

T = TypeVar("T", bound=Object)


def resolve(objects: Objects, flags: Flags) -> Cluster:
    """One cluster of settings, nodes, namespaces, workloads, services, slices and pools.

    Raises InputError with all that does not fit together.
    """
    origins, findings = _origins(objects)
    configurations = Configurations(
        tuple(_placed(objects, ClusterConfiguration)),
        tuple(_placed(objects, KubeProxyConfiguration)),
    )
    settings, wrong = resolve_settings(configurations, flags)
    findings += wrong
    forwarding, wrong = resolve_forwarding(_placed(objects, DnsConfigMap))
    settings = replace(settings, forwarding=forwarding)
    findings += wrong
    declared_nodes = [node for node, _ in _placed(objects, Node)]
    nodes, wrong = resolve_nodes(declared_nodes, flags, settings, origins)
    findings += wrong
    mtus, wrong = resolve_mtus(flags.mtus, {node.name for node in nodes})
    settings = replace(settings, mtus=mtus)
    findings += wrong
    declared = [service for service, _ in _placed(objects, Service)]
    made, wrong = synthesise(declared, settings)
    findings += wrong
    slices = tuple(sorted((s for s, _ in _placed(objects, EndpointSlice)), key=_key))
    settings, wrong = settle_node_dns(settings, flags, made, slices, nodes)
    findings += wrong
    declared_pools = [pool for pool, _ in _placed(objects, AddressPool)]
    pools, wrong = resolve_pools(declared_pools, flags, settings, origins)
    findings += wrong
    workloads = tuple(sorted((w for w, _ in _placed(objects, Workload)), key=_by_key))
    findings += find_overlaps(workloads, origins)
    return Cluster(
        settings=settings,
        nodes=nodes,
        namespaces=_namespaces(objects),
        workloads=workloads,
        services=tuple(sorted((*declared, *made), key=_by_key)),
        origins=origins,
        notes=_notes(findings),
        slices=slices,
        pools=pools,
    )


def _key(item: EndpointSlice) -> Key:
    return item.key


def _by_key(item: Workload | Service) -> tuple[str, str, str]:
    return item.namespace, item.name, item.key.kind


def _placed(objects: Objects, kind: type[T]) -> Iterator[tuple[T, Origin]]:
    for item, origin in zip(objects.items, objects.origins, strict=True):
        if type(item) is kind:
            yield item, origin


def _origins(objects: Objects) -> tuple[Mapping[Key, Origin], list[Finding]]:
    origins: dict[Key, Origin] = {}
    findings = []
    for item, origin in zip(objects.items, objects.origins, strict=True):
        if isinstance(item, ClusterConfiguration | KubeProxyConfiguration):
            continue
        first = origins.setdefault(item.key, origin)
        if first is not origin:
            message = f"{item.key} is declared a second time, first at {locate(first, ())}"
            findings.append(Finding(Code.DUPLICATE_OBJECT, origin, (), message))
    return origins, findings


def _namespaces(objects: Objects) -> tuple[Namespace, ...]:
    declared = {namespace.name: namespace for namespace, _ in _placed(objects, Namespace)}
    names = _NAMESPACES | objects.namespaces_used | declared.keys()
    return tuple(declared.get(name) or Namespace(name, ()) for name in sorted(names))


def _notes(findings: list[Finding]) -> tuple[Problem, ...]:
    problems = problems_of(findings)
    if any(severity(problem.code) is Severity.ERROR for problem in problems):
        raise InputError(problems)
    return problems
