"""A small cluster of both families with a Service for each policy, in two zones.

Node n1 (east) runs two of the three web pods, n2 (east) the third, n3 (west) none. Every node has
a client and one of the zoned pods.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import article
from lab.cluster import Cluster
from lab.describe import (
    NEIGHBOUR,
    ROUTER,
    Family,
    Lab,
    LabPod,
    Port,
    Variant,
    from_bundle,
    of_family,
)
from lab.documents import deployment, endpoint, node, service, slice_, vip

NODES = {"n1": "east", "n2": "east", "n3": "west"}
OUR_FLAGS = (
    "--service-cidr=10.96.0.0/16,fd00:96::/112",
    "--pod-network-cidr=10.244.0.0/16,fd00:244::/48",
)
AFFINITY_SECONDS = 3
HTTP, HTTP_ELSEWHERE, ADMIN, ECHO, HOST_PORT = 8080, 9090, 9000, 7, 10180
SERVE: Mapping[str, tuple[Port, ...]] = {
    "web-1": (Port("TCP", HTTP), Port("UDP", ECHO)),
    "web-2": (Port("TCP", HTTP_ELSEWHERE), Port("TCP", ADMIN), Port("UDP", ECHO)),
    "zoned-1": (Port("TCP", HTTP),),
    "zoned-2": (Port("TCP", HTTP),),
    "zoned-3": (Port("TCP", HTTP),),
    "lonely": (Port("TCP", HTTP), Port("UDP", ECHO)),
    "host": (Port("TCP", HOST_PORT),),
}

_WEB = "selector: {app: web}"
_ZONED = "selector: {app: zoned}"
_FROM_INTERNET = "loadBalancerSourceRanges: [198.51.100.0/24, '2001:db8:51::/64']"
_FROM_N1 = "loadBalancerSourceRanges: [192.168.20.1/32, 'fd00:20::1/128']"


def build(folder: Path, *flags: str, settings: str = "") -> Path:
    """The bundle of this cluster. Slices name pods by address, so that the pods are placed first;
    the lock keeps them there."""
    folder.mkdir()
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "cluster.yaml").write_text(cluster() + settings)
    arguments = (f"--lock={folder / 'kcompile.lock'}", *OUR_FLAGS, *flags)
    bundle = article.build(folder / "bundle", manifests, *arguments)
    (manifests / "slices.yaml").write_text(slices(from_bundle(bundle, SERVE)))
    return article.build(bundle, manifests, *arguments)


@dataclass(frozen=True, slots=True)
class Policies:
    """The cluster, running. `services` are those of plan.json by name."""

    cluster: Cluster
    services: Mapping[str, Any]

    def cluster_ip(self, service: str, family: Family) -> str:
        return of_family(family, self.services[service]["clusterIPs"])

    def node_port(self, service: str, port: str = "http") -> int:
        ports = self.services[service]["ports"]
        return int(next(each["nodePort"] for each in ports if each["name"] == port))

    def pods(self, *workloads: str) -> tuple[LabPod, ...]:
        return tuple(pod for each in workloads for pod in self.cluster.lab.pods_of(each))

    def client(self, node: str) -> str:
        """The pod that serves nothing there."""
        return only(self.cluster.lab, f"client-{node[1:]}").name

    def inside(self, node: str) -> tuple[tuple[str, str | None], ...]:
        """A pod and the node itself, each with who hides it on its way to a cluster IP: nobody
        hides pods, since their answers pass here anyway."""
        return (self.client(node), None), (node, node)

    def lead(self, address: str, family: Family, node: str) -> None:
        """What a load balancer does: packets to an address go to a node."""
        via = self.cluster.lab.address(node, family)
        for host in (ROUTER, NEIGHBOUR):
            done = self.cluster.run(host, ["ip", "route", "replace", address, "via", via])
            assert done.status == 0, done.err


def start(bundle: Path, variant: Variant) -> Policies:
    plan = json.loads((bundle / "plan.json").read_text())
    services = {service["name"]: service for service in plan["services"]}
    return Policies(Cluster(from_bundle(bundle, SERVE, variant)), services)


def cluster() -> str:
    documents = [
        node(name, index, zone) for index, (name, zone) in enumerate(NODES.items(), start=1)
    ]
    ports = "{name: echo, containerPort: 7, protocol: UDP}"
    here = f"[{{name: http, containerPort: {HTTP}}}, {ports}]"
    there = (
        f"[{{name: http, containerPort: {HTTP_ELSEWHERE}}},"
        f" {{name: admin, containerPort: {ADMIN}}}, {ports}]"
    )
    documents += [
        deployment("web-1", "n1", app="web", replicas=2, ports=here),
        deployment("web-2", "n2", app="web", ports=there),
        deployment("lonely", "n3", ports=here),
        deployment("host", "n1", "hostNetwork: true", ports=f"[{{containerPort: {HOST_PORT}}}]"),
        *(deployment(f"client-{index}", f"n{index}") for index in (1, 2, 3)),
        *(deployment(f"zoned-{i}", f"n{i}", app="zoned", ports=here) for i in (1, 2, 3)),
    ]
    return "".join(documents + services())


def services() -> list[str]:
    local, internal_local = "externalTrafficPolicy: Local", "internalTrafficPolicy: Local"
    node_port, load_balancer = "type: NodePort", "type: LoadBalancer"
    affinity = f"sessionAffinityConfig: {{clientIP: {{timeoutSeconds: {AFFINITY_SECONDS}}}}}"
    nothing, host_port = "selector: {app: nothing}", f"{{port: 80, targetPort: {HOST_PORT}}}"
    return [
        service("external-local", [http(30001), echo(30001)], _WEB, load_balancer, local,
                external_ips(11), ingress=10),
        service("internal-local", [http(), echo()], _WEB, internal_local),
        service("both-local", [http(30003)], _WEB, node_port, local, internal_local),
        service("sticky", [http(30004)], _WEB, node_port, "sessionAffinity: ClientIP", affinity),
        service("guarded", [http(30005)], _WEB, load_balancer, _FROM_INTERNET, ingress=20),
        service("guarded-for-n1", [http()], _WEB, load_balancer, _FROM_N1, ingress=30),
        service("external-ip", [http()], _WEB, external_ips(250)),
        service("proxied", [http()], _WEB, load_balancer, ingress=40, mode="Proxy"),
        service("named", [http(30006), admin(30007), echo(30006)], _WEB, node_port),
        service("same-zone", [http()], _ZONED, "trafficDistribution: PreferSameZone"),
        service("same-node", [http()], _ZONED, "trafficDistribution: PreferSameNode"),
        service("lonely", [http(30008), echo(30008)], "selector: {app: lonely}", node_port),
        service("host", [host_port], "selector: {app: host}", internal_local),
        service("empty", [http(30009), echo(30009)], nothing, load_balancer, external_ips(51),
                ingress=50),
        service("empty-local", [http(30010)], nothing, node_port, local, internal_local),
        service("only-ipv4", [http(30011)], _WEB, node_port, "ipFamilies: [IPv4]",
                policy="SingleStack"),
        service("only-ipv6", [http(30012)], _WEB, node_port, "ipFamilies: [IPv6]",
                policy="SingleStack"),
        service("sctp", ["{port: 132, protocol: SCTP, nodePort: 30013}"], _WEB, node_port),
        *(service(name, [http(number)], local, node_port)
          for number, name in enumerate(SLICES, start=30020)),
        service("hinted", [http()], annotation="service.kubernetes.io/topology-mode: Auto"),
    ]  # fmt: skip


def http(node_port: int = 0) -> str:
    return f"{{name: http, port: 80, targetPort: http{_node_port(node_port)}}}"


def admin(node_port: int = 0) -> str:
    return f"{{name: admin, port: 81, targetPort: admin{_node_port(node_port)}}}"


def echo(node_port: int = 0) -> str:
    return f"{{name: echo, port: 80, protocol: UDP, targetPort: echo{_node_port(node_port)}}}"


def _node_port(number: int) -> str:
    return f", nodePort: {number}" if number else ""


def external_ips(number: int) -> str:
    return f"externalIPs: ['{vip(number, 4)}', '{vip(number, 6)}']"


_READY = "{}"
_DRAINING = "{ready: false, serving: true, terminating: true}"
_GONE = "{ready: false, serving: false, terminating: true}"
_UNREADY = "{ready: false, serving: false, terminating: false}"
_PUBLISHED = "{ready: true, serving: false, terminating: true}"
# The conditions of a zoned pod on each node, by Service.
SLICES: Mapping[str, Mapping[str, str]] = {
    "draining": {"zoned-1": _DRAINING, "zoned-2": _DRAINING, "zoned-3": _GONE},
    "leaving": {"zoned-1": _READY, "zoned-2": _DRAINING, "zoned-3": _UNREADY},
    "gone": {"zoned-1": _GONE, "zoned-2": _UNREADY},
    "published": {"zoned-1": _PUBLISHED},
}
"""What publishNotReadyAddresses writes is ready in the slice, also when the pod is not."""

# Against where the pods are, so that nothing but hints can be the reason.
HINTS = {"zoned-1": "west", "zoned-2": "east", "zoned-3": "east"}


def slices(lab: Lab) -> str:
    documents = []
    for family in lab.families:
        for name, conditions in SLICES.items():
            endpoints = [
                endpoint(only(lab, workload), family, f"conditions: {state}")
                for workload, state in conditions.items()
            ]
            documents.append(slice_(name, family, HTTP, endpoints))
        hinted = [
            endpoint(only(lab, workload), family, f"hints: {{forZones: [{{name: {zone}}}]}}")
            for workload, zone in HINTS.items()
        ]
        documents.append(slice_("hinted", family, HTTP, hinted))
    return "".join(documents)


def only(lab: Lab, workload: str) -> LabPod:
    (pod,) = lab.pods_of(workload)
    return pod
