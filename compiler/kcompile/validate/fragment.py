"""Kustomize patches name an object but hold only what they change: say so beside their errors."""

from collections.abc import Mapping
from typing import Any

from kcompile.problems import Code
from kcompile.validate.kinds import ActingKind
from kcompile.validate.review import Review

_DIRECTIVES = ("$patch", "$retainKeys", "$deleteFromPrimitiveList", "$setElementOrder")

_TEMPLATED = frozenset(
    ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job"]
)


def check_fragment(kind: ActingKind, value: Mapping[str, Any], review: Review) -> None:
    """To be asked only about an object that is wrong."""
    if _has_directive(value) or _is_partial(kind, value):
        message = f"this {kind} is not a whole one: it looks like a kustomize patch"
        review.error(Code.FRAGMENT, (), message, "build it first: kustomize build")


def _has_directive(value: Any) -> bool:
    if isinstance(value, dict):
        return any(
            key.startswith(_DIRECTIVES) or _has_directive(item) for key, item in value.items()
        )
    return isinstance(value, list) and any(_has_directive(item) for item in value)


def _is_partial(kind: ActingKind, value: Mapping[str, Any]) -> bool:
    spec = _mapping(value, "spec")
    if kind == "Service":
        whole = spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName"
        return not (whole or spec.get("ports") or spec.get("selector"))
    if kind == "Pod":
        return not spec.get("containers")
    if kind not in _TEMPLATED:
        return False
    template = _mapping(spec, "template")
    containers = _mapping(template, "spec").get("containers")
    images = isinstance(containers, list) and all(
        isinstance(container, dict) and container.get("image") for container in containers
    )
    if kind == "Job":
        return not images
    labels = _mapping(template, "metadata").get("labels")
    return not containers or (not spec.get("selector") and not (images and labels))


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}
