"""kcompile.lock: where it lies, when it is written, and when a build must not change it."""

from pathlib import Path

import pytest

from cli_runs import Run

LOCKED = "KC406: --locked, but"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


def locks(run: Run) -> set[str]:
    return {path for path in run.tree() if path.endswith(".lock")}


# ---- where it lies


@pytest.mark.parametrize(
    ("arguments", "lock"),
    [
        (["x"], "x/kcompile.lock"),
        (["x/"], "x/kcompile.lock"),
        (["x/m"], "x/m/kcompile.lock"),
        (["x/m/a.yaml"], "x/m/kcompile.lock"),
        (["x/m/a.yaml", "x/m/b.yaml"], "x/m/kcompile.lock"),
        (["x/m", "x/n/c.yaml"], "x/kcompile.lock"),
        (["x/m/../n", "x/m/a.yaml"], "x/kcompile.lock"),
        (["x/m", "y"], "kcompile.lock"),
        (["."], "kcompile.lock"),
        (["x/m", "--lock", "elsewhere.lock"], "elsewhere.lock"),
        (["x/m", "--lock", "y/other.lock"], "y/other.lock"),
    ],
    ids=" ".join,
)
def test_the_lock_lies_in_the_deepest_common_folder(
    run: Run, arguments: list[str], lock: str
) -> None:
    for path, name in (("x/m/a", "a"), ("x/m/b", "b"), ("x/n/c", "c"), ("y/d", "d")):
        run.service(f"{path}.yaml", name)
    answer = run("build", *arguments, "-o", "out")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.splitlines()[-1].startswith(f"{lock}: ")
    assert locks(run) == {lock}


def test_a_lock_above_the_working_folder(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "here").mkdir()
    monkeypatch.chdir("here")
    assert run("build", "../m").code == 0
    assert locks(run) == {"m/kcompile.lock"}


def test_the_lock_is_read_from_where_it_is_written(run: Run) -> None:
    run.service("m/a.yaml", "a")
    lock = "kcompile-lock: 2\nalgorithm: 1\n\n# Node node-1\nnode/node-1: {podCIDRs: [10.244.0.0/24]}\n"
    run.write(
        "my.lock",
        f"{lock}\n# Service default/a\nservice/default/a: {{clusterIPs: [10.96.44.4]}}\n\n# end\n",
    )
    assert run("build", "m", "--lock", "my.lock", "--locked").code == 0
    assert "10.96.44.4" in run("get", "service", "a").out


@pytest.mark.parametrize(
    ("lock", "bundle"),
    [("out/my.lock", "out"), ("out", "out"), ("link/my.lock", "out"), ("m/my.lock", ".")],
)
def test_the_lock_is_not_put_where_the_next_build_removes_it(
    run: Run, lock: str, bundle: str
) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "link").symlink_to("out")
    before = run.tree()
    answer = run("build", "m", "--lock", lock, "-o", bundle)
    assert (answer.code, answer.out) == (2, "")
    assert f"the lock {lock} lies in the bundle's folder {bundle}, which a build" in answer.err
    assert run.tree() == before


# ---- when it is written


def test_the_report_counts_changed_entries(run: Run) -> None:
    run.service("m/a.yaml", "a")
    assert run("build", "m").err.endswith("m/kcompile.lock: 2 changed entries\n")
    run.service("m/b.yaml", "b")
    assert run("build", "m").err.endswith("m/kcompile.lock: 1 changed entry\n")
    assert "kcompile.lock" not in run("build", "m").err


