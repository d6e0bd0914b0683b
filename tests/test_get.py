"""`kcompile get`: kubectl's tables and Kubernetes' objects of a bundle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from command_line import Answer, kcompile
from kcompile.explain.yaml_text import yaml_object
from kcompile.load import load
from kcompile.planned import Plan
from shown_plans import httpd_plan, myhttpd_plan, plan_text, varied_plan

GOLDEN = Path(__file__).parent.parent / "golden" / "article"

Get = Callable[[str], Answer]


def bundle_of(plan: Plan, folder: Path) -> Path:
    folder.mkdir()
    (folder / "plan.json").write_text(plan_text(plan))
    return folder


@pytest.fixture
def get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Get:
    """Runs `kcompile get WORDS` beside the bundles httpd, myhttpd and varied."""
    bundle_of(httpd_plan(), tmp_path / "httpd")
    bundle_of(myhttpd_plan(), tmp_path / "myhttpd")
    bundle_of(varied_plan(), tmp_path / "varied")
    monkeypatch.chdir(tmp_path)
    return lambda words: kcompile(["get", *words.split()], capsys)


ARTICLE = {
    "pods -o wide --bundle httpd": """\
NAME                    READY   STATUS    RESTARTS   AGE         IP            NODE                 NOMINATED NODE   READINESS GATES
httpd-741508562-4h08z   1/1     Running   0          <unknown>   10.244.1.28   f16-7-kubernetes02   <none>           <none>
httpd-741508562-j4lsm   1/1     Running   0          <unknown>   10.244.1.29   f16-7-kubernetes02   <none>           <none>
httpd-741508562-jvgbg   1/1     Running   0          <unknown>   10.244.2.22   f16-8-kubernetes03   <none>           <none>
""",
    "services --bundle httpd": """\
NAME         TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)    AGE
httpd-svc    ClusterIP   10.96.203.6   <none>        8080/TCP   <unknown>
kubernetes   ClusterIP   10.96.0.1     <none>        443/TCP    <unknown>
""",
    "deployment -o wide --bundle myhttpd": """\
NAME      READY   UP-TO-DATE   AVAILABLE   AGE         CONTAINERS   IMAGES   SELECTOR
myhttpd   3/3     3            3           <unknown>   httpd        httpd    run=httpd
""",
    "pods -o wide --bundle myhttpd": """\
NAME                      READY   STATUS    RESTARTS   AGE         IP            NODE                 NOMINATED NODE   READINESS GATES
myhttpd-741508562-lt4kr   1/1     Running   0          <unknown>   10.244.1.32   f16-7-kubernetes02   <none>           <none>
myhttpd-741508562-p3h5w   1/1     Running   0          <unknown>   10.244.1.33   f16-7-kubernetes02   <none>           <none>
myhttpd-741508562-sm9ft   1/1     Running   0          <unknown>   10.244.2.26   f16-8-kubernetes03   <none>           <none>
""",
    "svc myhttpd-svc --bundle myhttpd": """\
NAME          TYPE       CLUSTER-IP      EXTERNAL-IP   PORT(S)          AGE
myhttpd-svc   NodePort   10.104.223.18   <none>        8080:30000/TCP   <unknown>
""",
}  # fmt: skip

VARIED = {
    "svc -n kube-system -o wide --bundle httpd": """\
NAME       TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)         AGE         SELECTOR
kube-dns   ClusterIP   10.96.0.10   <none>        53/UDP,53/TCP   <unknown>   k8s-app=kube-dns
""",
    "nodes --bundle varied": """\
NAME     STATUS   ROLES           AGE         VERSION
node-a   Ready    control-plane   <unknown>   <unknown>
node-b   Ready    <none>          <unknown>   <unknown>
""",
    "no node-a -o wide --bundle varied": """\
