"""The article's cluster, built by the command line and brought up: what the tests start from."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.cluster import Cluster
from lab.describe import Lab, LabPod, Port, Variant, from_bundle

MANIFESTS = Path(__file__).with_name("manifests.yaml")
SERVE = {
    "httpd": (Port("TCP", 80),),
    "myhttpd": (Port("TCP", 80),),
    "client": (Port("UDP", 7),),
}
HTTPD_IP, MYHTTPD_IP, PORT, NODE_PORT = "10.96.203.6", "10.104.223.18", 8080, 30000
ECHO_IP, ECHO_PORT, ECHO_NODE_PORT = "10.96.88.8", 7, 30007
EMPTY_IP, EMPTY_PORT, EMPTY_NODE_PORT = "10.96.77.7", 80, 30077


@dataclass(frozen=True, slots=True)
class Article:
    """A running cluster and the bundle that it was loaded with."""

    bundle: Path
    cluster: Cluster

    @property
    def lab(self) -> Lab:
        return self.cluster.lab

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.lab.nodes)

    @property
    def clients(self) -> tuple[LabPod, ...]:
        """A pod on each node that is no backend of httpd or myhttpd."""
        by_node = {pod.node: pod for pod in reversed(self.lab.pods_of("client"))}
        assert sorted(by_node) == sorted(self.nodes)
        return tuple(by_node[node] for node in self.nodes)


def build(output: Path, manifests: Path = MANIFESTS, *arguments: str) -> Path:
    """`kcompile build` as a user runs it, without a lock if no arguments say otherwise."""
    command = [sys.executable, "-m", "kcompile.cli.main", "build", str(manifests)]
    done = subprocess.run(
        [*command, *(arguments or ("--no-lock",)), "-o", str(output)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return output


def start(bundle: Path, variant: Variant) -> Article:
    return Article(bundle, Cluster(from_bundle(bundle, SERVE, variant)))
