"""`kcompile describe`: the lines of kubectl describe for what a bundle holds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Answer, kcompile
from kcompile.planned import Plan
from notation import planned
from shown_plans import httpd_plan, myhttpd_plan, plan_text, varied_plan

Describe = Callable[[str], Answer]


def bundle_of(plan: Plan, folder: Path) -> None:
    folder.mkdir()
    (folder / "plan.json").write_text(plan_text(plan))


@pytest.fixture
def describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Describe:
    """Runs `kcompile describe WORDS` beside the bundles httpd, myhttpd and varied."""
    bundle_of(httpd_plan(), tmp_path / "httpd")
    bundle_of(myhttpd_plan(), tmp_path / "myhttpd")
    bundle_of(varied_plan(), tmp_path / "varied")
    monkeypatch.chdir(tmp_path)
    return lambda words: kcompile(["describe", *words.split()], capsys)


CASES = {
    "service httpd-svc --bundle httpd": """\
Name:                     httpd-svc
Namespace:                default
Labels:                   <none>
Annotations:              <none>
Selector:                 run=httpd
Type:                     ClusterIP
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       10.96.203.6
IPs:                      10.96.203.6
Port:                     <unset>  8080/TCP
TargetPort:               80/TCP
Endpoints:                10.244.1.28:80,10.244.1.29:80,10.244.2.22:80
Session Affinity:         None
Internal Traffic Policy:  Cluster
Events:                   <none>
""",
    "svc/myhttpd-svc --bundle myhttpd": """\
Name:                     myhttpd-svc
Namespace:                default
Labels:                   <none>
Annotations:              <none>
Selector:                 run=httpd
Type:                     NodePort
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       10.104.223.18
IPs:                      10.104.223.18
Port:                     <unset>  8080/TCP
TargetPort:               80/TCP
NodePort:                 <unset>  30000/TCP
Endpoints:                10.244.1.32:80,10.244.1.33:80,10.244.2.26:80
Session Affinity:         None
External Traffic Policy:  Cluster
Internal Traffic Policy:  Cluster
Events:                   <none>
""",
    "svc web far none -n shop --bundle varied": """\
Name:                     web
Namespace:                shop
Labels:                   app=web
                          tier=front
Annotations:              <none>
Selector:                 app=web,tier=front
Type:                     NodePort
IP Family Policy:         PreferDualStack
IP Families:              IPv4,IPv6
IP:                       10.96.0.30
IPs:                      10.96.0.30,fd00:2::30
Port:                     http  80/TCP
TargetPort:               http/TCP
NodePort:                 http  30080/TCP
Endpoints:                10.244.0.2:8080,10.244.0.3:8080,10.244.0.4:8080 + 5 more...
Port:                     metrics  9090/TCP
TargetPort:               9090/TCP
NodePort:                 metrics  30081/TCP
Endpoints:                10.244.0.2:9090,10.244.0.3:9090,10.244.0.4:9090 + 1 more...
Session Affinity:         None
External Traffic Policy:  Cluster
Internal Traffic Policy:  Cluster
Events:                   <none>


Name:              far
Namespace:         shop
Labels:            <none>
Annotations:       <none>
Selector:          <none>
Type:              ExternalName
IP Families:       <none>
IP:                <none>
IPs:               <none>
External Name:     far.example
Session Affinity:  None
Events:            <none>


Name:                     none
Namespace:                shop
Labels:                   <none>
Annotations:              <none>
Selector:                 app=gone
Type:                     ClusterIP
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       10.96.0.20
IPs:                      10.96.0.20
Port:                     metrics  9090/TCP
TargetPort:               9090/TCP
Endpoints:                <none>
Session Affinity:         None
Internal Traffic Policy:  Cluster
Events:                   <none>
""",
    "pod httpd-741508562-4h08z --bundle httpd": """\
Name:         httpd-741508562-4h08z
Namespace:    default
Node:         f16-7-kubernetes02/192.0.2.2
Labels:       run=httpd
Annotations:  <none>
Status:       Running
IP:           10.244.1.28
IPs:
  IP:  10.244.1.28
Controlled By:  Deployment/httpd
Containers:
  httpd:
    Image:      httpd
    Port:       80/TCP
    Host Port:  0/TCP
