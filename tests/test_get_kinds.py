"""`kcompile get` of what makes pods, of namespaces, and of all."""

import json
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from command_line import Answer, kcompile
from shown_kinds import every_kind
from shown_plans import httpd_plan, plan_text

Get = Callable[[str], Answer]


@pytest.fixture
def get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Get:
    """Runs `kcompile get WORDS` beside a bundle with every kind, and one of Deployments only."""
    for name, plan in (("bundle", every_kind()), ("httpd", httpd_plan())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text(plan_text(plan))
    monkeypatch.chdir(tmp_path)
    return lambda words: kcompile(["get", *words.split()], capsys)


TABLES = {
    "sts": """\
NAME   READY   AGE
db     2/2     <unknown>
""",
    "sts -o wide": """\
NAME   READY   AGE         CONTAINERS   IMAGES
db     2/2     <unknown>   c            db:1
""",
    "ds": """\
NAME    DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE
agent   2         2         2       2            2           <unknown>       <unknown>
""",
    "ds agent -o wide": """\
NAME    DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE         CONTAINERS   IMAGES    SELECTOR
agent   2         2         2       2            2           <unknown>       <unknown>   c            agent:1   app=agent
""",
    "rs": """\
NAME   DESIRED   CURRENT   READY   AGE
old    3         3         2       <unknown>
""",
    "rc -o wide": """\
NAME    DESIRED   CURRENT   READY   AGE         CONTAINERS   IMAGES    SELECTOR
older   1         1         1       <unknown>   c            older:1   app=older
""",
    "jobs": """\
NAME    STATUS      COMPLETIONS   DURATION    AGE
later   <unknown>   <unknown>     <unknown>   <unknown>
sum     Running     <unknown>     <unknown>   <unknown>
""",
    "job/sum -o wide": """\
NAME   STATUS    COMPLETIONS   DURATION    AGE         CONTAINERS   IMAGES   SELECTOR
sum    Running   <unknown>     <unknown>   <unknown>   c            sum:1    batch.kubernetes.io/job-name=sum
""",
    "ns": """\
NAME              STATUS   AGE
default           Active   <unknown>
kube-node-lease   Active   <unknown>
kube-public       Active   <unknown>
kube-system       Active   <unknown>
shop              Active   <unknown>
""",
    "ns,deploy -A": """\
NAME                        STATUS   AGE
namespace/default           Active   <unknown>
namespace/kube-node-lease   Active   <unknown>
namespace/kube-public       Active   <unknown>
namespace/kube-system       Active   <unknown>
namespace/shop              Active   <unknown>

NAMESPACE   NAME                  READY   UP-TO-DATE   AVAILABLE   AGE
shop        deployment.apps/web   1/1     1            1           <unknown>
""",
    "ns shop -A -o name": "namespace/shop\n",
}  # fmt: skip


@pytest.mark.parametrize(("words", "out"), TABLES.items())
def test_tables(words: str, out: str, get: Get) -> None:
    assert get(words) == Answer(0, out, "")


def test_all_is_what_kubectl_counts_as_all(get: Get) -> None:
    assert (
        get("all --bundle httpd").out
        == """\
NAME                        READY   STATUS    RESTARTS   AGE
pod/httpd-741508562-4h08z   1/1     Running   0          <unknown>
pod/httpd-741508562-j4lsm   1/1     Running   0          <unknown>
pod/httpd-741508562-jvgbg   1/1     Running   0          <unknown>

NAME                 TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)    AGE
service/httpd-svc    ClusterIP   10.96.203.6   <none>        8080/TCP   <unknown>
service/kubernetes   ClusterIP   10.96.0.1     <none>        443/TCP    <unknown>

NAME                    READY   UP-TO-DATE   AVAILABLE   AGE
deployment.apps/httpd   3/3     3            3           <unknown>
"""
    )


def test_all_in_kubectls_order(get: Get) -> None:
    names = get("all -A -o name").out.splitlines()
    assert list(dict.fromkeys(name.partition("/")[0] for name in names)) == [
        "pod",
        "replicationcontroller",
        "service",
        "daemonset.apps",
        "deployment.apps",
        "replicaset.apps",
        "statefulset.apps",
        "job.batch",
    ]
    assert [name for name in names if name.endswith("/lone")] == ["pod/lone"]


def test_all_beside_other_types(get: Get) -> None:
    everything = get("all -o name").out
    assert get("ALL,po,all -o name").out == everything
    assert get("ns,all -o name").out == get("ns -o name").out + everything


def test_all_with_a_name(get: Get) -> None:
    answer = get("all db -o name")
    assert (answer.code, answer.out) == (1, "statefulset.apps/db\n")
    assert "KC604: job 'db' not found in namespace 'default'" in answer.err
    assert get("all/db").code == 2
    assert get("all db -A").code == 2


def test_nothing_at_all(get: Get) -> None:
    assert get("all -n kube-public") == Answer(
        0, "", "No resources found in kube-public namespace.\n"
    )


@pytest.mark.parametrize(
    ("spellings", "out"),
    [
        ("statefulset statefulsets sts statefulsets.apps sts.apps", "statefulset.apps/db\n"),
        ("daemonset daemonsets ds DaemonSet.apps", "daemonset.apps/agent\n"),
        ("replicaset replicasets rs replicasets.apps", "replicaset.apps/old\n"),
        ("replicationcontroller replicationcontrollers rc", "replicationcontroller/older\n"),
        ("job jobs jobs.batch", "job.batch/later\njob.batch/sum\n"),
        ("po/lone pod/lone", "pod/lone\n"),
        ("namespace/shop namespaces/shop ns/shop", "namespace/shop\n"),
    ],
)
def test_spellings(spellings: str, out: str, get: Get) -> None:
    for spelling in spellings.split():
        assert get(f"{spelling} -o name") == Answer(0, out, "")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("sts x", "statefulset 'x' not found in namespace 'default'"),
        ("deploy web", "deployment 'web' not found in namespace 'default' (it is in shop: "),
        ("rs db", "replicaset 'db' not found in namespace 'default'"),
        ("ns x -n shop", "namespace 'x' not found\n"),
    ],
)
def test_what_is_not_there(words: str, problem: str, get: Get) -> None:
    answer = get(words)
    assert (answer.code, answer.out) == (1, "")
    assert f"KC604: {problem}" in answer.err


