"""Whole outputs: each case of golden/ is built and compared, file by file, byte by byte.

A case has input/ (manifests and perhaps a lock) and expected/: what standard error says and, where
nothing is refused, the bundle and the lock. It may have `arguments` (more of them for build, one a
line), `command` (all arguments of another command instead, of which standard output is expected),
existing/ (a folder that is at the bundle's place before), `links` (symbolic links to make, name and
target a line), `held` (folders whose locks another process has meanwhile) and `then` (arguments of
a second command, whose standard error follows).
Update: `pytest tests/test_golden.py --snapshot-update --allow-snapshot-deletion`, read the diff.
"""

import contextlib
import shutil
from pathlib import Path

import pytest
from pytest_snapshot.plugin import Snapshot

from command_line import kcompile
from kcompile.bundle.hold import held

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/input"))

Tree = dict[str, "Tree | bytes"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
def test_golden(
    case: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    snapshot: Snapshot,
) -> None:
    shutil.copytree(case / "input", tmp_path / "input")
    for link in lines(case / "links"):
        name, target = link.split()
        (tmp_path / name).symlink_to(target)
    if (case / "existing").exists():
        shutil.copytree(case / "existing", tmp_path / "bundle")
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = lines(case / "command")
    build = ["build", "input", "-o", "bundle", *lines(case / "arguments")]
    with contextlib.ExitStack() as stack:
        for folder in lines(case / "held"):
            stack.enter_context(held(tmp_path / folder / "kcompile.lock", 0, str))
        answer = kcompile(command or build, capsys)
    found: Tree = {"stderr.txt": answer.err.encode()}
    if command:
        assert tree(tmp_path) == before
        found |= {"stdout.txt": answer.out.encode()} if answer.code == 0 else {}
    elif answer.code == 0:
        found["bundle"] = tree(tmp_path / "bundle")
        found["kcompile.lock"] = (tmp_path / "input" / "kcompile.lock").read_bytes()
    else:
        assert tree(tmp_path) == before
    assert answer.code in {0, 1}
    assert command or answer.out == ""
    if then := lines(case / "then"):
        second = kcompile(then, capsys)
        assert (second.code, second.out) == (1, "")
        found["stderr.txt"] = (answer.err + second.err).encode()
    snapshot.snapshot_dir = case
    snapshot.assert_match_dir(found, "expected")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def tree(folder: Path) -> Tree:
    return {
        path.name: tree(path) if path.is_dir() else path.read_bytes()
        for path in sorted(folder.iterdir())
    }


def test_there_are_cases() -> None:
    assert len(CASES) > 40
    for case in CASES:
        assert (case / "expected" / "stderr.txt").exists(), case


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
def test_a_case_says_why_it_exists(case: Path) -> None:
    inputs = [path for path in sorted((case / "input").iterdir()) if path.is_file()]
    assert any(path.read_bytes().startswith(b"# Case: ") for path in inputs)
