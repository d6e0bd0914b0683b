"""Clusters in the user's notation: YAML in, plans out."""

from collections.abc import Sequence

from kcompile.address import format_ip
from kcompile.pipeline import Planned, make_plan
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from kcompile.planned import Plan
from kcompile.resolve.flags import Flags


def deployment(
    name: str,
    replicas: int = 1,
    *,
    namespace: str = "default",
    labels: str = "",
    ports: str = "[{containerPort: 80}]",
    spec: str = "",
) -> str:
    """A Deployment; its label is `app: NAME` unless `labels` (a flow mapping) says otherwise.

    `spec` is more of the pod's spec, as fields of a flow mapping."""
    labels = labels or f"{{app: {name}}}"
    more = f", {spec}" if spec else ""
    return (
        f"apiVersion: apps/v1\nkind: Deployment\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {labels}}}\n"
        f"  template:\n    metadata: {{labels: {labels}}}\n"
        f"    spec: {{containers: [{{name: c, image: i, ports: {ports}}}]{more}}}\n---\n"
    )


def service(
    name: str,
    *,
    namespace: str = "default",
    selector: str = "",
    ports: str = "[{port: 80}]",
    spec: str = "",
) -> str:
    """A Service that selects `app: NAME`; `spec` is more of its spec."""
    selector = selector or f"{{app: {name}}}"
    more = f", {spec}" if spec else ""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{selector: {selector}, ports: {ports}{more}}}\n---\n"
    )


def node(name: str, address: str, *, spec: str = "", labels: str = "{}") -> str:
    return (
        f"apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {labels}}}\n"
        f"spec: {{{spec}}}\n"
        f"status: {{addresses: [{{type: InternalIP, address: {address}}}]}}\n---\n"
    )


def nodes(count: int) -> str:
    return "".join(node(f"n{i}", f"192.0.2.{i + 1}") for i in range(count))


def endpoint_slice(
    service_name: str, addresses: str, *, ports: str = "[{port: 80}]", more: str = ""
) -> str:
    """A slice of a Service; `addresses` is a flow sequence, `more` fields of the slice."""
    family = "IPv6" if ":" in addresses else "IPv4"
    fields = f"{more}\n" if more else ""
    return (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        f"metadata: {{name: {service_name}-1,"
        f" labels: {{kubernetes.io/service-name: {service_name}}}}}\n"
        f"addressType: {family}\nports: {ports}\n{fields}"
        f"endpoints: [{{addresses: {addresses}}}]\n---\n"
    )


def planned(text: str, *, lock: str = "", flags: Flags | None = None) -> Planned:
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    return make_plan([("m.yaml", text)], flags or Flags(), old)


def pods(plan: Plan) -> dict[str, tuple[str, str]]:
    """Node and address by NAMESPACE/WORKLOAD/ORDINAL."""
    return {
        f"{pod.namespace}/{pod.workload.name}/{pod.ordinal}": (pod.node, format_ip(4, pod.ipv4))
        for pod in plan.pods
    }


def cluster_ips(plan: Plan) -> dict[str, str]:
    """Cluster addresses of declared Services by NAMESPACE/NAME."""
    return {
        f"{each.namespace}/{each.name}": ",".join(format_ip(*ip) for ip in each.cluster_ips)
        for each in plan.services
        if not each.synthesised
    }


def node_ports(plan: Plan) -> dict[str, Sequence[int]]:
    return {
        each.name: [port.node_port for port in each.ports]
        for each in plan.services
        if not each.synthesised
    }


def endpoints(plan: Plan, name: str) -> list[list[str]]:
    """ADDRESS:PORT or [ADDRESS]:PORT of each port of a Service, IPv4 ones first."""
    (service_,) = [each for each in plan.services if each.name == name]
    return [
        [
            *(f"{format_ip(4, each.ip)}:{each.port}" for each in port.endpoints4),
            *(f"[{format_ip(6, each.ip)}]:{each.port}" for each in port.endpoints6),
        ]
        for port in service_.ports
    ]
