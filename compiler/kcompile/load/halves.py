"""Texts in two halves, so that two processes can read them.

A YAML text can be cut before a line `---`: nothing of one document says anything about another,
and no document, not even in a quoted or literal text, has such a line (YAML 1.2, rule
c-forbidden). What comes out is what one process gives, or nothing is said.
"""

import re
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kcompile.load.document import Document, Reading
from kcompile.load.lines import FOREIGN_BREAKS, count_breaks
from kcompile.source import COLUMN_BITS, Origin, Text

# Not after a directive, which belongs to what follows.
_CUT = re.compile(r"\n(?![%])[^\n]*\n(?=---\n)")

Read = Callable[[Text], Reading]


class _Part(NamedTuple):
    """Some or all of a text: where it begins, and the text of that part."""

    whole: Text
    start: int
    part: Text


class _Packed(NamedTuple):
    """A document, and which of the texts it stands in: the other process has them too."""

    number: int
    value: Any
    start: int
    end: int
    line: int
    marks: "array[int] | None"  # quoted for Python 3.11


class Halves:
    """Texts, and how they are shared out. `is_json` says which cannot be cut."""

    def __init__(self, texts: Sequence[Text], is_json: Callable[[Text], bool]) -> None:
        self._first: list[_Part] = []
        self._second: list[_Part] = []
        left = sum(len(text.content) for text in texts) // 2
        for text in texts:
            size = len(text.content)
            if left >= size:
                self._first.append(_Part(text, 0, text))
            elif left > 0 and not is_json(text) and (cut := _cut(text.content, left)):
                self._first.append(_Part(text, 0, Text(text.name, text.content[:cut])))
                self._second.append(_Part(text, cut, Text(text.name, text.content[cut:])))
            else:
                self._second.append(_Part(text, 0, text))
            left -= size

    def first(self, read: Read) -> list[Document] | None:
        """The documents of the first half; None where there is a problem, of whatever kind."""
        packed = _pack(self._first, read)
        return None if packed is None else _unpack(self._first, packed)

    def pack_second(self, read: Read) -> list[_Packed] | None:
        """The documents of the second half, for another process."""
        return _pack(self._second, read)

    def unpack_second(self, packed: list[_Packed]) -> list[Document]:
        return _unpack(self._second, packed)


def _cut(content: str, near: int) -> int:
    """Where to cut a text, 0 for nowhere."""
    if FOREIGN_BREAKS.search(content):
        return 0
    found = _CUT.search(content, near)
    return found.end() if found else 0


def _pack(parts: Sequence[_Part], read: Read) -> list[_Packed] | None:
    packed = []
    for number, (whole, start, part) in enumerate(parts):
        reading = read(part)
        if reading.problems:
            return None
        lines = count_breaks(whole.content, 0, start)
        for document in reading.documents:
            origin = document.origin
            packed.append(
                _Packed(
                    number,
                    document.value,
                    origin.start + start,
                    origin.end + start,
                    origin.line + lines,
                    _moved(origin.marks, lines),
                )
            )
    return packed


def _moved(marks: "array[int] | None", lines: int) -> "array[int] | None":
    if not marks or not lines:
        return marks
    down = lines << COLUMN_BITS
    return array("q", [mark + down for mark in marks])


def _unpack(parts: Sequence[_Part], packed: list[_Packed]) -> list[Document]:
    return [
        Document(value, Origin(parts[number].whole, start, end, line, marks=marks))
        for number, value, start, end, line, marks in packed
    ]
