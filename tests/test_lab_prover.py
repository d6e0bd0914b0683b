"""The prover against the kernel: what it says of packets is what becomes of them, on small
clusters by chance. More of them with KCOMPILE_LAB_CLUSTERS=200."""

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lab import needs
from lab.cluster import Cluster
from lab.describe import NEIGHBOUR, ROUTER, Probe, family_of
from lab.expect import PATIENCE
from lab.journey import Journeys, Prediction
from lab.observe import LOST, End, observe
from lab.random_clusters import random_cluster

CLUSTERS = int(os.environ.get("KCOMPILE_LAB_CLUSTERS", "20"))
# Connections that miss one of so many equally likely ends less than once in 10^9.
ENOUGH = {1: 2, 2: 31, 3: 55, 4: 77}


@pytest.mark.parametrize("seed", range(CLUSTERS))
def test_the_kernel_does_what_the_prover_says(seed: int, tmp_path: Path) -> None:
    needs.requires_both_families("nft")
    needs.requires_both_families("legacy")
    drawn = random_cluster(Random(seed), tmp_path)  # noqa: S311 - not for secrets
    journeys = Journeys(drawn.lab, drawn.led)
    predictions = {
        _ask(probe, found): found
        for probe in drawn.questions
        for found in (journeys.predict(probe),)
        if found
    }
    with Cluster(drawn.lab) as cluster:
        for address, node in drawn.led.items():
            lead(cluster, address, node)
        seen = observe(cluster, predictions)
    wrong = [
        f"{probe}: predicted {found}, seen {seen[probe]}"
        for probe, found in predictions.items()
        if not agrees(found, seen[probe])
    ]
    assert not wrong, f"{tmp_path}: {drawn.lab.variant}\n" + "\n".join(wrong)


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
