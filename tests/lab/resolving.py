"""A cluster without a DNS Service of its own: every node's server answers its pods."""

from collections.abc import Mapping
from pathlib import Path

from lab import article
from lab.describe import Port
from lab.documents import deployment, service, slice_

HTTP = 8080
SERVE: Mapping[str, tuple[Port, ...]] = {"web": (Port("TCP", HTTP),)}
FLAGS: Mapping[str, tuple[str, ...]] = {
    "ipv4": (),
    "ipv6": ("--service-cidr=fd00:96::/112", "--pod-network-cidr=fd00:244::/48"),
}
ADDRESSES = {
    "ipv4": ("192.168.20.1,192.168.20.101", "192.168.20.2"),
    "ipv6": ("fd00:20::1,fd00:20::101", "fd00:20::2"),
}
# One that BIND, left to itself, takes no zone for: 150 records of one name and type.
ONE_MORE = "".join(
    [
        service("new", ["{name: http, port: 80}"], policy=""),
        service("crowd", ["{name: http, port: 80}"], "clusterIP: None", policy=""),
        slice_("crowd", 4, 80, [f"- {{addresses: ['192.0.2.{i}']}}\n" for i in range(1, 151)]),
    ]
)
# A DNS Service with a server of its own, in a pod on the first node.
DECLARED = "".join(
    [
        deployment("dns", "n1").replace("name: dns}", "name: dns, namespace: kube-system}"),
        service(
            "kube-dns",
            ["{name: dns, port: 53, protocol: UDP}", "{name: dns-tcp, port: 53}"],
            "selector: {app: dns}",
            policy="",
        ).replace("name: kube-dns", "name: kube-dns, namespace: kube-system"),
    ]
)
FORWARDING = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-dns, namespace: kube-system}
data:
  stubDomains: |
    {"corp.example": ["192.168.20.253:5353"]}
  upstreamNameservers: |
    ["198.51.100.10"]
---
"""


def build(folder: Path, family: str, more: str = "") -> Path:
    """Two nodes, the first with several addresses, a web pod and a client on each."""
    folder.mkdir()
    manifests = folder / "m.yaml"
    manifests.write_text(more + documents())
    nodes = [f"--node=n{i}={ips}" for i, ips in enumerate(ADDRESSES[family], start=1)]
    return article.build(folder / "bundle", manifests, "--no-lock", *nodes, *FLAGS[family])


def documents() -> str:
    web = f"{{name: http, port: 80, targetPort: {HTTP}}}"
    return "".join(
        [
            deployment("web", "n1"),
            deployment("client-1", "n1"),
            deployment("client-2", "n2"),
            deployment("host-1", "n1", "hostNetwork: true", "dnsPolicy: ClusterFirstWithHostNet"),
            deployment("host-2", "n2", "hostNetwork: true", "dnsPolicy: ClusterFirstWithHostNet"),
            service("web", [web], "selector: {app: web}", policy=""),
            service("each", [web], "selector: {app: web}", "clusterIP: None", policy=""),
            service("away", [], "type: ExternalName", "externalName: www.example.com", policy=""),
        ]
    )
