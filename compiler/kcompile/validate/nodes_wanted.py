"""What a pod asks of its node: nodeAffinity, by the rules of ValidateNodeSelector."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.scheduling import NodeRequirement, NodeTerm
from kcompile.source import Path
from kcompile.validate.names import DNS_SUBDOMAIN, LABEL_VALUE, QUALIFIED_NAME
from kcompile.validate.review import Review

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_FIELD = "metadata.name"
"""The only field of a node that matchFields knows."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def read_required_nodes(
    affinity: Mapping[str, Any], review: Review, path: Path
) -> tuple[NodeTerm, ...] | None:
    required = affinity.get(_REQUIRED)
    if required is None:
        return None
    path = (*path, _REQUIRED, "nodeSelectorTerms")
    terms: Sequence[Mapping[str, Any]] = required.get("nodeSelectorTerms") or ()
    if not terms:
        review.required(path, "it needs at least one term")
    return tuple(
        _read_term(term or {}, review, (*path, index), strict=True)
        for index, term in enumerate(terms)
    )


def read_preferred_nodes(
    affinity: Mapping[str, Any], review: Review, path: Path
) -> tuple[tuple[int, NodeTerm], ...]:
    path = (*path, _PREFERRED)
    read = []
    for index, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        weight = preferred.get("weight") or 0
        review.within((*path, index, "weight"), weight, 1, 100)
        at = (*path, index, "preference")
        read.append((weight, _read_term(preferred.get("preference") or {}, review, at)))
    return tuple(read)


def _read_term(
    term: Mapping[str, Any], review: Review, path: Path, *, strict: bool = False
) -> NodeTerm:
    expressions, fields = (*path, "matchExpressions"), (*path, "matchFields")
    return NodeTerm(
        tuple(
            _read_expression(each, review, (*expressions, index), strict=strict)
            for index, each in enumerate(term.get("matchExpressions") or ())
        ),
        tuple(
            _read_field(each, review, (*fields, index))
            for index, each in enumerate(term.get("matchFields") or ())
        ),
    )


def _read_expression(
    expression: Mapping[str, Any], review: Review, path: Path, *, strict: bool
) -> NodeRequirement:
    """Kubernetes takes values that no label can have in preferences (not `strict`)."""
    key = expression.get("key") or ""
    operator: Any = expression.get("operator") or ""
    values = tuple(value or "" for value in expression.get("values") or ())
    review.name((*path, "key"), key, QUALIFIED_NAME)
    at: Path = (*path, "values")
    match operator:
        case "In" | "NotIn":
            if not values:
                review.required(at, f"operator {operator} needs at least one value")
        case "Exists" | "DoesNotExist":
            if values:
                review.forbidden(at, f"must be empty for operator {operator}")
        case "Gt" | "Lt":
            if len(values) != 1:
                review.required(at, f"operator {operator} needs one value")
            # Kubernetes takes the text, but then its scheduler finds no node.
            elif not _WHOLE.fullmatch(values[0]):
                review.invalid((*at, 0), values[0], f"must be a whole number for {operator}")
        case _:
            review.one_of((*path, "operator"), operator, _OPERATORS)
    for index, value in enumerate(values if strict else ()):
        review.name((*at, index), value, LABEL_VALUE)
    return NodeRequirement(key, operator, values)


def _read_field(expression: Mapping[str, Any], review: Review, path: Path) -> NodeRequirement:
    key = expression.get("key") or ""
    operator: Any = expression.get("operator") or ""
    values = tuple(value or "" for value in expression.get("values") or ())
    review.one_of((*path, "key"), key, (_FIELD,))
    review.one_of((*path, "operator"), operator, ("In", "NotIn"))
    if len(values) != 1:
        review.required((*path, "values"), "a field has one value")
    for index, value in enumerate(values):
        review.name((*path, "values", index), value, DNS_SUBDOMAIN)
    return NodeRequirement(key, operator, values)
