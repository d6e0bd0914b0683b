"""Quadlets (podman-systemd.unit(5)). What a user typed is in the manifests of pods, in YAML's
quotes; units have only what matched a pattern, in which nothing has a meaning to systemd."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from kcompile.address import format_ip
from kcompile.ir import NodeQuadlets, QuadletPod
from kcompile.problems import OurBugError, printable
from kcompile.render.environment import template
from kcompile.render.yaml_text import yaml_text
from kcompile.source import Path

NETWORK = "kcompile.network"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,316}")


class Quadlets(NamedTuple):
    """Texts of a node, or of a pod, by path."""

    path: str
    text: str


def quadlet_texts(node: NodeQuadlets) -> Iterator[Quadlets]:
    """The files of a node by their names."""
    if node.ranges:
        yield Quadlets(NETWORK, _network(node))
    for pod in node.pods:
        yield Quadlets(f"{pod.file}.kube", _unit(pod, node.bridge))
        documents = "---\n".join(yaml_text(document) for document in pod.manifest)
        yield Quadlets(f"{pod.file}.yaml", documents)


def _network(node: NodeQuadlets) -> str:
    ranges = [
        (str(cidr), format_ip(cidr.family, gateway), cidr.prefix, cidr.family == 6)
        for cidr, gateway in node.ranges
    ]
    return template("quadlet.network.j2").render(
        node=_checked(node.node), bridge=node.bridge, mac=node.mac, ranges=ranges
    )


def _unit(pod: QuadletPod, bridge: str) -> str:
    addresses = ",".join(f"ip={format_ip(family, address)}" for family, address in pod.addresses)
    return template("quadlet.kube.j2").render(
        file=_checked(pod.file),
        namespace=_checked(pod.namespace),
        name=_checked(pod.name),
        network=f"{NETWORK}:{addresses}" if addresses else "host",
        bridge=bridge if addresses else "",
        at_boot=pod.at_boot,
        missing=[_shown(path) for path in pod.missing],
    )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise OurBugError(f"an unchecked string reached a unit: {printable(name)}")
    return name


def _shown(path: Path) -> str:
    """A field as it is said in a comment."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            shown += f".{step}" if _STEP.fullmatch(step) else ".(a key with unusual characters)"
    return shown.removeprefix(".")
