"""kube-proxy's settings on real nodes, over both families."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import needs, policies
from lab.describe import NEIGHBOUR, Family, Variant
from lab.expect import REFUSED, Case, Reaches, assert_outcomes
from lab.policies import NODES, Policies

SETTINGS = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
nodePortAddresses: [192.168.20.1/32, 'fd00:20::1/128']
iptables: {masqueradeAll: true}
---
"""
UNUSED: dict[Family, str] = {4: "10.96.255.254", 6: "fd00:96::fffe"}

pytestmark = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs.requires_both_families("nft")
    folder = tmp_path_factory.mktemp("settings") / "dual"
    return policies.build(folder, "--reject-unmatched-service-ips", settings=SETTINGS)


@pytest.fixture(scope="module", params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundle: Path) -> Iterator[Policies]:
    needs.requires_both_families(request.param)
    running = policies.start(bundle, Variant(request.param))
    with running.cluster:
        yield running


def test_everything_is_masqueraded_on_its_way_to_a_cluster_ip(
    real: Policies, family: Family
) -> None:
    web = real.pods("web-1", "web-2")
    to = real.cluster_ip("named", family)
    cases = [
        Case(client, to, 80, Reaches(web, node))
        for node in NODES
        for client, _ in real.inside(node)
    ]
    assert_outcomes(real.cluster, cases)


def test_node_ports_answer_on_the_stated_addresses_only(real: Policies, family: Family) -> None:
    """On others, and on loopback, the node itself answers: nobody listens there."""
    lab, web = real.cluster.lab, real.pods("web-1", "web-2")
    port = real.node_port("named")
    clients = (NEIGHBOUR, *NODES, *(real.client(node) for node in NODES))
    cases = [
        Case(
            client, lab.address(node, family), port, Reaches(web, "n1") if node == "n1" else REFUSED
        )
        for client in clients
        for node in NODES
    ]
    if family == 4:
        cases += [Case(node, "127.0.0.1", port, REFUSED) for node in NODES]
    assert_outcomes(real.cluster, cases)


def test_what_no_service_has_is_refused_if_so_asked(real: Policies, family: Family) -> None:
    """--reject-unmatched-service-ips: another port of a cluster IP, and an address of none."""
    places = [(real.cluster_ip("named", family), 9), (UNUSED[family], 80)]
    cases = [
        Case(client, to, port, REFUSED)
        for to, port in places
        for node in NODES
        for client, _ in real.inside(node)
    ]
    assert_outcomes(real.cluster, cases)
