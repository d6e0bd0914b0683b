"""Every kind of Service on real nodes, over both families: who is led where, hidden or not, refused
or dropped. What is expected is what kube-proxy does in iptables mode."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from lab import needs, policies
from lab.describe import INTERNET, NEIGHBOUR, Family, Probe, Variant
from lab.documents import vip
from lab.expect import (
    PATIENCE,
    SILENT,
    Case,
    Outcome,
    Reaches,
    assert_outcomes,
)
from lab.policies import NODES, Policies

OUTSIDE = (NEIGHBOUR, INTERNET)
HTTP = 80
Protocol = Literal["TCP", "UDP"]
BOTH: tuple[Protocol, ...] = ("TCP", "UDP")

pytestmark = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module", params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundle: Path) -> Iterator[Policies]:
    needs.requires_both_families(request.param)
    running = policies.start(bundle, Variant(request.param))
    with running.cluster:
        yield running


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs.requires_both_families("nft")
    return policies.build(tmp_path_factory.mktemp("policies") / "dual")


# -- policies


@pytest.mark.parametrize("protocol", BOTH)
def test_a_local_node_port_leads_the_world_to_local_pods_as_itself(
    real: Policies, family: Family, protocol: Protocol
) -> None:
    local = {"n1": real.pods("web-1"), "n2": real.pods("web-2")}
    port = real.node_port("external-local")
    cases = []
    for node in NODES:
        to = real.cluster.lab.address(node, family)
        here: Outcome = Reaches(local[node]) if node in local else SILENT
        cases += [Case(client, to, port, here, protocol) for client in OUTSIDE]
        for other in NODES:
            if other != node:
                # Pods leave their node under its address, so that they too come from outside.
                seen: Outcome = Reaches(local[node], other) if node in local else SILENT
                cases += [
                    Case(client, to, port, seen, protocol) for client in (real.client(other), other)
                ]
    assert_outcomes(real.cluster, cases)


@pytest.mark.parametrize("protocol", BOTH)
def test_a_local_node_port_of_the_clients_own_node_leads_to_all_pods(
    real: Policies, family: Family, protocol: Protocol
) -> None:
    """The short circuit: what is inside need not keep to local pods, on n3 neither."""
    web = real.pods("web-1", "web-2")
    port = real.node_port("external-local")
    cases = [
        Case(client, real.cluster.lab.address(node, family), port, Reaches(web, by), protocol)
        for node in NODES
        for client, by in real.inside(node)
    ]
    if family == 4:
        cases += [Case(node, "127.0.0.1", port, Reaches(web, node), protocol) for node in NODES]
    assert_outcomes(real.cluster, cases)


@pytest.mark.parametrize("address", [10, 11], ids=["load-balancer", "external-ip"])
def test_a_local_external_address_leads_like_a_local_node_port(
    real: Policies, family: Family, address: int
) -> None:
    to = vip(address, family)
    web = real.pods("web-1", "web-2")
    own = [
        Case(client, to, HTTP, Reaches(web, by), protocol)
        for node in NODES
        for client, by in real.inside(node)
        for protocol in BOTH
    ]
    local: dict[str, Outcome] = {
        "n1": Reaches(real.pods("web-1")),
        "n2": Reaches(real.pods("web-2")),
        "n3": SILENT,
    }
    for node, outcome in local.items():
        real.lead(to, family, node)
        cases = [Case(client, to, HTTP, outcome, p) for client in OUTSIDE for p in BOTH]
        assert_outcomes(real.cluster, cases + own)
        own = []


def test_a_local_external_policy_says_nothing_of_the_cluster_ip(
    real: Policies, family: Family
) -> None:
    to = real.cluster_ip("external-local", family)
    web = real.pods("web-1", "web-2")
    assert_outcomes(
        real.cluster,
        [
            Case(client, to, HTTP, Reaches(web, by))
            for node in NODES
            for client, by in real.inside(node)
        ],
    )


@pytest.mark.parametrize("service", ["internal-local", "both-local"])
def test_a_local_cluster_ip_leads_to_pods_of_the_clients_node_or_nowhere(
    real: Policies, family: Family, service: str
) -> None:
    to = real.cluster_ip(service, family)
    local = {"n1": real.pods("web-1"), "n2": real.pods("web-2")}
    protocols = BOTH if service == "internal-local" else ("TCP",)
    assert_outcomes(
        real.cluster,
        [
            Case(client, to, HTTP, Reaches(local[node], by) if node in local else SILENT, protocol)
            for node in NODES
            for client, by in real.inside(node)
            for protocol in protocols
        ],
    )


def test_a_local_internal_policy_says_nothing_of_the_node_port(
    real: Policies, family: Family
) -> None:
    port = real.node_port("both-local")
    web = real.pods("web-1", "web-2")
    cases = [
        Case(client, real.cluster.lab.address(node, family), port, Reaches(web, by))
        for node in NODES
        for client, by in real.inside(node)
    ]
    n3 = real.cluster.lab.address("n3", family)
    cases += [Case(client, n3, port, SILENT) for client in OUTSIDE]
    assert_outcomes(real.cluster, cases)


def test_a_pod_in_the_hosts_network_is_local_to_its_node(real: Policies, family: Family) -> None:
    """internalTrafficPolicy Local; what reaches its own node is not masqueraded on the way in."""
    to = real.cluster_ip("host", family)
    n1 = real.cluster.lab.address("n1", family)
    elsewhere = [client for node in ("n2", "n3") for client, _ in real.inside(node)]
    assert_outcomes(real.cluster, [Case(client, to, HTTP, SILENT) for client in elsewhere])
    probes = [Probe(client, to, HTTP, count=2) for client in (real.client("n1"), "n1")]
    pod, node = real.cluster.probe(probes)
    assert pod.sources == {real.cluster.lab.address(real.client("n1"), family)}
    assert node.sources == {n1}
    (host,) = real.pods("host")
    for result in (pod, node):
        assert {(each.address, each.port) for each in result.answers} == {
            (host.address(family), policies.HOST_PORT)
        }


# -- load balancers and external addresses


def test_source_ranges_guard_a_load_balancers_address(real: Policies, family: Family) -> None:
    """Pods and nodes are not in the ranges, so that the address is closed to them too."""
    to = vip(20, family)
    web = real.pods("web-1", "web-2")
    closed = [
        Case(client, to, HTTP, SILENT)
        for client in (NEIGHBOUR, *NODES, *(real.client(node) for node in NODES))
    ]
    for node in NODES:
        real.lead(to, family, node)
        cases = [Case(INTERNET, to, HTTP, Reaches(web, node))]
        assert_outcomes(real.cluster, cases + (closed if node == "n1" else []))


def test_source_ranges_guard_nothing_else(real: Policies, family: Family) -> None:
    web = real.pods("web-1", "web-2")
    n1 = real.cluster.lab.address("n1", family)
    cases = [Case(NEIGHBOUR, n1, real.node_port("guarded"), Reaches(web, "n1"))]
    to = real.cluster_ip("guarded", family)
    cases += [Case(client, to, HTTP, Reaches(web, by)) for client, by in real.inside("n3")]
    assert_outcomes(real.cluster, cases)


def test_a_node_in_the_source_ranges_reaches_the_address(real: Policies, family: Family) -> None:
    to = vip(30, family)
    real.lead(to, family, "n1")
    closed = ("n2", "n3", *(real.client(node) for node in NODES), *OUTSIDE)
    cases = [Case("n1", to, HTTP, Reaches(real.pods("web-1", "web-2"), "n1"))]
    assert_outcomes(real.cluster, cases + [Case(client, to, HTTP, SILENT) for client in closed])


def test_an_external_ip_leads_from_everywhere_hidden_by_the_node(
    real: Policies, family: Family
) -> None:
    to = vip(250, family)
    web = real.pods("web-1", "web-2")
    cases = [
        Case(client, to, HTTP, Reaches(web, node))
        for node in NODES
        for client in (real.client(node), node)
    ]
    for node in NODES:
        real.lead(to, family, node)
        assert_outcomes(
            real.cluster, [*cases, *(Case(each, to, HTTP, Reaches(web, node)) for each in OUTSIDE)]
        )
        cases = []


def test_the_address_of_a_proxying_load_balancer_is_left_alone(
    real: Policies, family: Family
) -> None:
    """It stands elsewhere, for pods and nodes too; here nobody has it."""
    clients = [each for node in NODES for each in (node, real.client(node))]
    probes = [Probe(client, vip(40, family), HTTP, timeout=PATIENCE) for client in clients]
    for probe, result in zip(probes, real.cluster.probe(probes), strict=True):
        assert set(result.failures) <= {"ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"}, probe
