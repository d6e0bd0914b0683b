"""Label selectors: reading and checking."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.labels import Requirement, Selector
from kcompile.source import Path
from kcompile.validate.metadata import read_labels
from kcompile.validate.names import LABEL_VALUE, QUALIFIED_NAME
from kcompile.validate.review import Review

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def read_selector(selector: Mapping[str, Any], review: Review, path: Path) -> Selector:
    labels = read_labels(selector.get("matchLabels"), review, (*path, "matchLabels"))
    expressions: Sequence[Mapping[str, Any]] = selector.get("matchExpressions") or ()
    return Selector(
        labels,
        tuple(
            _read_requirement(expression, review, (*path, "matchExpressions", index))
            for index, expression in enumerate(expressions)
        ),
    )


def _read_requirement(expression: Mapping[str, Any], review: Review, path: Path) -> Requirement:
    key = expression.get("key") or ""
    review.name((*path, "key"), key, QUALIFIED_NAME)
    operator: Any = expression.get("operator")
    values = tuple(value or "" for value in expression.get("values") or ())
    if operator in {"In", "NotIn"} and not values:
        review.required((*path, "values"), f"operator {operator} needs at least one value")
    elif operator in {"Exists", "DoesNotExist"} and values:
        review.forbidden((*path, "values"), f"must be empty for operator {operator}")
    else:
        review.one_of((*path, "operator"), operator, _OPERATORS)
    for index, value in enumerate(values):
        review.name((*path, "values", index), value, LABEL_VALUE)
    return Requirement(key, operator, values)
