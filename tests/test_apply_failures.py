"""Each program that apply runs, in turn missing, failing and hanging: nothing is left half done."""

import os
from collections import Counter
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

NEW_NAME = "default/new:http"
AT_A_TIME: tuple[Fault, ...] = ("exit 1", "hangs")

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


def test_a_program_that_is_broken_all_the_time(real: Rollout, programs: Programs) -> None:
    """Missing, failing or hanging: also while the change is taken back."""
    real.apply("n1", OLD)
    used = sorted({line.split()[0] for line in _commands(real, programs, NEW)})
    real.apply("n1", OLD)
    before = _rules(real)
    for program, fault in _pairs(used):
        programs.spoil(program, fault)
        failed = _apply_spoilt(real, program, fault, stage=NEW)
        programs.mend(program)
        assert failed or program.endswith(OPTIONAL), (program, fault)
        _assert_as_before(real, before, (program, fault))
    real.assert_works(OLD, ["n1"])


def test_a_change_whose_commands_fail_one_by_one(real: Rollout, programs: Programs) -> None:
    """Each one that it runs, at the time when it runs it."""
    real.apply("n1", OLD)
    commands = _commands(real, programs, NEW)
    real.apply("n1", OLD)
    before = _rules(real)
    for line, turn, fault in _turns(commands):
        programs.spoil_once(line, turn, fault)
        _apply_spoilt(real, line, fault, stage=NEW)
        programs.mend(line.split()[0])
        _assert_as_before(real, before, (line, turn, fault))
    real.assert_works(OLD, ["n1"])


def test_a_first_install_whose_commands_fail_one_by_one(real: Rollout, programs: Programs) -> None:
    _remove(real)
    empty = _rules(real)
    commands = _commands(real, programs, OLD)
    _remove(real)
    for line, turn, fault in _turns(commands):
        programs.spoil_once(line, turn, fault)
        if not _apply_spoilt(real, line, fault, stage=OLD):
            _remove(real)
        programs.mend(line.split()[0])
        assert _rules(real) == empty, (line, turn, fault)
    real.apply("n1", OLD)
    assert real.status("n1").status == 0


def _commands(real: Rollout, programs: Programs, stage: int) -> tuple[str, ...]:
    """Those that a good apply runs."""
    programs.count()
    real.apply("n1", stage)
    commands = programs.counted()
    programs.stop_counting()
    assert commands
    return commands


def _apply_spoilt(real: Rollout, line: str, fault: Fault, *, stage: int) -> bool:
    """Whether it failed; else it did without, or tried again, and installed all of it."""
    done = real.kcompile("n1", *real.applying("n1", stage), env=SHORT)
    if done.status:
        _assert_failed(done, line.split(maxsplit=1)[0], fault)
    return done.status != 0


def _assert_as_before(real: Rollout, before: str, broken: object) -> None:
    said = real.status("n1")
    assert said.status == 0, (broken, said)
    if NEW_NAME in foreign.read(real.cluster, "n1", foreign.NOTHING):
        real.apply("n1", OLD)
    assert _rules(real) == before, broken


def _remove(real: Rollout) -> None:
    done = real.kcompile("n1", "remove", "--node", "n1", "--yes")
    assert done.status == 0, done


def _pairs(used: list[str]) -> list[tuple[str, Fault]]:
    if ALL:
        return [(program, fault) for program in used for fault in FAULTS]
    return [(program, FAULTS[index % len(FAULTS)]) for index, program in enumerate(used)]


def _turns(commands: tuple[str, ...]) -> list[tuple[str, int, Fault]]:
    """Each command, which time it is that it runs, and how it fails then."""
    turns: list[tuple[str, int, Fault]] = []
    seen: Counter[str] = Counter()
    for line in commands:
        seen[line] += 1
        turns += [(line, seen[line], fault) for fault in AT_A_TIME]
    if ALL:
        return turns
    changing = [turn for turn in turns if "-batch" in turn[0] or "-restore" in turn[0]]
    return changing[:: len(AT_A_TIME)]


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