def test_an_unchanged_lock_is_not_written(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run("build", "m")
    before = (run.folder / "m" / "kcompile.lock").stat()
    run("build", "m", "--no-egress-masquerade")
    run("build", "m", "--locked", "-o", "other")
    after = (run.folder / "m" / "kcompile.lock").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_without_a_lock_none_is_read_or_written(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.write("m/kcompile.lock", "broken")
    assert run("build", "m", "--no-lock").code == 0
    assert run.tree()["m/kcompile.lock"] == b"broken"
    run.service("n/a.yaml", "a")
    answer = run("build", "n", "--no-lock", "-o", "other")
    assert (answer.code, answer.out) == (0, "")
    assert "kcompile.lock" not in answer.err
    assert locks(run) == {"m/kcompile.lock"}


@pytest.mark.parametrize("more", [["--locked"], ["--lock", "x"], ["--lock", "x", "--locked"]])
@pytest.mark.parametrize("command", ["build", "validate"])
def test_no_lock_goes_with_no_other_lock_option(run: Run, command: str, more: list[str]) -> None:
    run.service("m/a.yaml", "a")
    before = run.tree()
    answer = run(command, "m", "--no-lock", *more)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith("Error: --no-lock goes with neither --lock nor --locked\n")
    assert run.tree() == before


@pytest.mark.parametrize("command", ["build", "validate"])
def test_a_lock_that_cannot_be_read(run: Run, command: str) -> None:
    run.service("m/a.yaml", "a")
    run.write("binary.lock", b"\xff")
    run.write("wrong.lock", "kcompile-lock: 2\nalgorithm: 1\nhello\n")
    run.write("later.lock", "kcompile-lock: 2\nalgorithm: 7\n")
    before = run.tree()
    for lock, message in (
        ("binary.lock", "1:1: KC405: the lock cannot be read: it is not UTF-8"),
        ("wrong.lock", "3:1: KC405: 'hello' is not a line that kcompile writes"),
        ("later.lock", "2:1: KC408: algorithm is 7; this kcompile knows 1"),
        ("wrong.lock/x", "1:1: KC405: the lock cannot be read: Not a directory"),
        ("n" * 300, "1:1: KC405: the lock cannot be read: File name too long"),
    ):
        answer = run(command, "m", "--lock", lock)
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith(f"{lock}:{message}")
    assert run(command, "m", "--lock", "m").code == 2
    assert run.tree() == before


def test_a_lock_that_cannot_be_written(run: Run) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "m" / "kcompile.lock").symlink_to("nowhere")
    before = run.tree()
    for lock, message in (
        ("no/folder/my.lock", "bundle:1:1: KC603: cannot write the bundle: No such file"),
        ("m/kcompile.lock", "m/kcompile.lock:1:1: KC603: this is not a regular file"),
    ):
        answer = run("build", "m", "--lock", lock)
        assert (answer.code, answer.out) == (1, "")
        assert f"\n{message}" in answer.err
        assert run.tree() == before


# ---- --locked


def test_locked_names_the_entries_that_would_change(run: Run) -> None:
    run.service("m/a.yaml", "a")
    before = run.tree()
    answer = run("build", "m", "--locked")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.endswith(
        f"m/kcompile.lock:1:1: {LOCKED} these entries would change: node/node-1, service/default/a"
        " (build without --locked and commit the lock)\n"
    )
    assert run.tree() == before
    assert run("build", "m").code == 0
    assert run("build", "m", "--locked", "-o", "other").code == 0
    assert (run.folder / "other" / "plan.json").exists()


def test_locked_counts_what_it_does_not_name(run: Run) -> None:
    for name in "abcdefg":
        run.service(f"m/{name}.yaml", name)
    answer = run("build", "m", "--locked")
    assert "would change: node/node-1, service/default/a, " in answer.err
    assert "service/default/d and 3 more (build" in answer.err


def test_locked_notices_what_is_freed(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.service("m/b.yaml", "b")
    run("build", "m")
    (run.folder / "m" / "b.yaml").unlink()
    before = run.tree()
    answer = run("build", "m", "--locked")
    assert f"{LOCKED} these entries would change: service/default/b (" in answer.err
    assert run.tree() == before
    run("build", "m")
    assert run("build", "m", "--locked").code == 0


def test_locked_notices_lines_out_of_order(run: Run) -> None:
    """As a merge may leave them: the next build would sort them."""
    run.service("m/a.yaml", "a")
    run.service("m/b.yaml", "b")
    run("build", "m")
    lock = run.folder / "m" / "kcompile.lock"
    *groups, one, other, end = lock.read_text().split("\n\n")
    lock.write_text("\n\n".join([*groups, other, one, end]))
    before = run.tree()
    answer = run("build", "m", "--locked")
    assert answer.code == 1
    message = "freed entries, the order of lines or the form would change"
    assert f"{LOCKED} {message} (build" in answer.err
    answer = run("build", "m", "--check")
    assert (answer.code, answer.out) == (3, "m/kcompile.lock\n")
    assert run.tree() == before


def test_locked_is_for_validate_too(run: Run) -> None:
    run.service("m/a.yaml", "a")
    assert LOCKED in run("validate", "m", "--locked").err
    run("build", "m")
    assert run("validate", "m", "--locked").code == 0
