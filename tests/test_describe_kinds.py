"""`kcompile describe` of what makes pods, and of namespaces."""

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Answer, kcompile
from shown_kinds import every_kind
from shown_plans import plan_text

Describe = Callable[[str], Answer]


@pytest.fixture
def describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Describe:
    """Runs `kcompile describe WORDS` beside a bundle with every kind."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "plan.json").write_text(plan_text(every_kind()))
    monkeypatch.chdir(tmp_path)
    return lambda words: kcompile(["describe", *words.split()], capsys)


CASES = {
    "sts db": """\
Name:         db
Namespace:    default
Selector:     app=db
Labels:       of=db
Annotations:  <none>
Replicas:     2 desired | 2 total
Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
Pod Template:
  Labels:  app=db
  Containers:
   c:
    Image:      db:1
    Port:       <none>
    Host Port:  <none>
Events:  <none>
""",
    "ds": """\
Name:           agent
Namespace:      default
Selector:       app=agent
Node-Selector:  <unknown>
Labels:         of=agent
Annotations:    <none>
Desired Number of Nodes Scheduled: 2
Current Number of Nodes Scheduled: 2
Number of Nodes Scheduled with Up-to-date Pods: 2
Number of Nodes Scheduled with Available Pods: 2
Number of Nodes Misscheduled: 0
Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
Pod Template:
  Labels:  app=agent
  Containers:
   c:
    Image:      agent:1
    Port:       <none>
    Host Port:  <none>
Events:  <none>
""",
    "replicaset.apps/old": """\
Name:         old
Namespace:    default
Selector:     app=old
Labels:       of=old
Annotations:  <none>
Replicas:     3 current / 3 desired
Pods Status:  2 Running / 1 Waiting / 0 Succeeded / 0 Failed
Pod Template:
  Labels:  app=old
  Containers:
   c:
    Image:      old:1
    Port:       <none>
    Host Port:  <none>
Events:  <none>
""",
    "rc older": """\
Name:         older
Namespace:    default
Selector:     app=older
Labels:       of=older
Annotations:  <none>
Replicas:     1 current / 1 desired
Pods Status:  1 Running / 0 Waiting / 0 Succeeded / 0 Failed
Pod Template:
  Labels:  app=older
  Containers:
   c:
    Image:      older:1
    Port:       <none>
    Host Port:  <none>
Events:  <none>
""",
    "job sum": """\
Name:           sum
Namespace:      default
Selector:       batch.kubernetes.io/job-name=sum
Labels:         of=sum
Annotations:    <none>
Completions:    <unknown>
Pods Statuses:  2 Active (2 Ready)
Pod Template:
  Labels:  app=sum
           batch.kubernetes.io/job-name=sum
           job-name=sum
  Containers:
   c:
    Image:      sum:1
    Port:       <none>
    Host Port:  <none>
Events:  <none>
""",
    "ns shop": """\
Name:         shop
Labels:       team=a
Annotations:  <none>
Status:       Active
""",
}


@pytest.mark.parametrize(("words", "out"), CASES.items())
def test_describe(words: str, out: str, describe: Describe) -> None:
    assert describe(words) == Answer(0, out, "")


def test_all_are_described_in_the_order_of_get(describe: Describe) -> None:
    lines = describe("all").out.splitlines()
    names = [line.split()[1] for line in lines if line.startswith("Name:")]
    assert names[-7:] == ["older", "kubernetes", "agent", "old", "db", "later", "sum"]


def test_a_pod_names_what_controls_it(describe: Describe) -> None:
    assert "Controlled By:  StatefulSet/db\n" in describe("pod db-0").out
    assert "Controlled By:" not in describe("pod lone").out