NAME     STATUS   ROLES           AGE         VERSION     INTERNAL-IP   EXTERNAL-IP   OS-IMAGE    KERNEL-VERSION   CONTAINER-RUNTIME
node-a   Ready    control-plane   <unknown>   <unknown>   192.0.2.1     <none>        <unknown>   <unknown>        <unknown>
""",
    "svc -n shop --bundle varied": """\
NAME   TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)                       AGE
bare   ClusterIP      None         <none>        <none>                        <unknown>
far    ExternalName   <none>       far.example   <none>                        <unknown>
none   ClusterIP      10.96.0.20   <none>        9090/TCP                      <unknown>
web    NodePort       10.96.0.30   <none>        80:30080/TCP,9090:30081/TCP   <unknown>
""",
    "ep -n shop --bundle varied": """\
NAME   ENDPOINTS                                                     AGE
bare   10.244.0.2,10.244.0.3,10.244.0.4 + 1 more...                  <unknown>
none   <none>                                                        <unknown>
web    10.244.0.2:8080,10.244.0.3:8080,10.244.0.4:8080 + 5 more...   <unknown>
""",
    "deploy -A -o wide --bundle varied": """\
NAMESPACE   NAME   READY   UP-TO-DATE   AVAILABLE   AGE         CONTAINERS   IMAGES                          SELECTOR
default     lone   0/0     0            0           <unknown>   web          registry.example:5000/web:1.0   y=on
shop        web    4/4     4            4           <unknown>   web          registry.example:5000/web:1.0   app=web,app,tier in (back,front)
""",
    "deploy,no -A --bundle varied": """\
NAMESPACE   NAME                   READY   UP-TO-DATE   AVAILABLE   AGE
default     deployment.apps/lone   0/0     0            0           <unknown>
shop        deployment.apps/web    4/4     4            4           <unknown>

NAME          STATUS   ROLES           AGE         VERSION
node/node-a   Ready    control-plane   <unknown>   <unknown>
node/node-b   Ready    <none>          <unknown>   <unknown>
""",
    "svc web bare -n shop --bundle varied": """\
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)                       AGE
web    NodePort    10.96.0.30   <none>        80:30080/TCP,9090:30081/TCP   <unknown>
bare   ClusterIP   None         <none>        <none>                        <unknown>
""",
    "svc/far deploy/web -n shop -o name --bundle varied": "service/far\ndeployment.apps/web\n",
    "endpoints,po -A -o name --bundle httpd": """\
