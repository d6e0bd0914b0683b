"""A document with the offset of each key and value, for problems and for finding positions.

Slower than the plain values that `load` gives, so it is made only where something needs it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from kcompile.load.lines import Lines
from kcompile.load.scalars import Plain
from kcompile.problems import Code, Problem
from kcompile.source import Path


@dataclass(slots=True, eq=False)
class Scalar:
    offset: int
    value: Plain


@dataclass(slots=True, eq=False)
class Mapping:
    """Entries are key to offset of the key and value."""

    offset: int
    entries: "dict[str, tuple[int, Node]]" = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Sequence:
    offset: int
    items: "list[Node]" = field(default_factory=list)


Node = Scalar | Mapping | Sequence


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem of a document as its reader sees it.

    `first` is the offset of the key that a duplicate repeats.
    """

    code: Code
    offset: int
    message: str
    hint: str = ""
    first: int | None = None


@dataclass(slots=True, eq=False)
class Tree:
    """What a reader found. With flaws, the root says little."""

    root: Node
    flaws: list[Flaw]


# Steps that somebody asks for, and those below them.
Wanted = dict[str | int, "Wanted"]


def wanted_of(paths: Iterable[Path]) -> Wanted:
    wanted: Wanted = {}
    for path in paths:
        below = wanted
        for step in path:
            below = below.setdefault(step, {})
    return wanted


def problem_of(flaw: Flaw, lines: Lines) -> Problem:
    message = flaw.message
    if flaw.first is not None:
        first = lines.position(flaw.first)
        message += f", first at line {first.line}, column {first.column}"
    return Problem(flaw.code, lines.position(flaw.offset), message, flaw.hint)


def value_of(node: Node) -> object:
    """The plain values of a node; what aliases share is copied. Depth is limited by the readers."""
    match node:
        case Scalar():
            return node.value
        case Mapping():
            return {key: value_of(child) for key, (_, child) in node.entries.items()}
        case Sequence():
            return [value_of(child) for child in node.items]


def height(node: Node) -> int:
    """How many containers stand inside each other."""
    match node:
        case Scalar():
            return 0
        case Mapping():
            return 1 + max((height(child) for _, child in node.entries.values()), default=0)
        case Sequence():
            return 1 + max(map(height, node.items), default=0)
