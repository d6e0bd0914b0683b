"""That the lab itself brings nothing that a bundle has to: without a part, something fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab import article, needs
from lab.cluster import Cluster, LabError, Result
from lab.describe import INTERNET_HOSTS, PLAIN, Lab, LabNode, LabPod, Probe, Variant, from_bundle
from lab.expect import PATIENCE
from lab.world import read_sysctl_conf


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs.requires_flavour("nft")
    needs.requires_bridge_netfilter()
    return article.build(tmp_path_factory.mktemp("controls") / "bundle")


@contextmanager
def without(
    bundle: Path, change: Callable[[LabNode], LabNode], variant: Variant = PLAIN
) -> Iterator[Cluster]:
    lab = from_bundle(bundle, article.SERVE, variant)
    with Cluster(replace(lab, nodes=tuple(change(node) for node in lab.nodes))) as cluster:
        yield cluster


def ask(cluster: Cluster, client: str, to: str, port: int, count: int = 1) -> Result:
    return cluster.probe([Probe(client, to, port, count=count, timeout=PATIENCE)])[0]


def pods(lab: Lab) -> tuple[LabPod, LabPod]:
    """A client and a backend on different nodes."""
    backend = lab.pods_of("httpd")[0]
    return next(pod for pod in lab.pods_of("client") if pod.node != backend.node), backend


def test_without_rules_nothing_stands_behind_a_cluster_ip(bundle: Path) -> None:
    with without(bundle, lambda node: replace(node, rules=())) as cluster:
        client, backend = pods(cluster.lab)
        assert ask(cluster, client.name, backend.address(), 80).answers
        assert not ask(cluster, client.name, article.HTTPD_IP, article.PORT).answers
        assert not ask(cluster, client.name, INTERNET_HOSTS[4], 80).answers


def test_without_routes_pods_of_other_nodes_are_out_of_reach(bundle: Path) -> None:
    with without(bundle, lambda node: replace(node, batches=())) as cluster:
        client, backend = pods(cluster.lab)
        assert not ask(cluster, client.name, backend.address(), 80).answers
        assert not ask(cluster, client.node, backend.address(), 80).answers


def test_without_routes_and_a_default_route_a_node_cannot_ask_a_cluster_ip(bundle: Path) -> None:
    variant = Variant(default_route=False)
    with without(bundle, lambda node: replace(node, batches=()), variant) as cluster:
        result = ask(cluster, cluster.lab.nodes[0].name, article.HTTPD_IP, article.PORT)
        assert result.failures == {"ENETUNREACH": 1}


def test_without_sysctls_nothing_is_forwarded(bundle: Path) -> None:
    with without(bundle, lambda node: replace(node, sysctls=())) as cluster:
        client, backend = pods(cluster.lab)
        assert not ask(cluster, client.name, backend.address(), 80).answers
        assert not ask(cluster, client.name, INTERNET_HOSTS[4], 80).answers
        node = cluster.lab.nodes[0].name
        assert not ask(cluster, node, "127.0.0.1", article.NODE_PORT).answers


def test_a_file_that_does_not_load_is_an_error_that_names_it(tmp_path: Path) -> None:
    needs.requires_flavour("nft")
    wrong = tmp_path / "iptables.rules"
    wrong.write_text("*filter\n-A NOWHERE -j NOTHING\nCOMMIT\n")
    with pytest.raises(LabError, match="iptables-nft-restore: exit"):
        Cluster(
            Lab((LabNode("node", ("192.0.2.1",), ("10.244.0.0/24",), rules=(str(wrong),)),), ())
        )


def test_the_kernel_takes_every_sysctl(bundle: Path) -> None:
    with without(bundle, lambda node: node) as cluster:
        if cluster.missing:
            pytest.skip(f"not in this kernel: {'; '.join(cluster.missing)}")


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("net.ipv4.ip_forward = 1", {"net/ipv4/ip_forward": "1"}),
        ("net.ipv4.ip_forward=1", {"net/ipv4/ip_forward": "1"}),
        ("-net.bridge.bridge-nf-call-iptables = 1", {"net/bridge/bridge-nf-call-iptables": "1"}),
        ("net/ipv4/conf/eth0.1/rp_filter = 0", {"net/ipv4/conf/eth0.1/rp_filter": "0"}),
        ("# net.ipv4.ip_forward = 1", {}),
        ("; net.ipv4.ip_forward = 1", {}),
        ("", {}),
    ],
)
def test_sysctl_files_are_read_as_systemd_reads_them(line: str, values: dict[str, str]) -> None:
    assert read_sysctl_conf(line) == values