endpoints/httpd-svc
endpoints/kube-dns
pod/httpd-741508562-4h08z
pod/httpd-741508562-j4lsm
pod/httpd-741508562-jvgbg
""",
}  # fmt: skip


@pytest.mark.parametrize(("words", "out"), (ARTICLE | VARIED).items())
def test_tables(words: str, out: str, get: Get) -> None:
    assert get(words) == Answer(0, out, "")


@pytest.mark.parametrize(("words", "out"), ARTICLE.items())
def test_the_article_as_it_is_built(words: str, out: str, get: Get) -> None:
    arguments, _, case = words.partition(" --bundle ")
    assert get(f"{arguments} --bundle {GOLDEN / case / 'expected' / 'bundle'}") == Answer(
        0, out, ""
    )


@pytest.mark.parametrize(
    "spelling", ["service", "services", "svc", "Service", "SERVICES", "service,svc"]
)
def test_a_type_has_several_spellings(spelling: str, get: Get) -> None:
    assert (
        get(f"{spelling} -o name --bundle httpd").out == "service/httpd-svc\nservice/kubernetes\n"
    )


def test_the_bundle_is_looked_for_where_build_writes_it(get: Get) -> None:
    Path("httpd").rename("bundle")
    assert get("svc/httpd-svc -o name") == Answer(0, "service/httpd-svc\n", "")


@pytest.mark.parametrize(
    ("words", "err"),
    [
        ("pods -n shop --bundle httpd", "No resources found in shop namespace.\n"),
        ("deploy,pods -n shop -o wide --bundle httpd", "No resources found in shop namespace.\n"),
        ("pods -n shop -o name --bundle httpd", ""),
    ],
)
def test_nothing_there_is_no_mistake(words: str, err: str, get: Get) -> None:
    assert get(words) == Answer(0, "", err)


def test_nothing_there_as_json_is_an_empty_list(get: Get) -> None:
    answer = get("pods -n shop -o json --bundle httpd")
    assert json.loads(answer.out)["items"] == []
    assert answer.err == ""
    assert yaml.safe_load(get("pods -n shop -o yaml --bundle httpd").out) == json.loads(answer.out)


@pytest.mark.parametrize(
    ("words", "err"),
    [
        ("svc x --bundle httpd", "service 'x' not found in namespace 'default'"),
        ("no x --bundle httpd", "node 'x' not found"),
        ("pod/x -n y --bundle httpd -o json", "pod 'x' not found in namespace 'y'"),
        (
            "svc web --bundle varied",
            "service 'web' not found in namespace 'default' (it is in shop: choose with -n)",
        ),
        ("svc \x1b[31m --bundle httpd", r"service '\x1b[31m' not found in namespace 'default'"),
    ],
)
def test_a_missing_object_is_a_mistake(words: str, err: str, get: Get) -> None:
    place = "varied" if "varied" in words else "httpd"
    assert get(words) == Answer(1, "", f"{place}/plan.json:1:1: KC604: {err}\n")


def test_what_is_there_is_shown_beside_what_is_missing(get: Get) -> None:
    answer = get("svc x httpd-svc y -o name --bundle httpd")
    assert (answer.code, answer.out) == (1, "service/httpd-svc\n")
    assert [line.split()[2:4] for line in answer.err.splitlines()] == [
        ["service", "'x'"],
        ["service", "'y'"],
    ]


def test_what_is_not_a_bundle(get: Get) -> None:
    Path("empty").mkdir()
    Path("binary").mkdir()
    Path("binary/plan.json").write_bytes(b"\xff")
    for place, why in {
        "nowhere": "there is no such directory",
        "empty": "the directory has no plan.json, so it is not a bundle",
        "binary": "not UTF-8",
        "httpd/plan.json": "cannot be read: Not a directory",
    }.items():
        answer = get(f"svc --bundle {place}")
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith(f"{place}/plan.json:1:1: KC601: {why} (")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "Missing argument"),
        ("ingress", "'ingress' is not a type that can be shown (nodes, namespaces, pods, "),
        ("svc,", "'' is not a type"),
        ("svc/a b", "'b': with TYPE/NAME, all arguments have that form"),
        ("svc/", "'svc/': with TYPE/NAME"),
        ("svc a -A", "a name says which object only within one namespace"),
        ("svc -o table", "Invalid value for '-o'"),
    ],
)
def test_wrong_usage(words: str, why: str, get: Get) -> None:
    answer = get(words)
    assert (answer.code, answer.out) == (2, "")
    assert why in answer.err


def objects(get: Get, words: str) -> list[Any]:
    found = json.loads(get(words).out)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    items: list[Any] = found["items"]
    return items


@pytest.mark.parametrize("place", ["httpd", "myhttpd", "varied"])
def test_objects_are_as_kubernetes_writes_them(place: str, get: Get) -> None:
    items = objects(get, f"no,po,svc,ep,deploy -A -o json --bundle {place}")
    assert {item["kind"] for item in items} == {
        "Node",
        "Pod",
        "Service",
        "Endpoints",
        "Deployment",
    }
    for item in items:
        kubernetes_validate.validate(item, "1.33", strict=True)


@pytest.mark.parametrize("place", ["httpd", "myhttpd", "varied"])
def test_yaml_says_what_json_says(place: str, get: Get) -> None:
    words = f"no,po,svc,ep,deploy -A --bundle {place}"
    text = get(f"{words} -o yaml").out
    assert yaml.safe_load(text) == json.loads(get(f"{words} -o json").out)
    assert "&id" not in text


def test_one_object_stands_by_itself(get: Get) -> None:
    assert (
        get("svc myhttpd-svc -o yaml --bundle myhttpd").out
        == """\
