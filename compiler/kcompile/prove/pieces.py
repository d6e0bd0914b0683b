"""A text in the pieces that it was written in, most of which other nodes' texts share."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kcompile.prove.chains import keyed_rules
from kcompile.prove.packet import Key
from kcompile.prove.text import RulesText

Place = tuple[str, str]
"""A chain: table and name."""

_DECLARED = re.compile(r"^:(\S+) - \[0:0\]$", re.MULTILINE)
_APPENDED = re.compile(r"^-A (\S+) ", re.MULTILINE)
_TARGET = re.compile(r" -j (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of one table. `declared` are the chains that it declares, `chains` those that it has
    rules of, `unkeyed` those among them of which some rule has no key, `targets` where rules jump.
    `plain` says that it is whole lines and nothing but declarations and rules."""

    declared: frozenset[Place]
    chains: frozenset[Place]
    unkeyed: frozenset[Place]
    targets: frozenset[Place]
    keys: frozenset[Key]
    plain: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """`added` are indices of the new text's chunks, `removed` of the old one's; `kept` are pairs
    of old and new index. All ascend."""

    added: tuple[int, ...]
    removed: tuple[int, ...]
    kept: tuple[tuple[int, int], ...]


class Pieces:
    """The chunks of a text. A chunk is taken apart when somebody asks for it."""

    def __init__(self, text: RulesText, chunks: Sequence[str]) -> None:
        self.text = text
        self.chunks = chunks
        self._places: dict[str, list[int]] = {}
        self._starts: list[int] = []
        self._tables = [(text.text.index(f"*{name}\n"), name) for name in text.chains]
        self._tables.sort()
        self._known: dict[tuple[str, str], Piece] = {}
        position = 0
        for index, chunk in enumerate(chunks):
            self._places.setdefault(chunk, []).append(index)
            self._starts.append(position)
            position += len(chunk)

    def all(self) -> Iterator[Piece]:
        for index, chunk in enumerate(self.chunks):
            yield self.piece(chunk, index)

    def piece(self, chunk: str, before: int) -> Piece:
        """A chunk, of this text or another, that stands at an index or before what is there."""
        table = self._table(before)
        found = self._known.get((table, chunk))
        if found is None:
            found = self._known[table, chunk] = self._take_apart(table, chunk)
        return found

    def difference(self, new: Sequence[str]) -> Difference:
        """What is common in the same order, and what is not; of several ways to tell, the first."""
        added: list[int] = []
        removed: list[int] = []
        kept: list[tuple[int, int]] = []
        old = self.chunks
        position, end = 0, len(old)
        for index, chunk in enumerate(new):
            if position < end and old[position] is chunk:
                kept.append((position, index))
                position += 1
                continue
            places = self._places.get(chunk, ())
            place = next((each for each in places if each >= position), -1)
            if place < 0:
                added.append(index)
                continue
            removed += range(position, place)
            kept.append((place, index))
            position = place + 1
        removed += range(position, end)
        return Difference(tuple(added), tuple(removed), tuple(kept))

    def _table(self, index: int) -> str:
        start = self._starts[index] if index < len(self.chunks) else len(self.text.text)
        found = bisect_right(self._tables, (start, "~")) - 1
        return self._tables[found][1] if found >= 0 else ""

    def _take_apart(self, table: str, chunk: str) -> Piece:
        declared = _DECLARED.findall(chunk)
        appended = Counter(_APPENDED.findall(chunk))
        keyed = list(keyed_rules(chunk, self.text.family))
        unkeyed = appended - Counter(name for name, _ in keyed)
        lines = chunk.count("\n")
        return Piece(
            frozenset([(table, name) for name in declared]),
            frozenset([(table, name) for name in appended]),
            frozenset([(table, name) for name in unkeyed]),
            frozenset([(table, name) for name in _TARGET.findall(chunk)]),
            frozenset([key for _, key in keyed]),
            chunk.endswith("\n") and len(declared) + appended.total() == lines,
        )
