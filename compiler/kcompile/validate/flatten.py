"""Documents to single objects: what is an object at all, and Lists taken apart."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from kcompile.load.document import Document
from kcompile.problems import Code, printable
from kcompile.source import Origin
from kcompile.validate.names import variable_hint
from kcompile.validate.review import Ledger, Review

_DEPTH = 10
"""How deep Lists may lie in Lists; kubectl nests them once."""
_TOOL_FILES = frozenset({"Chart", "cloudbuild", "compose", "docker-compose", "kustomization"})
_TOOL_PREFIXES = ("docker-compose.", "values")


class Single(NamedTuple):
    """One object as it was written, with the kind and version that its List may have given it."""

    api_version: str
    kind: str
    value: Mapping[str, Any]
    origin: Origin


def flatten(document: Document, ledger: Ledger) -> Iterator[Single]:
    value, origin = document.value, document.origin
    if value is None:
        return
    if isinstance(value, dict) and not value.get("kind") and _is_tool_file(value, origin):
        name = PurePath(origin.text.name).name
        ledger.count(Code.TOOL_FILE, name, origin, ())
        return
    yield from _objects(value, origin, ledger, 0)


def _objects(value: Any, origin: Origin, ledger: Ledger, depth: int) -> Iterator[Single]:
    review = Review(origin, ledger)
    if not _is_object(value, review):
        return
    api_version, kind = value["apiVersion"], value["kind"]
    if not _is_list(api_version, kind, value):
        yield Single(api_version, kind, value, origin)
    elif depth == _DEPTH:
        review.error(Code.LIMIT, (), f"Lists lie more than {_DEPTH} deep in one another")
    else:
        for index, item in enumerate(_items(value, review)):
            there = (*origin.path, "items", index)
            at = Origin(origin.text, origin.start, origin.end, origin.line, there, origin.marks)
            yield from _objects(_typed(item, api_version, kind), at, ledger, depth + 1)


def _is_list(api_version: str, kind: str, value: Mapping[str, Any]) -> bool:
    """`List`, or a typed list such as ServiceList; a custom kind may end in List without items."""
    if (api_version, kind) == ("v1", "List"):
        return True
    return kind.endswith("List") and len(kind) > 4 and isinstance(value.get("items"), list)


def _items(value: Mapping[str, Any], review: Review) -> list[Any]:
    items = value.get("items")
    if items is None or isinstance(items, list):
        return items or []
    message = f"items must be a list of objects, not {printable(items)}"
    review.error(Code.WRONG_TYPE, ("items",), message)
    return []


def _typed(item: Any, api_version: str, kind: str) -> Any:
    """An item of a typed list need not repeat what the list says."""
    if (
        not isinstance(item, dict)
        or kind == "List"
        or (item.get("kind") and item.get("apiVersion"))
    ):
        return item
    return {"apiVersion": api_version, "kind": kind.removesuffix("List"), **_stated(item)}


def _stated(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None}


def _is_object(value: Any, review: Review) -> bool:
    if not isinstance(value, dict):
        message = (
            f"a Kubernetes object is a mapping with apiVersion and kind, not {printable(value)}"
        )
        review.error(Code.NOT_AN_OBJECT, (), message, _shape_hint(value))
        return False
    kind, api_version = value.get("kind"), value.get("apiVersion")
    if isinstance(kind, str) and isinstance(api_version, str) and kind and api_version:
        return True
    for key, text in (("apiVersion", api_version), ("kind", kind)):
        if text is None or text == "":
            message = f"{key} is missing: a Kubernetes object has an apiVersion and a kind"
            review.error(Code.NOT_AN_OBJECT, (), message, _keys_hint(value))
        elif not isinstance(text, str):
            message = f"{key} must be a string, not {printable(text)}"
            review.error(Code.NOT_AN_OBJECT, (key,), message, "for instance v1 or apps/v1")
    return False


def _shape_hint(value: Any) -> str:
    if isinstance(value, str):
        return variable_hint(value)
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return ""
    if "op" in value[0] and "path" in value[0]:
        return "looks like a JSON patch for kustomize: build it first (kustomize build)"
    return "separate objects with ---, or put them into the items of a v1 List"


def _keys_hint(value: Mapping[str, Any]) -> str:
    if "$patch" in value:
        return "looks like a kustomize patch: build it first (kustomize build)"
    if "services" in value:
        return "looks like a compose file"
    return ""


def _is_tool_file(value: Mapping[str, Any], origin: Origin) -> bool:
    """Files whose name says that another program reads them (Chart.yaml has an apiVersion)."""
    name = PurePath(origin.text.name)
    stem = name.stem
    return stem in _TOOL_FILES or name.name.startswith(_TOOL_PREFIXES) or "helmCharts" in value
