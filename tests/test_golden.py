"""Whole outputs: each case of golden/ is built and compared, file by file, byte by byte.

A case has input/ (manifests and perhaps a lock), perhaps `arguments` (more of them for build) and
expected/: the bundle and the lock, or nothing but what standard error says.
Update: `pytest tests/test_golden.py --snapshot-update --allow-snapshot-deletion`, read the diff.
"""

import shutil
from pathlib import Path

import pytest
from pytest_snapshot.plugin import Snapshot

from command_line import kcompile

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
    monkeypatch.chdir(tmp_path)
    more = case / "arguments"
    arguments = more.read_text().split("\n")[:-1] if more.exists() else []
    answer = kcompile(["build", "input", "-o", "bundle", *arguments], capsys)
    assert answer.out == ""
    snapshot.snapshot_dir = case
    snapshot.assert_match_dir(outcome(tmp_path, answer.err), "expected")
    assert answer.code == (0 if (tmp_path / "bundle").exists() else 1)


def outcome(folder: Path, err: str) -> Tree:
    found: Tree = {"stderr.txt": err.encode()}
    if (folder / "bundle").exists():
        found["bundle"] = tree(folder / "bundle")
        if (folder / "input" / "kcompile.lock").exists():
            found["kcompile.lock"] = (folder / "input" / "kcompile.lock").read_bytes()
    return found


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
    texts = [path.read_bytes() for path in sorted((case / "input").iterdir())]
    assert any(text.lstrip(b"\xef\xbb\xbf").startswith(b"# Case: ") for text in texts) or (
        (case / "input" / "why.yaml").exists()
    )
