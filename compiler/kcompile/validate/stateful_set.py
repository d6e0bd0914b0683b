"""StatefulSet to model.Workload, by the rules of ValidateStatefulSet."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kcompile.model import Workload
from kcompile.source import Path
from kcompile.validate.controller import TEMPLATE, read_count, read_own_selector, read_share
from kcompile.validate.metadata import Metadata
from kcompile.validate.names import DNS_LABEL
from kcompile.validate.pod import Place, read_template
from kcompile.validate.review import Review

_LONGEST_HOST_NAME = 63
_LONGEST_NAME = 52
"""The label controller-revision-hash is the name, a dash and up to 10 characters."""


def read_stateful_set(value: Mapping[str, Any], metadata: Metadata, review: Review) -> Workload:
    spec = value.get("spec") or {}
    replicas = read_count(spec, "replicas", 1, review)
    read_count(spec, "minReadySeconds", 0, review)
    read_count(spec, "revisionHistoryLimit", 0, review)
    first = _read_first(spec, review)
    claims = frozenset(
        (claim.get("metadata") or {}).get("name") or ""
        for claim in spec.get("volumeClaimTemplates") or ()
    )
    place = Place("StatefulSet", metadata.namespace, TEMPLATE, claims)
    template = read_template(spec.get("template") or {}, place, review)
    service = spec.get("serviceName") or ""
    if service:
        # It becomes the pods' subdomain.
        review.name(("spec", "serviceName"), service, DNS_LABEL)
    selector = read_own_selector(spec, value["apiVersion"], template, review)
    _check_strategy(spec, review)
    _check_pod_names(metadata.name, first + replicas - 1, review)
    return Workload(
        "StatefulSet",
        *metadata,
        replicas,
        selector,
        # The controller overwrites both in each pod.
        replace(template, hostname="", subdomain=service),
        first,
    )


def _read_first(spec: Mapping[str, Any], review: Review) -> int:
    start = (spec.get("ordinals") or {}).get("start") or 0
    review.within(("spec", "ordinals", "start"), start, 0, 2**31 - 1)
    return int(start)


def _check_strategy(spec: Mapping[str, Any], review: Review) -> None:
    policies = (("podManagementPolicy", "OrderedReady", ("OrderedReady", "Parallel")),)
    for key, default, allowed in policies:
        review.one_of(("spec", key), spec.get(key) or default, allowed)
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for key in ("whenDeleted", "whenScaled"):
        path: Path = ("spec", "persistentVolumeClaimRetentionPolicy", key)
        review.one_of(path, retention.get(key) or "Retain", ("Retain", "Delete"))
    strategy = spec.get("updateStrategy") or {}
    path = ("spec", "updateStrategy")
    kind = strategy.get("type") or "RollingUpdate"
    review.one_of((*path, "type"), kind, ("RollingUpdate", "OnDelete"))
    rolling = strategy.get("rollingUpdate")
    path = (*path, "rollingUpdate")
    if rolling is None:
        return
    if kind == "OnDelete":
        review.forbidden(path, "must not be set for update strategy OnDelete")
        return
    review.within((*path, "partition"), rolling.get("partition") or 0, 0, 2**31 - 1)
    if read_share(rolling, "maxUnavailable", 1, review, path) == 0:
        review.invalid((*path, "maxUnavailable"), 0, "must not be 0")


def _check_pod_names(name: str, last: int, review: Review) -> None:
    """Kubernetes takes the set, but then makes none of its pods."""
    path: Path = ("metadata", "name")
    pod = f"{name}-{last}"
    if not DNS_LABEL.accepts(name) or last < 0:
        return
    if len(pod) > _LONGEST_HOST_NAME:
        allowed = f"must leave room: {pod} is a host name of more than {_LONGEST_HOST_NAME} letters"
        review.invalid(path, name, allowed)
    elif len(name) > _LONGEST_NAME:
        message = (
            f"metadata.name has {len(name)} characters; with more than {_LONGEST_NAME} the label"
            " controller-revision-hash gets too long, and Kubernetes makes no pods"
        )
        review.suspicious(path, message)
