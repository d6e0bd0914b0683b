"""The files in schemas/: well formed, canonical, and the same to both engines."""

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

Schema = dict[str, Any]

TEXTS = {
    entry.name: entry.read_text("utf-8")
    for entry in resources.files("kcompile.schemas").iterdir()
    if entry.name.endswith(".json")
}
SCHEMAS: dict[str, Schema] = {name: json.loads(text) for name, text in sorted(TEXTS.items())}

CONSTRAINTS = {"maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern"}
"""Keywords whose breach is told in the words of the schema's title."""

# For every pattern of the schemas at least one of these fits.
FITTING = (
    "web-1",
    "app.kubernetes.io/name",
    "80%",
    "500m",
    "1h30m",
    "ndots:5",
    "_sip._tcp.x1",
    "9",
)
OTHER_SCRIPTS = {ord(str(digit)): chr(0x660 + digit) for digit in range(10)}


def schemas_in(value: object) -> Iterator[Schema]:
    """Every schema, and by its shape a few mappings of schemas by name."""
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from schemas_in(below)
    elif isinstance(value, list):
        for below in value:
            yield from schemas_in(below)


PATTERNS = sorted(
    {
        schema["pattern"]
        for root in SCHEMAS.values()
        for schema in schemas_in(root)
        if isinstance(schema.get("pattern"), str)
    }
)
PYTHON = {p: jsonschema.Draft202012Validator({"pattern": p}) for p in PATTERNS}
RUST = {p: jsonschema_rs.Draft202012Validator({"pattern": p}) for p in PATTERNS}


def verdict(pattern: str, text: str) -> bool:
    python, rust = PYTHON[pattern].is_valid(text), RUST[pattern].is_valid(text)
    assert python == rust, (pattern, text)
    return python


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_valid_2020_12(name: str) -> None:
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_canonical(name: str) -> None:
    canonical = json.dumps(SCHEMAS[name], indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert TEXTS[name] == canonical


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_found_under_its_name(name: str) -> None:
    assert SCHEMAS[name]["$id"].rpartition("/")[2] == name


def test_every_reference_leads_somewhere_and_every_definition_is_wanted() -> None:
    wanted = set()
    for name, root in SCHEMAS.items():
        for schema in schemas_in(root):
            if isinstance(schema.get("$ref"), str):
                file, _, pointer = schema["$ref"].partition("#")
                target: Any = SCHEMAS[file or name]
                for step in pointer.split("/")[1:]:
                    target = target[step]
                wanted.add((file or name, pointer.split("/")[2]))
    defined = {(name, each) for name, root in SCHEMAS.items() for each in root.get("$defs", {})}
    assert wanted == defined


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_mapping_with_fields_is_closed(name: str) -> None:
    open_ones = {
        tuple(schema["properties"])
        for schema in schemas_in(SCHEMAS[name])
        if schema.get("type") == "object"
        and "properties" in schema
        and schema.get("additionalProperties") is not False
    }
    # What a cluster reports is not ours to check beyond what is read of it.
    assert open_ones <= {("address", "type"), ("status", "type")}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_constraint_has_its_rule_in_words(name: str) -> None:
    for schema in schemas_in(SCHEMAS[name]):
        several = isinstance(schema.get("type"), list) and "null" not in schema["type"]
        if several or any(not isinstance(schema.get(k, {}), dict) for k in CONSTRAINTS):
            words = schema.get("title", "")
            assert words, schema
            assert "\n" not in words
            assert words.isascii()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_covers_the_whole_text_in_both_engines(pattern: str) -> None:
    assert pattern.startswith("^")
    assert pattern.endswith(r"$(?!\n)")
    assert r"\d" not in pattern
    assert r"\w" not in pattern
    fitting = [text for text in FITTING if verdict(pattern, text)]
    assert fitting
    for text in fitting:
        for wrong in (
            f"{text}\n",
            f"\n{text}",
            f"{text}\r",
            f"{text}\0",
            f"{text}\u2028",
            f" {text}",
        ):
            assert not verdict(pattern, wrong)
        foreign = text.translate(OTHER_SCRIPTS)
        assert foreign == text or not verdict(pattern, foreign)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_survives_long_texts(pattern: str) -> None:
    for part in ("a", "a.", "a-", "a/", "-", "9", "1m", "_"):
        verdict(pattern, part * 50_000)
        assert not verdict(pattern, part * 50_000 + "\n")


@given(st.text(st.sampled_from("aZ0-_./%\n\r é٣ mKi+e:"), max_size=12))
@example("\n")
@example("a" * 63 + "/b")
@example("a" * 254 + "/b")
def test_both_engines_agree(text: str) -> None:
    for pattern in PATTERNS:
        assert verdict(pattern, text) == (re.fullmatch(pattern, text) is not None)
