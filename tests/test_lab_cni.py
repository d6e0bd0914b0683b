"""A node's CNI configuration with the real plugins, in a dual-stack cluster.

test_lab_article.py has the article's cluster with them, by every way.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import article, cni, needs
from lab.cluster import Cluster, LabError
from lab.describe import NEIGHBOUR, Family, LabPod, Port, Variant, from_bundle, of_family
from lab.documents import deployment, node, service
from lab.expect import Case, Reaches, assert_outcomes

NODES = ("n1", "n2")
FAMILIES: tuple[Family, ...] = (4, 6)
NODE_PORT = 30080
RANGES = (
    "--service-cidr=10.96.0.0/16,fd00:96::/112",
    "--pod-network-cidr=10.244.0.0/16,fd00:244::/56",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs.requires_both_families("nft")
    needs.requires_cni()
    folder = tmp_path_factory.mktemp("cni")
    documents = [node(name, int(name[1:]), "") for name in NODES]
    for name in NODES:
        documents.append(deployment(f"web-{name}", name, app="web", ports="[{containerPort: 80}]"))
        documents.append(deployment(f"client-{name}", name))
    documents.append(deployment("host", "n1", "hostNetwork: true"))
    port = f"{{port: 80, nodePort: {NODE_PORT}}}"
    documents.append(service("web", [port], "type: NodePort", "selector: {app: web}"))
    (folder / "manifests.yaml").write_text("".join(documents))
    return article.build(folder / "bundle", folder / "manifests.yaml", "--no-lock", *RANGES)


@pytest.fixture(scope="module", params=["ips", "args"])
def real(request: pytest.FixtureRequest, bundle: Path) -> Iterator[Cluster]:
    serve = {f"web-{name}": (Port("TCP", 80),) for name in NODES}
    with Cluster(from_bundle(bundle, serve, Variant(cni=request.param))) as cluster:
        yield cluster


def pods(cluster: Cluster) -> list[LabPod]:
    """Those with a network of their own."""
    return [pod for pod in cluster.lab.pods if pod.workload != "host"]


def addresses(cluster: Cluster, name: str, device: str) -> set[str]:
    """Without link-local ones."""
    done = cluster.run(name, ["ip", "-json", "address", "show", "dev", device])
    (link,) = json.loads(done.out)
    return {each["local"] for each in link["addr_info"] if each["scope"] != "link"}


def links(cluster: Cluster, name: str) -> Any:
    return json.loads(cluster.run(name, ["ip", "-json", "-details", "link"]).out)


def ports(cluster: Cluster, node: str) -> list[str]:
    """Of a node's bridges."""
    return [
        link["ifname"]
        for link in links(cluster, node)
        if link.get("linkinfo", {}).get("info_slave_kind") == "bridge"
    ]


def test_every_pod_has_the_addresses_of_the_plan(real: Cluster) -> None:
    assert len(pods(real)) == 4
    for pod in pods(real):
        assert len(pod.addresses) == 2
        assert addresses(real, pod.name, cni.DEVICE) == set(pod.addresses)


def test_the_bridge_has_the_gateways(real: Cluster) -> None:
    for each in real.lab.nodes:
        assert addresses(real, each.name, "kcompile-pods") == set(each.gateways)


def test_the_plugins_find_what_they_made(real: Cluster) -> None:
    for pod in pods(real):
        real.cni("CHECK", pod.name)


def test_every_way_works(real: Cluster, bundle: Path) -> None:
    """Pod to pod, cluster IP from pods (a pod's own Service included) and nodes, node port."""
    plan = json.loads((bundle / "plan.json").read_text())
    (cluster_ips,) = [each["clusterIPs"] for each in plan["services"] if each["name"] == "web"]
    web = tuple(pod for pod in pods(real) if pod.workload.startswith("web-"))
    clients = [*NODES, *(pod.name for pod in pods(real))]
    cases = []
    for family in FAMILIES:
        cluster_ip = of_family(family, cluster_ips)
        cases += [Case(client, cluster_ip, 80, Reaches(web)) for client in clients]
        cases += [
            Case(client, pod.address(family), 80, Reaches((pod,)))
            for client in clients
            for pod in web
            if client != pod.name
        ]
        cases += [
            Case(client, real.lab.address(name, family), NODE_PORT, Reaches(web, name))
            for client in (*clients, NEIGHBOUR)
            for name in NODES
        ]
    assert_outcomes(real, cases)


def test_a_pod_without_stated_addresses_gets_none(bundle: Path, tmp_path: Path) -> None:
    """Rather than those of another pod."""
    network = cni.conflist(bundle / "nodes" / "n1" / "runtime")
    nobody = {"namespace": "default", "name": "nobody", "addresses": []}
    script = tmp_path / "add.py"
    script.write_text(
        "import json, sys\nfrom lab import cni\n"
        "cni.call('ADD', *json.loads(sys.argv[1]), '/proc/self/ns/net', way='ips')\n"
    )
    argv = ["env", f"PYTHONPATH={Path(__file__).parent}", "python3", str(script)]
    done = needs.in_scratch_netns([*argv, json.dumps([network, nobody])])
    assert done.returncode
    assert "missing IP config" in done.stdout


def test_a_pod_that_ends_leaves_nothing(bundle: Path) -> None:
    with Cluster(from_bundle(bundle, {}, Variant(cni="ips"))) as cluster:
        for name in NODES:
            assert len(ports(cluster, name)) == 2
        for pod in pods(cluster):
            cluster.cni("DEL", pod.name)
            assert [link["ifname"] for link in links(cluster, pod.name)] == ["lo"]
            cluster.cni("DEL", pod.name)  # a runtime may ask again
        for name in NODES:
            assert not ports(cluster, name)
        first = pods(cluster)[0]
        cluster.cni("ADD", first.name)
        assert addresses(cluster, first.name, cni.DEVICE) == set(first.addresses)
        with pytest.raises(LabError):
            cluster.cni("ADD", first.name)
