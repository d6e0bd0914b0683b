"""Nodes and settings as YAML with a comment where a reader may ask why."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from kcompile.address import Cidr, format_ip
from kcompile.inventory.listing import STATED
from kcompile.inventory.nodes import DraftNode
from kcompile.render.environment import template
from kcompile.validate.names import LABEL_VALUE

_WIDTH = 98
_ZONE = "topology.kubernetes.io/zone"
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
# Plain for every reader of YAML; `y` and 1e3 are not.
_PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[a-z](?:[-./a-z0-9]*[a-z0-9])?"
    r"|[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?"
)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What ClusterConfiguration says."""

    pod_cidrs: tuple[Cidr, ...]
    service_cidrs: tuple[Cidr, ...]
    domain: str


def nodes_text(
    nodes: Sequence[DraftNode],
    settings: ClusterSettings | None,
    *,
    origin: str,
    remarks: Sequence[str],
) -> str:
    """The documents; the first node's comments are the fullest and hold for all."""
    said = [line for remark in remarks for line in wrap(remark, _WIDTH)]
    if len(nodes) > 1:
        said.append("The comments of the first node hold for the others too.")
    return template("nodes.yaml.j2").render(
        origin=origin,
        remarks=said,
        settings=_settings(settings) if settings else None,
        nodes=list(_nodes(nodes)),
    )


def _settings(settings: ClusterSettings) -> tuple[str, str, str]:
    ranges = (settings.pod_cidrs, settings.service_cidrs)
    pods, services = (_scalar(",".join(map(str, cidrs))) for cidrs in ranges)
    return pods, services, _scalar(settings.domain)


def _nodes(nodes: Sequence[DraftNode]) -> Iterator[tuple[object, ...]]:
    for index, node in enumerate(nodes):
        own = dict(node.labels)
        hostname = own.pop("kubernetes.io/hostname", node.name)
        for key in ("kubernetes.io/os", _CONTROL_PLANE):
            own.pop(key, None)
        yield (
            index == 0,
            _scalar(node.name),
            [line for comment in node.comments for line in wrap(comment, _WIDTH - 2)],
            _scalar(hostname) if LABEL_VALUE.accepts(hostname) else "",
            _ZONE not in own,
            [(_scalar(key), f'"{value}"') for key, value in own.items()],
            node.control_plane,
            node.control_plane and not any(each.key == _CONTROL_PLANE for each in node.taints),
            [(_scalar(each.key), _scalar(each.value), each.effect) for each in node.taints],
            [_scalar(format_ip(*address)) for address in node.addresses],
            "" if node.source == STATED else node.source,
            (f"10.244.{index % 256}.0/24", f"192.0.2.{index % 254 + 1}"),
        )


def _scalar(text: str) -> str:
    """A text of letters, digits and `-_./:`, in quotes where a reader could take it for something
    else."""
    return text if not text or _PLAIN.fullmatch(text) else f'"{text}"'
