"""The goldens for real: every file of rules loads, and the article's own clusters work."""

import shlex
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from lab import article, needs
from lab.cluster import Cluster
from lab.describe import Port, Probe, Variant, from_bundle
from lab.expect import ENOUGH, assert_answered, assert_even, assert_sources

GOLDEN = Path(__file__).parents[1] / "golden"


def case_of(path: Path) -> str:
    """The folder that holds `expected`."""
    parts = path.relative_to(GOLDEN).parts
    return "/".join(parts[: parts.index("expected")])


RULES = sorted(GOLDEN.glob("**/expected/**/iptables.rules"), key=lambda path: (case_of(path), path))
RULES_BY_CASE = {case: list(paths) for case, paths in groupby(RULES, case_of)}


@dataclass(frozen=True, slots=True)
class Printed:
    """What the article prints of one of its two Services."""

    case: str
    pods: tuple[str, ...]  # addresses, in the order of the article
    cluster_ip: str
    node_ports: tuple[int, ...]


HTTPD = Printed("httpd", ("10.244.1.28", "10.244.1.29", "10.244.2.22"), "10.96.203.6", ())
MYHTTPD = Printed(
    "myhttpd", ("10.244.1.32", "10.244.1.33", "10.244.2.26"), "10.104.223.18", (30000,)
)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden/ is not part of this distribution")
def test_there_are_goldens_with_rules() -> None:
    assert {"article/httpd", "article/myhttpd"} <= set(RULES_BY_CASE)


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
@pytest.mark.parametrize("case", RULES_BY_CASE)
def test_every_file_of_rules_loads(case: str, flavour: str) -> None:
    """Equal files, which nodes of a case often have, are loaded once."""
    needs.requires_flavour(flavour)
    files = {path.read_text(): path for path in RULES_BY_CASE[case]}
    for text, path in files.items():
        program = f"iptables-{flavour}"
        restore = f"{program}-restore < {shlex.quote(str(path))} && {program}-save"
        done = needs.in_scratch_netns(["sh", "-c", restore])
        assert done.returncode == 0, f"{path}: {done.stdout}"
        assert done.stdout.count("\n-A ") == text.count("\n-A "), path


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
@pytest.mark.parametrize("printed", [HTTPD, MYHTTPD], ids=lambda printed: str(printed.case))
def test_the_articles_own_cluster_works(printed: Printed, flavour: str, tmp_path: Path) -> None:
    """Its manifests and its lock, compiled and loaded: all pods answer, from nodes and from pods."""
    needs.requires_flavour(flavour)
    needs.requires_bridge_netfilter()
    manifests = GOLDEN / "article" / printed.case / "input"
    bundle = article.build(tmp_path / "bundle", manifests, "--locked")
    variant = Variant("nft" if flavour == "nft" else "legacy")
    lab = from_bundle(bundle, {printed.case: (Port("TCP", 80),)}, variant)
    backends = lab.pods_of(printed.case)
    assert tuple(pod.address() for pod in backends) == printed.pods
    clients = [*(node.name for node in lab.nodes), *(pod.name for pod in backends)]
    probes = [(Probe(client, printed.cluster_ip, 8080, count=ENOUGH), None) for client in clients]
    probes += [
        (Probe(client, node.address(), port, count=ENOUGH), node.name)
        for client in clients
        for node in lab.nodes
        for port in printed.node_ports
    ]
    with Cluster(lab) as cluster:
        results = cluster.probe([probe for probe, _ in probes])
    for (probe, masquerader), result in zip(probes, results, strict=True):
        assert_answered(probe, result)
        assert_sources(lab, probe, result, masquerader)
        assert_even(result.by_pod, backends)
