"""Resources that a pod asks for: ValidateResourceRequirements, and what kube-scheduler counts.

A limit without a request is a request (SetDefaults_Pod). Init containers run one after another,
beside the sidecars that were started before them (KEP-753).
"""

from collections.abc import Mapping
from typing import Any

from kcompile.scheduling import Amounts
from kcompile.source import Path
from kcompile.validate.names import QUALIFIED_NAME
from kcompile.validate.quantity import ALLOWED, read_quantity, thousandths
from kcompile.validate.review import Review

Sums = dict[str, int]
"""Resource names and billionths of their unit."""

_NATIVE = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE_PAGES = "hugepages-"
_OF_PODS = frozenset({"cpu", "memory"})
"""What a pod may ask for as a whole (KEP-2837)."""


def read_requests(spec: Mapping[str, Any], review: Review, pod: Path) -> Amounts:
    """The pod's effective requests (PodRequests of component-helpers)."""
    running: Sums = {}
    for index, container in enumerate(spec.get("containers") or ()):
        _add(running, _read_container(container, review, (*pod, "containers", index)))
    starting: Sums = {}
    sidecars: Sums = {}
    for index, container in enumerate(spec.get("initContainers") or ()):
        own = _read_container(container, review, (*pod, "initContainers", index))
        if container.get("restartPolicy") == "Always":
            _add(running, own)
            _add(sidecars, own)
            _raise(starting, sidecars)
        else:
            _add(own, sidecars)
            _raise(starting, own)
    _raise(running, starting)
    if spec.get("resources"):
        _take_whole(running, spec["resources"], review, (*pod, "resources"))
    if spec.get("overhead"):
        _add(running, _read_amounts(spec["overhead"], review, (*pod, "overhead")))
    return tuple(sorted((name, thousandths(amount, name)) for name, amount in running.items()))


def read_allocatable(status: Mapping[str, Any], review: Review) -> Amounts:
    """status.allocatable of a node; where it is absent the capacity (SetDefaults_NodeStatus)."""
    key = "capacity" if status.get("allocatable") is None else "allocatable"
    amounts = _read_amounts(status.get(key) or {}, review, ("status", key), of_node=True)
    return tuple(sorted((name, thousandths(amount, name)) for name, amount in amounts.items()))


def _add(sums: Sums, more: Sums) -> None:
    for name, amount in more.items():
        sums[name] = sums.get(name, 0) + amount


def _raise(sums: Sums, least: Sums) -> None:
    for name, amount in least.items():
        if amount > sums.get(name, -1):
            sums[name] = amount


def _take_whole(sums: Sums, resources: Mapping[str, Any], review: Review, path: Path) -> None:
    """What a pod asks for as a whole stands in place of what its containers ask for."""
    limits = _read_amounts(resources.get("limits") or {}, review, (*path, "limits"))
    requests = _read_amounts(resources.get("requests") or {}, review, (*path, "requests"))
    _compare(requests, limits, resources, review, path)
    for key, amounts in (("limits", limits), ("requests", requests)):
        for name in amounts.keys() - _OF_PODS:
            review.invalid((*path, key, name), name, "must be cpu or memory for a whole pod")
    for name, amount in requests.items():
        if amount < sums.get(name, 0):
            stated = resources["requests"][name]
            allowed = "must not be less than the pod's containers request together"
            review.invalid((*path, "requests", name), stated, allowed)
        sums[name] = amount
    for name, amount in limits.items():
        sums.setdefault(name, amount)


def _read_container(container: Mapping[str, Any], review: Review, path: Path) -> Sums:
    resources = container.get("resources")
    if not resources:
        return {}
    path = (*path, "resources")
    limits = _read_amounts(resources.get("limits") or {}, review, (*path, "limits"))
    requests = _read_amounts(resources.get("requests") or {}, review, (*path, "requests"))
    _compare(requests, limits, resources, review, path)
    names = limits.keys() | requests.keys()
    if any(name.startswith(_HUGE_PAGES) for name in names) and not names & _OF_PODS:
        review.forbidden(path, "must hold cpu or memory beside huge pages")
    return limits | requests


def _compare(
    requests: Sums, limits: Sums, resources: Mapping[str, Any], review: Review, path: Path
) -> None:
    for name, amount in requests.items():
        stated, at = resources["requests"][name], (*path, "requests", name)
        exact = not _is_native(name) or name.startswith(_HUGE_PAGES)
        if name not in limits:
            if exact:
                why = "what cannot be shared needs a limit that equals the request"
                review.required((*path, "limits", name), why)
        elif exact and amount != limits[name]:
            review.invalid(at, stated, f"must equal the limit, {resources['limits'][name]}")
        elif amount > limits[name]:
            allowed = f"must not be more than the limit, {resources['limits'][name]}"
            review.invalid(at, stated, allowed)


def _read_amounts(
    stated: Mapping[str, Any], review: Review, path: Path, *, of_node: bool = False
) -> Sums:
    amounts: Sums = {}
    for name, text in stated.items():
        amount = read_quantity(str(text))
        if amount is None:
            review.invalid((*path, name), text, ALLOWED)
        elif amount < 0:
            review.invalid((*path, name), text, "must be 0 or more")
        elif amount % 10**9 and (not _is_native(name) or name == "pods"):
            review.invalid((*path, name), text, "must be a whole number: it cannot be shared")
        else:
            amounts[name] = amount
        if fault := _name_fault(name, of_node=of_node):
            review.invalid((*path, name), name, fault)
    return amounts


def _name_fault(name: str, *, of_node: bool) -> str:
    """What a resource's name must be, "" if it is. Nodes report more than containers ask for."""
    if not QUALIFIED_NAME.accepts(name):
        return QUALIFIED_NAME.allowed
    if of_node:
        return ""
    if "/" not in name and name not in _NATIVE and not name.startswith(_HUGE_PAGES):
        return f"must be {', '.join(sorted(_NATIVE))}, {_HUGE_PAGES}SIZE or a name with a domain"
    if not _is_native(name) and name.startswith("requests."):
        return "must not begin with 'requests.', which is for quotas"
    return ""


def _is_native(name: str) -> bool:
    """Kubernetes' own; what is not comes in whole pieces that no two pods share."""
    return "/" not in name or "kubernetes.io/" in name
