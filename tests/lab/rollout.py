"""A dual-stack cluster that changes once, installed with `kcompile apply` node by node."""

import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from lab import article
from lab.cluster import Cluster, Done, LabError
from lab.describe import NEIGHBOUR, Family, Lab, Port, Probe, Variant, from_bundle, of_family
from lab.documents import deployment, node, service
from lab.expect import assert_answered
from lab.foreign import our_chains

NODES = ("n1", "n2")
HTTP, ECHO = 9376, 7
STEADY_PORT, MOVING_PORT, OLD_PORT, NEW_PORT = 30080, 30081, 30090, 30091
SERVE: Mapping[str, tuple[Port, ...]] = {
    name: (Port("TCP", HTTP), Port("UDP", ECHO))
    for name in ("steady-1", "steady-2", "moving-1", "moving-2")
}
COMMAND = (sys.executable, "-m", "kcompile.apply.main")
OLD, NEW = 1, 2
PROTOCOLS: tuple[Literal["TCP", "UDP"], ...] = ("TCP", "UDP")

_FLAGS = (
    "--service-cidr=10.96.0.0/16,fd00:96::/112",
    "--pod-network-cidr=10.244.0.0/16,fd00:244::/48",
)


def build(folder: Path) -> Mapping[int, Path]:
    """The bundle of both stages, as one after the other comes out of one repository."""
    bundles = {}
    for stage in (OLD, NEW):
        manifests = folder / f"stage-{stage}.yaml"
        manifests.write_text(documents(stage))
        lock = f"--lock={folder / 'kcompile.lock'}"
        bundles[stage] = article.build(folder / f"bundle-{stage}", manifests, lock, *_FLAGS)
    return bundles


def documents(stage: int) -> str:
    """`steady` stays; `moving` gets another pod; `old` goes and `new` comes."""
    nodes = [node(name, index, "east") for index, name in enumerate(NODES, start=1)]
    workloads = ("steady", "moving", "client")
    pods = [deployment(f"{name}-{n}", f"n{n}", app=name) for name in workloads for n in (1, 2)]
    pod = "moving-1" if stage == OLD else "moving-2"
    name, port = ("old", OLD_PORT) if stage == OLD else ("new", NEW_PORT)
    return "".join(
        [
            *nodes,
            *pods,
            _service("steady", "app: steady", STEADY_PORT),
            _service("moving", f"own: {pod}", MOVING_PORT),
            _service(name, "app: steady", port),
        ]
    )


def _service(name: str, selector: str, number: int) -> str:
    ports = [
        f"{{name: http, port: 80, targetPort: {HTTP}, nodePort: {number}}}",
        f"{{name: echo, port: 80, targetPort: {ECHO}, protocol: UDP, nodePort: {number}}}",
    ]
    return service(name, ports, f"selector: {{{selector}}}", "type: NodePort")


