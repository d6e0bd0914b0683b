"""What load gives."""

from dataclasses import dataclass, field
from typing import Any

from kcompile.problems import Problem
from kcompile.source import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One document as plain values: dict, list, str, int, float, bool and None, keys str."""

    value: Any
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was read of one input, in the order of the text."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
