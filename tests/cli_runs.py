"""A working folder with manifests, and kcompile in it: within the test's process or in its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
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
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: c, image: i}]}
"""
KCOMPILE = (sys.executable, "-m", "kcompile.cli.main")

Tree = dict[str, bytes | None]


class Run:
    """A working folder, and kcompile in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def write(self, path: str, text: str | bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def service(self, path: str, name: str) -> None:
        self.write(path, SERVICE.replace("NAME", name))

    def deployment(self, path: str, name: str) -> None:
        self.write(path, DEPLOYMENT.replace("NAME", name))

    def __call__(self, *arguments: str) -> Answer:
        return kcompile(arguments, self.capsys)

    def services(self, *arguments: str) -> set[str]:
        """Names of the Services that a build of these arguments finds in the manifests."""
        answer = self("build", *arguments, "-o", "out")
        assert (answer.code, answer.out) == (0, ""), answer
        names = self("get", "services", "-A", "-o", "name", "--bundle", "out").out.split()
        return {name.partition("/")[2] for name in names} - {"kubernetes", "kube-dns"}

    def tree(self) -> Tree:
        """All that is in the folder: what files hold, None for folders, where links lead."""
        return {
            str(path.relative_to(self.folder)): _content(path) for path in self.folder.rglob("*")
        }


def _content(path: Path) -> bytes | None:
    if path.is_symlink():
        return os.fsencode(path.readlink())
    return path.read_bytes() if path.is_file() else None


def process(command: Sequence[str | Path], folder: Path, *, given: str = "", **more: str) -> Answer:
    """What a program says that runs in a folder with some standard input; `more` is added to its
    environment."""
    done = subprocess.run(
        command,
        cwd=folder,
        input=given,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def python(code: str, folder: Path) -> Answer:
    return process([sys.executable, "-c", code], folder)
