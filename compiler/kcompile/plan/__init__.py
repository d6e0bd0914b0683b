"""Plan: every pod gets a node and an address, every Service its addresses, ports and endpoints."""

from collections.abc import Mapping, Sequence

from kcompile.address import Cidr, Family
from kcompile.load.locate import problems_of
from kcompile.model import Cluster, Service, Workload
from kcompile.plan.endpoints import Backends, Pods, endpoints_of, notes_on
from kcompile.plan.lock import Lock
from kcompile.plan.nodes import plan_nodes
from kcompile.plan.placement import place
from kcompile.plan.pods import plan_pods
from kcompile.plan.services import ServiceAddresses, plan_services
from kcompile.planned import Plan, PlannedNode, PlannedPod, PlannedPort, PlannedService
from kcompile.problems import Finding, InputError, Severity, severity


def plan(cluster: Cluster, lock: Lock) -> Plan:
    """Nothing is undecided after this. Raises InputError with all that cannot be given."""
    pod_cidrs, findings = plan_nodes(cluster, lock)
    _stop_at_errors(findings)
    placements, more = place(cluster, pod_cidrs, lock)
    addresses = plan_services(cluster, lock)
    findings = (*findings, *more, *addresses.findings)
    _stop_at_errors(findings)
    pods, more = plan_pods(cluster, placements, pod_cidrs, lock)
    services, notes = _services(cluster, pods, addresses)
    return Plan(
        settings=cluster.settings,
        nodes=_nodes(cluster, pod_cidrs),
        namespaces=cluster.namespaces,
        workloads=cluster.workloads,
        pods=pods,
        services=services,
        origins=cluster.origins,
        notes=problems_of((*findings, *more, *notes)),
    )


def _stop_at_errors(findings: Sequence[Finding]) -> None:
    if any(severity(finding.code) is Severity.ERROR for finding in findings):
        raise InputError(problems_of(findings))


def _nodes(cluster: Cluster, pod_cidrs: Mapping[str, tuple[Cidr, ...]]) -> tuple[PlannedNode, ...]:
    return tuple(
        PlannedNode(node.name, node.labels, node.addresses, pod_cidrs[node.name])
        for node in cluster.nodes
    )


def _services(
    cluster: Cluster, pods: Sequence[PlannedPod], addresses: ServiceAddresses
) -> tuple[tuple[PlannedService, ...], list[Finding]]:
    backends = Backends(cluster.workloads, pods)
    notes: list[Finding] = []
    planned = []
    for service in cluster.services:
        selected = []
        if service.type != "ExternalName":
            selected = backends.of(service)
            notes += notes_on(service, selected, cluster)
        planned.append(_service(service, selected, addresses, cluster.settings.families))
    return tuple(planned), notes


def _service(
    service: Service,
    selected: Sequence[tuple[Workload, Pods]],
    addresses: ServiceAddresses,
    families: Sequence[Family],
) -> PlannedService:
    node_ports = addresses.node_ports
    portless = endpoints_of(None, () if service.ports else selected, families)
    return PlannedService(
        namespace=service.namespace,
        name=service.name,
        labels=service.labels,
        type=service.type,
        selector=service.selector,
        cluster_ips=addresses.cluster_ips.get(service.key, ()),
        headless=service.headless,
        external_name=service.external_name,
        ports=tuple(
            PlannedPort(
                port,
                node_ports.get((service.key, (port.port, port.protocol)), 0),
                *endpoints_of(port, selected, families),
            )
            for port in service.ports
        ),
        portless4=portless[0],
        portless6=portless[1],
        synthesised=service.synthesised,
    )
