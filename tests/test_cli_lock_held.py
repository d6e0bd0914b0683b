"""Builds at once with one lock: one after the other, or a clear refusal."""

import re
import subprocess
from pathlib import Path

import pytest

from cli_runs import KCOMPILE, Run
from kcompile.bundle.hold import held
from kcompile.plan.lock_text import parse_lock

EDITS = [["prune"], ["upgrade"], ["pin", "service/a", "10.96.0.9"], ["rename-node", "node-1", "x"]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path, capsys)
    run.service("m/a.yaml", "a")
    return run


@pytest.mark.parametrize("arguments", EDITS, ids=" ".join)
def test_edits_wait_too(run: Run, arguments: list[str]) -> None:
    run("build", "m")
    before = run.tree()
    with held(Path("m/kcompile.lock"), 0, str):
        answer = run("lock", *arguments, "--lock", "m/kcompile.lock", "--lock-timeout", "0")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("m/kcompile.lock:1:1: KC415: another kcompile is at work with")
    assert run.tree() == before


def test_a_build_says_that_it_waits_and_gives_up(run: Run) -> None:
    with held(Path("m/kcompile.lock"), 0, str):
        answer = run("build", "m", "--lock-timeout", "0.1")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "m/kcompile.lock: another kcompile has this lock; waiting for it\n"
        "m/kcompile.lock:1:1: KC415: another kcompile is at work with this lock and was so for 0.1"
        " seconds (let it end, then try again; --lock-timeout SECONDS waits longer)\n"
    )
    assert run("build", "m", "--lock-timeout", "0").code == 0


@pytest.mark.parametrize("option", ["--check", "--locked", "--no-lock"])
def test_what_does_not_write_the_lock_does_not_wait(run: Run, option: str) -> None:
    run("build", "m")
    with held(Path("m/kcompile.lock"), 0, str):
        assert run("build", "m", option, "--lock-timeout", "0").code == 0
        assert run("validate", "m").code == 0
        assert run("lock", "show", "--lock", "m/kcompile.lock").code == 0
        assert run("lock", "verify", "m").code == 0


def test_no_file_is_left_beside_the_lock(run: Run) -> None:
    run("build", "m", "-o", "out/bundle")
    assert sorted(path.name for path in (run.folder / "m").iterdir()) == ["a.yaml", "kcompile.lock"]


def test_builds_of_one_lock_do_not_interleave(run: Run) -> None:
    """Each has a Service of its own: whoever comes later frees what the one before chose, and
    nothing that was ever given out is forgotten."""
    builds = []
    for number in range(4):
        run.service(f"n{number}/s.yaml", f"s{number}")
        command = [*KCOMPILE, "build", f"n{number}", "--lock", "one.lock", "-o", f"out{number}"]
        builds.append(subprocess.Popen(command, cwd=run.folder, stderr=subprocess.PIPE, text=True))
    errors = [build.communicate()[1] for build in builds]
    assert [build.returncode for build in builds] == [0] * 4, errors
    lock = parse_lock("one.lock", (run.folder / "one.lock").read_text())
    assert len(lock.services) == 1
    assert len(lock.freed_services) == 3
    assert sorted(number for _, number in lock.freed_services.values()) == [1, 2, 3]
    (last,) = (name for _, name in lock.services)
    assert {*lock.freed_services, *lock.services} == {("default", f"s{n}") for n in range(4)}
    assert run("build", f"n{last[1]}", "--lock", "one.lock", "--locked").code == 0
    assert all(re.search("out[0-3]: 1 node, 0 pods", error) for error in errors)
