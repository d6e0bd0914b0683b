"""Small clusters by chance, in the user's notation: every kind of Service, policy and setting."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from kcompile.bundle.tree import Files
from kcompile.pipeline import make_files, make_plan
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from kcompile.resolve.flags import Flags
from lab.describe import INTERNET, NEIGHBOUR, Family, Lab, Port, Probe, Variant, from_bundle
from lab.documents import deployment, endpoint, node, service, slice_, vip

FAMILIES: tuple[tuple[Family, ...], ...] = ((4, 6), (4, 6), (4,), (6,))
SERVICE_CIDRS: dict[Family, str] = {4: "10.96.0.0/16", 6: "fd00:96::/112"}
POD_CIDRS: dict[Family, str] = {4: "10.244.0.0/16", 6: "fd00:244::/48"}
# Of load balancers: the internet host, the nodes' wire, the first node, and pods of it.
SOURCE_RANGES: dict[Family, tuple[str, ...]] = {
    4: ("198.51.100.0/24", "192.168.20.0/24", "192.168.20.1/32", "10.244.1.0/24"),
    6: ("2001:db8:51::/64", "fd00:20::/64", "fd00:20::1/128", "fd00:244:0:1::/64"),
}
NODE_PORT_RANGES: dict[Family, tuple[str, ...]] = {
    4: ("192.168.20.0/31", "127.0.0.0/8", "0.0.0.0/0"),
    6: ("fd00:20::/127", "::/0"),
}
CONDITIONS = (
    "conditions: {}",
    "conditions: {ready: true}",
    "conditions: {ready: false, serving: true, terminating: true}",
    "conditions: {ready: false, serving: false}",
)
QUESTIONS = 60
UNUSED_PORT = 9


@dataclass(frozen=True, slots=True)
class RandomCluster:
    """`led` says to which node something outside leads an address."""

    lab: Lab
    led: Mapping[str, str]
    questions: tuple[Probe, ...]


def random_cluster(random: Random, folder: Path) -> RandomCluster:
    draft = _Draft(random)
    bundle = draft.build(folder)
    lab = from_bundle(bundle, draft.serve, draft.variant)
    plan = json.loads((bundle / "plan.json").read_text())
    led = {
        address: random.choice(lab.nodes).name
        for of in plan["services"]
        for address in (*of["externalIPs"], *of["loadBalancerIPs"])
    }
    asked = list(dict.fromkeys(_questions(plan, lab)))
    return RandomCluster(lab, led, tuple(random.sample(asked, min(QUESTIONS, len(asked)))))


class _Draft:
    """What chance decided, before addresses are known."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.families = random.choice(FAMILIES)
        self.nodes = [f"n{index}" for index in range(1, random.choice((1, 2, 3, 3)) + 1)]
        self.variant = Variant(random.choice(("nft", "legacy")), random.choice(("ACCEPT", "DROP")))
        self.serve: dict[str, tuple[Port, ...]] = {}
        self.stated: list[str] = []
        self.documents = [self._node(index) for index in range(len(self.nodes))]
        self.documents += [deployment(f"client-{name}", name) for name in self.nodes]
        self.documents += [self._backend(index) for index in range(random.randint(2, 4))]
        self.documents += [self._service(index) for index in range(random.randint(2, 3))]
        self.documents.append(self._settings())
        self.flags = Flags(
            service_cidr=",".join(SERVICE_CIDRS[family] for family in self.families),
            pod_network_cidr=",".join(POD_CIDRS[family] for family in self.families),
            detect_local=not self._rarely(),
            egress_masquerade=not self._rarely(),
            forward_accept=not self._rarely(),
            reject_unmatched_service_ips=self._rarely(),
        )

    def build(self, folder: Path) -> Path:
        """Slices name pods by address, so that the pods are placed first."""
        text = "".join(self.documents)
        first = make_plan([("cluster.yaml", text)], self.flags, Lock())
        bundle = folder / "bundle"
        _write(make_files(first), bundle)
        text += "".join(self._slices(from_bundle(bundle, self.serve)))
        (folder / "cluster.yaml").write_text(text)
        planned = make_plan([("cluster.yaml", text)], self.flags, parse_lock("lock", first.lock))
        _write(make_files(planned), bundle)
        return bundle

    def _rarely(self) -> bool:
        return self.random.random() < 0.2

    def _policy(self) -> str:
        return self.random.choice(("Cluster", "Local"))

    def _node(self, index: int) -> str:
        zone = self.random.choice(("", "east", "west"))
        return node(self.nodes[index], index + 1, zone, self.families)

    def _backend(self, index: int) -> str:
        name, http, echo = f"backend-{index}", self.random.choice((8080, 9090)), 7
        fields = []
        if self._rarely():  # what shares the node's network shares its ports
            http, echo, fields = 10080 + index, 10007 + index, ["hostNetwork: true"]
        self.serve[name] = (Port("TCP", http), Port("UDP", echo))
        ports = (
            f"[{{name: http, containerPort: {http}}},"
            f" {{name: echo, containerPort: {echo}, protocol: UDP}}]"
        )
        app = self.random.choice(("one", "two"))
        return deployment(name, self.random.choice(self.nodes), *fields, app=app, ports=ports)

    def _service(self, index: int) -> str:
        random, name = self.random, f"service-{index}"
        kind = random.choice(("ClusterIP", "NodePort", "LoadBalancer"))
        selected = random.choice(("one", "two", "two", "nothing", ""))
        fields = [f"type: {kind}", f"internalTrafficPolicy: {self._policy()}"]
        if selected:
            fields.append(f"selector: {{app: {selected}}}")
        else:
            self.stated.append(name)
        if kind != "ClusterIP":
            fields.append(f"externalTrafficPolicy: {self._policy()}")
        if self._rarely():
            fields.append("sessionAffinity: ClientIP")
        if random.random() < 0.4:
            ips = [vip(100 + index, family) for family in self.families]
            fields.append(f"externalIPs: {json.dumps(ips)}")
        if random.random() < 0.3:
            distribution = random.choice(("PreferSameZone", "PreferSameNode"))
            fields.append(f"trafficDistribution: {distribution}")
        if kind == "LoadBalancer" and random.random() < 0.5:
            ranges = [
                each for family in self.families for each in random.sample(SOURCE_RANGES[family], 2)
            ]
            fields.append(f"loadBalancerSourceRanges: {json.dumps(ranges)}")
        ports = ["{name: http, port: 80, targetPort: http}"]
        if random.random() < 0.5:
            ports.append("{name: echo, port: 80, targetPort: echo, protocol: UDP}")
        ingress = 200 + index if kind == "LoadBalancer" else 0
        return service(
            name, ports, *fields, policy="PreferDualStack", ingress=ingress, families=self.families
        )

    def _settings(self) -> str:
        ranges = [
            each
            for family in self.families
            for each in self.random.sample(NODE_PORT_RANGES[family], self.random.randint(0, 2))
        ]
        return f"""\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
nodePortAddresses: {json.dumps(ranges if self._rarely() else [])}
iptables:
  masqueradeAll: {json.dumps(self._rarely())}
  masqueradeBit: {self.random.choice((14, 14, 0, 31))}
  localhostNodePorts: {json.dumps(not self._rarely())}
---
"""

    def _slices(self, lab: Lab) -> Iterator[str]:
        pods = [pod for pod in lab.pods if pod.workload in self.serve]
        for name in self.stated:
            for pod in self.random.sample(pods, self.random.randint(0, len(pods))):
                state = self.random.choice(CONDITIONS)
                for family in self.families:
                    port = self.serve[pod.workload][0].number
                    stated = endpoint(pod, family, state)
                    yield slice_(name, family, port, [stated], suffix=f"-{pod.workload}")


