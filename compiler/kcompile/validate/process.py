"""What a container runs with: environment, mounts, probes.

None of it reaches an output; it is held to Kubernetes' rules so that a build that passes here
passes there.
"""

from collections.abc import Mapping
from typing import Any

from kcompile.source import Path
from kcompile.validate.names import PORT_NAME
from kcompile.validate.review import Review

_PULL_POLICIES = ("Always", "Never", "IfNotPresent")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_SECONDS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds")
_THRESHOLDS = ("successThreshold", "failureThreshold")


def check_process(
    container: Mapping[str, Any], volumes: frozenset[str], review: Review, path: Path
) -> None:
    if container.get("imagePullPolicy"):
        review.one_of((*path, "imagePullPolicy"), container["imagePullPolicy"], _PULL_POLICIES)
    if container.get("terminationMessagePolicy"):
        policy = container["terminationMessagePolicy"]
        review.one_of((*path, "terminationMessagePolicy"), policy, _MESSAGE_POLICIES)
    for index, variable in enumerate(container.get("env") or ()):
        _check_variable(variable, review, (*path, "env", index))
    if container.get("volumeMounts"):
        _check_mounts(container["volumeMounts"], volumes, review, (*path, "volumeMounts"))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(key):
            _check_probe(container[key], key, review, (*path, key))
    for key, action in (container.get("lifecycle") or {}).items():
        if isinstance(action, Mapping):
            _check_action(action, review, (*path, "lifecycle", key))


def _check_variable(variable: Mapping[str, Any], review: Review, path: Path) -> None:
    name = variable.get("name") or ""
    if not name:
        review.required((*path, "name"))
    elif not (name.isascii() and name.isprintable()) or "=" in name:
        review.invalid((*path, "name"), name, "must be printable ASCII without '='")
    source = variable.get("valueFrom")
    if source is None:
        return
    stated = [key for key, value in source.items() if value is not None]
    if variable.get("value"):
        review.invalid((*path, "valueFrom"), stated, "must not stand beside a value")
    if len(stated) != 1:
        review.invalid((*path, "valueFrom"), stated, "must have exactly one source")


def _check_mounts(
    mounts: list[Mapping[str, Any]], volumes: frozenset[str], review: Review, path: Path
) -> None:
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        name, place = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            review.required((*path, index, "name"))
        elif name not in volumes:
            review.invalid((*path, index, "name"), name, "must name one of the pod's volumes")
        if not place:
            review.required((*path, index, "mountPath"))
        elif place in taken:
            review.duplicate((*path, index, "mountPath"), place)
        taken.add(place)
        inside = mount.get("subPath") or ""
        if inside.startswith("/") or ".." in inside.split("/"):
            allowed = "must be a relative path without '..'"
            review.invalid((*path, index, "subPath"), inside, allowed)


def _check_probe(probe: Mapping[str, Any], kind: str, review: Review, path: Path) -> None:
    _check_action(probe, review, path)
    for key in (*_SECONDS, *_THRESHOLDS):
        if (probe.get(key) or 0) < 0:
            review.invalid((*path, key), probe[key], "must be 0 or more")
    if kind != "readinessProbe" and (probe.get("successThreshold") or 1) != 1:
        review.invalid(
            (*path, "successThreshold"), probe["successThreshold"], f"must be 1 in a {kind}"
        )


def _check_action(action: Mapping[str, Any], review: Review, path: Path) -> None:
    stated = [key for key in _ACTIONS if action.get(key) is not None]
    if not stated:
        review.required(path, f"it needs one of {', '.join(_ACTIONS)}")
    for key in stated[1:]:
        review.forbidden((*path, key), f"must not stand beside {stated[0]}: one action only")
    for key in stated:
        if key in {"exec", "sleep"}:
            continue
        port = action[key].get("port")
        if isinstance(port, str):
            review.name((*path, key, "port"), port, PORT_NAME)
        else:
            review.within((*path, key, "port"), port or 0, 1, 65535)
