"""The Ansible role of docs/ansible, played by ansible-core on namespaces that stand for nodes."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli_runs import KCOMPILE, SERVICE, process
from kcompile.apply.package import build_program
from lab.hosts import _furnish
from lab.needs import requires, requires_flavour

ROOT = Path(__file__).parent.parent
PLAYBOOK = ROOT / "docs" / "ansible" / "rollout.yml"
NODES = ("n1", "n2", "n3")
# A machine with files and processes of its own and one network; it says when it is ready.
MACHINE = """\
set -e
mount -t proc proc /proc
mount --bind {place}/etc /etc
mount --bind {place}/var /var
mount -t tmpfs none /run
ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth0 up
ip link set eth1 up
ip address add 192.0.2.{number}/24 dev eth0
echo ready
exec sleep infinity
"""
# In the place of the node's program: says what it was asked, and does what the node's file says.
STUB = """\
import json, pathlib, sys
place = pathlib.Path('/var/lib/stub')
place.mkdir(exist_ok=True)
words = sys.argv[1:]
if words[2:3] == ['--node']:
    assert pathlib.Path(words[1], 'nodes', words[3], 'SLICE.json').exists()
    assert pathlib.Path(words[1], 'dns').exists()
    assert len(list(pathlib.Path(words[1], 'nodes').iterdir())) == 1
    words[1] = 'SLICE'
with (place / 'asked').open('a') as file:
    file.write(' '.join(words) + chr(10))
print('the plan of', words)
given = place / 'codes'
codes = json.loads(given.read_text()) if given.exists() else {}
sys.exit(next((code for word, code in codes.items() if word in words), 0))
"""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Three nodes, an inventory, a bundle and a program beside the playbook."""

    folder: Path

    def play(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ansible.cli.playbook", "-i", "hosts.ini", "rollout.yml"]
        return subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "HOME": str(self.folder),
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_PIPELINING": "1",
                "TMPDIR": str(self.folder / "temporary"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def asked(self, node: str) -> list[str]:
        path = self.folder / node / "var/lib/stub/asked"
        return path.read_text().splitlines() if path.exists() else []

    def answer(self, node: str, codes: dict[str, int]) -> None:
        """The program is a stub, with an exit code for calls that have a word."""
        (self.folder / "kcompile.pyz").write_text(STUB)
        place = self.folder / node / "var/lib/stub"
        place.mkdir(parents=True, exist_ok=True)
        (place / "codes").write_text(json.dumps(codes))


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollout]:
    tmp_path = tmp_path_factory.mktemp("rollout")
    requires("nsenter", "tar")
    if find_spec("ansible") is None:
        pytest.skip("ansible-core is not installed")
    shutil.copytree(PLAYBOOK.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "temporary").mkdir()
    build(tmp_path)
    hosts = []
    with contextlib.ExitStack() as stack:
        for number, node in enumerate(NODES, start=1):
            process_id = stack.enter_context(machine(tmp_path / node, number))
            python = tmp_path / f"python-{node}"
            enter = f"nsenter --net --mount --pid --target {process_id}"
            python.write_text(f'#!/bin/sh\nexec {enter} -- {shlex.quote(sys.executable)} "$@"\n')
            python.chmod(0o755)
            hosts.append(f"{node} ansible_python_interpreter={python}")
        variables = {
            "ansible_connection": "local",
            "ansible_become": "false",
            "ansible_remote_tmp": str(tmp_path / "remote"),
            "kcompile_python": sys.executable,
            "kcompile_apply_options": '["--dns", "none"]',
        }
        lines = [*hosts, "[all:vars]", *(f"{key}={value}" for key, value in variables.items())]
        (tmp_path / "hosts.ini").write_text("\n".join(lines) + "\n")
        yield Rollout(tmp_path)


@pytest.fixture
def rollout(machines: Rollout) -> Rollout:
    """Nothing was asked of its nodes yet, and nothing differs on them."""
    for node in NODES:
        shutil.rmtree(machines.folder / node / "var/lib/stub", ignore_errors=True)
        machines.answer(node, {})
    return machines


def build(folder: Path) -> None:
    nodes = "".join(
        f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {node}}}\n"
        f"status: {{addresses: [{{type: InternalIP, address: 192.0.2.{number}}}]}}\n"
        for number, node in enumerate(NODES, start=1)
    )
    (folder / "m.yaml").write_text(SERVICE.replace("NAME", "web") + nodes)
    answer = process([*KCOMPILE, "build", "m.yaml", "--no-lock"], folder)
    assert answer.code == 0, answer.err