def test_objects_are_as_kubernetes_writes_them(get: Get) -> None:
    words = "all,ns,no,ep -A"
    found = json.loads(get(f"{words} -o json").out)
    assert yaml.safe_load(get(f"{words} -o yaml").out) == found
    assert {(each["apiVersion"], each["kind"]) for each in found["items"]} == {
        ("v1", "Namespace"),
        ("v1", "Node"),
        ("v1", "Pod"),
        ("v1", "ReplicationController"),
        ("v1", "Service"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "Job"),
    }
    for item in found["items"]:
        kubernetes_validate.validate(item, "1.33", strict=True)


@pytest.mark.parametrize(
    ("words", "selector", "status"),
    [
        (
            "rs old",
            {"matchLabels": {"app": "old"}},
            {"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 2},
        ),
        (
            "rc older",
            {"app": "older"},
            {"replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
        ),
        (
            "job sum",
            {"matchLabels": {"batch.kubernetes.io/job-name": "sum"}},
            {"active": 2, "ready": 2},
        ),
        ("job later", {"matchLabels": {"batch.kubernetes.io/job-name": "later"}}, {}),
    ],
)
def test_what_the_plan_came_to_is_their_status(
    words: str, selector: object, status: object, get: Get
) -> None:
    found = json.loads(get(f"{words} -o json").out)
    assert (found["spec"]["selector"], found["status"]) == (selector, status)
    assert found["spec"]["template"]["metadata"]["labels"]


def test_a_workload_of_a_kind_that_no_plan_has(get: Get) -> None:
    place = Path("bundle/plan.json")
    place.write_text(place.read_text().replace('"kind": "Job"', '"kind": "Toil"'))
    answer = get("jobs")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("bundle/plan.json:1:1: KC601: found ")
