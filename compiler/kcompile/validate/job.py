"""Job to model.Workload, by the rules of ValidateJob.

A Job has the pods of its first wave: as many as run at once, and no more than must complete. One
that is suspended, or has ended by its status, has none.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kcompile.labels import Selector
from kcompile.model import PodTemplate, Workload
from kcompile.problems import Code
from kcompile.source import Path
from kcompile.validate.controller import INT32, TEMPLATE, check_selected, read_count
from kcompile.validate.job_policies import check_policies
from kcompile.validate.metadata import Metadata
from kcompile.validate.names import DNS_LABEL, LABEL_VALUE
from kcompile.validate.pod import Place, read_template
from kcompile.validate.review import Review
from kcompile.validate.selector import read_selector

_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_GENERATED = frozenset({"batch.kubernetes.io/controller-uid", "controller-uid"})
"""What the API server's own selector for a Job selects by."""
_COUNTS = (
    "backoffLimit",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "ttlSecondsAfterFinished",
)
_MOST_INDEXED = 100_000
"""Pods at once, and failed indexes, of an Indexed Job."""


def read_job(value: Mapping[str, Any], metadata: Metadata, review: Review) -> Workload:
    spec = value.get("spec") or {}
    pods = _read_pods(spec, review)
    indexed = (spec.get("completionMode") or "NonIndexed") == "Indexed"
    _check_indexes(spec, metadata.name, review, indexed=indexed)
    template = _named(
        read_template(
            spec.get("template") or {}, Place("Job", metadata.namespace, TEMPLATE), review
        ),
        metadata.name,
    )
    selector = _read_selector(spec, template, metadata.name, review)
    check_policies(spec, review, indexed=indexed)
    if spec.get("suspend") or _has_ended(value.get("status") or {}):
        review.remark(Code.ENDED, "Job")
        pods = 0
    return Workload("Job", *metadata, pods, selector, template, indexed=indexed)


def _read_pods(spec: Mapping[str, Any], review: Review) -> int:
    parallelism = read_count(spec, "parallelism", 1, review)
    if spec.get("completions") is None:
        return parallelism
    return min(parallelism, read_count(spec, "completions", 1, review))


def _check_indexes(spec: Mapping[str, Any], name: str, review: Review, *, indexed: bool) -> None:
    for key in _COUNTS:
        read_count(spec, key, 0, review)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and deadline < 0:
        review.invalid(("spec", "activeDeadlineSeconds"), deadline, "must be 0 or more")
    failed, limit = spec.get("maxFailedIndexes"), spec.get("backoffLimitPerIndex")
    if failed is not None and limit is None:
        review.required(("spec", "backoffLimitPerIndex"), "maxFailedIndexes needs it")
    if not indexed:
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(key) is not None:
                review.forbidden(("spec", key), "must not be set unless completionMode is Indexed")
        return
    completions = spec.get("completions")
    if completions is None:
        review.required(("spec", "completions"), "completionMode Indexed needs it")
        return
    for key, most in (
        ("parallelism", _MOST_INDEXED),
        ("maxFailedIndexes", min(_MOST_INDEXED, completions)),
    ):
        if (spec.get(key) or 0) > most:
            review.invalid(("spec", key), spec[key], f"must not be more than {most}")
    if completions > _MOST_INDEXED and limit is not None:
        _check_many(spec, review)
    if 0 < completions <= INT32 and not DNS_LABEL.accepts(f"{name}-{completions - 1}"):
        allowed = f"must be a host name with -{completions - 1} at its end: {DNS_LABEL.allowed}"
        review.invalid(("metadata", "name"), name, allowed)


def _check_many(spec: Mapping[str, Any], review: Review) -> None:
    if spec.get("maxFailedIndexes") is None:
        why = f"more than {_MOST_INDEXED} completions with backoffLimitPerIndex need it"
        review.required(("spec", "maxFailedIndexes"), why)
    for key in ("parallelism", "maxFailedIndexes"):
        if (spec.get(key) or 0) > _MOST_INDEXED // 10:
            allowed = f"must not be more than {_MOST_INDEXED // 10} with so many completions"
            review.invalid(("spec", key), spec[key], allowed)


def _named(template: PodTemplate, name: str) -> PodTemplate:
    """With the labels that the API server gives a Job's pods, as far as they are known here."""
    if not LABEL_VALUE.accepts(name):
        return template
    labels = dict(template.labels) | dict.fromkeys(_NAME_LABELS, name)
    return replace(template, labels=tuple(sorted(labels.items())))


def _read_selector(
    spec: Mapping[str, Any], template: PodTemplate, name: str, review: Review
) -> Selector:
    path: Path = ("spec", "selector")
    stated = spec.get("selector")
    manual = bool(spec.get("manualSelector"))
    if stated is None:
        if manual:
            review.required(path, "manualSelector needs it")
        if not LABEL_VALUE.accepts(name):
            allowed = f"is a label of the Job's pods and {LABEL_VALUE.allowed}"
            review.invalid(("metadata", "name"), name, allowed)
        return Selector(((_NAME_LABELS[0], name),))
    selector = read_selector(stated, review, path)
    if not manual and not _GENERATED.issuperset(key for key, _ in selector.labels):
        review.forbidden(path, "must not be set unless manualSelector is true")
    else:
        check_selected(selector, stated, template, review)
    return selector


def _has_ended(status: Mapping[str, Any]) -> bool:
    return any(
        each.get("type") in {"Complete", "Failed"} and each.get("status") == "True"
        for each in status.get("conditions") or ()
    )