@contextlib.contextmanager
def machine(place: Path, number: int) -> Iterator[int]:
    _furnish(place, "nft")
    (place / "var/lib").mkdir(parents=True, exist_ok=True)
    script = MACHINE.format(place=shlex.quote(str(place)), number=number)
    flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    command = ["unshare", *flags, "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        assert started.stdout.readline() == "ready\n"
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text()
        try:
            yield int(children)
        finally:
            started.kill()


PLANNED = "apply SLICE --node NODE --exit-code --dns none"
APPLIED = "apply SLICE --node NODE --yes --confirm-within 120s --dns none"
CHECKED = "status --node NODE"
CONFIRMED = "apply --confirm"
ROLLED_BACK = "apply --rollback --yes"
DIFFERS = {"--exit-code": 3}


def of(node: str, *lines: str) -> list[str]:
    return [line.replace("NODE", node) for line in lines]


def test_the_first_node_that_is_not_healthy_is_the_last(rollout: Rollout) -> None:
    rollout.answer("n1", DIFFERS)
    rollout.answer("n2", DIFFERS | {"status": 3})
    done = rollout.play()
    assert done.returncode != 0
    assert rollout.asked("n1") == of("n1", PLANNED, APPLIED, CHECKED, CONFIRMED)
    assert rollout.asked("n2") == of("n2", PLANNED, APPLIED, CHECKED, ROLLED_BACK)
    assert rollout.asked("n3") == []
    assert 'n2 is as it was before, because of the task "Compare the node' in done.stdout
    assert recap(done.stdout)["n1"]["changed"] == "2"
    assert not list((rollout.folder / "temporary").iterdir())


def test_check_mode_is_the_plan(rollout: Rollout) -> None:
    rollout.answer("n1", DIFFERS)
    rollout.answer("n2", {"--exit-code": 1})
    done = rollout.play("--check", "-e", "kcompile_serial=2", "--limit", "n1,n2")
    assert [rollout.asked(node) for node in NODES] == [of("n1", PLANNED), of("n2", PLANNED), []]
    assert "the plan of" in done.stdout
    found = recap(done.stdout)
    assert [found[node]["changed"] for node in ("n1", "n2")] == ["1", "0"]
    assert [found[node]["failed"] for node in ("n1", "n2")] == ["0", "1"]
    assert not list((rollout.folder / "temporary").iterdir())


def test_what_is_rolled_back_and_what_is_left_alone(rollout: Rollout) -> None:
    """n1 fails to apply, which rolls back by itself; n2 has a port that does not answer; n3 is
    right already."""
    rollout.answer("n1", DIFFERS | {"--yes": 4})
    rollout.answer("n2", DIFFERS)
    ports = "[{host: 127.0.0.1, port: 9}]"
    more = ["-e", f"{{kcompile_health_ports: {ports}, kcompile_health_timeout: 1}}"]
    done = rollout.play("-e", "kcompile_serial=3", *more)
    assert done.returncode != 0
    assert rollout.asked("n1") == of("n1", PLANNED, APPLIED)
    assert rollout.asked("n2") == of("n2", PLANNED, APPLIED, CHECKED, ROLLED_BACK)
    assert rollout.asked("n3") == of("n3", PLANNED)
    found = recap(done.stdout)
    assert [found[node]["failed"] for node in NODES] == ["1", "1", "0"]


def test_the_program_itself(rollout: Rollout) -> None:
    """Applied for real, then nothing is left to do."""
    requires_flavour("nft")
    (rollout.folder / "kcompile.pyz").write_bytes(build_program())
    more = ["-e", "kcompile_serial=2", "--limit", "n1,n2"]
    done = rollout.play(*more)
    assert done.returncode == 0, done.stdout
    assert {node: recap(done.stdout)[node]["changed"] for node in ("n1", "n2")} == {
        "n1": "2",
        "n2": "2",
    }
    for node in ("n1", "n2"):
        state = rollout.folder / node / "var/lib/kcompile"
        assert os.path.lexists(state / "current")
        assert not (state / "pending.json").exists()
    done = rollout.play("--check", *more)
    assert done.returncode == 0, done.stdout
    assert {node: recap(done.stdout)[node]["changed"] for node in ("n1", "n2")} == {
        "n1": "0",
        "n2": "0",
    }


def recap(output: str) -> dict[str, dict[str, str]]:
    lines = output.partition("PLAY RECAP ")[2].splitlines()[1:]
    return {
        line.split()[0]: dict(word.split("=") for word in line.split()[2:])
        for line in lines
        if " : " in line
    }
