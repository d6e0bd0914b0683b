"""Is an object built as its kind demands: schemas/, JSON Schema 2020-12.

jsonschema-rs says yes, in microseconds; only after its no does jsonschema say why not.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.schema_hints import (
    Fields,
    enum_hint,
    fields_of,
    missing_hint,
    text_hint,
    type_hint,
    unknown_field_hint,
)

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema_rs import Validator

Schema = dict[str, Any]

_SHOWN = 20
"""How many errors of one object are told; the rest is counted."""

_OTHER_SCHEMAS = {
    ("Deployment", "apps/v1beta1"): "deployment-v1beta1",
    ("Deployment", "extensions/v1beta1"): "deployment-v1beta1",
    ("ReplicaSet", "extensions/v1beta1"): "replicaset-v1beta1",
    ("StatefulSet", "apps/v1beta1"): "statefulset-v1beta1",
    ("DaemonSet", "extensions/v1beta1"): "daemonset-v1beta1",
    ("ClusterConfiguration", "kubeadm.k8s.io/v1beta4"): "clusterconfiguration-v1beta4",
}
"""Versions whose fields differ from what the kind's own file says."""

_TYPE_WORDS = {"object": "mapping", "array": "list"}
_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class SchemaError:
    """What is wrong at `path`; with `at_key` it is the last key of it, not its value."""

    code: Code
    path: Path
    message: str
    hint: str = ""
    at_key: bool = False


def check(kind: str, value: object) -> tuple[SchemaError, ...]:
    """All that the schema of the kind and the object's apiVersion says against it.

    A null is an absent field, as in Kubernetes; in a map of strings it is "".
    """
    name = _schema_name(kind, value)
    decider = _decider(name)
    if decider.is_valid(value):
        return ()
    present = _without_nulls(decider, value)
    if decider.is_valid(present):
        return ()
    return _explain(name, kind, present)


