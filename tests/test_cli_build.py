"""What build and validate write, what they refuse, and what they leave as it was."""

import re
from pathlib import Path

import pytest

from cli_runs import DEPLOYMENT, SERVICE, Run

NETWORK_POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
EXTERNAL = SERVICE.replace("NAME", "e").replace("ports:", "externalIPs: [198.51.100.7], ports:")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


@pytest.fixture
def built(run: Run) -> Run:
    """A folder of manifests with a lock, and the bundle that they make."""
    run.deployment("m/deployment.yaml", "a")
    run.service("m/service.yaml", "a")
    assert run("build", "m").code == 0
    return run


# ---- what is written


def test_the_bundle_and_the_lock_and_nothing_else(run: Run) -> None:
    run.service("m/a.yaml", "a")
    answer = run("build", "m")
    assert (answer.code, answer.out) == (0, "")
    *_, bundle, lock = answer.err.splitlines()
    assert re.fullmatch("bundle: 1 node, 0 pods, 3 services: [0-9]+ files", bundle)
    assert lock == "m/kcompile.lock: 2 changed entries"
    outside = {path for path in run.tree() if not path.startswith("bundle/")}
    assert outside == {"m", "m/a.yaml", "m/kcompile.lock", "bundle"}
    assert {"bundle/plan.json", "bundle/nodes/node-1/iptables.rules"} <= set(run.tree())


@pytest.mark.parametrize("output", ["out", "./out/", "deep/er/out", "m/out"])
def test_the_bundle_is_written_where_o_says(run: Run, output: str) -> None:
    run.service("m/a.yaml", "a")
    for option in (["-o", output], [f"-o{output}"], [f"--output={output}"]):
        assert run("build", "m", *option).code == 0
        assert (run.folder / output / "SHA256SUMS").exists()
    assert not (run.folder / "bundle").exists()


def test_a_bundle_that_is_right_is_not_touched(built: Run) -> None:
    before = {path: path.stat() for path in (built.folder / "bundle").rglob("*")}
    answer = built("build", "m")
    assert answer.code == 0
    assert answer.err.endswith("\nbundle: 1 node, 1 pod, 3 services: unchanged\n")
    after = {path: path.stat() for path in (built.folder / "bundle").rglob("*")}
    assert {path: (s.st_ino, s.st_mtime_ns) for path, s in before.items()} == {
        path: (s.st_ino, s.st_mtime_ns) for path, s in after.items()
    }


# ---- --check


def test_check_of_what_is_up_to_date(built: Run) -> None:
    before = built.tree()
    answer = built("build", "m", "--check")
    assert (answer.code, answer.out) == (0, "")
    assert all(": note: " in line for line in answer.err.splitlines())
    assert built.tree() == before


def test_check_lists_each_file_that_would_change(built: Run) -> None:
    built.service("m/service.yaml", "b")
    before = built.tree()
    answer = built("build", "m", "--check")
    assert answer.code == 3
    lock, *paths = answer.out.splitlines()
    assert lock == "m/kcompile.lock"
    assert paths == sorted(paths)
    assert built.tree() == before
    assert built("build", "m").code == 0
    after = built.tree()
    assert paths == sorted(
        path.removeprefix("bundle/")
        for path in before.keys() | after.keys()
        if path.startswith("bundle/") and before.get(path) != after.get(path)
    )


def test_check_of_what_was_edited_by_hand(built: Run) -> None:
    rules = built.folder / "bundle" / "nodes" / "node-1" / "iptables.rules"
    rules.write_bytes(rules.read_bytes().replace(b"-A", b"-I", 1))
    (built.folder / "bundle" / "dns" / "db.cluster.local").unlink()
    built.write("bundle/notes\x1b[31m.txt", "mine")
    before = built.tree()
    answer = built("build", "m", "--check")
    assert answer.code == 3
    assert answer.out.splitlines() == [
        "dns/db.cluster.local",
        "nodes/node-1/iptables.rules",
        r"notes\x1b[31m.txt",
    ]
    assert built.tree() == before


def test_check_of_what_is_not_there(run: Run) -> None:
    run.service("m/a.yaml", "a")
    before = run.tree()
    answer = run("build", "m", "--check")
    assert answer.code == 3
    assert {"m/kcompile.lock", "MANIFEST.json", "plan.json"} <= set(answer.out.splitlines())
    assert run.tree() == before


def test_check_finds_the_input_wrong_before_it_compares(built: Run) -> None:
    built.service("m/another.yaml", "b")
    answer = built("build", "m", "--check", "--locked")
    assert (answer.code, answer.out) == (1, "")


