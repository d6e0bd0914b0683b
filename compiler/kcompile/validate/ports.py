"""Ports of containers, and how those of one pod agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.model import ContainerPort, Protocol
from kcompile.source import Path
from kcompile.validate.names import PORT_NAME
from kcompile.validate.review import Review

_PROTOCOLS = ("TCP", "UDP", "SCTP")


def read_container_ports(
    ports: Sequence[Mapping[str, Any]], review: Review, path: Path
) -> tuple[ContainerPort, ...]:
    """Names are unique in a container; numbers need not be."""
    names: dict[str, int] = {}
    read = []
    for index, port in enumerate(ports):
        name = port.get("name") or ""
        number = port.get("containerPort") or 0
        protocol: Protocol = port.get("protocol") or "TCP"
        if name:
            if names.setdefault(name, index) != index:
                review.duplicate((*path, index, "name"), name, (*path, names[name], "name"))
            if not PORT_NAME.accepts(name):
                review.invalid((*path, index, "name"), name, PORT_NAME.allowed)
        if not 1 <= number <= 65535:
            review.within((*path, index, "containerPort"), number, 1, 65535)
        if protocol != "TCP":
            review.one_of((*path, index, "protocol"), protocol, _PROTOCOLS)
        if port.get("hostPort"):
            review.within((*path, index, "hostPort"), port["hostPort"], 1, 65535)
        read.append(ContainerPort(name, number, protocol))
    return tuple(read)


def has_host_ports(spec: Mapping[str, Any]) -> bool:
    return any(
        port.get("hostPort")
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
    )


def check_host_ports(spec: Mapping[str, Any], review: Review, path: Path) -> None:
    """No two ports of a pod take the same port of the host.

    On the host's network every container port is a host port of the same number.
    """
    shared = bool(spec.get("hostNetwork"))
    taken: dict[tuple[str, str, int], Path] = {}
    for field in ("containers", "initContainers"):
        for at, container in enumerate(spec.get(field) or ()):
            if field == "initContainers" and container.get("restartPolicy") != "Always":
                continue
            for index, port in enumerate(container.get("ports") or ()):
                here = (*path, field, at, "ports", index)
                number = port.get("containerPort") or 0
                host_port = port.get("hostPort") or (number if shared else 0)
                if shared and host_port != number:
                    allowed = f"must equal containerPort, {number}, when hostNetwork is true"
                    review.invalid((*here, "hostPort"), host_port, allowed)
                key = (port.get("hostIP") or "", port.get("protocol") or "TCP", host_port)
                first = taken.setdefault(key, here)
                if host_port and first is not here:
                    review.duplicate((*here, "hostPort"), host_port, (*first, "hostPort"))


def refuse_host_ports(spec: Mapping[str, Any], review: Review, path: Path) -> None:
    """Ports of the node that lead to a pod in a network of its own need rules that are not
    compiled yet. In the host's network a host port is the container's own."""
    if spec.get("hostNetwork"):
        return
    for field in ("containers", "initContainers"):
        for at, container in enumerate(spec.get(field) or ()):
            for index, port in enumerate(container.get("ports") or ()):
                if 1 <= (port.get("hostPort") or 0) <= 65535:
                    review.not_implemented(
                        (*path, field, at, "ports", index, "hostPort"), "hostPort"
                    )
