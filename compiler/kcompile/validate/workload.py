"""Deployment to model.Workload, by the rules of ValidateDeployment."""

from collections.abc import Mapping
from typing import Any

from kcompile.labels import Selector, matches
from kcompile.model import PodTemplate, Workload
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.metadata import read_metadata
from kcompile.validate.names import DNS_SUBDOMAIN
from kcompile.validate.pod import Place, read_template
from kcompile.validate.review import Review
from kcompile.validate.schema import field_path
from kcompile.validate.selector import read_selector

_SELECTOR_DEFAULTS = frozenset({"extensions/v1beta1", "apps/v1beta1"})
"""Versions in which an absent selector is the template's labels."""
_INT32 = 2**31 - 1
_DEADLINE = {"extensions/v1beta1": _INT32}
_DEADLINE_DEFAULT = 600
"""Default of progressDeadlineSeconds; extensions/v1beta1 had none (its int32 maximum)."""
_TIMES = frozenset(
    {"minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit", "rollbackTo"}
)


def read_deployment(value: Mapping[str, Any], review: Review) -> Workload:
    metadata = read_metadata(value, review, DNS_SUBDOMAIN)
    spec = value.get("spec") or {}
    replicas = spec.get("replicas")
    if replicas is None:
        replicas = 1
    elif not 0 <= replicas <= _INT32:
        review.within(("spec", "replicas"), replicas, 0, _INT32)
    place = Place("Deployment", metadata.namespace, ("spec", "template"))
    template = read_template(spec.get("template") or {}, place, review)
    selector = _read_selector(spec, value["apiVersion"], template, review)
    if spec.get("strategy"):
        _check_strategy(spec["strategy"], review)
    if not spec.keys().isdisjoint(_TIMES):
        _check_times(spec, value["apiVersion"], review)
    return Workload(
        "Deployment",
        metadata.namespace,
        metadata.name,
        metadata.labels,
        replicas,
        selector,
        template,
    )


def _read_selector(
    spec: Mapping[str, Any], api_version: str, template: PodTemplate, review: Review
) -> Selector:
    path = ("spec", "selector")
    stated = spec.get("selector")
    if stated is None:
        if api_version not in _SELECTOR_DEFAULTS:
            review.required(path, f"{api_version} does not take it from the template's labels")
        return Selector(template.labels)
    selector = read_selector(stated, review, path)
    if not selector.labels and not selector.requirements:
        if api_version in _SELECTOR_DEFAULTS and template.labels:
            return Selector(template.labels)
        review.invalid(path, stated, "must select something: an empty selector is every pod")
    elif not matches(selector, template.labels):
        labels: Path = ("spec", "template", "metadata", "labels")
        held = printable(dict(template.labels))
        message = f"{field_path(labels)} {held} do not match spec.selector, {_shown(stated)}"
        review.error(Code.INVALID_VALUE, labels, message)
    return selector


def _shown(selector: Mapping[str, Any]) -> str:
    simple = selector.get("matchLabels") and not selector.get("matchExpressions")
    return printable(selector["matchLabels"] if simple else dict(selector))


def _check_strategy(strategy: Mapping[str, Any], review: Review) -> None:
    path: Path = ("spec", "strategy")
    kind = strategy.get("type") or "RollingUpdate"
    review.one_of((*path, "type"), kind, ("RollingUpdate", "Recreate"))
    rolling = strategy.get("rollingUpdate")
    path = (*path, "rollingUpdate")
    if rolling is None:
        return
    if kind == "Recreate":
        review.forbidden(path, "must not be set for strategy type Recreate")
        return
    unavailable = _read_share(rolling, "maxUnavailable", review, path)
    surge = _read_share(rolling, "maxSurge", review, path)
    if unavailable == surge == 0:
        review.invalid((*path, "maxUnavailable"), 0, "must not be 0 when maxSurge is 0")
    if isinstance(rolling.get("maxUnavailable"), str) and unavailable > 100:
        stated = rolling["maxUnavailable"]
        review.invalid((*path, "maxUnavailable"), stated, "must not be more than 100%")


def _read_share(rolling: Mapping[str, Any], key: str, review: Review, path: Path) -> int:
    """Pods or a percentage of them; only how it compares with 0 and 100 matters here."""
    share = rolling.get(key)
    if share is None:
        return 25
    if isinstance(share, str):
        digits = share.removesuffix("%")
        if share == digits or not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
            allowed = "must be a number or a percentage such as '25%'"
            review.invalid((*path, key), share, allowed, "a number stands without quotes")
            return 1
        return int(digits)
    if share < 0:
        review.invalid((*path, key), share, "must be 0 or more")
    return int(share)


def _check_times(spec: Mapping[str, Any], api_version: str, review: Review) -> None:
    ready = spec.get("minReadySeconds") or 0
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is None:
        deadline = _DEADLINE.get(api_version, _DEADLINE_DEFAULT)
    for key in ("minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit"):
        if spec.get(key) is not None:
            review.within(("spec", key), spec[key], 0, _INT32)
    if deadline <= ready:
        allowed = f"must be greater than minReadySeconds, {ready}"
        review.invalid(("spec", "progressDeadlineSeconds"), deadline, allowed)
    revision = (spec.get("rollbackTo") or {}).get("revision") or 0
    if revision < 0:
        review.invalid(("spec", "rollbackTo", "revision"), revision, "must be 0 or more")