apiVersion: v1
kind: Service
metadata:
  name: myhttpd-svc
  namespace: default
spec:
  clusterIP: 10.104.223.18
  clusterIPs:
  - 10.104.223.18
  externalTrafficPolicy: Cluster
  internalTrafficPolicy: Cluster
  ipFamilies:
  - IPv4
  ipFamilyPolicy: SingleStack
  ports:
  - nodePort: 30000
    port: 8080
    protocol: TCP
    targetPort: 80
  selector:
    run: httpd
  sessionAffinity: None
  type: NodePort
status:
  loadBalancer: {}
"""
    )


def test_one_name_twice_is_one_object_and_two_are_a_list(get: Get) -> None:
    one, two = "httpd-741508562-4h08z", "httpd-741508562-j4lsm"
    assert json.loads(get(f"po {one} {one} -o json --bundle httpd").out)["kind"] == "Pod"
    assert [
        item["status"]["podIP"] for item in objects(get, f"po {two} {one} -o json --bundle httpd")
    ] == ["10.244.1.29", "10.244.1.28"]


def test_a_pod_as_an_object(get: Get) -> None:
    found = json.loads(get("pod web-59b1-0 -n shop -o json --bundle varied").out)
    assert found["spec"]["nodeName"] == "node-a"
    assert found["status"]["podIP"] == "10.244.0.2"
    assert found["status"]["podIPs"] == [{"ip": "10.244.0.2"}, {"ip": "fd00:1::2"}]
    assert found["status"]["hostIP"] == "192.0.2.1"


def test_endpoints_of_two_ports_are_one_subset_of_the_first_family(get: Get) -> None:
    found = json.loads(get("ep web -n shop -o json --bundle varied").out)
    (subset,) = found["subsets"]
    assert [address["ip"] for address in subset["addresses"]] == [
        "10.244.0.2",
        "10.244.0.3",
        "10.244.0.4",
        "10.244.0.5",
    ]
    assert subset["addresses"][0]["targetRef"]["name"] == "web-59b1-0"
    assert subset["ports"] == [
        {"name": "http", "port": 8080, "protocol": "TCP"},
        {"name": "metrics", "port": 9090, "protocol": "TCP"},
    ]


@given(
    st.dictionaries(
        st.text(max_size=6),
        st.text(max_size=12)
        | st.sampled_from(
            [
                "y",
                "N",
                "on",
                "NULL",
                "~",
                "1e3",
                "0o10",
                "22:22",
                "1_0",
                ".inf",
                "2001-01-01",
                "=",
                "<<",
                "1.2.3.4",
                "a:",
                "a#b",
            ]
        )
        | st.integers(-9, 9)
        | st.booleans(),
        max_size=4,
    )
)
def test_yaml_text_is_read_alike_by_everyone(value: dict[str, object]) -> None:
    whole: dict[str, object] = {"labels": value}
    text = yaml_object(whole)
    assert yaml.safe_load(text) == whole
    (document,) = load([("answer.yaml", text)])
    assert document.value == whole


def test_plans_with_empty_lists_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = json.loads(plan_text(varied_plan()))
    for section in ("nodes", "workloads", "pods", "services"):
        for key, value in plan[section][-1].items():
            if not isinstance(value, list):
                continue
            plan[section][-1][key] = []
            place = tmp_path / f"{section}-{key}"
            place.mkdir()
            (place / "plan.json").write_text(json.dumps(plan))
            plan[section][-1][key] = value
            for form in (["-o", "wide"], ["-o", "json"]):
                words = ["get", "all,no,ns,ep", "-A", *form, "--bundle", str(place)]
                assert kcompile(words, capsys).code == 0
            for namespace in ("default", "shop"):
                words = ["describe", "all,no,ns,ep", "-n", namespace]
                assert kcompile([*words, "--bundle", str(place)], capsys).code == 0