def field_path(path: Path) -> str:
    """A path as kubectl writes it: spec.ports[0].name."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_STEP.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{printable(step)}]"
    return text


def _schema_name(kind: str, value: object) -> str:
    version = value.get("apiVersion") if isinstance(value, dict) else None
    other = _OTHER_SCHEMAS.get((kind, version)) if isinstance(version, str) else None
    return other or kind.lower()


@cache
def _schemas() -> dict[str, Schema]:
    """Every schema of the package by its file's name."""
    folder = resources.files("kcompile.schemas")
    return {
        entry.name: json.loads(entry.read_text("utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
    }


@cache
def _fields(name: str) -> Fields:
    return fields_of(_schemas(), f"{name}.json")


@cache
def _decider(name: str) -> "Validator":
    import jsonschema_rs  # noqa: PLC0415 - only what needs it pays for loading it

    registry = jsonschema_rs.Registry([(each["$id"], each) for each in _schemas().values()])
    return jsonschema_rs.Draft202012Validator(_schemas()[f"{name}.json"], registry=registry)


@cache
def _explainer(name: str) -> "Draft202012Validator":
    import jsonschema  # noqa: PLC0415 - 0.1 s that only a wrong object costs
    from referencing import Registry, Resource  # noqa: PLC0415 - as above

    registry: Registry[Any] = Registry().with_resources(
        (each["$id"], Resource.from_contents(each)) for each in _schemas().values()
    )
    return jsonschema.Draft202012Validator(_schemas()[f"{name}.json"], registry=registry)


def _without_nulls(decider: "Validator", value: object) -> object:
    """A copy without the fields that are null where the schema wants something else."""
    nulls = {
        tuple(error.instance_path)
        for error in decider.iter_errors(value)
        if error.instance is None and error.instance_path
    }
    return _without(value, nulls, ()) if nulls else value


def _without(value: object, dropped: set[Path], path: Path) -> object:
    if isinstance(value, dict):
        return {
            key: _without(item, dropped, (*path, key))
            for key, item in value.items()
            if (*path, key) not in dropped
        }
    if isinstance(value, list):
        return [_without(item, dropped, (*path, index)) for index, item in enumerate(value)]
    return value


def _explain(name: str, kind: str, value: object) -> tuple[SchemaError, ...]:
    # jsonschema goes through unknown keys as a set, in an order that changes from run to run.
    faults = _faults(sorted(_explainer(name).iter_errors(value), key=_place))
    errors = tuple(_error(*fault, name, kind) for fault in faults[:_SHOWN])
    more = len(faults) - _SHOWN
    if more > 0:
        message = f"the {kind} has {more} more problem{'s' if more > 1 else ''} of its form"
        return (*errors, SchemaError(Code.INVALID_VALUE, (), message))
    return errors


def _place(reason: "ValidationError") -> tuple[Path, list[str]]:
    return tuple(reason.absolute_path), [str(step) for step in reason.absolute_schema_path]


def _faults(reasons: "list[ValidationError]") -> "list[tuple[ValidationError, str]]":
    """Each reason once for each key that it is about, but for each value only one reason."""
    found: dict[tuple[Path, Any, str], tuple[ValidationError, str]] = {}
    for reason in reasons:
        path: Path = tuple(reason.absolute_path)
        value: Any = reason.instance
        schema: Any = reason.schema
        keys: list[str] = []
        if reason.validator == "additionalProperties":
            keys = [key for key in value if key not in schema["properties"]]
        elif reason.validator == "required":
            keys = [key for key in schema["required"] if key not in value]
        elif "propertyNames" in reason.absolute_schema_path:
            keys = [value]
        # Of the rules that a value breaks, its type says the most.
        elif reason.validator == "type" or (path, "", "") not in found:
            found[path, "", ""] = (reason, "")
        found.update({(path, reason.validator, key): (reason, key) for key in keys})
    return list(found.values())


def _error(reason: "ValidationError", key: str, name: str, kind: str) -> SchemaError:
    path: Path = tuple(reason.absolute_path)
    value: Any = reason.instance
    schema: Any = reason.schema
    place = field_path(path) or f"the {kind}"
    match reason.validator:
        case "additionalProperties":
            message = f"unknown field {printable(key)} in {place}"
            hint = unknown_field_hint(_fields(name), path, key)
            return SchemaError(Code.UNKNOWN_FIELD, (*path, key), message, hint, at_key=True)
        case "required":
            message = f"{field_path((*path, key))} is missing"
            return SchemaError(Code.REQUIRED, path, message, missing_hint(value, key))
        case "type":
            message = f"{place}: expected {_wanted(schema)}, found {_found(value)}"
            return SchemaError(Code.WRONG_TYPE, path, message, type_hint(value, schema, path))
        case "enum":
            allowed = [str(each) for each in schema["enum"] if each != ""]
            message = f"{place} is {_shown(value)}; it must be {_any_of(allowed)}"
            return SchemaError(Code.NOT_SUPPORTED, path, message, enum_hint(value, allowed))
        case _ if "propertyNames" in reason.absolute_schema_path:
            message = f"{place} has the key {printable(key)}; it must be {schema['title']}"
            hint = text_hint(key, schema)
            return SchemaError(Code.INVALID_VALUE, (*path, key), message, hint, at_key=True)
        case _:
            message = f"{place} is {_shown(value)}; it must be {schema['title']}"
            return SchemaError(Code.INVALID_VALUE, path, message, text_hint(value, schema))


def _wanted(schema: Schema) -> str:
    """A type in the words of YAML; what may be of several types has a title."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    named = [each for each in types if each != "null"]
    if len(named) > 1:
        return str(schema["title"])
    return _TYPE_WORDS.get(named[0]) or str(named[0])


def _found(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean {_shown(value)}"
        case int():
            return f"integer {_shown(value)}"
        case float():
            return f"number {_shown(value)}"
        case str():
            return f"string {_shown(value)}"
        case _:
            return _shown(value)


def _shown(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 64:
            return "an integer of more than 64 bits"
        case list():
            return f"a list of {len(value)} item{'s' if len(value) > 1 else ''}" if value else "[]"
        case dict():
            return "a mapping"
        case _:
            return printable(value)


def _any_of(allowed: list[str]) -> str:
    return allowed[0] if len(allowed) == 1 else f"{', '.join(allowed[:-1])} or {allowed[-1]}"
