"""Which parts of a value are kept."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from kcompile.source import Path

Table: TypeAlias = "Mapping[str, Table | None]"
"""Keys that are kept: whole, or as far as a table of their own says."""


def is_absent(value: Any) -> bool:
    """As Kubernetes has it: no value, or an empty one."""
    return value is None or value in ("", [], {})


def kept(value: Mapping[str, Any], table: Table, path: Path, missing: list[Path]) -> dict[str, Any]:
    """What the table has of a value; paths of all else come to `missing`."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if is_absent(inner):
            continue
        if key not in table:
            missing.append((*path, key))
            continue
        below = table[key]
        here = (*path, key)
        if below is None:
            found[key] = inner
        elif isinstance(inner, list):
            found[key] = [
                kept(each, below, (*here, index), missing) for index, each in enumerate(inner)
            ]
        else:
            found[key] = kept(inner, below, here, missing)
    return found
