"""Hostile inputs are refused in words that any terminal can show, and nothing is written.

What no one thought of is for hypothesis: whatever stands in a field, no file of a bundle holds
more than a benign name would have brought.
"""

import csv
import os
import re
import shutil
from pathlib import Path

import pytest

from command_line import Answer, kcompile
from hostile_inputs import FLAGS, LOCKS, MANIFESTS, WEB
from limited_runs import Outcome, Run, run_limited

HOSTILE = Path(__file__).parents[2] / "shared" / "hostile"

PLAIN = re.compile(r"[ -~\n]*")
PROBLEM = re.compile(r"(?P<file>[ -~]*?):[1-9][0-9]*:[1-9][0-9]*: KC[0-9]{3}: [ -~]+")


def assert_refused(answer: Answer, folder: Path, before: list[Path]) -> None:
    assert answer.code == 1, answer.err
    assert answer.out == ""
    assert PLAIN.fullmatch(answer.err), ascii(answer.err)
    lines = answer.err.split("\n")[:-1]
    assert lines
    assert all(map(PROBLEM.fullmatch, lines)), answer.err
    assert all(len(line) < 1000 for line in lines)
    assert sorted(folder.rglob("*")) == before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_hostile_manifests(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "m.yaml").write_text(text, "utf-8")
    before = sorted(folder.rglob("*"))
    answer = kcompile(["build", "m.yaml"], capsys)
    assert_refused(answer, folder, before)
    assert all(line.startswith("m.yaml:") for line in answer.err.split("\n")[:-1])


@pytest.mark.parametrize(("flag", "value"), FLAGS.values(), ids=FLAGS)
def test_hostile_flags(
    flag: str, value: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.yaml").write_text(WEB)
    before = sorted(folder.rglob("*"))
    assert_refused(kcompile(["build", "m.yaml", flag, value], capsys), folder, before)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_hostile_locks(lock: str | bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "m.yaml").write_text(WEB)
    content = lock.encode() if isinstance(lock, str) else lock
    (folder / "kcompile.lock").write_bytes(content)
    before = sorted(folder.rglob("*"))
    answer = kcompile(["build", "m.yaml"], capsys)
    assert_refused(answer, folder, before)
    assert (folder / "kcompile.lock").read_bytes() == content


def test_the_manifest_of_these_tests_is_right(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.yaml").write_text(WEB)
    assert kcompile(["build", "m.yaml"], capsys).code == 0


def test_an_ignored_object_leaves_no_trace(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kubernetes refuses such a namespace; here nothing of the object counts, nor comes out."""
    ignored = (
        "apiVersion: v1\nkind: ConfigMap\n"
        'metadata: {name: "$(id)", namespace: "evil\\n$INCLUDE /etc/passwd"}\ndata: {evil: evil}\n'
    )
    (folder / "m.yaml").write_text(WEB + ignored)
    assert kcompile(["build", "m.yaml"], capsys).code == 0
    written = [path.read_bytes() for path in (folder / "bundle").rglob("*") if path.is_file()]
    assert not any(b"evil" in content or b"INCLUDE" in content for content in written)


@pytest.mark.parametrize(
    "name", [b"\x1b[31mm.yaml", b"a\nb.yaml", b"a\rb.yaml", b"\xff.yaml", "\u202eb.yaml".encode()]
)
def test_hostile_file_names(name: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name is shown with escapes, whether the file is right or wrong."""
    inputs = folder / "in"
    inputs.mkdir()
    Path(os.fsdecode(os.fsencode(inputs) + b"/" + name)).write_text("kind: 1\n")
    assert_refused(kcompile(["build", "in"], capsys), inputs, sorted(inputs.rglob("*")))
    Path(os.fsdecode(os.fsencode(inputs) + b"/" + name)).write_text(WEB)
    answer = kcompile(["build", "in"], capsys)
    assert answer.code == 0
    sources = (folder / "bundle" / "sources.json").read_text("ascii")
    assert re.fullmatch(r"[ -~\n]*", sources)


FLAG_OF = {
    "serviceCIDR": "--service-cidr",
    "clusterDomain": "--service-dns-domain",
    "podCIDR": "--pod-network-cidr",
}
TAKEN_SILENTLY = {
    "080-replicas-integral-float.yaml": "2.0 is 2, as in Kubernetes' JSON",
    "303-yaml-timestamp-annotation.yaml": "a date is a string, as in Kubernetes' YAML",
}
"""Where a warning was thought possible but Kubernetes has nothing to say either."""


def expected() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Verdict and flags by file."""
    if not HOSTILE.exists():
        return {}
    with (HOSTILE / "EXPECT.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    found = {}
    for row in rows:
        setting, _, value = row["config needed"].partition("=")
        flags = (FLAG_OF[setting], value.strip('"')) if setting else ()
        found[row["file"]] = (row["verdict"], flags)
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Outcome]]:
    """Every shared input built by itself, in a process with limits and a folder of its own."""
    runs = {}
    for file, (_, flags) in expected().items():
        folder = tmp_path_factory.mktemp("hostile") / "work"
        folder.mkdir()
        shutil.copy(HOSTILE / file, folder)
        runs[file] = Run(str(folder), ["build", file, *flags])
    done = run_limited([*runs.values()])
    return {
        file: (Path(run.folder), outcome)
        for (file, run), outcome in zip(runs.items(), done, strict=True)
    }


@pytest.mark.skipif(
    not HOSTILE.exists(), reason="needs the inputs of ../shared/hostile, which is not here"
)
@pytest.mark.parametrize("file", expected() or ["none"])
def test_shared_hostile_inputs(file: str, outcomes: dict[str, tuple[Path, Outcome]]) -> None:
    verdict, flags = expected()[file]
    folder, outcome = outcomes[file]
    text = outcome.err.decode()
    assert PLAIN.fullmatch(text), ascii(text)
    assert outcome.out == b""
    assert outcome.peak < 1 << 30
    written = sorted(path.name for path in folder.iterdir())
    problems = [match for line in text.split("\n") if (match := PROBLEM.fullmatch(line))]
    if outcome.code == 0:
        assert verdict != "REJECT"
        assert written == sorted([file, "bundle", "kcompile.lock"])
        told = [match for match in problems if match["file"] != "kcompile" or "KC226" in match[0]]
        assert verdict == "ACCEPT" or told or file in TAKEN_SILENTLY
    else:
        assert outcome.code == 1, text
        assert written == [file]
        assert {file, *flags[:1]} & {match["file"] for match in problems}
        assert verdict != "ACCEPT"
