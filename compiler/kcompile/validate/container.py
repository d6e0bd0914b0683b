"""Containers of a pod template, by the rules of validateContainers and validateInitContainers."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.model import Container
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.names import DNS_LABEL
from kcompile.validate.ports import read_container_ports
from kcompile.validate.process import check_process
from kcompile.validate.review import Review

_PLAIN = frozenset(
    {"name", "image", "ports", "args", "command", "workingDir", "tty", "stdin", "resources"}
)
"""Fields that are read elsewhere, or that Kubernetes takes as they are."""
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def read_containers(
    containers: Sequence[Mapping[str, Any]], volumes: frozenset[str], review: Review, path: Path
) -> tuple[Container, ...]:
    if not containers:
        review.required(path, "a pod has at least one container")
    read = []
    names: dict[str, int] = {}
    for index, container in enumerate(containers):
        item = _read_container(container, volumes, review, (*path, index))
        if names.setdefault(item.name, index) != index:
            first = (*path, names[item.name], "name")
            review.duplicate((*path, index, "name"), item.name, first)
        read.append(item)
        if container.get("restartPolicy") is not None:
            why = "may only be set on an init container"
            review.forbidden((*path, index, "restartPolicy"), why)
    return tuple(read)


def read_init_containers(
    containers: Sequence[Mapping[str, Any]],
    names: set[str],
    volumes: frozenset[str],
    review: Review,
    path: Path,
) -> tuple[Container, ...]:
    """The restartable ones (KEP-753), whose ports count; all are checked."""
    sidecars = []
    taken = set(names)
    for index, container in enumerate(containers):
        here = (*path, index)
        item = _read_container(container, volumes, review, here)
        if item.name in taken:
            review.duplicate((*here, "name"), item.name)
        taken.add(item.name)
        policy = container.get("restartPolicy")
        if policy is not None:
            review.one_of((*here, "restartPolicy"), policy, ("Always",))
            sidecars.append(item)
            continue
        for key in _PROBES:
            if container.get(key) is not None:
                why = "may only be set on an init container with restartPolicy Always"
                review.forbidden((*here, key), why)
    return tuple(sidecars)


def _read_container(
    container: Mapping[str, Any], volumes: frozenset[str], review: Review, path: Path
) -> Container:
    name = container.get("name") or ""
    if not name:
        review.required((*path, "name"))
    elif not DNS_LABEL.accepts(name):
        review.invalid((*path, "name"), name, DNS_LABEL.allowed)
    image = container.get("image") or ""
    if not image:
        review.required((*path, "image"))
    elif not (image.isascii() and image.isprintable()) or image != image.strip():
        _refuse_image(image, review, (*path, "image"))
    ports = container.get("ports")
    read = read_container_ports(ports, review, (*path, "ports")) if ports else ()
    if not container.keys() <= _PLAIN:
        check_process(container, volumes, review, path)
    return Container(name, image, read)


def _refuse_image(image: str, review: Review, path: Path) -> None:
    if image != image.strip():
        review.invalid(path, image, "must not begin or end with white space")
    else:
        message = f"an image's name must be printable ASCII, not {printable(image)}"
        review.error(Code.NOT_SUPPORTED, path, message)
