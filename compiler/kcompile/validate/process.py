"""What a container runs with: environment, mounts, probes, resources.

None of it reaches an output; it is held to Kubernetes' rules so that a build that passes here
passes there.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kcompile.source import Path
from kcompile.validate.names import PORT_NAME
from kcompile.validate.review import Review

_PULL_POLICIES = ("Always", "Never", "IfNotPresent")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_SECONDS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds")
_THRESHOLDS = ("successThreshold", "failureThreshold")
_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?"
)
_SCALES: dict[str, int] = dict(zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True))
_BINARY: dict[str, int] = {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)
}


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
    if container.get("resources"):
        _check_resources(container["resources"], review, (*path, "resources"))


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


def _check_resources(resources: Mapping[str, Any], review: Review, path: Path) -> None:
    limits = _read_quantities(resources, "limits", review, path)
    requests = _read_quantities(resources, "requests", review, path)
    for name, amount in requests.items():
        if name in limits and amount > limits[name]:
            allowed = f"must not be more than the limit, {resources['limits'][name]}"
            review.invalid((*path, "requests", name), resources["requests"][name], allowed)
    if requests:
        review.ignored((*path, "requests"))


def _read_quantities(
    resources: Mapping[str, Any], key: str, review: Review, path: Path
) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for name, text in (resources.get(key) or {}).items():
        amount = _quantity(str(text))
        if amount is None or amount < 0:
            allowed = "must be a quantity such as 100m, 0.5 or 64Mi"
            review.invalid((*path, key, name), text, allowed)
        else:
            amounts[name] = amount
    return amounts


def _quantity(text: str) -> Decimal | None:
    parts = _QUANTITY.fullmatch(text) if len(text) <= 40 else None
    if parts is None:
        return None
    number, suffix = Decimal(parts[1]), parts[2] or ""
    if suffix in _BINARY:
        return number * _BINARY[suffix]
    if suffix in _SCALES:
        return number.scaleb(_SCALES[suffix])
    return Decimal(number.scaleb(int(suffix[1:] or 0)))
