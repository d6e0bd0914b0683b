"""An apply that is killed, at any moment: whoever looks next finds a whole state, or is told what
to do, and no client of an unchanged Service has noticed."""

import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab import needs, rollout
from lab.describe import Variant
from lab.killed import KILLED
from lab.rollout import COMMAND, NEW, OLD, Rollout

KILLS = int(os.environ.get("KCOMPILE_KILLS_APPLY", "8"))
"""Over both flavours."""

SEED = int(os.environ.get("KCOMPILE_SEED", "6"))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    needs.requires_both_families("nft")
    return rollout.build(tmp_path_factory.mktemp("kill"))


@pytest.fixture(params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundles: Mapping[int, Path]) -> Iterator[Rollout]:
    needs.requires_both_families(request.param)
    running = rollout.start(bundles, Variant(request.param))
    with running.cluster:
        yield running


def test_a_killed_apply_leaves_a_whole_state_or_says_so(real: Rollout) -> None:
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    real.apply_all(OLD)
    lasts = _duration(real, NEW)
    real.apply("n1", OLD)
    stage, killed = OLD, 0
    with real.traffic(pause=0.004) as traffic:
        for number in range(KILLS // 2):
            wanted = NEW if stage == OLD else OLD
            moment = chance.uniform(0, lasts)
            whom = "alone" if number % 2 else "all"
            done = _killed(real, wanted, moment, whom)
            assert done in {0, KILLED}, (moment, done)
            killed += done == KILLED
            _assert_said(real, moment)
            # It goes on, or is taken back: both from wherever it was.
            stage = wanted if chance.random() < 0.7 else stage
            real.apply("n1", stage)
            _assert_whole(real, stage)
    traffic.assert_unharmed()
    assert killed > KILLS // 4


def test_a_killed_first_install_is_finished_or_removed(real: Rollout) -> None:
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    lasts = _duration(real, OLD)
    for finish in (True, False):
        done = real.kcompile("n1", "remove", "--node", "n1", "--yes")
        assert done.status == 0, done
        _killed(real, OLD, chance.uniform(lasts / 4, lasts), "all")
        if finish:
            real.apply("n1", OLD)
            assert real.status("n1").status == 0
    done = real.kcompile("n1", "remove", "--node", "n1", "--yes")
    assert done.status == 0, done
    program = f"iptables-{real.cluster.lab.variant.flavour}-save"
    assert "KUBE-" not in real.cluster.on_host("n1", [program]).out


def test_a_killed_removal_is_finished_by_the_next(real: Rollout) -> None:
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    real.apply("n1", OLD)
    argv = (*COMMAND, "remove", "--node", "n1", "--yes")
    moments = [chance.uniform(0.1, 0.6) for _ in range(2)]
    for moment in moments:
        real.cluster.on_host("n1", [sys.executable, "-m", "lab.killed", str(moment), "all", *argv])
    done = real.kcompile("n1", "remove", "--node", "n1", "--yes")
    assert done.status == 0, done
    program = f"iptables-{real.cluster.lab.variant.flavour}-save"
    assert "KUBE-" not in real.cluster.on_host("n1", [program]).out


def _duration(real: Rollout, stage: int) -> float:
    started = time.monotonic()
    real.apply("n1", stage)
    return time.monotonic() - started


def _killed(real: Rollout, stage: int, moment: float, whom: str) -> int:
    """Its exit status."""
    argv = (*COMMAND, *real.applying("n1", stage))
    killed = [sys.executable, "-m", "lab.killed", str(moment), whom, *argv]
    return real.cluster.on_host("n1", killed).status


def _assert_said(real: Rollout, moment: float) -> None:
    """Nothing differs from one of both states, or it says that an apply was interrupted."""
    said = real.status("n1")
    text = said.out + said.err
    if said.status == 0:
        assert "interrupted" not in text, (moment, text)
    else:
        assert said.status == 3, (moment, said)
        assert "interrupted" in text, (moment, text)


def _assert_whole(real: Rollout, stage: int) -> None:
    said = real.status("n1")
    assert said.status == 0, said
    real.assert_works(stage, ["n1"])
