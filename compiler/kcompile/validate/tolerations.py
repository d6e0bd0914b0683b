"""Tolerations of a pod, by the rules of ValidateTolerations."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kcompile.model import Toleration
from kcompile.source import Path
from kcompile.validate.names import LABEL_VALUE, QUALIFIED_NAME
from kcompile.validate.review import Review

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def read_tolerations(
    tolerations: Sequence[Mapping[str, Any]], review: Review, path: Path
) -> tuple[Toleration, ...]:
    return tuple(
        _read_toleration(toleration, review, (*path, index))
        for index, toleration in enumerate(tolerations)
    )


def _read_toleration(toleration: Mapping[str, Any], review: Review, path: Path) -> Toleration:
    key = toleration.get("key") or ""
    operator: Literal["Exists", "Equal"] = toleration.get("operator") or "Equal"
    text = toleration.get("value") or ""
    effect = toleration.get("effect") or ""
    if key:
        review.name((*path, "key"), key, QUALIFIED_NAME)
    elif operator == "Equal":
        review.invalid((*path, "operator"), operator, "must be Exists where there is no key")
    if operator == "Exists" and text:
        review.invalid((*path, "value"), text, "must be empty for operator Exists")
    review.one_of((*path, "operator"), operator, ("Exists", "Equal"))
    review.name((*path, "value"), text, LABEL_VALUE)
    if effect:
        review.one_of((*path, "effect"), effect, _EFFECTS)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        allowed = "must be NoExecute where tolerationSeconds is set"
        review.invalid((*path, "effect"), effect, allowed)
    return Toleration(key, operator, text, effect)
