"""From offsets in a text to lines and columns."""

import re
from bisect import bisect_right
from dataclasses import dataclass

from kcompile.source import Position

# What editors count. libyaml also counts U+2028 and U+2029, which YAML 1.2 dropped.
_BREAK = re.compile(r"\r\n|\r|\n")
FOREIGN_BREAKS = re.compile("[\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a part of a text: offsets where they start, and the number of the first."""

    file: str
    first: int
    starts: tuple[int, ...]

    def position(self, offset: int) -> Position:
        index = bisect_right(self.starts, offset) - 1
        return Position(self.file, self.first + index, offset - self.starts[index] + 1)


def lines_of(file: str, content: str, start: int, end: int, line: int) -> Lines:
    """The lines of content[start:end], where `start` stands in line `line`."""
    first = 1 + max(content.rfind("\n", 0, start), content.rfind("\r", 0, start))
    return Lines(file, line, (first, *(m.end() for m in _BREAK.finditer(content, start, end))))


def position_in(file: str, content: str, offset: int) -> Position:
    """One position, where a table of lines would not pay."""
    start = 1 + max(content.rfind("\n", 0, offset), content.rfind("\r", 0, offset))
    return Position(file, 1 + count_breaks(content, 0, offset), offset - start + 1)


def count_breaks(content: str, start: int, end: int) -> int:
    single = content.count("\n", start, end) + content.count("\r", start, end)
    return single - content.count("\r\n", start, end)