# ---- what is refused


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("kind: [", "KC102"),
        (SERVICE.replace("NAME", "B"), "KC206"),
        (SERVICE.replace("port:", "prot:"), "KC203"),
        (SERVICE.replace("NAME", "a"), "KC301"),
        (SERVICE.replace("NAME", "b").replace("selector:", "clusterIP: 192.0.2.1, selector:"), "KC402"),
        (DEPLOYMENT.replace("NAME", "b").replace("spec:\n", "spec:\n  replicas: 300\n", 1), "KC404"),
    ],
    ids=["load", "validate", "schema", "resolve", "plan: stated", "plan: chosen"],
)  # fmt: skip
def test_a_refusal_changes_nothing(built: Run, text: str, code: str) -> None:
    """Whichever stage refuses, and validate has the same words."""
    built.write("m/wrong.yaml", text)
    before = built.tree()
    answers = [built(*command, "m") for command in (["build"], ["build", "--check"], ["validate"])]
    for answer in answers:
        assert (answer.code, answer.out) == (1, "")
        assert f": {code}: " in answer.err
        assert answer == answers[0]
    assert built.tree() == before
    fresh = built("build", "m", "--no-lock", "-o", "deep/er/out")
    assert fresh.code == 1
    assert built.tree() == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (NETWORK_POLICY, "m/more.yaml:1:1: KC221: warning: "),
        (CONFIG_MAP, "m/more.yaml:1:1: KC220: note: "),
    ],
    ids=["warning", "ignored kind"],
)
def test_strict_makes_warnings_and_ignored_kinds_errors(
    built: Run, text: str, problem: str
) -> None:
    built.write("m/more.yaml", text)
    before = built.tree()
    for command in ("build", "validate"):
        answer = built(command, "m", "--strict")
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith(f"--strict makes these errors:\n{problem}")
        assert answer.err.count("\n") == 2
    assert built.tree() == before
    assert problem in built("build", "m").err


def test_strict_takes_notes_for_what_they_are(built: Run) -> None:
    answer = built("build", "m", "--strict")
    assert (answer.code, answer.out) == (0, "")
    assert "KC320: note: " in answer.err


def test_external_ips_can_be_denied(built: Run) -> None:
    built.write("m/more.yaml", EXTERNAL)
    before = built.tree()
    for command in ("build", "validate"):
        answer = built(command, "m", "--deny-external-ips")
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("--deny-external-ips makes these errors:\nm/more.yaml:4:")
    assert built.tree() == before
    assert built("build", "m").code == 0


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("other", "other:1:1: KC601: this directory is not empty and has no MANIFEST.json"),
        ("link", "link:1:1: KC601: this is a symbolic link"),
        ("other/file/out", "other/file/out:1:1: KC603: cannot write the bundle: "),
        ("bundle", "bundle:1:1: KC602: 'notes.txt' is not in SHA256SUMS"),
        ("n" * 300, f"{'n' * 300}:1:1: KC603: cannot write the bundle: File name too long"),
        ("a\x1b[31m" * 99, r"a\x1b[31ma\x1b[31m"),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_a_place_that_is_not_ours_stays_as_it_is(built: Run, output: str, problem: str) -> None:
    built.write("other/file", "somebody's")
    (built.folder / "link").symlink_to("bundle")
    built.write("bundle/notes.txt", "somebody's")
    built.service("m/another.yaml", "b")
    before = built.tree()
    answer = built("build", "m", "-o", output)
    assert (answer.code, answer.out) == (1, "")
    assert f"\n{problem}" in answer.err
    assert "\x1b" not in answer.err
    assert built.tree() == before


# ---- validate


def test_validate_writes_nothing_not_even_the_lock(run: Run) -> None:
    run.deployment("m/deployment.yaml", "a")
    run.service("m/service.yaml", "a")
    before = run.tree()
    answer = run("validate", "m")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.endswith("valid: 1 node, 1 pod, 3 services\n")
    assert run.tree() == before


def test_validate_says_what_build_says(built: Run) -> None:
    built.write("m/more.yaml", f"{EXTERNAL}---\n{NETWORK_POLICY}---\n{CONFIG_MAP}")
    before = built.tree()
    said = built("validate", "m").err.splitlines()
    assert built.tree() == before
    done = built("build", "m").err.splitlines()
    assert said[-1] == "valid: 1 node, 1 pod, 4 services"
    assert said[:-1] == done[: len(said) - 1]