@dataclass(frozen=True, slots=True)
class Rollout:
    """The cluster, running, nothing installed on its nodes yet."""

    cluster: Cluster
    bundles: Mapping[int, Path]
    dns: Mapping[str, str]
    """By node the name server that it has."""

    # -- what an operator runs

    def start_bind(self, node: str, folder: Path) -> None:
        """As Debian installs and starts it; it ends with the node."""
        self.cluster.start_on_host(node, ["named", "-g", "-u", "bind", "-n", "1"], folder / "named")
        for _ in range(100):
            if self.cluster.on_host(node, ["rndc", "status"]).status == 0:
                return
            time.sleep(0.05)
        raise LabError((folder / "named").read_text())

    def kcompile(
        self,
        node: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 90.0,
    ) -> Done:
        return self.cluster.on_host(node, [*COMMAND, *arguments], env=env, timeout=timeout)

    def apply(self, node: str, stage: int, *flags: str) -> Done:
        done = self.kcompile(node, *self.applying(node, stage, *flags))
        assert done.status == 0, done
        return done

    def planning(self, node: str, stage: int, *flags: str) -> tuple[str, ...]:
        """What shows what an apply would do."""
        dns = self.dns.get(node, "none")
        return ("apply", str(self.bundles[stage]), "--node", node, "--dns", dns, *flags)

    def applying(self, node: str, stage: int, *flags: str) -> tuple[str, ...]:
        return self.planning(node, stage, "--yes", *flags)

    def apply_all(self, stage: int) -> None:
        for name in NODES:
            self.apply(name, stage)

    def status(self, node: str) -> Done:
        return self.kcompile(node, "status", "--node", node)

    # -- what is there

    def our_chains(self, node: str) -> dict[Family, frozenset[str]]:
        return our_chains(self.bundles.values(), node)

    def service(self, name: str, stage: int = OLD) -> Any:
        plan = json.loads((self.bundles[stage] / "plan.json").read_text())
        return next(each for each in plan["services"] if each["name"] == name)

    def clients(self, nodes: Sequence[str] = NODES) -> tuple[str, ...]:
        """A pod on each of the nodes, the nodes, and a host outside."""
        pods = [self.cluster.lab.pods_of(f"client-{node[1:]}")[0].name for node in nodes]
        return (*pods, *nodes, NEIGHBOUR)

    def ways(
        self, client: str, name: str = "steady", stage: int = OLD, nodes: Sequence[str] = NODES
    ) -> list[tuple[str, int]]:
        """All addresses and ports by which the client finds a Service, as far as its packets are
        led by these nodes."""
        of = self.service(name, stage)
        families = self.cluster.lab.families
        ways = [
            (self.cluster.lab.address(node, family), int(of["ports"][0]["nodePort"]))
            for node in nodes
            for family in families
        ]
        inside = [(of_family(family, of["clusterIPs"]), 80) for family in families]
        return ways if client == NEIGHBOUR else inside + ways

    def assert_serves(
        self, name: str, stage: int, *workloads: str, nodes: Sequence[str] = NODES
    ) -> None:
        """By every way, TCP and UDP, from everywhere, and by pods of these workloads only."""
        probes = [
            Probe(client, *way, protocol, 4)
            for client in self.clients(nodes)
            for way in self.ways(client, name, stage, nodes)
            for protocol in PROTOCOLS
        ]
        for probe, result in zip(probes, self.cluster.probe(probes), strict=True):
            assert_answered(probe, result)
            met = {self.cluster.lab.pod(pod).workload for pod in result.by_pod}
            assert met <= set(workloads), (probe, met)

    def assert_refuses(self, name: str, stage: int, nodes: Sequence[str] = NODES) -> None:
        """Nobody is behind its node port."""
        port = int(self.service(name, stage)["ports"][0]["nodePort"])
        probes = [
            Probe(client, self.cluster.lab.address(node, family), port)
            for client in self.clients(nodes)
            for node in nodes
            for family in self.cluster.lab.families
        ]
        for probe, result in zip(probes, self.cluster.probe(probes), strict=True):
            assert result.failures == {"ECONNREFUSED": 1}, (probe, result)

    def assert_works(self, stage: int, nodes: Sequence[str] = NODES) -> None:
        """All Services of a stage, on nodes that have it."""
        self.assert_serves("steady", stage, "steady-1", "steady-2", nodes=nodes)
        self.assert_serves("moving", stage, f"moving-{stage}", nodes=nodes)
        here, gone = ("old", "new") if stage == OLD else ("new", "old")
        self.assert_serves(here, stage, "steady-1", "steady-2", nodes=nodes)
        self.assert_refuses(gone, NEW if stage == OLD else OLD, nodes)

    # -- traffic that goes on while something changes

    @contextmanager
    def traffic(
        self, *clients: str, pause: float = 0.002, protocols: Sequence[str] = PROTOCOLS
    ) -> Iterator["Traffic"]:
        """To the steady Service by all ways; when this ends, its report is in `reports`."""
        folder = Path(tempfile.mkdtemp(prefix="traffic-"))
        traffic = Traffic({})
        running = {}
        for index, client in enumerate(clients or self.clients()):
            ways = self.ways(client)
            ask = [(*way, protocol) for way in ways for protocol in protocols]
            wanted = {"ask": ask, "pause": pause, "keep": ways}
            order = folder / f"{index}.json"
            order.write_text(json.dumps(wanted))
            log = folder / f"{index}.log"
            program = [sys.executable, "-m", "lab.traffic", str(order)]
            running[client] = (self.cluster.start(client, program, log), log)
        time.sleep(0.4)
        try:
            yield traffic
        finally:
            self.cluster.run("n1", ["kill", *(str(pid) for pid, _ in running.values())])
            for client, (_, log) in running.items():
                traffic.reports[client] = _report(log)


@dataclass(frozen=True, slots=True)
class Traffic:
    reports: dict[str, Any]

    @property
    def asked(self) -> int:
        return sum(sum(report["asked"].values()) for report in self.reports.values())

    def assert_unharmed(self) -> None:
        """No request failed, no segment was sent twice, every connection is as it was."""
        for client, report in self.reports.items():
            assert not report["failures"], (client, report["failures"][:5])
            assert not report["resent"], (client, report["resent"][:5])
            assert report["answers"], client
            for kept in report["kept"]:
                assert not kept["trouble"], (client, kept)
                assert kept["size"] > 0, (client, kept)


def _report(log: Path) -> Any:
    for _ in range(200):
        text = log.read_text()
        if text.endswith("\n"):
            break
        time.sleep(0.05)
    lines = text.splitlines()
    assert lines, log
    assert lines[-1].startswith("{"), text
    return json.loads(lines[-1])


def requires_apply() -> None:
    if importlib.util.find_spec("kcompile.apply.main") is None:
        pytest.skip("kcompile apply is not there yet")


def start(
    bundles: Mapping[int, Path], variant: Variant, dns: Mapping[str, str] | None = None
) -> Rollout:
    requires_apply()
    lab = from_bundle(bundles[OLD], SERVE, variant)
    return Rollout(Cluster(bare(lab)), bundles, dns or {})


def bare(lab: Lab) -> Lab:
    """Nothing of the bundle is loaded."""
    nodes = tuple(replace(node, sysctls=(), batches=(), rules=()) for node in lab.nodes)
    return replace(lab, nodes=nodes)
