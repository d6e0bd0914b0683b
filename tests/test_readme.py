"""The README's commands, output and links, and that CI runs its test command to the letter."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from cli_runs import process

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BROKEN = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - nodeport: 30000
    port: "80"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


# ---- the two commands


def test_there_are_two_commands_of_one_line() -> None:
    commands = blocks("sh")
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    assert all(command.count("\n") == 1 for command in commands)


def test_the_first_command_installs_and_builds_the_example() -> None:
    _, install, *builds = blocks("sh")[0].rstrip("\n").split(" && ")
    assert install == ".venv/bin/pip install -q ."
    outputs = [f".venv/bin/{command}" for command, _ in shown("What comes out")[:2]]
    assert builds == outputs


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    (extraction,) = re.findall(r"^test_command=\$\((.*)\)$", script, re.MULTILINE)
    found = process(["bash", "-c", extraction], ROOT)
    assert found.out == blocks("sh")[1]
    # First its installation alone, then all of it.
    assert script.index('bash -c "${test_command%&& *}"') < script.index('bash -c "$test_command"')
    installation = process(["bash", "-c", 'echo "${0%&& *}"', found.out.rstrip("\n")], ROOT).out
    assert installation.rstrip() == found.out.partition(" && .venv/bin/pytest")[0]


# ---- what it shows


def shown(heading: str) -> list[tuple[str, str]]:
    """Commands and what they print, of the consoles under a heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    consoles = re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    examples = [
        part for console in consoles for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    ]
    return [
        (command, output.rstrip("\n"))
        for command, _, output in (example.partition("\n") for example in examples)
    ]


@pytest.mark.skipif(not shutil.which("grep"), reason="there is no grep here")
def test_the_output_is_real(tmp_path: Path) -> None:
    (tmp_path / "golden" / "article").mkdir(parents=True)
    case = Path("golden") / "article" / "myhttpd" / "input"
    shutil.copytree(ROOT / case, tmp_path / case)
    (tmp_path / "broken.yaml").write_text(BROKEN)
    program = tmp_path / "bin" / "kcompile"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m kcompile.cli.main "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    examples = shown("What comes out")
    assert len(examples) > 3
    for command, output in examples:
        answer = process(["sh", "-c", f"{command} 2>&1"], tmp_path, PATH=path)
        printed = [line.rstrip() for line in answer.out.rstrip("\n").splitlines()]
        assert printed == [line.rstrip() for line in output.splitlines()], command


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
