"""A wire between nodes that carries 1,420 bytes and loses the rest without a word."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from lab import article, needs
from lab.cluster import Cluster
from lab.describe import NEIGHBOUR, Family, LabPod, Port, Variant, from_bundle
from lab.documents import deployment, node, service

MTU = 1420
NODES = ("n1", "n2")
NODE_PORT = 30080
FAMILIES: tuple[Family, ...] = (4, 6)
RANGES = (
    "--no-lock",
    "--service-cidr=10.96.0.0/16,fd00:96::/112",
    "--pod-network-cidr=10.244.0.0/16,fd00:244::/56",
)
DOWNLOAD = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 3) as connection:
    connection.sendall(b"stream\\n")
    size = 0
    while size < 1_000_000:
        size += len(connection.recv(65536))
"""


def build(folder: Path, *arguments: str) -> Path:
    port = f"{{port: 80, nodePort: {NODE_PORT}}}"
    documents = [node(name, int(name[1:]), "") for name in NODES]
    documents += [deployment(f"web-{name}", name) for name in NODES]
    for name in NODES:
        fields = ("type: NodePort", f"selector: {{own: web-{name}}}")
        documents.append(service(f"web-{name}", [port if name == "n2" else "{port: 80}"], *fields))
    (folder / "manifests.yaml").write_text("".join(documents))
    return article.build(folder / "bundle", folder / "manifests.yaml", *RANGES, *arguments)


def start(bundle: Path, cni: Literal["", "ips"] = "") -> Cluster:
    serve = {f"web-{name}": (Port("TCP", 80),) for name in NODES}
    return Cluster(from_bundle(bundle, serve, Variant(cni=cni, wire_mtu=MTU)))


@pytest.fixture(scope="module", params=["", "ips"], ids=["pods.json", "cni"])
def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    needs.requires_both_families("nft")
    if request.param:
        needs.requires_cni()
    bundle = build(tmp_path_factory.mktemp("mtu"), f"--mtu={MTU}")
    with start(bundle, request.param) as cluster:
        yield cluster


def pods(cluster: Cluster) -> tuple[LabPod, LabPod]:
    (one,), (two,) = (cluster.lab.pods_of(f"web-{name}") for name in NODES)
    return one, two


def downloads(cluster: Cluster, client: str, address: str, port: int = 80) -> bool:
    done = cluster.run(client, ["python3", "-c", DOWNLOAD, address, str(port)])
    assert done.status == 0 or "timed out" in done.err, done.err
    return done.status == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_megabyte_goes_both_ways(real: Cluster, family: Family) -> None:
    one, two = pods(real)
    for client, server in ((one, two), (two, one)):
        assert downloads(real, client.name, server.address(family))
        assert downloads(real, client.node, server.address(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_megabyte_comes_through_a_node_port_on_another_node(
    real: Cluster, family: Family
) -> None:
    assert downloads(real, NEIGHBOUR, real.lab.address("n1", family), NODE_PORT)


def test_pods_interfaces_have_the_mtu(real: Cluster) -> None:
    for pod in pods(real):
        (link,) = json.loads(real.run(pod.name, ["ip", "-json", "link", "show", "eth0"]).out)
        assert link["mtu"] == MTU


def test_without_the_flag_it_hangs(tmp_path: Path) -> None:
    needs.requires_both_families("nft")
    with start(build(tmp_path)) as cluster:
        one, two = pods(cluster)
        assert not downloads(cluster, one.name, two.address())


def test_routes_have_the_smaller_mtu_of_both_nodes(tmp_path: Path) -> None:
    bundle = build(tmp_path, "--mtu=n2=1380", "--mtu=1420")
    for name, mtu in (("n1", 1420), ("n2", 1380)):
        runtime = bundle / "nodes" / name / "runtime"
        assert json.loads((runtime / "pods.json").read_text())["bridge"]["mtu"] == mtu
        routes = (bundle / "nodes" / name / "network" / "routes.batch").read_text().splitlines()
        to_pods = [line for line in routes if " via " in line]
        assert len(to_pods) == 2
        assert all(line.endswith(" mtu 1380") for line in to_pods)
