"""`kcompile lock rename-node`: a successor takes over, and nothing else moves."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli_runs import Run

NODE = """\
apiVersion: v1
kind: Node
metadata:
  name: NAME
status:
  addresses:
  - {type: InternalIP, address: 192.0.2.NUMBER}
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: KIND
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      hostNetwork: HOST
      containers:
      - {name: c, image: i, ports: [{containerPort: PORT}]}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Three nodes with pods of every kind that knows its node."""
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path, capsys)
    for number, name in enumerate(("old", "other", "third"), 1):
        run.write(
            f"m/node-{number}.yaml", NODE.replace("NAME", name).replace("NUMBER", str(number))
        )
    for number, (kind, name, host) in enumerate(
        [
            ("DaemonSet", "agent", "false"),
            ("DaemonSet", "proxy", "true"),
            ("Deployment", "web", "false"),
            ("StatefulSet", "db", "false"),
        ],
        8000,
    ):
        text = WORKLOAD.replace("KIND", kind).replace("NAME", name).replace("HOST", host)
        text = text.replace("PORT", str(number))
        if kind != "DaemonSet":
            text = text.replace("spec:\n  selector", "spec:\n  replicas: 6\n  selector")
        run.write(f"m/{name}.yaml", text)
    run.service("m/web-service.yaml", "web")
    assert run("build", "m").code == 0
    return run


def pods(run: Run) -> dict[str, tuple[str, str]]:
    """Node and address of each pod, by name."""
    read: Any = json.loads(run("get", "pods", "-A", "-o", "json").out)
    return {
        pod["metadata"]["name"]: (pod["spec"]["nodeName"], pod["status"]["podIP"])
        for pod in read["items"]
    }


def test_a_node_renamed_moves_nothing(run: Run) -> None:
    before, rules = pods(run), run.tree()["bundle/nodes/other/iptables.rules"]
    assert len(before) == 18
    answer = run("lock", "rename-node", "old", "new", "--lock", "m/kcompile.lock")
    assert (answer.code, answer.err) == (0, "")
    assert "-node/old: " in answer.out
    assert "+node/new: " in answer.out
    run.write("m/node-1.yaml", NODE.replace("NAME", "new").replace("NUMBER", "1"))
    answer = run("build", "m", "--locked")
    assert answer.code == 0
    assert answer.err.startswith("bundle: 3 nodes, 18 pods, 3 services: ")
    assert pods(run) == {
        name: ("new" if node == "old" else node, address)
        for name, (node, address) in before.items()
    }
    assert run.tree()["bundle/nodes/other/iptables.rules"] == rules
    assert (run.folder / "bundle/nodes/new/iptables.rules").exists()
    assert not (run.folder / "bundle/nodes/old").exists()


def test_without_it_the_pods_of_the_node_move(run: Run) -> None:
    before = pods(run)
    run.write("m/node-1.yaml", NODE.replace("NAME", "new").replace("NUMBER", "1"))
    assert run("build", "m").code == 0
    assert pods(run).keys() != before.keys()
    answer = run("lock", "rename-node", "old", "new", "--lock", "m/kcompile.lock")
    assert answer.code == 1
    assert "KC417: node 'old' is not in the lock (a build with the new name has" in answer.err


def test_back_and_forth_is_as_before(run: Run) -> None:
    before = pods(run)
    for old, new in (("old", "new"), ("new", "old")):
        run("lock", "rename-node", old, new, "--lock", "m/kcompile.lock")
    assert run("build", "m", "--locked").code == 0
    assert pods(run) == before


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("nobody", "new", 1, "KC417: node 'nobody' is not in the lock"),
        ("old", "other", 1, "KC407: node other is in the lock already"),
        ("old", "old", 1, "KC407: node old is in the lock already"),
        ("old", "New", 2, "'New' cannot be the name of a node"),
        ("old", "a/b", 2, "'a/b' cannot be the name of a node"),
        ("old", "a\n", 2, "'a\\n' cannot be the name of a node"),
    ],
)
def test_names_that_are_refused(run: Run, old: str, new: str, code: int, message: str) -> None:
    before = run.tree()
    answer = run("lock", "rename-node", old, new, "--lock", "m/kcompile.lock")
    assert (answer.code, answer.out) == (code, "")
    assert message in answer.err
    assert run.tree() == before
