"""Each program that apply runs, in turn missing, failing and hanging: nothing is left half done."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab import foreign, needs, rollout
from lab.cluster import Done
from lab.describe import Variant
from lab.programs import FAULTS, Fault, Programs
from lab.rollout import NEW, OLD, Rollout

ALL = bool(os.environ.get("KCOMPILE_FAILURES_ALL"))
"""Every fault of every program; else one after the other, so that each program and each fault is
met."""

SHORT = {"KCOMPILE_TIMEOUT": "1"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    needs.requires_both_families("nft")
    return rollout.build(tmp_path_factory.mktemp("failures"))


@pytest.fixture(scope="module", params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundles: Mapping[int, Path]) -> Iterator[Rollout]:
    needs.requires_both_families(request.param)
    running = rollout.start(bundles, Variant(request.param))
    with running.cluster:
        yield running


@pytest.fixture(scope="module")
def programs(real: Rollout) -> Programs:
    return Programs(real.cluster, "n1")


def test_a_change_with_a_broken_program_is_taken_back(real: Rollout, programs: Programs) -> None:
    real.apply("n1", OLD)
    programs.count()
    real.apply("n1", NEW)
    used = _names(programs.counted())
    assert used
    real.apply("n1", OLD)
    before = _rules(real)
    for program, fault in _pairs(used):
        programs.spoil(program, fault)
        done = real.kcompile("n1", *real.applying("n1", NEW), env=SHORT)
        programs.mend(program)
        _assert_failed(done, program, fault)
        assert _rules(real) == before, (program, fault)
        said = real.status("n1")
        assert said.status == 0, (program, fault, said)
    real.assert_works(OLD, ["n1"])


def test_a_first_install_with_a_broken_program_leaves_nothing(
    real: Rollout, programs: Programs
) -> None:
    assert real.kcompile("n1", "remove", "--node", "n1", "--yes").status == 0
    empty = _rules(real)
    programs.count()
    real.apply("n1", OLD)
    used = _names(programs.counted())
    assert real.kcompile("n1", "remove", "--node", "n1", "--yes").status == 0
    for program, fault in _pairs(used):
        programs.spoil(program, fault)
        done = real.kcompile("n1", *real.applying("n1", OLD), env=SHORT)
        programs.mend(program)
        _assert_failed(done, program, fault)
        assert _rules(real) == empty, (program, fault)
    real.apply("n1", OLD)
    assert real.status("n1").status == 0


def _pairs(used: list[str]) -> list[tuple[str, Fault]]:
    if ALL:
        return [(program, fault) for program in used for fault in FAULTS]
    return [(program, FAULTS[index % len(FAULTS)]) for index, program in enumerate(used)]


def _names(commands: tuple[str, ...]) -> list[str]:
    return sorted({line.split()[0] for line in commands})


def _rules(real: Rollout) -> str:
    """And routes."""
    routes = real.cluster.on_host("n1", ["sh", "-c", "ip -4 route; ip -6 route; ip -br addr"]).out
    return foreign.read(real.cluster, "n1", foreign.NOTHING) + routes


def _assert_failed(done: Done, program: str, fault: Fault) -> None:
    text = done.out + done.err
    assert done.status in {1, 4}, (program, fault, done)
    assert program in done.err, (program, fault, done)
    said = "nothing was" if done.status == 1 else "rolled back"
    assert said in text, (program, fault, done)
    assert "Traceback" not in text
