"""Labels and what selects by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Labels = tuple[tuple[str, str], ...]
"""Pairs of key and value, sorted by key."""

_OF_ANOTHER_PROXY = (
    "service.kubernetes.io/service-proxy-name",
    "service.kubernetes.io/headless",
)
"""What kube-proxy's informers leave out, Services and slices alike, whatever the value."""


def is_for_another_proxy(labels: Labels) -> bool:
    return any(key in _OF_ANOTHER_PROXY for key, _ in labels)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A set-based selector requirement (apimachinery LabelSelectorRequirement)."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selector:
    """All of the labels and all of the requirements must hold."""

    labels: Labels
    requirements: tuple[Requirement, ...] = ()


def matches(selector: Selector, labels: Labels) -> bool:
    if selector.labels == labels and not selector.requirements:
        return True
    held = dict(labels)
    return all(held.get(key) == value for key, value in selector.labels) and all(
        _holds(requirement, held) for requirement in selector.requirements
    )


def _holds(requirement: Requirement, held: Mapping[str, str]) -> bool:
    match requirement.operator:
        case "In":
            return held.get(requirement.key) in requirement.values
        case "NotIn":
            return held.get(requirement.key) not in requirement.values
        case "Exists":
            return requirement.key in held
        case "DoesNotExist":
            return requirement.key not in held
