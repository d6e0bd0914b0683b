"""What controllers share: how many pods they make, and that they select those."""

from collections.abc import Mapping
from typing import Any

from kcompile.labels import Selector, matches
from kcompile.model import PodTemplate
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.review import Review
from kcompile.validate.schema import field_path
from kcompile.validate.selector import read_selector

SELECTOR_DEFAULTS = frozenset({"extensions/v1beta1", "apps/v1beta1"})
"""Versions in which an absent selector is the template's labels."""
INT32 = 2**31 - 1
TEMPLATE: Path = ("spec", "template")
_SELECTOR: Path = ("spec", "selector")


def read_count(spec: Mapping[str, Any], key: str, default: int, review: Review) -> int:
    count = spec.get(key)
    if count is None:
        return default
    if not 0 <= count <= INT32:
        review.within(("spec", key), count, 0, INT32)
    return int(count)


def read_own_selector(
    spec: Mapping[str, Any], api_version: str, template: PodTemplate, review: Review
) -> Selector:
    stated = spec.get("selector")
    if stated is None:
        if api_version not in SELECTOR_DEFAULTS:
            why = f"{api_version} does not take it from the template's labels"
            review.required(_SELECTOR, why)
        return Selector(template.labels)
    selector = read_selector(stated, review, _SELECTOR)
    if not selector.labels and not selector.requirements:
        if api_version in SELECTOR_DEFAULTS and template.labels:
            return Selector(template.labels)
        review.invalid(_SELECTOR, stated, "must select something: an empty selector is every pod")
    else:
        check_selected(selector, stated, template, review)
    return selector


def check_selected(
    selector: Selector, stated: Mapping[str, Any], template: PodTemplate, review: Review
) -> None:
    if not matches(selector, template.labels):
        path: Path = (*TEMPLATE, "metadata", "labels")
        held = printable(dict(template.labels))
        message = f"{field_path(path)} {held} do not match spec.selector, {_shown(stated)}"
        review.error(Code.INVALID_VALUE, path, message)


def _shown(selector: Mapping[str, Any]) -> str:
    simple = selector.get("matchLabels") and not selector.get("matchExpressions")
    return printable(selector["matchLabels"] if simple else dict(selector))


def read_share(
    rolling: Mapping[str, Any], key: str, default: int, review: Review, path: Path
) -> int:
    """Pods or a percentage of them; only how it compares with 0 and 100 matters here."""
    share = rolling.get(key)
    if share is None:
        return default
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


def check_not_more_than_all(
    rolling: Mapping[str, Any], key: str, share: int, review: Review, path: Path
) -> None:
    if isinstance(rolling.get(key), str) and share > 100:
        review.invalid((*path, key), rolling[key], "must not be more than 100%")
