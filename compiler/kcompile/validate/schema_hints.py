"""What the author of an object that is not built right may have meant."""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kcompile.source import Path
from kcompile.validate.names import variable_hint

Schema = Mapping[str, Any]
Fields = Mapping[tuple[str, ...], tuple[str, ...]]
"""The fields of each closed mapping of a kind by its path, lists taken as their items."""

_FARTHEST = 3
"""Steps between where a field was written and where it may belong."""

_NUMBER = re.compile(r"[+-]?[0-9]+")


def fields_of(schemas: Mapping[str, Schema], file: str) -> Fields:
    fields: dict[tuple[str, ...], tuple[str, ...]] = {}
    for path, names in _walk(schemas, file, schemas[file], ()):
        fields.setdefault(path, names)
    return fields


def unknown_field_hint(fields: Fields, path: Path, key: str) -> str:
    """The field that the key resembles, or the mapping that has such a field."""
    place = _without_indices(path)
    known = fields.get(place, ())
    meant = _resembling(key, known)
    if meant:
        return f"did you mean {meant}?"
    homes = [
        (_distance(place, home), home, name)
        for home, names in fields.items()
        for name in names
        if name.lower() == key.lower()
    ]
    if homes and min(homes)[0] <= _FARTHEST:
        _, home, name = min(homes)
        return f"{name} belongs into {'.'.join(home) or 'the top level'}"
    return f"it has {', '.join(known)}" if 0 < len(known) <= 6 else ""


def missing_hint(value: Mapping[str, object], key: str) -> str:
    if key == "name" and "generateName" in value:
        return "only a cluster completes generateName: give the object a name"
    if key == "selector" and "template" in value:
        return "it must select the template's labels; only old API versions had a default"
    return ""


def type_hint(value: object, schema: Schema, path: Path) -> str:
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    match value:
        case bool() | int() | float() if "string" in wanted and "enum" not in schema:
            return "quote it"
        case str() if _reads_as(value, wanted):
            return "remove the quotes"
        case dict() if "array" in wanted:
            return "begin each item with '- '"
        case list() if "object" in wanted:
            return "remove the '-'"
        case dict() if path[-1:] == ("matchLabels",):
            return "here the labels stand without matchLabels"
    return ""


def enum_hint(value: object, allowed: list[str]) -> str:
    meant = _resembling(value, allowed) if isinstance(value, str) else ""
    return f"did you mean {meant}?" if meant else ""


def text_hint(value: object, schema: Schema) -> str:
    """What is odd about a text: a hidden character, a variable, an upper-case letter."""
    if not isinstance(value, str):
        return ""
    mended = value.lower().replace("_", "-")
    fits = len(mended) <= schema.get("maxLength", len(mended))
    if value.isascii() and mended != value and fits and re.search(schema["pattern"], mended):
        return f"did you mean {mended}?"
    return _odd_character(value) or variable_hint(value)


def _reads_as(text: str, wanted: list[str]) -> bool:
    """Whether the text would be of a wanted type if it were not quoted."""
    if "boolean" in wanted:
        return text in {"true", "false"}
    return "integer" in wanted and _NUMBER.fullmatch(text) is not None


def _odd_character(text: str) -> str:
    for place, character in enumerate(text, start=1):
        if not (character.isascii() and character.isprintable()):
            name = unicodedata.name(character, "")
            return f"character {place} is U+{ord(character):04X}{name and f', {name}'}"
    return ""


def _resembling(text: str, known: Sequence[str]) -> str:
    by_folded = {name.lower(): name for name in known}
    folded = text.lower()
    if folded in by_folded:
        return by_folded[folded]
    # Longer texts are no slips of the pen, and difflib is quadratic.
    near = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.75) if len(text) < 64 else []
    return by_folded[near[0]] if near else ""


def _without_indices(path: Path) -> tuple[str, ...]:
    return tuple(step for step in path if isinstance(step, str))


def _distance(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    return len(one) + len(other) - 2 * common


def _walk(
    schemas: Mapping[str, Schema], file: str, schema: Schema, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    if "$ref" in schema:
        other, _, pointer = schema["$ref"].partition("#")
        target: Any = schemas[other or file]
        for step in pointer.split("/")[1:]:
            target = target[step]
        yield from _walk(schemas, other or file, target, path)
    if schema.get("additionalProperties") is False:
        yield path, tuple(schema["properties"])
    for name, below in schema.get("properties", {}).items():
        yield from _walk(schemas, file, below, (*path, name))
    if "items" in schema:
        yield from _walk(schemas, file, schema["items"], path)
