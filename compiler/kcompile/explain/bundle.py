"""Reads plan.json of a bundle back."""

import json
from collections import Counter
from pathlib import Path

from kcompile.explain.bundle_services import read_service
from kcompile.explain.bundle_values import UnexpectedError, labels_of, texts_of
from kcompile.explain.bundle_workloads import Owner, owner_of, read_pod, read_workload
from kcompile.explain.contents import (
    Contents,
    LonePod,
    Namespace,
    Node,
    PodRange,
    Settings,
    Workload,
)
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

PLAN_FILE = "plan.json"
_VERSION = 1
"""The format's version that this reader knows; kcompile.render.plan_json writes it."""


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
    except UnexpectedError as error:
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
            raise UnexpectedError(f"format version {_VERSION}", version)
        case _:
            raise UnexpectedError("a plan", value)
    read_nodes = tuple(map(_node, nodes))
    placed = Counter(map(owner_of, pods))
    owners = [read_workload(each, placed) for each in workloads]
    by_name = {node.name: node for node in read_nodes}
    by_key: dict[Owner, Workload | LonePod] = {
        (owner.namespace, owner.kind, owner.name): owner for owner in owners
    }
    return Contents(
        settings=_settings(settings),
        pod_ranges=tuple(map(_pod_range, pod_ranges)),
        namespaces=tuple(map(_namespace, namespaces)),
        nodes=read_nodes,
        workloads=tuple(owner for owner in owners if owner.kind != "Pod"),
        pods=tuple(read_pod(pod, by_key, by_name) for pod in pods),
        services=tuple(map(read_service, services)),
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
                pod_cidrs=texts_of(pod_cidrs),
                service_cidrs=texts_of(service_cidrs),
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
                non_masquerade_cidrs=texts_of(non_masquerade_cidrs),
                node_dns_address=node_dns,
            )
    raise UnexpectedError("the settings", value)


def _pod_range(value: object) -> PodRange:
    match value:
        case {"node": str(node), "cidr": str(cidr), "size": int(size), "used": int(used)}:
            return PodRange(node, cidr, size, used)
    raise UnexpectedError("how full a pod CIDR is", value)


def _namespace(value: object) -> Namespace:
    match value:
        case {"name": str(name), "labels": dict(labels)}:
            return Namespace(name, labels_of(labels))
    raise UnexpectedError("a namespace", value)


def _node(value: object) -> Node:
    match value:
        case {
            "name": str(name),
            "addresses": list(addresses),
            "podCIDRs": list(pod_cidrs),
            "labels": dict(labels),
        }:
            return Node(name, texts_of(addresses), texts_of(pod_cidrs), labels_of(labels))
    raise UnexpectedError("a node", value)
