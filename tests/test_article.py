"""The article's commands and their answers, in today's words, from the bundles of its manifests."""

from pathlib import Path

import pytest

from command_line import kcompile

GOLDEN = Path(__file__).parent.parent / "golden" / "article"

ANSWERS = {
    ("httpd", "get pods -o wide"): """\
NAME                    READY   STATUS    RESTARTS   AGE         IP            NODE                 NOMINATED NODE   READINESS GATES
httpd-741508562-4h08z   1/1     Running   0          <unknown>   10.244.1.28   f16-7-kubernetes02   <none>           <none>
httpd-741508562-j4lsm   1/1     Running   0          <unknown>   10.244.1.29   f16-7-kubernetes02   <none>           <none>
httpd-741508562-jvgbg   1/1     Running   0          <unknown>   10.244.2.22   f16-8-kubernetes03   <none>           <none>
""",
    ("httpd", "get services"): """\
NAME         TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)    AGE
httpd-svc    ClusterIP   10.96.203.6   <none>        8080/TCP   <unknown>
kubernetes   ClusterIP   10.96.0.1     <none>        443/TCP    <unknown>
""",
    ("httpd", "describe service httpd-svc"): """\
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
    ("httpd", "get svc -n kube-system -o wide"): """\
NAME       TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)         AGE         SELECTOR
kube-dns   ClusterIP   10.96.0.10   <none>        53/UDP,53/TCP   <unknown>   <none>
""",
    ("myhttpd", "get deployment -o wide"): """\
NAME      READY   UP-TO-DATE   AVAILABLE   AGE         CONTAINERS   IMAGES   SELECTOR
myhttpd   3/3     3            3           <unknown>   httpd        httpd    run=httpd
""",
    ("myhttpd", "get pods -o wide"): """\
NAME                      READY   STATUS    RESTARTS   AGE         IP            NODE                 NOMINATED NODE   READINESS GATES
myhttpd-741508562-lt4kr   1/1     Running   0          <unknown>   10.244.1.32   f16-7-kubernetes02   <none>           <none>
myhttpd-741508562-p3h5w   1/1     Running   0          <unknown>   10.244.1.33   f16-7-kubernetes02   <none>           <none>
myhttpd-741508562-sm9ft   1/1     Running   0          <unknown>   10.244.2.26   f16-8-kubernetes03   <none>           <none>
""",
    ("myhttpd", "get svc myhttpd-svc"): """\
NAME          TYPE       CLUSTER-IP      EXTERNAL-IP   PORT(S)          AGE
myhttpd-svc   NodePort   10.104.223.18   <none>        8080:30000/TCP   <unknown>
""",
}

CHAINS = {
    "httpd": (
        "KUBE-SVC-RL3JAE4GN7VOGDGP",
        ["KUBE-SEP-CR63JSDONEUBE2YK", "KUBE-SEP-Y5EOPQEI6R2HKSKZ", "KUBE-SEP-XY6KDITI4WWURGO2"],
    ),
    "myhttpd": (
        "KUBE-SVC-7P7YXYLZA3ZMJCMD",
        ["KUBE-SEP-5JFNR2OVUEO7ADZR", "KUBE-SEP-MXGVDRPRKF4FCFQ7", "KUBE-SEP-3ZRQHJQFDZH6HPK7"],
    ),
}


@pytest.mark.parametrize(("case", "command"), ANSWERS)
def test_the_article_s_commands(
    case: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = GOLDEN / case / "expected" / "bundle"
    answer = kcompile([*command.split(), "--bundle", str(bundle)], capsys)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == ANSWERS[case, command]


@pytest.mark.parametrize("case", CHAINS)
def test_the_article_s_chains_on_every_node(case: str) -> None:
    service, endpoints = CHAINS[case]
    files = sorted((GOLDEN / case).glob("expected/bundle/nodes/*/iptables.rules"))
    assert len(files) == 3
    for path in files:
        jumps = [
            line.rpartition("-j ")[2]
            for line in path.read_text().splitlines()
            if line.startswith(f"-A {service} ") and " -> " in line
        ]
        assert jumps == endpoints


def test_every_node_listens_on_the_article_s_port() -> None:
    files = sorted((GOLDEN / "myhttpd").glob("expected/bundle/nodes/*/listeners.json"))
    assert len(files) == 3
    assert all('"port": 30000, "protocol": "TCP"' in path.read_text() for path in files)


def test_the_article_s_name_and_its_reverse() -> None:
    dns = GOLDEN / "httpd" / "expected" / "bundle" / "dns"
    name = "httpd-svc.default.svc.cluster.local."
    assert f"{name} 30 IN A 10.96.203.6\n" in (dns / "db.cluster.local").read_text()
    reverse = (dns / "db.96.10.in-addr.arpa").read_text()
    assert f"6.203.96.10.in-addr.arpa. 30 IN PTR {name}\n" in reverse
