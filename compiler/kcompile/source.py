"""Where things stand in what the user wrote."""

from array import array
from dataclasses import dataclass, field

COLUMN_BITS = 24
"""How much of a mark is the column."""

_Step = str | int
Path = tuple[_Step, ...]
"""Steps from a document's root to a value: keys of mappings, indices of sequences."""


def shown_name(name: str) -> str:
    """A file's name as it is shown: a terminal must survive it."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown_name(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """One input as it was read: a name to show and the decoded characters."""

    name: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where an object stands: a document of a text and, in a List, the steps to the item.

    Positions of values are not kept: `kcompile.load.locate` reads the document again to find them.
    `start` and `end` are character offsets into the text, `line` is the line (from 1) of `start`.
    `marks` holds line << COLUMN_BITS | column (both from 1) of each mapping of the document in the
    order of the text, so that where objects and their ports stand costs no second reading; None
    where that order says too little (aliases, merge keys, JSON).
    """

    text: Text
    start: int
    end: int
    line: int
    path: Path = ()
    marks: "array[int] | None" = field(default=None, repr=False)  # quoted for Python 3.11
