"""Ports and endpoints on real nodes, over both families: which pods are led to, and for how long.
What is expected is what kube-proxy does in iptables mode."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from lab import needs, policies
from lab.describe import INTERNET, NEIGHBOUR, Family, LabPod, Probe, Variant
from lab.documents import vip
from lab.expect import (
    ENOUGH,
    REFUSED,
    SILENT,
    Case,
    Outcome,
    Reaches,
    assert_answered,
    assert_outcomes,
)
from lab.policies import NODES, Policies

OUTSIDE = (NEIGHBOUR, INTERNET)
HTTP = 80
Protocol = Literal["TCP", "UDP"]
BOTH: tuple[Protocol, ...] = ("TCP", "UDP")
both_families = pytest.mark.parametrize("family", [4, 6])


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


# -- affinity


def test_a_client_keeps_its_pod_by_every_way_until_the_timeout(real: Policies) -> None:
    """After it, each of 26 clients chooses again: all would choose the same once in 3^26."""
    clients = [client for client in real.cluster.lab.pods if client.workload != "host"]
    names = [*NODES, *(pod.name for pod in clients)]
    before = _who(real, names, 1)
    assert _who(real, names, 20) == before
    time.sleep(policies.AFFINITY_SECONDS + 0.3)
    assert _who(real, names, 1) != before
    assert len(set(before)) > 1


def _who(real: Policies, clients: list[str], count: int) -> list[str]:
    """The one pod that answers each client over each family, by the cluster IP and by the node
    port."""
    lab = real.cluster.lab
    nodes = [client if client in NODES else lab.pod(client).node for client in clients]
    found = []
    for port in (HTTP, real.node_port("sticky")):
        probes = [
            Probe(
                client,
                real.cluster_ip("sticky", family) if port == HTTP else lab.address(node, family),
                port,
                count=count,
            )
            for client, node in zip(clients, nodes, strict=True)
            for family in lab.families
        ]
        results = real.cluster.probe(probes)
        for probe, result in zip(probes, results, strict=True):
            assert_answered(probe, result)
            assert len(result.by_pod) == 1, probe
        found.append([next(iter(result.by_pod)) for result in results])
    assert found[0] == found[1]
    return found[0]


# -- ports


@both_families
def test_ports_lead_to_the_numbers_that_their_names_have_in_each_pod(
    real: Policies, family: Family
) -> None:
    """The pod that lacks a named port is no endpoint of it."""
    web1, web2 = real.pods("web-1"), real.pods("web-2")
    http = {(pod.address(family), policies.HTTP) for pod in web1}
    http |= {(pod.address(family), policies.HTTP_ELSEWHERE) for pod in web2}
    echo = {(pod.address(family), policies.ECHO) for pod in web1 + web2}
    admin = {(pod.address(family), policies.ADMIN) for pod in web2}
    cluster_ip = real.cluster_ip("named", family)
    n3 = real.cluster.lab.address("n3", family)
    expected = {
        Probe(client, *to, protocol, ENOUGH): places
        for client in (real.client("n3"), "n3", NEIGHBOUR)
        for *to, protocol, places in (
            (cluster_ip, 80, "TCP", http),
            (cluster_ip, 81, "TCP", admin),
            (cluster_ip, 80, "UDP", echo),
            (n3, real.node_port("named"), "TCP", http),
            (n3, real.node_port("named", "admin"), "TCP", admin),
            (n3, real.node_port("named", "echo"), "UDP", echo),
        )
        if client != NEIGHBOUR or to[0] == n3
    }
    results = real.cluster.probe(list(expected))
    for (probe, places), result in zip(expected.items(), results, strict=True):
        assert_answered(probe, result)
        assert {(each.address, each.port) for each in result.answers} == places, probe


@both_families
@pytest.mark.parametrize("own", [4, 6])
def test_a_service_of_one_family_has_no_ways_in_the_other(
    real: Policies, family: Family, own: Family
) -> None:
    """What no Service claims the node itself answers: nobody listens there."""
    service = f"only-ipv{own}"
    web = real.pods("web-1", "web-2")
    port = real.node_port(service)
    cases = [
        Case(client, real.cluster.lab.address("n3", family), port, outcome)
        for client, outcome in {
            NEIGHBOUR: Reaches(web, "n3") if family == own else REFUSED,
            "n3": Reaches(web, "n3") if family == own else REFUSED,
        }.items()
    ]
    assert_outcomes(real.cluster, cases)
    assert len(real.services[service]["clusterIPs"]) == 1


@both_families
def test_sctp_rules_are_in_the_kernel(real: Policies, family: Family) -> None:
    """As far as a kernel without SCTP sockets goes."""
    program = "iptables" if family == 4 else "ip6tables"
    flavour = real.cluster.lab.variant.flavour
    done = real.cluster.run("n3", [f"{program}-{flavour}-save", "-t", "nat"])
    cluster_ip = real.cluster_ip("sctp", family)
    matches = [line for line in done.out.splitlines() if "-p sctp" in line]
    assert any(f"-d {cluster_ip}" in line and "--dport 132" in line for line in matches)
    assert any("--dport 30013" in line for line in matches)
    assert sum("-j DNAT" in line for line in matches) == len(real.pods("web-1", "web-2"))


# -- endpoints


@both_families
@pytest.mark.parametrize("protocol", BOTH)
def test_a_pod_that_meets_itself_is_hidden_by_its_node(
    real: Policies, family: Family, protocol: Protocol
) -> None:
    lonely = real.pods("lonely")
    (pod,) = lonely
    cases = [Case(pod.name, real.cluster_ip("lonely", family), HTTP, Reaches(lonely), protocol)]
    cases += [
        Case(
            pod.name,
            real.cluster.lab.address(node, family),
            real.node_port("lonely"),
            Reaches(lonely, node),
            protocol,
        )
        for node in NODES
    ]
    assert_outcomes(real.cluster, cases)


@both_families
def test_near_pods_are_preferred(real: Policies, family: Family) -> None:
    zoned = {f"n{index}": real.pods(f"zoned-{index}") for index in (1, 2, 3)}
    east, west = zoned["n1"] + zoned["n2"], zoned["n3"]
    near: dict[str, dict[str, tuple[LabPod, ...]]] = {
        "same-zone": {"n1": east, "n2": east, "n3": west},
        "same-node": zoned,
        # By the hints of its slices, which say the reverse.
        "hinted": {
            "n1": zoned["n2"] + zoned["n3"],
            "n2": zoned["n2"] + zoned["n3"],
            "n3": zoned["n1"],
        },
    }
    assert_outcomes(
        real.cluster,
        [
            Case(client, real.cluster_ip(service, family), HTTP, Reaches(pods, by))
            for service, of_node in near.items()
            for node, pods in of_node.items()
            for client, by in real.inside(node)
        ],
    )


@both_families
def test_endpoints_that_are_not_ready_are_used_only_while_they_shut_down(
    real: Policies, family: Family
) -> None:
    """And only if no other is ready; where all that is left does not serve, all is refused."""
    zoned = {name: real.pods(name) for name in ("zoned-1", "zoned-2")}
    expected: dict[str, Outcome] = {
        "draining": Reaches(zoned["zoned-1"] + zoned["zoned-2"]),
        "leaving": Reaches(zoned["zoned-1"]),
        "gone": REFUSED,
        "published": Reaches(zoned["zoned-1"]),
    }
    assert_outcomes(
        real.cluster,
        [
            Case(real.client(node), real.cluster_ip(service, family), HTTP, outcome)
            for service, outcome in expected.items()
            for node in NODES
        ],
    )


@both_families
def test_a_node_with_only_terminating_endpoints_still_leads_the_world_there(
    real: Policies, family: Family
) -> None:
    """externalTrafficPolicy Local looks at local endpoints only, so also while another node has
    one that is ready."""
    one, two = Reaches(real.pods("zoned-1")), Reaches(real.pods("zoned-2"))
    expected: dict[str, tuple[Outcome, Outcome, Outcome]] = {
        "draining": (one, two, SILENT),
        "leaving": (one, two, SILENT),
        "gone": (REFUSED, REFUSED, REFUSED),
        "published": (one, SILENT, SILENT),
    }
    assert_outcomes(
        real.cluster,
        [
            Case(
                NEIGHBOUR, real.cluster.lab.address(node, family), real.node_port(service), outcome
            )
            for service, outcomes in expected.items()
            for node, outcome in zip(NODES, outcomes, strict=True)
        ],
    )


@both_families
@pytest.mark.parametrize("protocol", BOTH)
def test_a_service_without_endpoints_is_refused_at_once_by_every_way(
    real: Policies, family: Family, protocol: Protocol
) -> None:
    lab = real.cluster.lab
    pods = [real.client(node) for node in NODES]
    clients = [*NODES, *pods]
    cluster_ip = real.cluster_ip("empty", family)
    cases = [Case(client, cluster_ip, HTTP, REFUSED, protocol) for client in clients]
    for address in (vip(50, family), vip(51, family)):
        real.lead(address, family, "n3")
        # What a node itself sends to such an address leaves it: kube-proxy refuses on the way in
        # and through, so that the node refuses to which the address leads.
        asking = (*pods, *OUTSIDE, "n1", "n2")
        cases += [Case(client, address, HTTP, REFUSED, protocol) for client in asking]
    cases += [
        Case(client, lab.address(node, family), real.node_port("empty"), REFUSED, protocol)
        for client in (*clients, *OUTSIDE)
        for node in NODES
    ]
    assert_outcomes(real.cluster, cases)


@both_families
def test_local_policies_refuse_too_where_nothing_is_anywhere(
    real: Policies, family: Family
) -> None:
    lab = real.cluster.lab
    cases = [
        Case(client, real.cluster_ip("empty-local", family), HTTP, REFUSED)
        for node in NODES
        for client in (node, real.client(node))
    ]
    cases += [
        Case(client, lab.address("n1", family), real.node_port("empty-local"), REFUSED)
        for client in (*NODES, *OUTSIDE)
    ]
    assert_outcomes(real.cluster, cases)
