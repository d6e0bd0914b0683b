"""The prover against the kernel: what it says of packets is what becomes of them, on small
clusters by chance. More of them with KCOMPILE_LAB_CLUSTERS=200."""

import os
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lab import needs
from lab.cluster import Cluster
from lab.describe import NEIGHBOUR, ROUTER, Lab, Probe, family_of
from lab.expect import PATIENCE
from lab.journey import Journeys, Prediction
from lab.observe import LOST, End, observe
from lab.random_clusters import RandomCluster, random_cluster

CLUSTERS = int(os.environ.get("KCOMPILE_LAB_CLUSTERS", "20"))
# Connections that miss one of so many equally likely ends less than once in 10^9.
ENOUGH = {1: 2, 2: 31, 3: 55, 4: 77}


# What is proved instead of what is loaded, on a cluster where that makes a difference.
SABOTAGED = 10
SABOTAGE = {
    "masquerades nothing": (r"-A \S+ .*-j KUBE-MARK-MASQ\n", ""),
    "drops what is refused": (r"-j REJECT --reject-with \S+", "-j DROP"),
    "knows one endpoint": (r"-A \S+ .*-m statistic .*\n", ""),
}


@pytest.mark.parametrize("seed", range(CLUSTERS))
def test_the_kernel_does_what_the_prover_says(seed: int, tmp_path: Path) -> None:
    drawn = draw(seed, tmp_path)
    assert not differences(drawn, drawn.lab), f"{tmp_path}: {drawn.lab.variant}"


@pytest.mark.parametrize(("pattern", "instead"), SABOTAGE.values(), ids=list(SABOTAGE))
def test_other_rules_than_those_that_are_loaded_show(
    pattern: str, instead: str, tmp_path: Path
) -> None:
    drawn = draw(SABOTAGED, tmp_path)
    nodes = []
    for node in drawn.lab.nodes:
        folder = tmp_path / "sabotaged" / node.name
        folder.mkdir(parents=True)
        for path in map(Path, node.rules):
            (folder / path.name).write_text(re.sub(pattern, instead, path.read_text()))
        nodes.append(
            replace(node, rules=tuple(str(folder / Path(path).name) for path in node.rules))
        )
    assert differences(drawn, replace(drawn.lab, nodes=tuple(nodes)))


def draw(seed: int, folder: Path) -> RandomCluster:
    needs.requires_both_families("nft")
    needs.requires_both_families("legacy")
    return random_cluster(Random(seed), folder)  # noqa: S311 - not for secrets


def differences(drawn: RandomCluster, proved: Lab) -> list[str]:
    """Between what is seen on a cluster and what the prover says of the rules of `proved`."""
    journeys = Journeys(proved, drawn.led)
    predictions = {
        _ask(probe, found): found
        for probe in drawn.questions
        for found in (journeys.predict(probe),)
        if found
    }
    with Cluster(drawn.lab) as cluster:
        for address, node in drawn.led.items():
            lead(cluster, address, node)
        # The first connections of a client that keeps its endpoint may choose at the same time.
        kept = [probe for probe, found in predictions.items() if found.kept]
        observe(cluster, [replace(probe, count=1) for probe in kept])
        seen = observe(cluster, predictions)
    return [
        f"{probe}: predicted {found}, seen {seen[probe]}"
        for probe, found in predictions.items()
        if not agrees(found, seen[probe])
    ]


def _ask(probe: Probe, found: Prediction) -> Probe:
    patience = PATIENCE if LOST in found.ends else probe.timeout
    return replace(probe, count=ENOUGH[min(len(found.ends), 4)], timeout=patience)


def agrees(found: Prediction, seen: frozenset[End]) -> bool:
    if found.kept:
        return seen <= set(found.ends) and len(seen) == 1
    return seen == set(found.ends)


def lead(cluster: Cluster, address: str, node: str) -> None:
    """What a load balancer does: packets to an address go to a node."""
    via = cluster.lab.address(node, family_of(address))
    for host in (ROUTER, NEIGHBOUR):
        done = cluster.run(host, ["ip", "route", "replace", address, "via", via])
        assert done.status == 0, done.err
