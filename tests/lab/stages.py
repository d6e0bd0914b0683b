"""A cluster whose manifests change in five stages, one build each, with one lock."""

import json
from collections.abc import Mapping
from pathlib import Path

from lab import article
from lab.describe import Family, Port
from lab.documents import deployment, node, service, slice_

NODES = ("n1", "n2")
STAGES = (1, 2, 3, 4, 5)
FOLLOWED: Mapping[int, tuple[str, ...]] = {
    1: (),
    2: ("pod-1",),
    3: ("pod-1", "pod-2"),
    4: ("pod-2",),
    5: (),
}
"""The pods behind the Service `followed`, each on its node."""

ALL_PODS = 3
"""The stage that has every pod."""

OF_ANOTHER_PROXY = (1, 3)
"""The stages where the Service `toggled` names another proxy."""

HTTP, ECHO, API = 9376, 7, 6443
SERVE: Mapping[str, tuple[Port, ...]] = {
    "pod-1": (Port("TCP", HTTP),),
    "pod-2": (Port("TCP", HTTP),),
    "steady": (Port("TCP", HTTP), Port("UDP", ECHO)),
    "api": (Port("TCP", API),),
}
SEARCHES = tuple(f"{'long' * 10}-{number}.example" for number in range(20))
DNS_IPS: dict[Family, str] = {4: "10.96.0.10", 6: "fd00:96::a"}
STATED: dict[Family, tuple[str, str]] = {
    4: ("192.168.20.1", "192.168.20.2"),
    6: ("fd00:20::1", "fd00:20::2"),
}

_FLAGS = (
    "--service-cidr=10.96.0.0/16,fd00:96::/112",
    "--pod-network-cidr=10.244.0.0/16,fd00:244::/48",
)
_OWN_RESOLV = (
    "dnsPolicy: None",
    "dnsConfig: {nameservers: [192.0.2.53], searches: [a.example], options: [{name: rotate}]}",
)
_DNS = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: dns, namespace: kube-system}}
spec:
  selector: {{matchLabels: {{app: dns}}}}
  template:
    metadata: {{labels: {{app: dns}}}}
    spec: {{nodeName: n2, containers: [{{name: c, image: i}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec:
  ipFamilyPolicy: RequireDualStack
  clusterIP: {DNS_IPS[4]}
  clusterIPs: [{DNS_IPS[4]}, '{DNS_IPS[6]}']
  selector: {{app: dns}}
  ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53}}]
---
"""
_API = f"""\
apiVersion: v1
kind: Endpoints
metadata: {{name: kubernetes}}
subsets: [{{addresses: [{{ip: {STATED[4][0]}}}], ports: [{{name: https, port: {API}}}]}}]
---
"""


def build(folder: Path) -> Mapping[int, Path]:
    """The bundle of each stage. Files of stages lie apart, as they do in time."""
    bundles = {}
    for stage in STAGES:
        manifests = folder / f"stage-{stage}.yaml"
        manifests.write_text(documents(stage))
        lock = f"--lock={folder / 'kcompile.lock'}"
        bundles[stage] = article.build(folder / f"bundle-{stage}", manifests, lock, *_FLAGS)
    return bundles


def documents(stage: int) -> str:
    pods = [deployment(name, f"n{name[-1]}", app="followed") for name in FOLLOWED[stage]]
    pods += [
        deployment("steady", "n2"),
        deployment("api", "n1", "hostNetwork: true"),
        deployment("client-1", "n1"),
        deployment("client-2", "n2"),
        deployment("own-resolv", "n1", *_OWN_RESOLV),
        deployment("searching", "n1", f"dnsConfig: {{searches: {json.dumps(SEARCHES)}}}"),
    ]
    nodes = [node(name, index, "east") for index, name in enumerate(NODES, start=1)]
    return "".join([*nodes, *pods, _DNS, _API, *_services(stage), *_stated()])


def _services(stage: int) -> list[str]:
    steady, node_port = "selector: {app: steady}", "type: NodePort"
    headless = "clusterIP: None"
    alias = ("type: ExternalName", "externalName: changing.default.svc.cluster.local")
    return [
        service("followed", [_http(30080)], "selector: {app: followed}", node_port),
        (
            service("changing", [_http()], steady)
            if stage == 1
            else service("changing", [_http(30081)], steady, node_port)
            if stage == 2
            else service("changing", [_http(30081), _echo(30081)], steady, node_port)
        ),
        (
            service("outward", [], *alias, policy="null")
            if stage < ALL_PODS
            else service("outward", [_http(30082)], steady, node_port)
        ),
        (
            service("inward", [_http()], steady)
            if stage < ALL_PODS
            else service("inward", [], *alias, policy="null")
        ),
        "" if stage == 2 else service(owner(stage), [_http(30090)], steady, node_port),
        service(
            "toggled",
            [_http(30083)],
            steady,
            node_port,
            label="service.kubernetes.io/service-proxy-name: mine"
            if stage in OF_ANOTHER_PROXY
            else "",
        ),
        service("headless", [_http()], steady, headless),
        service("stated", [_http()]),
        service("stated-headless", [_http()], headless),
    ]


def owner(stage: int) -> str:
    """The Service that has node port 30090."""
    return "first" if stage == 1 else "second"


def _http(node_port: int = 0) -> str:
    return f"{{name: http, port: 80, targetPort: {HTTP}, nodePort: {node_port}}}"


def _echo(node_port: int) -> str:
    return f"{{name: echo, port: 80, targetPort: {ECHO}, protocol: UDP, nodePort: {node_port}}}"


def _stated() -> list[str]:
    """Slices of Services without a selector. Their endpoints are servers of nodes, or anybody."""
    return [
        document
        for family, (one, two) in STATED.items()
        for document in (
            slice_("stated", family, API, [f"- {{addresses: ['{one}'], nodeName: n1}}\n"]),
            slice_("stated-headless", family, API, [f"- {{addresses: ['{two}']}}\n"]),
        )
    ]
