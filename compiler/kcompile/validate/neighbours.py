"""What a pod asks of the pods around it: pod affinity, anti-affinity and topology spread."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kcompile.labels import Labels, Requirement, Selector
from kcompile.scheduling import PodTerm, SpreadConstraint
from kcompile.source import Path
from kcompile.validate.names import DNS_LABEL, QUALIFIED_NAME
from kcompile.validate.review import Review
from kcompile.validate.selector import read_selector

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")


class Asker(NamedTuple):
    """The pod that asks: what its terms take from it."""

    namespace: str
    labels: Labels


def read_required_pods(
    affinity: Mapping[str, Any], asker: Asker, review: Review, path: Path
) -> tuple[PodTerm, ...]:
    path = (*path, _REQUIRED)
    return tuple(
        _read_term(term, asker, review, (*path, index))
        for index, term in enumerate(affinity.get(_REQUIRED) or ())
    )


def read_preferred_pods(
    affinity: Mapping[str, Any], asker: Asker, review: Review, path: Path
) -> tuple[tuple[int, PodTerm], ...]:
    path = (*path, _PREFERRED)
    read = []
    for index, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        weight = preferred.get("weight") or 0
        review.within((*path, index, "weight"), weight, 1, 100)
        at = (*path, index, "podAffinityTerm")
        read.append((weight, _read_term(preferred.get("podAffinityTerm") or {}, asker, review, at)))
    return tuple(read)


def read_spread(
    constraints: Sequence[Mapping[str, Any]], asker: Asker, review: Review, path: Path
) -> tuple[SpreadConstraint, ...]:
    read = []
    taken: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        at: Path = (*path, index)
        key = constraint.get("topologyKey") or ""
        unsatisfiable = constraint.get("whenUnsatisfiable") or ""
        if (key, unsatisfiable) in taken:
            review.duplicate(at, f"{key}, {unsatisfiable}")
        taken.add((key, unsatisfiable))
        read.append(_read_constraint(constraint, asker, review, at))
    return tuple(read)


def _read_constraint(
    constraint: Mapping[str, Any], asker: Asker, review: Review, path: Path
) -> SpreadConstraint:
    skew = constraint.get("maxSkew") or 0
    domains = constraint.get("minDomains")
    unsatisfiable = constraint.get("whenUnsatisfiable") or ""
    if skew < 1:
        review.invalid((*path, "maxSkew"), skew, "must be 1 or more")
    review.one_of((*path, "whenUnsatisfiable"), unsatisfiable, _UNSATISFIABLE)
    if domains is not None and domains < 1:
        review.invalid((*path, "minDomains"), domains, "must be 1 or more")
    elif domains is not None and unsatisfiable != "DoNotSchedule":
        allowed = "may only stand beside whenUnsatisfiable DoNotSchedule"
        review.invalid((*path, "minDomains"), domains, allowed)
    policies = [
        _read_policy(constraint, key, default, review, path)
        for key, default in (("nodeAffinityPolicy", "Honor"), ("nodeTaintsPolicy", "Ignore"))
    ]
    return SpreadConstraint(
        skew,
        _read_topology_key(constraint, review, path),
        unsatisfiable == "DoNotSchedule",
        _read_own_selector(constraint, asker, review, path),
        1 if domains is None else domains,
        *policies,
    )


def _read_policy(
    constraint: Mapping[str, Any], key: str, default: str, review: Review, path: Path
) -> bool:
    policy = constraint.get(key) or default
    review.one_of((*path, key), policy, ("Honor", "Ignore"))
    return bool(policy == "Honor")


def _read_term(term: Mapping[str, Any], asker: Asker, review: Review, path: Path) -> PodTerm:
    named = tuple(name or "" for name in term.get("namespaces") or ())
    for index, name in enumerate(named):
        review.name((*path, "namespaces", index), name, DNS_LABEL)
    stated = term.get("namespaceSelector")
    at = (*path, "namespaceSelector")
    selected = None if stated is None else read_selector(stated, review, at)
    if not named and selected is None:
        named = (asker.namespace,)
    selector = _read_own_selector(term, asker, review, path)
    return PodTerm(selector, named, selected, _read_topology_key(term, review, path))


def _read_topology_key(term: Mapping[str, Any], review: Review, path: Path) -> str:
    key: str = term.get("topologyKey") or ""
    if not key:
        review.required((*path, "topologyKey"))
    else:
        review.name((*path, "topologyKey"), key, QUALIFIED_NAME)
    return key


def _read_own_selector(
    term: Mapping[str, Any], asker: Asker, review: Review, path: Path
) -> Selector | None:
    """The labelSelector, and what matchLabelKeys and mismatchLabelKeys make of the pod's labels.

    A key that the pod has no label for counts for nothing.
    """
    stated = term.get("labelSelector")
    keys = _read_keys(term, "matchLabelKeys", review, path)
    others = _read_keys(term, "mismatchLabelKeys", review, path)
    for index, key in enumerate(keys):
        if key in others:
            allowed = "must not be in mismatchLabelKeys as well"
            review.invalid((*path, "matchLabelKeys", index), key, allowed)
    if stated is None:
        return None
    selector = read_selector(stated, review, (*path, "labelSelector"))
    if not keys and not others:
        return selector
    held = dict(asker.labels)
    more = [Requirement(key, "In", (held[key],)) for key in keys if key in held]
    more += [Requirement(key, "NotIn", (held[key],)) for key in others if key in held]
    return Selector(selector.labels, (*selector.requirements, *more))


def _read_keys(term: Mapping[str, Any], field: str, review: Review, path: Path) -> tuple[str, ...]:
    keys = tuple(key or "" for key in term.get(field) or ())
    if not keys:
        return ()
    selector = term.get("labelSelector")
    path = (*path, field)
    if selector is None:
        review.forbidden(path, "must not be set without a labelSelector")
        return keys
    selected = {*(selector.get("matchLabels") or ())}
    selected |= {each.get("key") for each in selector.get("matchExpressions") or ()}
    for index, key in enumerate(keys):
        review.name((*path, index), key, QUALIFIED_NAME)
        if key in selected and field == "matchLabelKeys":
            review.invalid((*path, index), key, "must not be in the labelSelector as well")
    return keys
