"""`describe`: one object at length, in the lines of kubectl describe.

Lines about what only a running cluster has (conditions, volumes, events) are left out, but for
`Annotations` and `Events`, which tell a reader that there are none.
"""

from collections.abc import Iterable
from typing import assert_never

from kcompile.explain.contents import (
    Contents,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
    Workload,
)
from kcompile.explain.describe_pieces import Field, container_lines, label_fields, lines
from kcompile.explain.describe_workloads import describe_workload
from kcompile.explain.endpoints import Endpoints, families, is_ready
from kcompile.explain.select import Item
from kcompile.explain.table import DESCRIBE_PADDING, table
from kcompile.explain.words import NONE, endpoint_list, join, roles


def describe(item: Item, contents: Contents) -> str:
    match item:
        case Node():
            return _node(item, contents)
        case Namespace():
            return _namespace(item)
        case Pod():
            return _pod(item)
        case Service():
            return _service(item, contents)
        case Endpoints():
            return _endpoints(item)
        case Workload():
            return describe_workload(item)
        case _:
            assert_never(item)


def _service(service: Service, contents: Contents) -> str:
    fields = [
        ("Name:", service.name),
        ("Namespace:", service.namespace),
        *label_fields("Labels:", service.labels),
        ("Annotations:", NONE),
        ("Selector:", join(f"{key}={value}" for key, value in service.selector)),
        ("Type:", service.type),
        *_service_addresses(service, contents),
    ]
    for port in service.ports:
        fields += _service_port(port)
    if service.portless_endpoints:
        ready = tuple(filter(is_ready, service.portless_endpoints))
        fields.append(("Endpoints:", endpoint_list(ready)))
    fields += _policies(service)
    return lines([*fields, ("Events:", NONE)])


def _policies(service: Service) -> list[Field]:
    exposure = service.exposure
    fields = [("Session Affinity:", "ClientIP" if exposure.affinity_seconds else "None")]
    if service.type in {"NodePort", "LoadBalancer"}:
        fields.append(("External Traffic Policy:", exposure.external_policy))
    if service.type != "ExternalName":
        fields.append(("Internal Traffic Policy:", exposure.internal_policy))
    if exposure.health_check_node_port:
        fields.append(("HealthCheck NodePort:", str(exposure.health_check_node_port)))
    if exposure.source_ranges:
        fields.append(("LoadBalancer Source Ranges:", ",".join(exposure.source_ranges)))
    return fields


def _service_addresses(service: Service, contents: Contents) -> list[Field]:
    if service.type == "ExternalName":
        nothing = [("IP Families:", NONE), ("IP:", NONE), ("IPs:", NONE)]
        return [*nothing, ("External Name:", service.external_name or NONE)]
    own_families = families(service, contents.settings)
    exposure = service.exposure
    fields = [
        ("IP Family Policy:", service.family_policy),
        ("IP Families:", ",".join(own_families)),
        ("IP:", service.cluster_ips[0] if service.cluster_ips else NONE),
        ("IPs:", join(service.cluster_ips)),
    ]
    if exposure.external_ips:
        fields.append(("External IPs:", ",".join(exposure.external_ips)))
    if exposure.load_balancer_ips:
        ingress = ", ".join(f"{ip} (VIP)" for ip in exposure.load_balancer_ips)
        fields.append(("LoadBalancer Ingress:", ingress))
    return fields


def _service_port(port: ServicePort) -> Iterable[Field]:
    name = port.name or "<unset>"
    yield "Port:", f"{name}  {port.port}/{port.protocol}"
    yield "TargetPort:", f"{port.target_port}/{port.protocol}"
    if port.node_port:
        yield "NodePort:", f"{name}  {port.node_port}/{port.protocol}"
    yield "Endpoints:", endpoint_list(tuple(filter(is_ready, port.endpoints)))


def _pod(pod: Pod) -> str:
    workload = pod.workload
    host = f"/{pod.node.addresses[0]}" if pod.node.addresses else ""
    head = [
        ("Name:", pod.name),
        ("Namespace:", pod.namespace),
        ("Node:", f"{pod.node.name}{host}"),
        *label_fields("Labels:", pod.labels),
        ("Annotations:", NONE),
        ("Status:", "Running"),
        ("IP:", pod.ips[0] if pod.ips else ""),
    ]
    ips = lines([("IP:", ip) for ip in pod.ips], "  ") if pod.ips else ""
    controller = f"{workload.kind}/{workload.name}"
    owner = "" if workload.kind == "Pod" else lines([("Controlled By:", controller)])
    sidecars = container_lines("Init Containers:", workload.sidecars) if workload.sidecars else ""
    return "".join(
        (
            lines(head),
            f"IPs:{'' if ips else f'  {NONE}'}\n",
            ips,
            owner,
            sidecars,
            container_lines("Containers:", workload.containers),
            lines([("Events:", NONE)]),
        )
    )


def _namespace(namespace: Namespace) -> str:
    return lines(
        [
            ("Name:", namespace.name),
            *label_fields("Labels:", namespace.labels),
            ("Annotations:", NONE),
            ("Status:", "Active"),
        ]
    )


def _node(node: Node, contents: Contents) -> str:
    head = [
        ("Name:", node.name),
        ("Roles:", roles(node.labels)),
        *label_fields("Labels:", node.labels),
        ("Annotations:", NONE),
    ]
    addresses = [*(("InternalIP:", ip) for ip in node.addresses), ("Hostname:", node.name)]
    pods = sorted((pod.namespace, pod.name) for pod in contents.pods if pod.node is node)
    tail = [("Non-terminated Pods:", f"({len(pods)} in total)")]
    if node.pod_cidrs:
        tail = [
            ("PodCIDR:", node.pod_cidrs[0]),
            ("PodCIDRs:", ",".join(node.pod_cidrs)),
            *_pod_ranges(node, contents),
            *tail,
        ]
    pod_rows = [("Namespace", "Name"), ("---------", "----"), *pods]
    return "".join(
        (
            lines(head),
            "Addresses:\n",
            lines(addresses, "  "),
            lines(tail),
            table(pod_rows, DESCRIBE_PADDING, "  "),
            lines([("Events:", NONE)]),
        )
    )


def _pod_ranges(node: Node, contents: Contents) -> list[Field]:
    """A line of our own, which kubectl has not: how full each range is."""
    own = [each for each in contents.pod_ranges if each.node == node.name]
    words = [f"{each.used} of {each.size} used in {each.cidr}" for each in own]
    return [("Pod Addresses:" if index == 0 else "", each) for index, each in enumerate(words)]


def _endpoints(endpoints: Endpoints) -> str:
    head = [
        ("Name:", endpoints.name),
        ("Namespace:", endpoints.namespace),
        *label_fields("Labels:", endpoints.labels),
        ("Annotations:", NONE),
    ]
    text = lines(head) + "Subsets:\n"
    for subset in endpoints.subsets:
        fields = [
            ("Addresses:", join(address.ip for address in subset.addresses)),
            ("NotReadyAddresses:", NONE),
        ]
        text += lines(fields, "  ")
        if subset.ports:
            ports = [
                (port.name or "<unset>", str(port.port), port.protocol) for port in subset.ports
            ]
            header = [("Name", "Port", "Protocol"), ("----", "----", "--------")]
            text += "  Ports:\n" + table([*header, *ports], DESCRIBE_PADDING, "    ")
        text += "\n"
    return text + lines([("Events:", NONE)])
