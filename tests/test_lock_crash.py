"""Builds killed at random moments: lock and bundle are whole, the ones before or the ones after,
and the next build mends what lies between.

KCOMPILE_KILLS sets how many builds are killed (30 if it is not set).
"""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from cli_runs import DEPLOYMENT, SERVICE, Run, Tree
from kcompile.cli.main import main

KILLS = int(os.environ.get("KCOMPILE_KILLS", "30"))
LOCK = "m/kcompile.lock"

WEB = DEPLOYMENT.replace("NAME", "web")
VARIANTS = (
    {"web": WEB, "a": SERVICE.replace("NAME", "web")},
    {
        "web": WEB.replace("spec:\n  selector", "spec:\n  replicas: 3\n  selector"),
        "b": SERVICE.replace("NAME", "other"),
    },
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


def test_killed_at_any_moment(run: Run) -> None:
    moments = random.Random("moments")  # noqa: S311 - moments, not secrets
    declare(run, 1)
    assert run("build", "m").code == 0
    seen: Counter[tuple[str, str]] = Counter()
    for number in range(KILLS):
        declare(run, number % 2)
        before = run.tree()
        after, seconds = what_a_build_makes(run, before)
        # Rather late than early: files are written at the end.
        kill_a_build(moments.triangular(0, seconds, seconds))
        killed = run.tree()
        state = which(killed, before, after)
        assert state != ("before", "after"), "a bundle without its lock"
        seen[state] += 1
        assert run("build", "m").code == 0
        assert run.tree() == after
    print(f"{KILLS} kills, lock and bundle: {dict(seen)}")


def declare(run: Run, variant: int) -> None:
    for path in run.folder.glob("m/*.yaml"):
        path.unlink()
    for name, text in VARIANTS[variant].items():
        run.write(f"m/{name}.yaml", text)


def what_a_build_makes(run: Run, before: Tree) -> tuple[Tree, float]:
    """All that is there after a build that nobody kills, and how long it takes; then all is as it
    was before."""
    start = time.monotonic()
    assert run("build", "m").code == 0
    seconds = time.monotonic() - start
    after = run.tree()
    restore(run, before)
    assert run.tree() == before
    return after, seconds


def restore(run: Run, before: Tree) -> None:
    for path, content in before.items():
        if path == LOCK or path.startswith("bundle/"):
            place = run.folder / path
            if content is None:
                place.mkdir(exist_ok=True)
            else:
                # A new file: the old one may be a link to others.
                place.unlink(missing_ok=True)
                place.write_bytes(content)
                place.chmod(0o644)


def kill_a_build(seconds: float) -> None:
    child = os.fork()
    if child == 0:
        try:
            with contextlib.redirect_stderr(open(os.devnull, "w")):  # noqa: PTH123 - goes with the process
                main(["build", "m"])
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def which(killed: Tree, before: Tree, after: Tree) -> tuple[str, str]:
    """Whether the lock is the one before or the one after, and whether the bundle is."""
    return (
        which_part(killed, before, after, LOCK),
        which_part(killed, before, after, "bundle/"),
    )


def which_part(killed: Tree, before: Tree, after: Tree, prefix: str) -> str:
    own, old, new = (
        {path: content for path, content in tree.items() if path.startswith(prefix)}
        for tree in (killed, before, after)
    )
    assert old != new
    assert own in (old, new), prefix
    return "before" if own == old else "after"
