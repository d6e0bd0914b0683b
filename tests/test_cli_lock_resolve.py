"""`kcompile lock resolve` in a git repository: what two branches have both given out."""

import subprocess
from pathlib import Path

import pytest

from cli_runs import Run
from kcompile.plan.lock import Lock
from kcompile.plan.lock_resolve import Move, resolve
from kcompile.plan.lock_text import parse_lock, read_lock

HEAD = "kcompile-lock: 2\nalgorithm: 1\n"
A = "service/default/a: {clusterIPs: [10.96.0.50]}\n"
B = "service/default/b: {clusterIPs: [10.96.0.50]}\n"


GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example")


def git(folder: Path, *arguments: str) -> str:
    command = [*GIT, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A repository whose branch `main` has Service a, and whose work tree has b too."""
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path, capsys)
    run.service("m/a.yaml", "a")
    run.write("m/kcompile.lock", HEAD + A)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "m")
    git(tmp_path, "commit", "-q", "-m", "a")
    run.service("m/b.yaml", "b")
    run.write("m/kcompile.lock", HEAD + B + A)
    return run


def test_only_the_entry_that_is_not_on_the_branch_moves(run: Run) -> None:
    refused = run("build", "m")
    assert refused.code == 1
    assert (
        "m/kcompile.lock:4:1: KC407: service/default/a and service/default/b (m/kcompile.lock:3)"
        " hold the same address 10.96.0.50 (kcompile lock resolve --base BRANCH"
    ) in refused.err
    answer = run("lock", "resolve", "--base", "main", "--lock", "m/kcompile.lock")
    assert (answer.code, answer.out) == (
        0,
        "-service/default/b: {clusterIPs: [10.96.0.50]}\n+service/default/b: {clusterIPs: []}\n",
    )
    assert answer.err == (
        "service/default/b loses its address 10.96.0.50: service/default/a has it on main\n"
    )
    assert run("build", "m").code == 0
    table = run("get", "services").out
    assert "10.96.0.50" in next(line for line in table.splitlines() if line.startswith("a "))
    answer = run("lock", "resolve", "--base", "HEAD", "--lock", "m/kcompile.lock")
    assert (answer.code, answer.out, answer.err) == (0, "", "m/kcompile.lock: no entry changes\n")


@pytest.mark.parametrize("ref", ["main", "HEAD", "refs/heads/main", "main~0", "v1.0", "HEAD@{0}"])
def test_names_of_commits(run: Run, ref: str) -> None:
    git(run.folder, "tag", "v1.0")
    answer = run("lock", "resolve", "--base", ref, "--lock", "m/kcompile.lock")
    if "{" in ref:
        assert (
            answer.err
            == "m/kcompile.lock:1:1: KC416: 'HEAD@{0}' is not the name of a branch, a tag or a commit\n"
        )
    else:
        assert answer.code == 0
        assert f"service/default/a has it on {ref}\n" in answer.err


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("other", "KC416: git knows no commit other"),
        ("0" * 40, "KC416: git knows no commit"),
        ("empty", "KC416: empty has no such file"),
        ("--help", "KC416: '--help' is not the name of a branch, a tag or a commit"),
        ("main:m/a.yaml", "KC416: 'main:m/a.yaml' is not the name of"),
        ("main..other", "KC416: 'main..other' is not the name of"),
        ("main\n", "KC416: 'main\\n' is not the name of"),
        ("$(id)", "KC416: '$(id)' is not the name of"),
        ("", "KC416: '' is not the name of"),
    ],
)
def test_what_is_no_commit_with_a_lock(run: Run, ref: str, message: str) -> None:
    tree = git(run.folder, "hash-object", "-w", "-t", "tree", "/dev/null").strip()
    git(run.folder, "branch", "empty", git(run.folder, "commit-tree", "-m", "no", tree).strip())
    before = run.tree()
    answer = run("lock", "resolve", f"--base={ref}", "--lock", "m/kcompile.lock")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"m/kcompile.lock:1:1: {message}")
    assert run.tree() == before


def test_outside_of_a_repository(
    run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kcompile.lock").write_text(HEAD + A)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(elsewhere.parent))
    answer = run("lock", "resolve", "--base", "main")
    assert answer.code == 1
    message = "KC416: the lock does not lie in a git repository (git says 'fatal: not a git repo"
    assert message in answer.err


def test_from_a_hook(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git runs post-merge in the work tree's top folder and says where the repository is."""
    monkeypatch.setenv("GIT_DIR", ".git")
    answer = run("lock", "resolve", "--base", "main", "--lock", "m/kcompile.lock")
    assert answer.code == 0


def test_without_git(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    answer = run("lock", "resolve", "--base", "main", "--lock", "m/kcompile.lock")
    assert answer.code == 1
    assert "KC416: git cannot be run: No such file or directory" in answer.err


def test_a_broken_lock_on_the_branch_is_named(run: Run) -> None:
    run.write("m/kcompile.lock", HEAD + "hello\n")
    git(run.folder, "commit", "-q", "-a", "-m", "broken")
    run.write("m/kcompile.lock", HEAD + B + A)
    answer = run("lock", "resolve", "--base", "main", "--lock", "m/kcompile.lock")
    assert answer.code == 1
    assert answer.err.startswith("m/kcompile.lock on main:3:1: KC405: 'hello' is not a line")


@pytest.mark.parametrize("union", [False, True])
def test_a_merge_with_a_conflict(run: Run, union: bool) -> None:
    """Both branches add at the same place. The marks go, and both sides count; git's union driver
    writes no marks to begin with."""
    run.write(".gitattributes", "kcompile.lock merge=union\n" if union else "")
    assert run("lock", "resolve", "--base", "main", "--lock", "m/kcompile.lock").code == 0
    run("build", "m")
    git(run.folder, "add", ".gitattributes", "m")
    git(run.folder, "commit", "-q", "-m", "lock")
    for branch in ("c", "d"):
        git(run.folder, "checkout", "-q", "-B", branch, "main")
        run.service(f"m/{branch}.yaml", branch)
        run("build", "m")
        git(run.folder, "add", "m")
        git(run.folder, "commit", "-q", "-m", branch)
    merge = subprocess.run(
        [*GIT, "merge", "-q", "-m", "both", "c"], cwd=run.folder, capture_output=True, check=False
    )
    assert merge.returncode == (0 if union else 1)
    if not union:
        assert "(kcompile lock resolve --base BRANCH settles a merge)" in run("build", "m").err
    answer = run("lock", "resolve", "--base", "HEAD", "--lock", "m/kcompile.lock")
    assert answer.code == 0
    assert run("build", "m", "--locked").code == 0
    names = run("get", "services", "-o", "name").out.split()
    assert names[:4] == [f"service/{name}" for name in "abcd"]


# ---- who keeps what


def resolved(merged: str, base: str) -> tuple[Lock, list[tuple[str, str, str, tuple[bool, bool]]]]:
    lock, moves = resolve("kcompile.lock", HEAD + merged, read_lock("base", HEAD + base))
    return lock, [(move.loser, move.winner, move.value, move.on_base) for move in moves]


def test_both_are_new() -> None:
    lock, moves = resolved(B + A, "")
    expected = ("service/default/b", "service/default/a", "address 10.96.0.50", (False, False))
    assert moves == [expected]
    assert lock == parse_lock("x", HEAD + A + "service/default/b: {clusterIPs: []}\n")
    assert Move(*expected).sentence("main") == (
        "service/default/b loses its address 10.96.0.50: service/default/a, not on main either,"
        " comes first"
    )


def test_both_are_on_the_branch() -> None:
    _, moves = resolved(B + A, A + B)
    expected = ("service/default/b", "service/default/a", "address 10.96.0.50", (True, True))
    assert moves == [expected]
    assert Move(*expected).sentence("main") == (
        "service/default/b loses its address 10.96.0.50: both have it on main, and"
        " service/default/a comes first"
    )


def test_an_entry_that_differs_on_the_branch_loses() -> None:
    _, moves = resolved(A + B, A.replace(".50", ".51") + B)
    assert moves == [
        ("service/default/a", "service/default/b", "address 10.96.0.50", (False, True))
    ]


def test_three_of_a_kind() -> None:
    c = B.replace("/b", "/c")
    lock, moves = resolved(A + B + c, c)
    assert [(loser, winner) for loser, winner, *_ in moves] == [
        ("service/default/b", "service/default/a"),
        ("service/default/a", "service/default/c"),
    ]
    assert lock.services["default", "c"].cluster_ips
    assert not lock.services["default", "a"].cluster_ips
    assert not lock.services["default", "b"].cluster_ips


def test_only_what_collides_is_lost() -> None:
    old = "service/x/a: {clusterIPs: [10.96.0.5], nodePorts: {53/TCP: 30053, 53/UDP: 30053}}\n"
    new = (
        "service/x/b: {clusterIPs: [10.96.0.6], nodePorts: {80/TCP: 30053, 81/TCP: 30081},"
        " healthCheckNodePort: 30090, loadBalancerIPs: [192.0.2.7]}\n"
    )
    lock, moves = resolved(old + new, old)
    assert moves == [("service/x/b", "service/x/a", "node port 30053", (False, True))]
    left = new.replace("80/TCP: 30053, ", "")
    assert lock == parse_lock("x", HEAD + old + left)


def test_a_node_that_loses_its_range_takes_its_pods_along() -> None:
    """They stay on it, but their addresses are the other node's."""
    base = (
        "node/n1: {podCIDRs: [10.244.1.0/24]}\n"
        "pod/x/Deployment/web/0: {node: n1, ips: [10.244.1.5]}\n"
    )
    merged = (
        "node/n0: {podCIDRs: [10.244.1.0/24]}\n"
        "pod/x/Deployment/app/0: {node: n0, ips: [10.244.1.5]}\n"
        "pod/x/Deployment/app/1: {node: n0, ips: [10.244.1.6], name: app-pinned}\n"
    )
    lock, moves = resolved(base + merged, base)
    assert moves == [("node/n0", "node/n1", "pod CIDR 10.244.1.0/24", (False, True))]
    left = (
        "pod/x/Deployment/app/0: {node: n0, ips: []}\n"
        "pod/x/Deployment/app/1: {node: n0, ips: [], name: app-pinned}\n"
    )
    assert lock == parse_lock("x", HEAD + base + left)


def test_a_name_that_both_pin() -> None:
    one = "pod/x/Deployment/a/0: {node: n, ips: [10.0.0.1], name: same}\n"
    two = "pod/x/Deployment/b/0: {node: n, ips: [10.0.0.2], name: same}\n"
    lock, moves = resolved(one + two, two)
    assert moves == [
        ("pod/x/Deployment/a/0", "pod/x/Deployment/b/0", "pod name same", (False, True))
    ]
    assert lock == parse_lock("x", HEAD + one.replace(", name: same", "") + two)


def test_two_lines_with_one_key() -> None:
    other = A.replace(".50", ".51")
    assert resolved(A + other, other) == (parse_lock("x", HEAD + other), [])
    assert resolved(A + other, "") == (parse_lock("x", HEAD + A), [])


def test_what_is_freed_gives_way() -> None:
    freed = "service/default/z/freed: {clusterIPs: [10.96.0.50], nodePorts: {80/TCP: 30080}, freed: 1}\n"
    lock, moves = resolved(A + freed, "")
    assert moves == []
    left = freed.replace("10.96.0.50", "")
    assert lock == parse_lock("x", HEAD + A + left)


def test_the_ancestor_s_side_of_a_conflict_does_not_count() -> None:
    c = "service/default/c: {clusterIPs: [10.96.0.52]}\n"
    merged = f"<<<<<<< HEAD\n{A}||||||| 1234567\n{c}=======\n{B}>>>>>>> other\n"
    lock, moves = resolved(merged, A)
    assert len(moves) == 1
    assert sorted(lock.services) == [("default", "a"), ("default", "b")]
