"""The tables of `get`: a header and a row an object, in today's columns of kubectl."""

from collections.abc import Iterable
from typing import assert_never

from kcompile.explain.contents import (
    Container,
    Endpoint,
    Namespace,
    Node,
    Pod,
    Service,
    Workload,
)
from kcompile.explain.endpoints import Endpoints
from kcompile.explain.kinds import CLUSTER_WIDE, Kind, resource
from kcompile.explain.select import Item, Selection, namespace_of
from kcompile.explain.table import table
from kcompile.explain.words import (
    NONE,
    UNKNOWN,
    endpoint_list,
    format_labels,
    format_selector,
    join,
    roles,
)

_REPLICAS = ("NAME", "DESIRED", "CURRENT", "READY", "AGE")
_HEADERS: dict[Kind, tuple[str, ...]] = {
    "node": ("NAME", "STATUS", "ROLES", "AGE", "VERSION"),
    "namespace": ("NAME", "STATUS", "AGE"),
    "pod": ("NAME", "READY", "STATUS", "RESTARTS", "AGE"),
    "service": ("NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"),
    "endpoints": ("NAME", "ENDPOINTS", "AGE"),
    "deployment": ("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"),
    "statefulset": ("NAME", "READY", "AGE"),
    "daemonset": (
        "NAME",
        "DESIRED",
        "CURRENT",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "NODE SELECTOR",
        "AGE",
    ),
    "replicaset": _REPLICAS,
    "replicationcontroller": _REPLICAS,
    "job": ("NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"),
}
_TEMPLATE = ("CONTAINERS", "IMAGES", "SELECTOR")
_WIDE_HEADERS: dict[Kind, tuple[str, ...]] = {
    "node": ("INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"),
    "namespace": (),
    "pod": ("IP", "NODE", "NOMINATED NODE", "READINESS GATES"),
    "service": ("SELECTOR",),
    "endpoints": (),
    "deployment": _TEMPLATE,
    "statefulset": _TEMPLATE[:2],
    "daemonset": _TEMPLATE,
    "replicaset": _TEMPLATE,
    "replicationcontroller": _TEMPLATE,
    "job": _TEMPLATE,
}


def get_table(selection: Selection, *, wide: bool, with_namespace: bool, with_kind: bool) -> str:
    """ "" if nothing was found."""
    if not selection.items:
        return ""
    prefix = f"{resource(selection.kind)}/" if with_kind else ""
    with_namespace = with_namespace and selection.kind not in CLUSTER_WIDE
    header = _HEADERS[selection.kind] + (_WIDE_HEADERS[selection.kind] if wide else ())
    rows = [("NAMESPACE", *header) if with_namespace else header]
    for item in selection.items:
        row = (prefix + item.name, *_row(item), *(_wide_row(item) if wide else ()))
        rows.append((namespace_of(item), *row) if with_namespace else row)
    return table(rows)


def get_names(selection: Selection) -> str:
    """The form of `-o name`."""
    return "".join(f"{resource(selection.kind)}/{item.name}\n" for item in selection.items)


def _row(item: Item) -> tuple[str, ...]:
    """The columns after the name. What only a running cluster knows is as in a healthy one."""
    match item:
        case Node():
            return "Ready", roles(item.labels), UNKNOWN, UNKNOWN
        case Namespace():
            return "Active", UNKNOWN
        case Pod():
            containers = len(item.workload.containers) + len(item.workload.sidecars)
            return f"{containers}/{containers}", "Running", "0", UNKNOWN
        case Service():
            return item.type, _cluster_ip(item), _external_ip(item), _ports(item), UNKNOWN
        case Endpoints():
            return endpoint_list(_sockets(item)), UNKNOWN
        case Workload():
            return _workload_row(item)
        case _:
            assert_never(item)


def _workload_row(workload: Workload) -> tuple[str, ...]:
    """A Job's completions and a DaemonSet's node selector are not in the plan, only what came of
    them. A Job without pods may be suspended or at its end."""
    replicas, ready = str(workload.replicas), str(workload.ready)
    match workload.kind:
        case "Deployment":
            return f"{ready}/{replicas}", replicas, ready, UNKNOWN
        case "StatefulSet":
            return f"{ready}/{replicas}", UNKNOWN
        case "DaemonSet":
            return *(ready,) * 5, UNKNOWN, UNKNOWN
        case "ReplicaSet" | "ReplicationController":
            return replicas, replicas, ready, UNKNOWN
        case "Job":
            status = "Running" if workload.replicas else UNKNOWN
            return status, UNKNOWN, UNKNOWN, UNKNOWN
        case _:
            assert_never(workload.kind)


def _wide_row(item: Item) -> tuple[str, ...]:
    match item:
        case Node():
            return item.addresses[0] if item.addresses else NONE, NONE, UNKNOWN, UNKNOWN, UNKNOWN
        case Pod():
            return item.ips[0] if item.ips else NONE, item.node.name, NONE, NONE
        case Service():
            return (format_labels(item.selector),)
        case Endpoints() | Namespace():
            return ()
        case Workload(kind="StatefulSet"):
            return _names_and_images(item.containers)
        case Workload():
            return *_names_and_images(item.containers), format_selector(item)
        case _:
            assert_never(item)


def _cluster_ip(service: Service) -> str:
    return service.cluster_ips[0] if service.cluster_ips else NONE


def _external_ip(service: Service) -> str:
    exposure = service.exposure
    if service.type == "ExternalName":
        return service.external_name or NONE
    if service.type == "LoadBalancer":
        found = (*exposure.load_balancer_ips, *exposure.external_ips)
        return join(found) if found else "<pending>"
    return join(exposure.external_ips)


def _ports(service: Service) -> str:
    return join(
        f"{port.port}:{port.node_port}/{port.protocol}"
        if port.node_port
        else f"{port.port}/{port.protocol}"
        for port in service.ports
    )


def _sockets(endpoints: Endpoints) -> list[Endpoint]:
    """Every address with every port of its subset, port by port."""
    return [
        Endpoint(address.ip, port, address.node, address.pod)
        for subset in endpoints.subsets
        for port in (tuple(each.port for each in subset.ports) or (None,))
        for address in subset.addresses
    ]


def _names_and_images(containers: Iterable[Container]) -> tuple[str, str]:
    return (
        ",".join(container.name for container in containers),
        ",".join(container.image for container in containers),
    )
