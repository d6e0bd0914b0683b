"""Reads sources.json of a bundle back: where in the manifests objects stand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

_FILE = "sources.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Positions as they are shown, file:line:column: of an object, of its fields and, where it
    states endpoints of a Service, of their addresses."""

    position: str
    fields: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)


def read_places(bundle: Path) -> Mapping[str, Place]:
    """Places by object; InputError if the file cannot be read."""
    path = bundle / _FILE
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _unreadable(path, "not JSON") from None
    match value:
        case {"version": 1, "objects": dict(objects)}:
            return {key: _place(path, each) for key, each in objects.items()}
    raise _unreadable(path, "not the places of objects, in format version 1")


def _place(path: Path, value: object) -> Place:
    match value:
        case {"position": str(position), "fields": dict(fields), **more}:
            service, addresses = more.get("service", ""), more.get("addresses", {})
            if isinstance(addresses, dict):
                return Place(position, _texts(fields), str(service), _texts(addresses))
    raise _unreadable(path, "an object has no position and fields")


def _texts(value: Mapping[object, object]) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()}


def _unreadable(path: Path, message: str) -> InputError:
    hint = "`kcompile build` makes a bundle, --bundle names its directory"
    return InputError([Problem(Code.NOT_A_BUNDLE, Position(str(path), 1, 1), message, hint)])
