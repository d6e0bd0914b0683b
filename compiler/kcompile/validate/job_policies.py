"""Policies of a Job, by the rules of validatePodFailurePolicy and validateSuccessPolicy."""

import re
from collections.abc import Mapping
from typing import Any

from kcompile.source import Path
from kcompile.validate.names import DNS_SUBDOMAIN, QUALIFIED_NAME
from kcompile.validate.review import Review

_RULES = 20
_PATH = re.compile(r"[-A-Za-z0-9_./:~!$&'()*+,;=%]+")
_ACTIONS = ("FailJob", "FailIndex", "Ignore", "Count")
_INDEXES = re.compile(r"[0-9]{1,10}(?:-[0-9]{1,10})?(?:,[0-9]{1,10}(?:-[0-9]{1,10})?)*")


def check_policies(spec: Mapping[str, Any], review: Review, *, indexed: bool) -> None:
    failure = spec.get("podFailurePolicy")
    if failure is not None:
        _check_failure(failure, spec, review, indexed=indexed)
    success = spec.get("successPolicy")
    if success is not None and not indexed:
        path: Path = ("spec", "successPolicy")
        review.forbidden(path, "must not be set unless completionMode is Indexed")
    elif success is not None:
        _check_success(success, spec.get("completions") or 0, review)
    replacement = spec.get("podReplacementPolicy")
    if replacement and failure is not None and replacement != "Failed":
        path = ("spec", "podReplacementPolicy")
        review.invalid(path, replacement, "must be Failed beside a podFailurePolicy")
    manager = spec.get("managedBy")
    if manager and not (len(manager) <= 63 and _is_path(manager)):
        allowed = "must be a domain, '/' and a path, of at most 63 characters together"
        review.invalid(("spec", "managedBy"), manager, allowed)


def _is_path(text: str) -> bool:
    domain, _, path = text.partition("/")
    return DNS_SUBDOMAIN.accepts(domain) and _PATH.fullmatch(path) is not None


def _check_failure(
    policy: Mapping[str, Any], spec: Mapping[str, Any], review: Review, *, indexed: bool
) -> None:
    pod = (spec.get("template") or {}).get("spec") or {}
    if pod.get("restartPolicy") != "Never":
        path: Path = ("spec", "template", "spec", "restartPolicy")
        stated = pod.get("restartPolicy") or ""
        review.invalid(path, stated, "must be Never beside a podFailurePolicy")
    names = {
        container.get("name")
        for key in ("containers", "initContainers")
        for container in pod.get(key) or ()
    }
    rules = policy.get("rules") or ()
    path = ("spec", "podFailurePolicy", "rules")
    if len(rules) > _RULES:
        review.invalid(path, len(rules), f"must hold at most {_RULES} rules")
    for index, rule in enumerate(rules):
        _check_rule(rule, names, review, (*path, index), indexed=indexed)


def _check_rule(
    rule: Mapping[str, Any], names: set[Any], review: Review, path: Path, *, indexed: bool
) -> None:
    review.one_of((*path, "action"), rule.get("action"), _ACTIONS)
    if rule.get("action") == "FailIndex" and not indexed:
        review.invalid((*path, "action"), "FailIndex", "needs completionMode Indexed")
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    if (codes is None) == (not conditions):
        review.invalid(path, sorted(rule), "must have one of onExitCodes and onPodConditions")
    for index, condition in enumerate(conditions):
        at = (*path, "onPodConditions", index)
        review.name((*at, "type"), condition.get("type") or "", QUALIFIED_NAME)
        state = condition.get("status") or "True"
        review.one_of((*at, "status"), state, ("True", "False", "Unknown"))
    if codes is None:
        return
    path = (*path, "onExitCodes")
    values = codes.get("values") or ()
    review.one_of((*path, "operator"), codes.get("operator"), ("In", "NotIn"))
    if not 1 <= len(values) <= 255:
        review.invalid((*path, "values"), len(values), "must hold 1 to 255 exit codes")
    if list(values) != sorted(set(values)):
        review.invalid((*path, "values"), list(values), "must be in ascending order, each once")
    if 0 in values and codes.get("operator") == "In":
        review.invalid((*path, "values"), 0, "must not be 0 for operator In")
    container = codes.get("containerName")
    if container and container not in names:
        review.invalid((*path, "containerName"), container, "must name one of the containers")


def _check_success(policy: Mapping[str, Any], completions: int, review: Review) -> None:
    rules = policy.get("rules") or ()
    path: Path = ("spec", "successPolicy", "rules")
    if not 1 <= len(rules) <= _RULES:
        review.invalid(path, len(rules), f"must hold 1 to {_RULES} rules")
    for index, rule in enumerate(rules):
        count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and indexes is None:
            review.required((*path, index), "it needs succeededCount or succeededIndexes")
        if count is not None:
            review.within((*path, index, "succeededCount"), count, 1, completions)
        if indexes is not None and not _are_indexes(indexes, completions):
            allowed = f"must be ascending numbers below {completions}, such as '0,2-4'"
            review.invalid((*path, index, "succeededIndexes"), indexes, allowed)


def _are_indexes(text: str, completions: int) -> bool:
    if not _INDEXES.fullmatch(text):
        return False
    least = -1
    for part in text.split(","):
        first, _, last = part.partition("-")
        end = int(last) if last else int(first)
        if not least < int(first) <= end < completions or (last and int(first) == end):
            return False
        least = end
    return True
