"""metadata: names, namespaces, labels and annotations, by the rules of ValidateObjectMeta."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kcompile.labels import Labels
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.names import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    LABEL_VALUE,
    QUALIFIED_NAME,
    NameRule,
)
from kcompile.validate.review import Review
from kcompile.validate.schema import field_path

DEFAULT_NAMESPACE = "default"
_ANNOTATIONS_BYTES = 256 * 1024
"""Keys and values of one object together (apimachinery's TotalAnnotationSizeLimitB)."""


class Metadata(NamedTuple):
    namespace: str
    name: str
    labels: Labels


def read_metadata(value: Mapping[str, Any], review: Review, rule: NameRule) -> Metadata:
    """What names a namespaced object of a kind that acts; a missing namespace is `default`."""
    metadata = value.get("metadata") or {}
    namespace = _read_namespace(metadata, review)
    return Metadata(namespace, *_read_own(metadata, review, rule))


def read_cluster_metadata(
    value: Mapping[str, Any], review: Review, rule: NameRule
) -> tuple[str, Labels]:
    """Name and labels of a cluster-wide object; a namespace is dropped, as by the API server."""
    return _read_own(value.get("metadata") or {}, review, rule)


def check_metadata(value: Mapping[str, Any], review: Review, *, may_be_generated: bool) -> None:
    """The same for an object that no schema has looked at, and that makes no object here."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        wanted = "a mapping with a name"
        message = f"metadata must be {wanted}, not {printable(metadata)}"
        review.error(Code.REQUIRED if metadata is None else Code.WRONG_TYPE, ("metadata",), message)
        return
    for key in ("name", "generateName", "namespace"):
        text = metadata.get(key)
        if text is not None and not isinstance(text, str):
            message = f"metadata.{key} must be a string, not {printable(text)}"
            review.error(Code.WRONG_TYPE, ("metadata", key), message, "put it in quotes")
            return
    if not (may_be_generated and metadata.get("generateName") and not metadata.get("name")):
        _check_name(metadata, review, DNS_SUBDOMAIN)
    _read_namespace(metadata, review)


def note_namespace(value: Mapping[str, Any], review: Review) -> None:
    """The namespace of an object that does not act; whatever else it holds does not matter."""
    metadata = value.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if isinstance(namespace, str) and DNS_LABEL.accepts(namespace):
        review.ledger.namespaces.add(namespace)


def read_labels(labels: Mapping[str, str | None] | None, review: Review, path: Path) -> Labels:
    """Sorted pairs; equal ones are one tuple. A null value is an empty one, as in Go."""
    if not labels:
        return ()
    pairs: Any = tuple(sorted(labels.items())) if len(labels) > 1 else tuple(labels.items())
    known = review.ledger.labels
    shared = known.get(pairs)
    return shared if shared is not None else _check_labels(pairs, review, path)


def check_annotations(annotations: Mapping[str, Any], review: Review, path: Path) -> None:
    size = 0
    for key, text in annotations.items():
        size += sum(len(part.encode("utf-8", "surrogatepass")) for part in (key, text or ""))
        if not QUALIFIED_NAME.accepts(key.lower()):
            review.invalid(
                (*path, key), key, f"is a key of annotations and {QUALIFIED_NAME.allowed}"
            )
    if size > _ANNOTATIONS_BYTES:
        message = f"{field_path(path)} has {size} bytes; {_ANNOTATIONS_BYTES} are allowed"
        review.error(Code.INVALID_VALUE, path, message)


def _read_namespace(metadata: Mapping[str, Any], review: Review) -> str:
    namespace: str = metadata.get("namespace") or DEFAULT_NAMESPACE
    if not DNS_LABEL.accepts(namespace):
        review.invalid(("metadata", "namespace"), namespace, DNS_LABEL.allowed)
    else:
        review.ledger.namespaces.add(namespace)
    return namespace


def _read_own(metadata: Mapping[str, Any], review: Review, rule: NameRule) -> tuple[str, Labels]:
    name = _check_name(metadata, review, rule)
    annotations = metadata.get("annotations")
    if annotations:
        check_annotations(annotations, review, ("metadata", "annotations"))
    return name, read_labels(metadata.get("labels"), review, ("metadata", "labels"))


def _check_name(metadata: Mapping[str, Any], review: Review, rule: NameRule) -> str:
    name: str = metadata.get("name") or ""
    if metadata.get("generateName"):
        _check_prefix(metadata["generateName"], review, rule)
    if rule.accepts(name):
        return name
    path = ("metadata", "name")
    if name:
        review.invalid(path, name, rule.allowed)
    elif metadata.get("generateName"):
        why = "the API server would complete generateName, but an offline compiler cannot"
        review.required(path, why, "give the object a name")
    else:
        review.required(path)
    return name


def _check_prefix(prefix: str, review: Review, rule: NameRule) -> None:
    """What the API server holds generateName to, though it does not use it beside a name."""
    whole = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
    if not rule.accepts(whole):
        review.invalid(("metadata", "generateName"), prefix, f"{rule.allowed}, or '-' last")


def _check_labels(pairs: Sequence[tuple[str, str | None]], review: Review, path: Path) -> Labels:
    clean = tuple((key, value if value is not None else "") for key, value in pairs)
    before = len(review.ledger.findings)
    for key, value in clean:
        if not QUALIFIED_NAME.accepts(key):
            review.invalid((*path, key), key, f"is the key of a label and {QUALIFIED_NAME.allowed}")
        if not LABEL_VALUE.accepts(value):
            review.invalid((*path, key), value, LABEL_VALUE.allowed)
    if len(review.ledger.findings) == before:
        review.ledger.labels[clean] = clean
    return clean