def _write(files: Files, bundle: Path) -> None:
    for name, content in files.items():
        path = bundle / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(content.pieces()))


def _questions(plan: Any, lab: Lab) -> Iterator[Probe]:
    """From every client to every way in, and to ports that are none."""
    inside = [*(node.name for node in lab.nodes), *(pod.name for pod in lab.pods)]
    everyone = [*inside, NEIGHBOUR, INTERNET]
    for of in plan["services"]:
        for port in () if of["synthesised"] else of["ports"]:
            numbers = (port["port"], UNUSED_PORT)
            ways = [(to, number) for to in of["clusterIPs"] for number in numbers]
            yield from _from(inside, ways, port)
            ways = [(to, port["port"]) for to in (*of["externalIPs"], *of["loadBalancerIPs"])]
            yield from _from(everyone, ways, port)
            if port["nodePort"]:
                nodes = [address for node in lab.nodes for address in node.addresses]
                yield from _from(everyone, [(to, port["nodePort"]) for to in nodes], port)
                if 4 in lab.families:
                    loopback = [("127.0.0.1", port["nodePort"])]
                    yield from _from([node.name for node in lab.nodes], loopback, port)


def _from(clients: list[str], ways: list[tuple[str, int]], port: Any) -> Iterator[Probe]:
    for client in clients:
        for to, number in ways:
            yield Probe(client, to, number, port["protocol"])
