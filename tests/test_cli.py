"""The command line as a whole: usage, help, exits, and how a process ends when things go wrong."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import pytest

import kcompile as package
from cli_runs import KCOMPILE, SERVICE, Run, process, python
from kcompile.cli.main import cli

COMMANDS = ["build", "describe", "get", "init", "lock", "node-program", "validate"]
NODE_COMMANDS = ["apply", "listen", "remove", "status"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


# ---- usage


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["nothing"], "'nothing'"),
        (["--nothing"], "--nothing"),
        (["build"], "'{FILE|FOLDER|-}...'"),
        (["build", "--nothing", "."], "--nothing"),
        (["build", ".", "--lock"], "'--lock'"),
        (["build", ".", "--lock", "."], "'--lock'"),
        (["build", ".", "-o", "file"], "'-o' / '--output'"),
        (["build", ".", "--detect-local", "bridge"], "'bridge'"),
        (["validate", ".", "-o", "out"], "-o"),
        (["get"], "'TYPE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(run: Run, arguments: list[str], culprit: str) -> None:
    run.write("file", "")
    before = run.tree()
    answer = run(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert culprit in answer.err.splitlines()[-1]
    assert run.tree() == before


def test_without_arguments_there_is_help(run: Run) -> None:
    answer = run()
    assert (answer.out + answer.err).startswith("Usage: kcompile [OPTIONS] COMMAND [ARGS]...\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(run: Run, command: list[str], option: str) -> None:
    answer = run(*command, option)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: {' '.join(['kcompile', *command])} [OPTIONS]")
    assert all(len(line) <= 80 for line in answer.out.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_every_option(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help[0].isupper()
            assert parameter.help.rstrip("]").endswith((".", "on", "inputs", "content"))


def test_help_lists_every_command(run: Run) -> None:
    _, _, sections = run("--help").out.partition("Commands:\n")
    ours, _, of_nodes = sections.partition("\nCommands on a node:\n")
    assert [line.split()[0] for line in ours.splitlines()] == COMMANDS
    assert [line.split()[0] for line in of_nodes.splitlines()] == NODE_COMMANDS


@pytest.mark.parametrize("name", NODE_COMMANDS)
@pytest.mark.parametrize("arguments", [["--help"], ["--", "-h", "--", "x"], ["--yes", "-é"], []])
def test_the_node_s_program_reads_its_own_arguments(
    run: Run, name: str, arguments: list[str]
) -> None:
    code = (
        "import sys, types, kcompile.cli.main as ours\n"
        "program = types.ModuleType('kcompile.apply.main')\n"
        "program.main = lambda arguments: print(ascii(arguments)) or 5\n"
        "sys.modules['kcompile.apply.main'] = program\n"
        f"ours.main({[name, *arguments]!r})\n"
    )
    answer = python(code, run.folder)
    assert (answer.code, answer.out) == (5, f"{[name, *arguments]!a}\n"), answer.err


def test_version(run: Run) -> None:
    assert run("--version").out == f"kcompile, version {package.__version__}\n"


# ---- our own bugs


@pytest.mark.parametrize(
    ("stage", "more"),
    [("load", ""), ("plan", ""), ("traffic", ""), ("zone_text", ""), ("traffic", "#" * (1 << 20))],
    ids=["load", "plan", "traffic", "zone_text", "traffic of a large build, in a second process"],
)
def test_our_own_bug_is_said_without_a_traceback(run: Run, stage: str, more: str) -> None:
    run.service("a.yaml", "a")
    assert run("build", "a.yaml").code == 0
    run.write("a.yaml", SERVICE.replace("NAME", "b") + more)
    code = (
        "import kcompile.pipeline, kcompile.cli.main\n"
        "def broken(*_, **__): raise ValueError('on purpose')\n"
        f"kcompile.pipeline.{stage} = broken\n"
        "kcompile.cli.main.main(['build', 'a.yaml'])\n"
    )
    before = run.tree()
    answer = python(code, run.folder)
    assert (answer.code, answer.out) == (70, "")
    assert [line for line in answer.err.splitlines() if ": note: " not in line] == [
        "kcompile: internal error: ValueError: on purpose",
        "This is a bug in kcompile, not in your input; nothing was written.",
    ]
    assert run.tree() == before


def test_rules_that_do_not_mean_the_plan_are_our_bug(run: Run) -> None:
    """The emitter is broken on purpose: it leaves out the masquerading of hairpins."""
    run.deployment("m/deployment.yaml", "a")
    run.service("m/service.yaml", "a")
    code = (
        "import kcompile.lower.rules as rules, kcompile.cli.main\n"
        "from kcompile.ir import Chain\n"
        "whole = rules._endpoint\n"
        "def broken(*a): return Chain((c := whole(*a)).name, c.rules[1:])\n"
        "rules._endpoint = broken\n"
        "kcompile.cli.main.main(['build', 'm', '--no-lock'{more}])\n"
    )
    before = run.tree()
    answer = python(code.replace("{more}", ""), run.folder)
    assert (answer.code, answer.out) == (70, "")
    assert "the rules do not do what the plan says" in answer.err
    assert "Traceback" not in answer.err
    assert run.tree() == before
    answer = python(code.replace("{more}", ", '--no-prove'"), run.folder)
    assert answer.code == 0
    assert '"proved": false' in (run.folder / "bundle" / "MANIFEST.json").read_text()


# ---- what a command imports


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["--help"], {"yaml", "jinja2", "jsonschema", "jsonschema_rs", "kcompile.pipeline"}),
        (["nothing"], {"yaml", "jinja2", "jsonschema", "jsonschema_rs", "kcompile.pipeline"}),
        (["get", "services"], {"jinja2", "jsonschema", "jsonschema_rs", "kcompile.pipeline"}),
        (["describe", "nodes"], {"jinja2", "jsonschema", "jsonschema_rs", "kcompile.pipeline"}),
        (["apply", "--help"], {"yaml", "jinja2", "jsonschema", "jsonschema_rs", "kcompile.load"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_import_what_they_need(run: Run, command: list[str], absent: set[str]) -> None:
    run.service("a.yaml", "a")
    run("build", "a.yaml")
    modules = [sys.executable, "-X", "importtime", *KCOMPILE[1:], *command]
    err = process(modules, run.folder).err
    loaded = {line.rpartition("|")[2].strip() for line in err.splitlines() if "|" in line}
    assert "click" in loaded
    assert not loaded & absent


# ---- interrupts, and output that goes nowhere


def test_an_interrupt_ends_quietly(run: Run) -> None:
    run.service("a.yaml", "a")
    os.mkfifo(run.folder / "pipe.yaml")
    before = sorted(path.name for path in run.folder.iterdir())
    running = subprocess.Popen(
        [*KCOMPILE, "build", "a.yaml", "pipe.yaml"],
        cwd=run.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A program that was started in the background may have been told to ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    )
    # Opening the pipe for writing waits until kcompile reads it.
    with (run.folder / "pipe.yaml").open("w"):
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert (out, err.strip()) == ("", "")
    assert sorted(path.name for path in run.folder.iterdir()) == before


@pytest.mark.parametrize(
    "command", [["get", "services", "-o", "json"], ["build", "a.yaml", "--check"], ["--help"]]
)
def test_a_closed_pipe_ends_quietly(run: Run, command: list[str]) -> None:
    run.service("a.yaml", "a")
    run("build", "a.yaml")
    run.service("a.yaml", "b")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*KCOMPILE, *command],
        cwd=run.folder,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1
    assert all(": note: " in line for line in done.stderr.splitlines())


def test_problems_that_nobody_reads_stop_a_build(run: Run) -> None:
    run.service("a.yaml", "a")
    before = run.tree()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*KCOMPILE, "build", "a.yaml"], stderr=writer, check=False)
    os.close(writer)
    assert done.returncode == 1
    assert run.tree() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_for_the_answer_is_no_bug(run: Run) -> None:
    run.service("a.yaml", "a")
    run("build", "a.yaml")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*KCOMPILE, "get", "services"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ("kcompile: standard output cannot be written: No space left on device\n")
