"""Every kind that makes pods to model.Workload; Deployments by the rules of ValidateDeployment."""

from collections.abc import Mapping
from typing import Any, assert_never

from kcompile.labels import Selector
from kcompile.model import Workload, WorkloadKind
from kcompile.source import Path
from kcompile.validate.controller import (
    INT32,
    TEMPLATE,
    check_not_more_than_all,
    check_selected,
    read_count,
    read_own_selector,
    read_share,
)
from kcompile.validate.daemon_set import read_daemon_set
from kcompile.validate.job import read_job
from kcompile.validate.lone_pod import read_lone_pod
from kcompile.validate.metadata import Metadata, read_labels, read_metadata
from kcompile.validate.names import DNS_LABEL, DNS_SUBDOMAIN
from kcompile.validate.owners import note_owner
from kcompile.validate.pod import Place, read_template
from kcompile.validate.review import Review
from kcompile.validate.stateful_set import read_stateful_set

_DEADLINE = {"extensions/v1beta1": INT32}
_DEADLINE_DEFAULT = 600
"""Default of progressDeadlineSeconds; extensions/v1beta1 had none (its int32 maximum)."""
_TIMES = frozenset(
    {"minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit", "rollbackTo"}
)


def read_workload(  # noqa: PLR0911 - a return for each kind
    kind: WorkloadKind, value: Mapping[str, Any], review: Review
) -> tuple[Workload, ...]:
    """The workload; nothing for a Pod that has ended."""
    # A StatefulSet's pods are called like it, and their names are their host names.
    rule = DNS_LABEL if kind == "StatefulSet" else DNS_SUBDOMAIN
    metadata = read_metadata(value, review, rule)
    owners = (value.get("metadata") or {}).get("ownerReferences")
    if owners:
        note_owner(kind, metadata, owners, review)
    match kind:
        case "Deployment":
            return (_read_deployment(value, metadata, review),)
        case "ReplicaSet":
            return (_read_replica_set(value, metadata, review),)
        case "ReplicationController":
            return (_read_replication_controller(value, metadata, review),)
        case "StatefulSet":
            return (read_stateful_set(value, metadata, review),)
        case "DaemonSet":
            return (read_daemon_set(value, metadata, review),)
        case "Job":
            return (read_job(value, metadata, review),)
        case "Pod":
            return read_lone_pod(value, metadata, review)
        case _:
            assert_never(kind)


def _read_deployment(value: Mapping[str, Any], metadata: Metadata, review: Review) -> Workload:
    spec = value.get("spec") or {}
    replicas = read_count(spec, "replicas", 1, review)
    place = Place("Deployment", metadata.namespace, TEMPLATE)
    template = read_template(spec.get("template") or {}, place, review)
    selector = read_own_selector(spec, value["apiVersion"], template, review)
    if spec.get("strategy"):
        _check_strategy(spec["strategy"], review)
    if not spec.keys().isdisjoint(_TIMES):
        _check_times(spec, value["apiVersion"], review)
    return Workload("Deployment", *metadata, replicas, selector, template)


def _read_replica_set(value: Mapping[str, Any], metadata: Metadata, review: Review) -> Workload:
    """By the rules of ValidateReplicaSet."""
    spec = value.get("spec") or {}
    place = Place("ReplicaSet", metadata.namespace, TEMPLATE)
    template = read_template(spec.get("template") or {}, place, review)
    selector = read_own_selector(spec, value["apiVersion"], template, review)
    replicas = read_count(spec, "replicas", 1, review)
    read_count(spec, "minReadySeconds", 0, review)
    return Workload("ReplicaSet", *metadata, replicas, selector, template)


def _read_replication_controller(
    value: Mapping[str, Any], metadata: Metadata, review: Review
) -> Workload:
    """By the rules of ValidateReplicationController; its labels are the template's where it has
    none."""
    spec = value.get("spec") or {}
    place = Place("ReplicationController", metadata.namespace, TEMPLATE)
    template = read_template(spec.get("template") or {}, place, review)
    stated = spec.get("selector")
    selector = Selector(read_labels(stated, review, ("spec", "selector")) or template.labels)
    if not selector.labels:
        why = "neither the selector nor the template has labels"
        review.required(("spec", "selector"), why)
    elif stated:
        check_selected(selector, stated, template, review)
    replicas = read_count(spec, "replicas", 1, review)
    read_count(spec, "minReadySeconds", 0, review)
    return Workload(
        "ReplicationController",
        metadata.namespace,
        metadata.name,
        metadata.labels or template.labels,
        replicas,
        selector,
        template,
    )


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
    unavailable = read_share(rolling, "maxUnavailable", 25, review, path)
    surge = read_share(rolling, "maxSurge", 25, review, path)
    if unavailable == surge == 0:
        review.invalid((*path, "maxUnavailable"), 0, "must not be 0 when maxSurge is 0")
    check_not_more_than_all(rolling, "maxUnavailable", unavailable, review, path)


def _check_times(spec: Mapping[str, Any], api_version: str, review: Review) -> None:
    ready = spec.get("minReadySeconds") or 0
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is None:
        deadline = _DEADLINE.get(api_version, _DEADLINE_DEFAULT)
    for key in ("minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit"):
        if spec.get(key) is not None:
            review.within(("spec", key), spec[key], 0, INT32)
    if deadline <= ready:
        allowed = f"must be greater than minReadySeconds, {ready}"
        review.invalid(("spec", "progressDeadlineSeconds"), deadline, allowed)
    revision = (spec.get("rollbackTo") or {}).get("revision") or 0
    if revision < 0:
        review.invalid(("spec", "rollbackTo", "revision"), revision, "must be 0 or more")
