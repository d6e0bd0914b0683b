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

OPTIONAL = ("-save",)
"""Where the kernel itself is asked, these only tell whether others use the other flavour."""

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
        running.apply("n2", OLD)
        yield running


@pytest.fixture(scope="module")
def programs(real: Rollout) -> Programs:
    return Programs(real.cluster, "n1")


def test_a_change_with_a_broken_program_is_taken_back(real: Rollout, programs: Programs) -> None:
    real.apply("n1", OLD)
    used = _used(real, programs, NEW)
    real.apply("n1", OLD)
    before = _rules(real)
    for program, fault in _pairs(used):
        _apply_without(real, programs, program, fault, stage=NEW)
        said = real.status("n1")
        assert said.status == 0, (program, fault, said)
        assert _rules(real) == before, (program, fault)
    real.assert_works(OLD, ["n1"])


def test_a_first_install_with_a_broken_program_leaves_nothing(
    real: Rollout, programs: Programs
) -> None:
    _remove(real)
    empty = _rules(real)
    used = _used(real, programs, OLD)
    _remove(real)
    for program, fault in _pairs(used):
        _apply_without(real, programs, program, fault, stage=OLD)
        assert _rules(real) == empty, (program, fault)
    real.apply("n1", OLD)
    assert real.status("n1").status == 0


def _used(real: Rollout, programs: Programs, stage: int) -> list[str]:
    """The programs that a good apply runs."""
    programs.count()
    real.apply("n1", stage)
    used = sorted({line.split()[0] for line in programs.counted()})
    programs.stop_counting()
    assert used
    return used


def _apply_without(
    real: Rollout, programs: Programs, program: str, fault: Fault, *, stage: int
) -> None:
    """Fails, and goes back; or does without, and then it is whole and taken back here."""
    programs.spoil(program, fault)
    done = real.kcompile("n1", *real.applying("n1", stage), env=SHORT)
    programs.mend(program)
    if done.status:
        _assert_failed(done, program, fault)
        return
    assert program.endswith(OPTIONAL), (program, fault, done)
    assert real.status("n1").status == 0, (program, fault)
    if stage == OLD:
        _remove(real)
    else:
        real.apply("n1", OLD)


def _remove(real: Rollout) -> None:
    done = real.kcompile("n1", "remove", "--node", "n1", "--yes")
    assert done.status == 0, done


def _pairs(used: list[str]) -> list[tuple[str, Fault]]:
    if ALL:
        return [(program, fault) for program in used for fault in FAULTS]
    return [(program, FAULTS[index % len(FAULTS)]) for index, program in enumerate(used)]


def _rules(real: Rollout) -> str:
    """And routes."""
    routes = real.cluster.on_host("n1", ["sh", "-c", "ip -4 route; ip -6 route; ip -br addr"]).out
    return foreign.read(real.cluster, "n1", foreign.NOTHING) + routes


def _assert_failed(done: Done, program: str, fault: Fault) -> None:
    """It says which program, as it calls it, and that nothing is left of the change."""
    assert done.status in {1, 4}, (program, fault, done)
    plain = program.replace("-nft", "").replace("-legacy", "")
    assert program in done.err or plain in done.err, (program, fault, done)
    said = "nothing was changed" if done.status == 1 else "everything is as it was before"
    assert said in done.err, (program, fault, done)
    assert "Traceback" not in done.err
