"""docs/pull: what fetches a bundle on a node, with a real git and a stub of the node's program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli_runs import process
from command_line import Answer

PULL = Path(__file__).parent.parent / "docs" / "pull"
# Says what it was asked; exits with what the file of a word of that has.
STUB = """\
import pathlib, sys
words = sys.argv[1:]
with open('asked', 'a') as file:
    file.write(' '.join(words) + chr(10))
codes = [path for word in words if '/' not in word and (path := pathlib.Path('code' + word)).exists()]
sys.exit(int(codes[0].read_text()) if codes else 0)
"""
FIRST = (
    "apply repository/bundle --node n1 --require-signature /etc/kcompile/allowed_signers --dns none"
)
PLANNED = f"{FIRST} --exit-code"
APPLIED = f"{FIRST} --yes --confirm-within 300s"
CHECKED = "status --node n1"
CONFIRMED = "apply --confirm"
ROLLED_BACK = "apply --rollback --yes"


class Node:
    """A folder as docs/rollout.md lays it out, and the repository that it follows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "kcompile-pull"
        self.place.mkdir()
        (self.place / "kcompile.pyz").write_text(STUB)
        self.answer("--exit-code", 3)
        self.git(folder, "init", "-q", "-b", "main", "upstream")
        self.publish(1)
        self.git(
            self.place, "clone", "-q", "--depth", "1", f"file://{folder}/upstream", "repository"
        )

    def git(self, where: Path, *words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *words], cwd=where, check=True, env=self.environment())

    def environment(self) -> dict[str, str]:
        return os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(self.folder)}

    def publish(self, generation: int) -> None:
        slice_ = self.folder / "upstream/bundle/nodes/n1/SLICE.json"
        slice_.parent.mkdir(parents=True, exist_ok=True)
        slice_.write_text(f'{{"generation": {generation}}}')
        self.git(self.folder / "upstream", "add", "-A")
        self.git(self.folder / "upstream", "commit", "-q", "-m", f"{generation}")

    def answer(self, word: str, code: int) -> None:
        (self.place / f"code{word}").write_text(str(code))

    def pull(self) -> Answer:
        environment = self.environment() | {
            "KCOMPILE_PULL": str(self.place),
            "KCOMPILE_OPTIONS": "--dns none",
        }
        (self.place / "asked").unlink(missing_ok=True)
        return process([PULL / "kcompile-pull", "n1"], self.folder, **environment)

    def asked(self) -> list[str]:
        path = self.place / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    missing = [name for name in ("git", "cmp") if not shutil.which(name)]
    if missing or not Path("/usr/bin/python3").exists():
        pytest.skip(f"not installed: {', '.join(missing) or '/usr/bin/python3'}")
    return Node(tmp_path)


def test_a_new_slice_is_applied_checked_and_confirmed(node: Node) -> None:
    for generation in (1, 2):
        node.publish(generation + 1)
        answer = node.pull()
        assert answer.code == 0, answer.err
        assert node.asked() == [PLANNED, APPLIED, CHECKED, CONFIRMED]
        slice_ = node.place / "repository/bundle/nodes/n1/SLICE.json"
        assert slice_.read_text() == f'{{"generation": {generation + 1}}}'
        assert not (node.place / "failed").exists()


def test_where_nothing_would_change_nothing_is_done(node: Node) -> None:
    node.answer("--exit-code", 0)
    assert node.pull().code == 0
    assert node.asked() == [PLANNED]


def test_a_slice_that_is_refused_is_asked_about_again(node: Node) -> None:
    """By then the one who signed it may be allowed to."""
    node.answer("--exit-code", 1)
    for _ in range(2):
        assert node.pull().code == 1
        assert node.asked() == [PLANNED]


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("--confirm-within", [PLANNED, APPLIED]),
        ("status", [PLANNED, APPLIED, CHECKED, ROLLED_BACK]),
        ("check", [PLANNED, APPLIED, CHECKED, ROLLED_BACK]),
    ],
)
def test_a_slice_that_fails_is_not_confirmed_nor_tried_again(
    node: Node, word: str, asked: list[str]
) -> None:
    if word == "check":
        (node.place / "check").write_text("#!/bin/sh\nexit 1\n")
        (node.place / "check").chmod(0o755)
    else:
        node.answer(word, 4)
    assert node.pull().code != 0
    assert node.asked() == asked
    again = node.pull()
    assert again.code == 1
    assert "this slice failed here before" in again.err
    assert node.asked() == []
    (node.place / ("check" if word == "check" else f"code{word}")).unlink()
    node.publish(2)
    assert node.pull().code == 0
    assert node.asked()[-1] == CONFIRMED


def test_nothing_is_applied_where_the_repository_is_gone(node: Node) -> None:
    (node.folder / "upstream").rename(node.folder / "elsewhere")
    assert node.pull().code != 0
    assert node.asked() == []


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if sys.platform != "linux" or not shutil.which("systemd-analyze"):
        pytest.skip("not installed: systemd-analyze")
    for name in ("kcompile-pull.service", "kcompile-pull.timer"):
        text = (PULL / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/local/sbin", str(PULL)))
    units = ["kcompile-pull.service", "kcompile-pull.timer"]
    answer = process(["systemd-analyze", "verify", *units], tmp_path)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
