"""DaemonSet to model.Workload, by the rules of ValidateDaemonSet."""

from collections.abc import Mapping
from typing import Any

from kcompile.model import Workload
from kcompile.source import Path
from kcompile.validate.controller import (
    TEMPLATE,
    check_not_more_than_all,
    read_count,
    read_own_selector,
    read_share,
)
from kcompile.validate.metadata import Metadata
from kcompile.validate.pod import Place, read_template
from kcompile.validate.review import Review


def read_daemon_set(value: Mapping[str, Any], metadata: Metadata, review: Review) -> Workload:
    spec = value.get("spec") or {}
    read_count(spec, "minReadySeconds", 0, review)
    read_count(spec, "revisionHistoryLimit", 0, review)
    place = Place("DaemonSet", metadata.namespace, TEMPLATE)
    template = read_template(spec.get("template") or {}, place, review)
    selector = read_own_selector(spec, value["apiVersion"], template, review)
    if spec.get("updateStrategy"):
        _check_strategy(spec["updateStrategy"], value["apiVersion"], review)
    return Workload("DaemonSet", *metadata, 0, selector, template)


def _check_strategy(strategy: Mapping[str, Any], api_version: str, review: Review) -> None:
    path: Path = ("spec", "updateStrategy")
    default = "OnDelete" if api_version == "extensions/v1beta1" else "RollingUpdate"
    kind = strategy.get("type") or default
    review.one_of((*path, "type"), kind, ("RollingUpdate", "OnDelete"))
    rolling = strategy.get("rollingUpdate")
    if rolling is None or kind != "RollingUpdate":
        return
    path = (*path, "rollingUpdate")
    unavailable = read_share(rolling, "maxUnavailable", 1, review, path)
    surge = read_share(rolling, "maxSurge", 0, review, path)
    if unavailable and surge:
        stated = rolling["maxSurge"]
        review.invalid((*path, "maxSurge"), stated, "must be 0 unless maxUnavailable is 0")
    if not unavailable and not surge:
        review.invalid((*path, "maxUnavailable"), 0, "must not be 0 when maxSurge is 0")
    check_not_more_than_all(rolling, "maxUnavailable", unavailable, review, path)
    check_not_more_than_all(rolling, "maxSurge", surge, review, path)
