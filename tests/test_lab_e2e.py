"""What Kubernetes' own end-to-end tests ask of Services and DNS, on real nodes of both families.

Each node loads the rules of one stage after the other.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import names, needs, stages
from lab.cluster import Cluster
from lab.describe import NEIGHBOUR, Family, LabPod, Probe, Variant, from_bundle, of_family
from lab.expect import (
    PATIENCE,
    REFUSED,
    Case,
    Outcome,
    Reaches,
    assert_answered,
    assert_outcomes,
)
from lab.stages import NODES, STAGES

TESTS = Path(__file__).parent
SHARED_CASES = TESTS.parents[1] / "shared" / "cases" / "e2e.yaml"
FAMILIES: tuple[Family, ...] = (4, 6)

_PORTS = "test_lab_endpoints.py::test_ports_lead_to_the_numbers_that_their_names_have_in_each_pod"
_LOCAL = (
    "test_lab_policies.py::test_a_local_cluster_ip_leads_to_pods_of_the_clients_node_or_nowhere"
)
COVERED = {
    "E2E-03": "test_endpoints_follow_pods",
    "E2E-04": _PORTS,
    "E2E-12": "test_rules_may_be_loaded_again_while_connections_last",
    "E2E-14": "test_endpoints_follow_pods",
    "E2E-15": "test_lab_policies.py::test_an_external_ip_leads_from_everywhere_hidden_by_the_node",
    "E2E-16": "test_a_service_gets_a_node_port_and_then_a_second_protocol",
    "E2E-18": "test_an_alias_becomes_a_node_port_and_the_reverse",
    "E2E-19": "test_an_alias_becomes_a_node_port_and_the_reverse",
    "E2E-22": "test_plan.py::test_a_node_port_outside_the_range",
    "E2E-23": "test_a_node_port_is_free_again_without_its_service",
    "E2E-32": "test_a_service_that_names_another_proxy_is_left_alone",
    "E2E-34": "test_lab_endpoints.py"
    "::test_a_service_without_endpoints_is_refused_at_once_by_every_way",
    "E2E-36": _LOCAL,
    "E2E-37": _LOCAL,
    "E2E-38": "test_lab_policies.py::test_a_pod_in_the_hosts_network_is_local_to_its_node",
    "E2E-40": "test_lab_endpoints.py"
    "::test_endpoints_that_are_not_ready_are_used_only_while_they_shut_down",
    "E2E-42": "test_lab_endpoints.py"
    "::test_a_node_with_only_terminating_endpoints_still_leads_the_world_there",
    "E2E-47": "test_stated_endpoints_are_led_to",
    "E2E-53": "test_names_resolve_over_both_families",
    "E2E-54": "test_single_pods.py::test_a_pod_has_its_host_name_below_its_subdomain",
    "E2E-57": "test_a_pod_has_the_resolv_conf_that_it_asks_for",
    "E2E-58": "test_a_pod_has_the_resolv_conf_that_it_asks_for",
    "E2E-59": "test_names_resolve_after_many_search_paths",
    "E2E-63": _PORTS,
    "E2E-64": "test_stated_endpoints_are_led_to",
    "E2E-68": "test_lab_article.py::test_a_pod_answers_at_its_own_address",
    "E2E-70": "test_endpoints_follow_pods",
}
"""Where each intent is held to: a test of this file or of FILE::NAME."""

NOT_COVERED = {
    "E2E-26": "pods have no readiness here; test_lab_endpoints.py has the slices that it leads to",
    "E2E-35": "manifests have no phase: a Deployment's pods run",
    "E2E-48": "there is no API server whose delays one could measure",
    "E2E-60": "an upstream name server is not the bundle's matter",
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    needs.requires_both_families("nft")
    return stages.build(tmp_path_factory.mktemp("stages"))


@dataclass(frozen=True, slots=True)
class Running:
    cluster: Cluster
    bundles: Mapping[int, Path]

    @property
    def inside(self) -> list[str]:
        """A pod on each node, and the nodes."""
        clients = (self.pods("client-1"), self.pods("client-2"))
        return [*NODES, *(pod.name for (pod,) in clients)]

    def pods(self, *workloads: str) -> tuple[LabPod, ...]:
        return tuple(pod for each in workloads for pod in self.cluster.lab.pods_of(each))

    def load(self, stage: int) -> None:
        self.cluster.load(from_bundle(self.bundles[stage], stages.SERVE))

    def service(self, name: str, stage: int) -> Any:
        plan = json.loads((self.bundles[stage] / "plan.json").read_text())
        return next((each for each in plan["services"] if each["name"] == name), None)


@pytest.fixture(scope="module", params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundles: Mapping[int, Path]) -> Iterator[Running]:
    needs.requires_both_families(request.param)
    lab = from_bundle(bundles[stages.ALL_PODS], stages.SERVE, Variant(request.param))
    with Cluster(lab) as cluster:
        yield Running(cluster, bundles)


@pytest.fixture(scope="module", params=STAGES)
def stage(request: pytest.FixtureRequest, real: Running) -> int:
    """The stage whose rules are loaded."""
    real.load(request.param)
    return int(request.param)


@pytest.fixture(scope="module")
def named(real: Running, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """With a name server, on the zones of the last stage."""
    needs.requires("dig", "getent", "curl")
    server = needs.requires_dns_server()[0]
    (pod,) = real.pods("dns")
    folder = tmp_path_factory.mktemp("dns") / "server"
    names.start_server(real.cluster, pod.name, server, real.bundles[STAGES[-1]], folder)
    return real


# -- stages


def by_cluster_ip(real: Running, service: Any, outcome: Outcome) -> list[Case]:
    """From pods and nodes, all seen as themselves."""
    return [
        Case(client, of_family(family, service["clusterIPs"]), 80, outcome)
        for family in FAMILIES
        for client in real.inside
    ]


def by_node_port(
    real: Running, number: int, pods: tuple[LabPod, ...], protocol: str = "TCP"
) -> list[Case]:
    """From inside and outside, by each node: refused if there are no pods."""
    return [
        Case(
            client,
            real.cluster.lab.address(node, family),
            number,
            Reaches(pods, node) if pods else REFUSED,
            "TCP" if protocol == "TCP" else "UDP",
        )
        for family in FAMILIES
        for client in (*real.inside, NEIGHBOUR)
        for node in NODES
    ]


def test_endpoints_follow_pods(real: Running, stage: int) -> None:
    """Each one is met, and one that is gone never again; the Service keeps its addresses."""
    service = real.service("followed", stage)
    pods = real.pods(*stages.FOLLOWED[stage])
    assert service["clusterIPs"] == real.service("followed", 1)["clusterIPs"]
    outcome = Reaches(pods) if pods else REFUSED
    cases = by_cluster_ip(real, service, outcome)
    assert_outcomes(real.cluster, cases + by_node_port(real, 30080, pods))


def test_a_service_gets_a_node_port_and_then_a_second_protocol(real: Running, stage: int) -> None:
    steady = real.pods("steady")
    service = real.service("changing", stage)
    assert service["clusterIPs"] == real.service("changing", 1)["clusterIPs"]
    cases = by_cluster_ip(real, service, Reaches(steady))
    # Nobody listens on a port of a node that is no node port.
    cases += by_node_port(real, 30081, steady if stage > 1 else ())
    cases += by_node_port(real, 30081, steady if stage > 2 else (), "UDP")
    assert_outcomes(real.cluster, cases)


def test_an_alias_becomes_a_node_port_and_the_reverse(real: Running, stage: int) -> None:
    steady = real.pods("steady")
    before = stage < stages.ALL_PODS
    alias, other = ("outward", "inward") if before else ("inward", "outward")
    assert real.service(alias, stage)["clusterIPs"] == []
    cases = by_cluster_ip(real, real.service(other, stage), Reaches(steady))
    assert_outcomes(real.cluster, cases + by_node_port(real, 30082, () if before else steady))
    zone = (real.bundles[stage] / "dns" / "db.cluster.local").read_text()
    record = re.escape(f"{alias}.default.svc") + r"\S*\s.*CNAME\s+changing\."
    assert re.search(rf"(?m)^{record}", zone)


def test_a_node_port_is_free_again_without_its_service(real: Running, stage: int) -> None:
    pods = () if stage == 2 else real.pods("steady")
    assert_outcomes(real.cluster, by_node_port(real, 30090, pods))
    for node in NODES:
        file = real.bundles[stage] / "nodes" / node / "listeners.json"
        assert ("30090" in file.read_text()) == (stage != 2)


def test_a_service_that_names_another_proxy_is_left_alone(real: Running, stage: int) -> None:
    """It keeps its addresses and node port; nothing stands behind them while it has the label."""
    service = real.service("toggled", stage)
    assert service["clusterIPs"] == real.service("toggled", 1)["clusterIPs"]
    assert service["ports"][0]["nodePort"] == 30083
    if stage not in stages.OF_ANOTHER_PROXY:
        pods = real.pods("steady")
        cases = by_cluster_ip(real, service, Reaches(pods))
        assert_outcomes(real.cluster, cases + by_node_port(real, 30083, pods))
        return
    assert_outcomes(real.cluster, by_node_port(real, 30083, ()))
    probes = [
        Probe(client, address, 80, timeout=PATIENCE)
        for address in service["clusterIPs"]
        for client in real.inside
    ]
    for probe, result in zip(probes, real.cluster.probe(probes), strict=True):
        assert set(result.failures) <= {"ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"}, probe
        assert not result.answers, probe


def test_rules_may_be_loaded_again_while_connections_last(real: Running) -> None:
    """As a proxy that starts again does."""
    service = real.service("changing", STAGES[-1])
    cases = by_cluster_ip(real, service, Reaches(real.pods("steady")))
    for _ in range(2):
        real.load(STAGES[-1])
        assert_outcomes(real.cluster, cases)


def test_stated_endpoints_are_led_to(real: Running) -> None:
    """Those of an Endpoints document (of the API server, which is no pod) and of slices."""
    last = STAGES[-1]
    real.load(last)
    addresses = real.service("stated", last)["clusterIPs"]
    ways = [(address, 80) for address in addresses]
    ways += [(address, 443) for address in real.service("kubernetes", last)["clusterIPs"]]
    assert len(ways) == 3
    probes = [Probe(client, *way, count=2) for client in real.inside for way in ways]
    for probe, result in zip(probes, real.cluster.probe(probes), strict=True):
        assert_answered(probe, result)
        assert {(each.address, each.port) for each in result.answers} <= {
            (of[0], stages.API) for of in stages.STATED.values()
        }


# -- names


def test_names_resolve_over_both_families(named: Running) -> None:
    """Asked over IPv4 and IPv6, UDP and TCP, from pods and nodes: by the DNS Service."""
    last = STAGES[-1]
    named.load(last)
    cluster_ips = named.service("changing", last)["clusterIPs"]
    zone = "default.svc.cluster.local"
    expected = {
        f"changing.{zone} A": of_family(4, cluster_ips),
        f"changing.{zone} AAAA": of_family(6, cluster_ips),
        f"_http._tcp.changing.{zone} SRV": f"0 50 80 changing.{zone}.",
        f"stated-headless.{zone} A": stages.STATED[4][1],
        f"stated-headless.{zone} AAAA": stages.STATED[6][1],
        # The alias, and what it stands for.
        f"inward.{zone} A": f"changing.{zone}.\n{of_family(4, cluster_ips)}",
    }
    questions = [word for question in expected for word in question.split()]
    for client in named.inside:
        for family in FAMILIES:
            for transport in ("+notcp", "+tcp"):
                server = f"@{stages.DNS_IPS[family]}"
                options = ["+short", "+time=2", "+tries=2", transport]
                done = named.cluster.run(client, ["dig", server, *options, *questions])
                assert done.out.split("\n")[:-1] == "\n".join(expected.values()).split("\n"), (
                    client,
                    server,
                    transport,
                    done,
                )


@pytest.mark.parametrize("name", ["changing", "changing.default", "changing.default.svc"])
def test_partial_names_lead_to_the_service(named: Running, name: str) -> None:
    named.load(STAGES[-1])
    (client,) = named.pods("client-1")
    for option in ("-4", "-6"):
        curl = ["curl", option, "-sS", "--noproxy", "*", "--max-time", "8", f"http://{name}"]
        done = named.cluster.run(client.name, curl)
        assert done.status == 0, done.err
        assert json.loads(done.out)["pod"] == named.pods("steady")[0].name


def test_names_resolve_after_many_search_paths(named: Running) -> None:
    """The dots of the name are fewer than ndots, so that it is tried with each of them."""
    named.load(STAGES[-1])
    (pod,) = named.pods("searching")
    conf = named.cluster.run(pod.name, ["cat", "/etc/resolv.conf"]).out
    assert all(search in conf for search in stages.SEARCHES)
    done = named.cluster.run(pod.name, ["getent", "ahosts", "changing.default"])
    found = {line.split()[0] for line in done.out.splitlines()}
    assert found == set(named.service("changing", STAGES[-1])["clusterIPs"])


def test_a_pod_has_the_resolv_conf_that_it_asks_for(real: Running) -> None:
    (pod,) = real.pods("own-resolv")
    conf = real.cluster.run(pod.name, ["cat", "/etc/resolv.conf"]).out
    assert conf.splitlines() == ["nameserver 192.0.2.53", "search a.example", "options rotate"]


# -- which intents are held to


def test_each_covering_test_exists() -> None:
    for place in COVERED.values():
        file, _, name = place.rpartition("::")
        text = (TESTS / (file or Path(__file__).name)).read_text()
        assert f"\ndef {name}(" in text, place


def test_each_shared_intent_is_covered_or_says_why_not() -> None:
    if not SHARED_CASES.exists():
        pytest.skip(f"{SHARED_CASES} is not there; it is not part of the project")
    known = {case["id"]: case for case in yaml.safe_load(SHARED_CASES.read_text())["tests"]}
    assert set(known) <= {*COVERED, *NOT_COVERED}
    assert not set(COVERED) & set(NOT_COVERED)
    feasible = {name for name, case in known.items() if case["feasible"] == "yes"}
    assert feasible <= set(COVERED)