Events:  <none>
""",
    "node f16-7-kubernetes02 --bundle httpd": """\
Name:         f16-7-kubernetes02
Roles:        <none>
Labels:       <none>
Annotations:  <none>
Addresses:
  InternalIP:  192.0.2.2
  Hostname:    f16-7-kubernetes02
PodCIDR:              10.244.1.0/24
PodCIDRs:             10.244.1.0/24
Pod Addresses:        2 of 253 used in 10.244.1.0/24
Non-terminated Pods:  (2 in total)
  Namespace  Name
  ---------  ----
  default    httpd-741508562-4h08z
  default    httpd-741508562-j4lsm
Events:  <none>
""",
    "node node-a --bundle varied": """\
Name:         node-a
Roles:        control-plane
Labels:       node-role.kubernetes.io/control-plane=
              zone=1
Annotations:  <none>
Addresses:
  InternalIP:  192.0.2.1
  InternalIP:  2001:db8::1
  Hostname:    node-a
PodCIDR:              10.244.0.0/24
PodCIDRs:             10.244.0.0/24,fd00:1::/64
Pod Addresses:        4 of 253 used in 10.244.0.0/24
                      4 of 18446744073709551614 used in fd00:1::/64
Non-terminated Pods:  (4 in total)
  Namespace  Name
  ---------  ----
  shop       web-59b1-0
  shop       web-59b1-1
  shop       web-59b1-2
  shop       web-59b1-3
Events:  <none>
""",
    "deployment lone --bundle varied": """\
Name:         lone
Namespace:    default
Labels:       <none>
Annotations:  <none>
Selector:     y=on
Replicas:     0 desired | 0 updated | 0 total | 0 available | 0 unavailable
Pod Template:
  Labels:  y=on
  Init Containers:
   proxy:
    Image:      envoy
    Port:       <none>
    Host Port:  <none>
  Containers:
   web:
    Image:       registry.example:5000/web:1.0
    Ports:       8080/TCP, 9090/TCP
    Host Ports:  0/TCP, 0/TCP
Events:  <none>
""",
    "endpoints web -n shop --bundle varied": """\
Name:         web
Namespace:    shop
Labels:       app=web
              tier=front
Annotations:  <none>
Subsets:
  Addresses:          10.244.0.2,10.244.0.3,10.244.0.4,10.244.0.5
  NotReadyAddresses:  <none>
  Ports:
    Name     Port  Protocol
    ----     ----  --------
    http     8080  TCP
    metrics  9090  TCP

Events:  <none>
""",
}


@pytest.mark.parametrize(("words", "out"), CASES.items())
def test_describe(words: str, out: str, describe: Describe) -> None:
    assert describe(words) == Answer(0, out, "")


def test_without_a_name_all_are_described(describe: Describe) -> None:
    answer = describe("pods --bundle httpd")
    names = [line.split()[1] for line in answer.out.splitlines() if line.startswith("Name:")]
    assert names == ["httpd-741508562-4h08z", "httpd-741508562-j4lsm", "httpd-741508562-jvgbg"]


def test_what_is_there_is_shown_beside_what_is_missing(describe: Describe) -> None:
    answer = describe("node x f16-6-kubernetes01 --bundle httpd")
    assert answer.code == 1
    assert answer.out.startswith("Name:         f16-6-kubernetes01\n")
    assert answer.err == "httpd/plan.json:1:1: KC604: node 'x' not found\n"


def test_nothing_to_describe(describe: Describe) -> None:
    assert describe("svc -n shop --bundle httpd") == Answer(
        0, "", "No resources found in shop namespace.\n"
    )


@pytest.mark.parametrize("words", ["", "ingress x", "svc/a b"])
def test_wrong_usage(words: str, describe: Describe) -> None:
    answer = describe(words)
    assert (answer.code, answer.out) == (2, "")
    assert "Usage: kcompile describe" in answer.err


def test_a_pod_by_itself_has_no_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: c, image: i}]}}"
    bundle_of(planned(text).plan, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    out = kcompile(["describe", "pod", "a"], capsys).out
    assert out.startswith("Name:         a\n")
    assert "Controlled By:" not in out
