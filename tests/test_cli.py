"""The command line: what it reads, what it writes, how it exits."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from command_line import Answer, kcompile

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: 80}]}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec: {containers: [{name: c, image: i}]}
"""
NETWORK_POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Run":
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


class Run:
    """A working folder and kcompile in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def service(self, path: str, name: str) -> None:
        self.write(path, SERVICE.replace("NAME", name))

    def __call__(self, *arguments: str) -> Answer:
        return kcompile(arguments, self.capsys)

    def services(self, *arguments: str) -> set[str]:
        assert self("build", *arguments, "-o", "out").code == 0
        names = self("get", "services", "-A", "-o", "name", "--bundle", "out").out.split()
        return {name.partition("/")[2] for name in names} - {"kubernetes", "kube-dns"}

    def tree(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


# ---- inputs


def test_folders_are_read_with_all_below_them(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.service("m/deep/er/b.yml", "b")
    run.write("m/c.json", '{"apiVersion": "v1", "kind": "ServiceList", "items": []}')
    run.service("m/not-a-manifest.txt", "txt")
    run.service("m/.hidden.yaml", "hidden")
    run.service("m/.git/x.yaml", "git")
    assert run.services("m") == {"a", "b"}


def test_a_bundle_within_the_folder_is_passed_over(run: Run) -> None:
    run.service("a.yaml", "a")
    assert run("build", ".", "-o", "bundle").code == 0
    assert run("build", ".", "-o", "bundle").err.endswith(
        "bundle: 1 node, 0 pods, 3 services: unchanged\n"
    )


def test_a_file_that_is_named_twice_is_read_once(run: Run) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "link.yaml").symlink_to("m/a.yaml")
    assert run.services("m", "m/a.yaml", "link.yaml") == {"a"}


def test_several_inputs_lock_in_the_deepest_common_folder(run: Run) -> None:
    run.service("x/m/a.yaml", "a")
    run.service("x/n/b.yaml", "b")
    assert run.services("x/m", "x/n/b.yaml") == {"a", "b"}
    assert (run.folder / "x" / "kcompile.lock").exists()


def test_stdin_locks_in_the_working_folder(run: Run) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kcompile.cli.main", "build", "-"],
        input=SERVICE.replace("NAME", "a") + "---\nkind: [",
        cwd=run.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("<stdin>:6:")
    done = subprocess.run(
        [sys.executable, "-m", "kcompile.cli.main", "build", "-"],
        input=SERVICE.replace("NAME", "a"),
        cwd=run.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert (run.folder / "kcompile.lock").exists()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("missing.yaml", "missing.yaml:1:1: KC109: cannot be read: No such file or directory"),
        ("empty", "empty:1:1: KC109: no file here ends in .yaml, .yml or .json"),
        ("bad\x1b[31m.yaml", r"bad\x1b[31m.yaml:1:1: KC109: cannot be read: No such file"),
    ],
)
def test_inputs_that_cannot_be_read(run: Run, argument: str, message: str) -> None:
    (run.folder / "empty").mkdir()
    before = run.tree()
    answer = run("build", argument)
    assert answer.code == 1
    assert answer.err.startswith(message)
    assert run.tree() == before


# ---- the lock


def test_locked_fails_when_the_lock_would_change(run: Run) -> None:
    run.service("m/a.yaml", "a")
    before = run.tree()
    answer = run("build", "m", "--locked")
    assert answer.code == 1
    assert "m/kcompile.lock:1:1: KC406: --locked, but these entries would change" in answer.err
    assert run.tree() == before
    assert run("build", "m").code == 0
    assert run("build", "m", "--locked", "-o", "other").code == 0


def test_an_unchanged_lock_is_not_written(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run("build", "m")
    before = (run.folder / "m" / "kcompile.lock").stat()
    run("build", "m")
    after = (run.folder / "m" / "kcompile.lock").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_without_a_lock_none_is_read_or_written(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.write("m/kcompile.lock", "broken")
    assert run("build", "m", "--no-lock").code == 0
    assert (run.folder / "m" / "kcompile.lock").read_text() == "broken"
    assert run("build", "m").code == 1


def test_a_lock_elsewhere(run: Run) -> None:
    run.service("m/a.yaml", "a")
    assert run("build", "m", "--lock", "elsewhere.lock").code == 0
    assert (run.folder / "elsewhere.lock").exists()
    assert not (run.folder / "m" / "kcompile.lock").exists()


@pytest.mark.parametrize("other", ["--locked", "--lock=x"])
def test_no_lock_goes_with_no_other_lock_option(run: Run, other: str) -> None:
    run.service("m/a.yaml", "a")
    assert run("build", "m", "--no-lock", other).code == 2


# ---- outputs and exits


def test_check_writes_nothing_and_says_what_would_change(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run("build", "m", "-o", "out")
    assert run("build", "m", "-o", "out", "--check").code == 0
    run.service("m/b.yaml", "b")
    before = run.tree()
    answer = run("build", "m", "-o", "out", "--check")
    assert answer.code == 3
    assert {"service/default/b", "plan.json"} <= set(answer.out.splitlines())
    assert run.tree() == before


@pytest.mark.parametrize("text", [NETWORK_POLICY, CONFIG_MAP])
def test_strict_makes_warnings_and_ignored_kinds_errors(run: Run, text: str) -> None:
    run.write("a.yaml", text)
    before = run.tree()
    answer = run("build", "a.yaml", "--strict")
    assert answer.code == 1
    assert answer.err.startswith("--strict makes these errors:\na.yaml:1:1: KC22")
    assert run.tree() == before
    assert run("build", "a.yaml").code == 0


def test_external_ips_can_be_denied(run: Run) -> None:
    run.write(
        "a.yaml",
        SERVICE.replace("NAME", "a").replace("ports:", "externalIPs: [198.51.100.7], ports:"),
    )
    assert run("build", "a.yaml").code == 0
    answer = run("build", "a.yaml", "--deny-external-ips", "-o", "other")
    assert answer.code == 1
    assert answer.err.startswith("--deny-external-ips makes these errors:\na.yaml:4:")
    assert not (run.folder / "other").exists()


def test_a_refusal_leaves_an_existing_bundle_as_it_is(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run("build", "m")
    run.write("m/b.yaml", "kind: [")
    before = run.tree()
    assert run("build", "m").code == 1
    assert run.tree() == before


def test_validate_writes_nothing(run: Run) -> None:
    run.service("m/a.yaml", "a")
    before = run.tree()
    answer = run("validate", "m")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.endswith("valid: 1 node, 0 pods, 3 services\n")
    run.write("m/b.yaml", SERVICE.replace("NAME", "B"))
    assert run("validate", "m").code == 1
    assert set(run.tree()) == {*before, "m/b.yaml"}


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["build"], ["build", "--nothing", "."], ["build", "-o"], ["get"]]
)
def test_wrong_usage(run: Run, arguments: list[str]) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", [[], ["build"], ["validate"], ["get"], ["describe"]])
def test_help(run: Run, command: list[str]) -> None:
    answer = run(*command, "--help")
    assert answer.code == 0
    assert answer.out.startswith("Usage: kcompile")


def test_version(run: Run) -> None:
    assert run("--version").out == "kcompile, version 0.1.0\n"


# ---- what a process does


def in_process(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_our_own_bug_is_said_without_a_traceback(run: Run) -> None:
    run.service("a.yaml", "a")
    code = (
        "import kcompile.pipeline, kcompile.cli.main\n"
        "def broken(*_): raise ValueError('on purpose')\n"
        "kcompile.pipeline.traffic = broken\n"
        "kcompile.cli.main.main(['build', 'a.yaml'])\n"
    )
    before = run.tree()
    done = in_process(code, run.folder)
    assert done.returncode == 70
    assert "kcompile: internal error: ValueError: on purpose" in done.stderr
    assert "Traceback" not in done.stderr
    assert run.tree() == before


def test_rules_that_do_not_mean_the_plan_are_our_bug(run: Run) -> None:
    """The emitter is broken on purpose: it leaves out the masquerading of hairpins."""
    run.write("a.yaml", DEPLOYMENT + "---\n" + SERVICE.replace("NAME", "a"))
    code = (
        "import kcompile.lower.rules as rules, kcompile.cli.main\n"
        "from kcompile.ir import Chain\n"
        "whole = rules._endpoint\n"
        "def broken(*a): return Chain((c := whole(*a)).name, c.rules[1:])\n"
        "rules._endpoint = broken\n"
        "kcompile.cli.main.main(['build', 'a.yaml', '--no-lock'{more}])\n"
    )
    before = run.tree()
    done = in_process(code.replace("{more}", ""), run.folder)
    assert done.returncode == 70
    assert "the rules do not do what the plan says" in done.stderr
    assert "Traceback" not in done.stderr
    assert run.tree() == before
    done = in_process(code.replace("{more}", ", '--no-prove'"), run.folder)
    assert done.returncode == 0
    assert '"proved": false' in (run.folder / "bundle" / "MANIFEST.json").read_text()


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["--help"], {"yaml", "jinja2", "jsonschema", "jsonschema_rs"}),
        (["get", "--help"], {"jinja2", "jsonschema", "jsonschema_rs"}),
        (["describe", "--help"], {"jinja2", "jsonschema", "jsonschema_rs"}),
    ],
)
def test_commands_import_what_they_need(
    tmp_path: Path, command: list[str], absent: set[str]
) -> None:
    code = (
        "import sys, kcompile.cli.main\n"
        "try: kcompile.cli.main.main(" + repr(command) + ")\n"
        "except SystemExit: print(*sys.modules, sep='\\n')\n"
    )
    loaded = set(in_process(code, tmp_path).stdout.split())
    assert "click" in loaded
    assert not loaded & absent


def test_an_interrupt_ends_quietly(run: Run) -> None:
    os.mkfifo(run.folder / "pipe.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "kcompile.cli.main", "build", "pipe.yaml"],
        cwd=run.folder,
        stderr=subprocess.PIPE,
        text=True,
        # A program that was started in the background may have been told to ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    )
    # Opening the pipe for writing waits until kcompile reads it.
    with (run.folder / "pipe.yaml").open("w"):
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_closed_pipe_ends_quietly(run: Run) -> None:
    run.service("a.yaml", "a")
    run("build", "a.yaml")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "kcompile.cli.main", "get", "services", "-o", "json"],
        cwd=run.folder,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.stderr == ""
