"""Each object to the reader of its kind, or to a remark about it."""

from collections.abc import Mapping
from typing import Any, assert_never

from kcompile.model import Object
from kcompile.problems import Code, Finding, printable
from kcompile.validate.config import read_cluster_configuration, read_kube_proxy_configuration
from kcompile.validate.dns_config_map import is_dns_config_map, read_dns_config_map
from kcompile.validate.flatten import Single
from kcompile.validate.fragment import check_fragment
from kcompile.validate.kinds import (
    ActingKind,
    Acts,
    Ignored,
    NotCompiled,
    NotEnforced,
    Scales,
    Tool,
    Unknown,
    role_of,
)
from kcompile.validate.metadata import check_metadata, note_namespace
from kcompile.validate.names import variable_hint
from kcompile.validate.node import read_namespace, read_node
from kcompile.validate.pools import read_pool
from kcompile.validate.review import Ledger, Review
from kcompile.validate.schema import SchemaError, check
from kcompile.validate.service import read_service
from kcompile.validate.slices import read_endpoints, read_slice
from kcompile.validate.workload import read_workload

_GENERATED = ("Job", "Pod")
"""Kinds whose objects often leave their name to the API server."""


def read_object(single: Single, ledger: Ledger) -> tuple[Object, ...]:
    """The objects if its kind acts; findings and remarks go to the ledger."""
    role = role_of(single.api_version, single.kind)
    review = Review(single.origin, ledger)
    kind, value = single.kind, single.value
    match role:
        case Acts(acting) if acting in _GENERATED and _is_unnamed(value):
            check_metadata(value, review, may_be_generated=True)
            review.remark(Code.NOT_COMPILED, f"{kind} without a name")
        case Acts():
            return _read_acting(single, role, review)
        case NotCompiled():
            check_metadata(value, review, may_be_generated=False)
            review.remark(Code.NOT_COMPILED, _full_kind(single))
        case Scales():
            note_namespace(value, review)
            review.remark(Code.NOT_COMPILED, _full_kind(single))
        case NotEnforced():
            note_namespace(value, review)
            review.remark(Code.NOT_ENFORCED, _full_kind(single))
        case Tool():
            review.remark(Code.TOOL_FILE, kind)
        case Ignored() if is_dns_config_map(single.api_version, kind, value):
            return (read_dns_config_map(value, review),)
        case Ignored():
            note_namespace(value, review)
            review.remark(Code.IGNORED_KIND, _full_kind(single))
        case Unknown(hint):
            message = f"{printable(single.api_version)} has no kind {printable(kind)}"
            hint = hint or variable_hint(kind) or variable_hint(single.api_version)
            review.error(Code.UNKNOWN_KIND, ("kind",), message, hint)
        case _:
            assert_never(role)
    return ()


def _is_unnamed(value: Mapping[str, Any]) -> bool:
    metadata = value.get("metadata")
    return (
        isinstance(metadata, dict)
        and bool(metadata.get("generateName"))
        and not metadata.get("name")
    )


def _full_kind(single: Single) -> str:
    """As kubectl tells kinds of one name apart: Service.serving.knative.dev."""
    group = single.api_version.rpartition("/")[0]
    return f"{single.kind}.{group}" if "." in group else single.kind


def _read_acting(single: Single, role: Acts, review: Review) -> tuple[Object, ...]:
    findings = review.ledger.findings
    if role.removed_in:
        review.remark(Code.REMOVED_VERSION, f"{single.api_version} {role.removed_in}")
    before = len(findings)
    errors = check(role.kind, single.value)
    if not errors:
        items = _read(role.kind, single.value, review)
        if len(findings) > before:
            check_fragment(role.kind, single.value, review)
        return items
    if all(error.code is not Code.WRONG_TYPE and error.path for error in errors):
        _read(role.kind, single.value, review)
        findings[before:] = [each for each in findings[before:] if not _is_said(each, errors)]
    findings += [_finding(error, review) for error in errors]
    check_fragment(role.kind, single.value, review)
    return ()


def _read(kind: ActingKind, value: Mapping[str, Any], review: Review) -> tuple[Object, ...]:  # noqa: PLR0911 - a return for each kind
    match kind:
        case (
            "Deployment"
            | "ReplicaSet"
            | "ReplicationController"
            | "StatefulSet"
            | "DaemonSet"
            | "Job"
            | "Pod"
        ):
            return read_workload(kind, value, review)
        case "Service":
            return (read_service(value, review),)
        case "Node":
            return (read_node(value, review),)
        case "Namespace":
            return (read_namespace(value, review),)
        case "ClusterConfiguration":
            return (read_cluster_configuration(value, review),)
        case "KubeProxyConfiguration":
            return (read_kube_proxy_configuration(value, review),)
        case "EndpointSlice":
            return read_slice(value, review)
        case "Endpoints":
            return read_endpoints(value, review)
        case "IPAddressPool":
            return (read_pool(value, review),)
        case _:
            assert_never(kind)


def _is_said(finding: Finding, errors: tuple[SchemaError, ...]) -> bool:
    """Whether the schema has said it: of the same value, or of what is missing or around it."""
    return any(
        finding.path == error.path
        or (
            finding.code is error.code is Code.REQUIRED
            and finding.message.startswith(error.message.removesuffix(" is missing"))
        )
        for error in errors
    )


def _finding(error: SchemaError, review: Review) -> Finding:
    return Finding(
        error.code, review.origin, error.path, error.message, error.hint, at_key=error.at_key
    )
