"""What load gives."""

from dataclasses import dataclass
from typing import Any

from kcompile.source import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One document as plain values: dict, list, str, int, float, bool and None, keys str."""

    value: Any
    origin: Origin
