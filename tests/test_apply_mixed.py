"""Nodes at two stages at the same time: clients of what did not change see nothing of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab import needs, rollout
from lab.describe import Variant
from lab.rollout import NEW, NODES, OLD, Rollout


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    needs.requires_both_families("nft")
    return rollout.build(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module", params=["nft", "legacy"])
def mixed(request: pytest.FixtureRequest, bundles: Mapping[int, Path]) -> Iterator[Rollout]:
    """The first node is a step ahead."""
    needs.requires_both_families(request.param)
    running = rollout.start(bundles, Variant(request.param))
    with running.cluster:
        running.apply_all(OLD)
        running.apply("n1", NEW)
        yield running


def test_each_node_does_what_its_own_stage_says(mixed: Rollout) -> None:
    mixed.assert_works(NEW, ["n1"])
    mixed.assert_works(OLD, ["n2"])


def test_what_did_not_change_is_served_by_every_node_to_everybody(mixed: Rollout) -> None:
    mixed.assert_serves("steady", OLD, "steady-1", "steady-2")


def test_what_changed_is_served_by_one_stage_or_the_other(mixed: Rollout) -> None:
    """Its old pod by one node, its new pod by the other: while both run, nobody fails."""
    mixed.assert_serves("moving", OLD, "moving-1", "moving-2")


def test_a_plan_says_what_changes_before_it_does(mixed: Rollout) -> None:
    """So that whoever rolls it out knows which Services are served in two ways meanwhile."""
    (ahead, behind) = NODES
    plan = mixed.kcompile(behind, *mixed.planning(behind, NEW, "--exit-code"))
    assert plan.status == 3, plan
    for name in ("moving", "old", "new"):
        assert f"default/{name}" in plan.out, plan.out
    assert "default/steady" not in plan.out
    assert mixed.kcompile(ahead, *mixed.planning(ahead, NEW, "--exit-code")).status == 0
