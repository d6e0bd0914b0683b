"""Plan: every pod gets a node and an address, every Service its addresses, ports and endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kcompile.address import Cidr
from kcompile.load.locate import problems_of
from kcompile.model import Cluster, Key, Service
from kcompile.plan.backends import Backends, Slices
from kcompile.plan.endpoints import Behind, endpoints_of, notes_on, portless_of
from kcompile.plan.families import ServiceFamilies, plan_families
from kcompile.plan.hints import Hints, has_hints, notes_on_hints
from kcompile.plan.load_balancers import LoadBalancerIps, plan_load_balancers
from kcompile.plan.lock import Lock
from kcompile.plan.node_ports import NodePorts, plan_node_ports
from kcompile.plan.nodes import plan_nodes
from kcompile.plan.placement import Pending, place
from kcompile.plan.pods import plan_pods
from kcompile.plan.services import ClusterIps, plan_cluster_ips
from kcompile.planned import Plan, PlannedNode, PlannedPod, PlannedPort, PlannedService
from kcompile.problems import Finding, InputError, Severity, severity
from kcompile.resolve.services import DNS


@dataclass(frozen=True, slots=True)
class _Given:
    """What Services have been given, by Service."""

    families: Mapping[Key, ServiceFamilies]
    cluster_ips: Mapping[Key, ClusterIps]
    node_ports: NodePorts
    load_balancer_ips: Mapping[Key, LoadBalancerIps]


def plan(cluster: Cluster, lock: Lock, pending: Pending = "error") -> Plan:
    """Nothing is undecided after this. Raises InputError with all that cannot be given."""
    pod_cidrs, findings = plan_nodes(cluster, lock)
    _stop_at_errors(findings)
    placed = place(cluster, pod_cidrs, lock, pending)
    given, wrong = _give(cluster, lock)
    findings = (*findings, *placed.findings, *wrong)
    _stop_at_errors(findings)
    pods, more = plan_pods(cluster, placed.placements, pod_cidrs, lock)
    _stop_at_errors(more)
    services, notes = _services(cluster, pods, given)
    return Plan(
        settings=cluster.settings,
        nodes=_nodes(cluster, pod_cidrs),
        namespaces=cluster.namespaces,
        workloads=cluster.workloads,
        pods=pods,
        services=services,
        origins=cluster.origins,
        notes=problems_of((*findings, *more, *notes)),
        pools=cluster.pools,
        pending=placed.pending,
    )


def _stop_at_errors(findings: Sequence[Finding]) -> None:
    if any(severity(finding.code) is Severity.ERROR for finding in findings):
        raise InputError(problems_of(findings))


def _nodes(cluster: Cluster, pod_cidrs: Mapping[str, tuple[Cidr, ...]]) -> tuple[PlannedNode, ...]:
    return tuple(
        PlannedNode(node.name, node.labels, node.addresses, pod_cidrs[node.name])
        for node in cluster.nodes
    )


def _give(cluster: Cluster, lock: Lock) -> tuple[_Given, tuple[Finding, ...]]:
    families, no_families = plan_families(cluster)
    cluster_ips, no_ips = plan_cluster_ips(cluster, families, lock)
    node_ports, no_ports = plan_node_ports(cluster, lock)
    load_balancer_ips, no_balancers = plan_load_balancers(cluster, families, lock)
    given = _Given(families, cluster_ips, node_ports, load_balancer_ips)
    return given, (*no_families, *no_ips, *no_ports, *no_balancers)


def _services(
    cluster: Cluster, pods: Sequence[PlannedPod], given: _Given
) -> tuple[tuple[PlannedService, ...], list[Finding]]:
    backends = Backends(cluster.workloads, pods)
    slices = Slices(cluster)
    hints = Hints(cluster.nodes)
    notes = [*slices.notes(cluster)]
    planned = []
    for service in cluster.services:
        selected = backends.of(service) if service.type != "ExternalName" else ()
        families = given.families[key := service.key]
        behind = Behind(
            service.name,
            selected,
            slices.of(service),
            families.families,
            hints.of(service),
            cluster.settings.node_dns if key == DNS else (),
        )
        planned.append(_service(service, key, behind, given))
        if service.type != "ExternalName":
            notes += notes_on(service, selected, cluster)
            notes += notes_on_hints(service, cluster)
    return tuple(planned), notes


def _service(service: Service, key: Key, behind: Behind, given: _Given) -> PlannedService:
    by_port = given.node_ports.by_port
    families = given.families[key]
    portless = portless_of(service.ports, behind) if service.headless else ((), ())
    return PlannedService(
        namespace=service.namespace,
        name=service.name,
        labels=service.labels,
        type=service.type,
        selector=service.selector,
        cluster_ips=given.cluster_ips.get(key, ()),
        headless=service.headless,
        external_name=service.external_name,
        ports=tuple(
            PlannedPort(
                port,
                by_port.get((key, (port.port, port.protocol)), 0),
                *endpoints_of(port, behind),
            )
            for port in service.ports
        ),
        portless4=portless[0],
        portless6=portless[1],
        synthesised=service.synthesised,
        family_policy=families.policy,
        external_ips=service.external_ips,
        load_balancer_ips=given.load_balancer_ips.get(key, ()),
        source_ranges=service.load_balancer.source_ranges,
        external_policy=service.external_policy,
        internal_policy=service.internal_policy,
        affinity_seconds=service.affinity_seconds,
        health_check_node_port=given.node_ports.health_checks.get(key, 0),
        hints=has_hints(service, behind.states, behind.slices),
        publish_not_ready=service.publish_not_ready,
        families=families.families,
        load_balanced_elsewhere=bool(service.load_balancer.ingress),
    )
