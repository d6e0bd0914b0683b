"""A YAML text becomes documents.

Ordinary documents (no anchor, tag, merge key or mistake) take the short way from libyaml's events
to values; the others are read again as a tree, which knows where everything stands.
"""

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

import yaml
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from kcompile.load.document import Document, Reading
from kcompile.load.events import yaml_events
from kcompile.load.limits import Limits
from kcompile.load.lines import FOREIGN_BREAKS, count_breaks, lines_of, position_in
from kcompile.load.scalars import NotInJsonError, Plain, resolve
from kcompile.load.syntax import yaml_problem
from kcompile.load.tree import problem_of, value_of
from kcompile.load.yaml_tree import read_yaml_tree
from kcompile.problems import Code, Problem
from kcompile.source import COLUMN_BITS, Origin, Text

_BOUNDARY = re.compile(r"(?:\A|(?<=[\r\n]))(?:---|\.\.\.)(?=\s|\Z)")


class Words(dict[str, Plain]):
    """Values of unquoted words, each resolved (and kept in memory) once."""

    def __missing__(self, word: str) -> Plain:
        value = resolve(word)
        if len(self) < _REMEMBERED:
            self[word] = value
        return value


class Keys(dict[str, str]):
    """Unquoted keys that are strings, each checked (and kept in memory) once."""

    def __missing__(self, key: str) -> str:
        if key == "<<" or type(resolve(key)) is not str:
            raise _UnusualError
        if len(self) < _REMEMBERED:
            self[key] = key
        return key


_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the words of all inputs of a run mean."""

    words: Words = field(default_factory=Words)
    keys: Keys = field(default_factory=Keys)


class _UnusualError(Exception):
    """Something that only the tree reader understands."""


class _LimitError(Exception):
    """The input asks for too much; reading stops."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


def read_yaml(text: Text, vocabulary: Vocabulary, limits: Limits) -> Reading:
    """All documents of a text, up to the first mistake in the syntax."""
    stream = _Stream(text, vocabulary, limits)
    try:
        stream.read()
    except yaml.YAMLError as error:
        stream.reading.problems.append(yaml_problem(text, error, stream.start))
    except _LimitError as limit:
        position = position_in(text.name, text.content, limit.offset)
        stream.reading.problems.append(Problem(Code.LIMIT, position, str(limit)))
    return stream.reading


class _Stream:
    """The documents of one text, one after the other."""

    def __init__(self, text: Text, vocabulary: Vocabulary, limits: Limits) -> None:
        self.text = text
        self.vocabulary = vocabulary
        self.limits = limits
        self.reading = Reading()
        self.start = 0
        self.line = 1
        # libyaml counts these as line ends, editors do not: its lines are then not ours.
        self.lines_differ = FOREIGN_BREAKS.search(text.content) is not None

    def read(self) -> None:
        _check_sizes(self.text.content, self.limits)
        next_event = yaml_events(self.text.content)
        for event in iter(next_event, None):
            if type(event) is DocumentStartEvent:
                self._begin(event)
                self._document(islice(iter(next_event, None), self.limits.parts).__next__)

    def _begin(self, event: Any) -> None:
        """A document without --- starts with its line, for its indentation counts."""
        mark = event.start_mark
        start = mark.index if event.explicit else mark.index - mark.column
        self.line += count_breaks(self.text.content, self.start, start)
        self.start = start

    def _document(self, next_event: Callable[[], Any]) -> None:
        marks: list[int] = []
        try:
            value = _Values(next_event, self.vocabulary, marks, self.limits).first()
            end = next_event().end_mark.index
        except (_UnusualError, NotInJsonError):
            end = self._skip(next_event)
            self._unusual(end)
        except StopIteration:
            self._too_many_parts()
        else:
            self._keep(value, end, marks)

    def _keep(self, value: Any, end: int, marks: list[int] | None) -> None:
        if value is None:
            return
        told = marks is not None and not self.lines_differ and self._columns_fit(end)
        kept = array("q", marks or ()) if told else None
        origin = Origin(self.text, self.start, end, self.line, marks=kept)
        self.reading.documents.append(Document(value, origin))

    def _columns_fit(self, end: int) -> bool:
        """Whether every column of the document fits into its bits of a mark."""
        if end - self.start < 1 << COLUMN_BITS:
            return True
        lines = self.text.content[self.start : end].splitlines()
        return max(map(len, lines)) < 1 << COLUMN_BITS

    def _unusual(self, end: int) -> None:
        tree = read_yaml_tree(self.text.content, self.start, end, self.limits)
        if not tree.flaws:
            self._keep(value_of(tree.root), end, None)
            return
        lines = lines_of(self.text.name, self.text.content, self.start, end, self.line)
        self.reading.problems.extend(problem_of(flaw, lines) for flaw in tree.flaws)

    def _skip(self, next_event: Callable[[], Any]) -> int:
        """Go to the end of the document. libyaml's time grows with the square of the depth."""
        depth = 0
        try:
            while True:
                event = next_event()
                kind = type(event)
                if kind is MappingStartEvent or kind is SequenceStartEvent:
                    depth += 1
                    if depth > self.limits.depth:
                        raise _too_deep(event, self.limits)
                elif kind is MappingEndEvent or kind is SequenceEndEvent:
                    depth -= 1
                elif kind is DocumentEndEvent:
                    return int(event.end_mark.index)
        except StopIteration:
            self._too_many_parts()

    def _too_many_parts(self) -> NoReturn:
        message = f"the document has more than {self.limits.parts:,} parts"
        message += " (keys, values, ends of lists and mappings)"
        raise _LimitError(self.start, message)


class _Values:
    """The values of one ordinary document. What is not ordinary raises _UnusualError."""

    def __init__(
        self,
        next_event: Callable[[], Any],
        vocabulary: Vocabulary,
        marks: list[int],
        limits: Limits,
    ) -> None:
        self.next_event = next_event
        self.words = vocabulary.words
        self.keys = vocabulary.keys
        self.marks = marks
        self.limits = limits

    def first(self) -> Any:
        event = self.next_event()
        return self._scalar(event) if type(event) is ScalarEvent else self._container(event, 1)

    def _scalar(self, event: Any) -> Plain:
        if event.anchor is not None or event.tag is not None:
            raise _UnusualError
        return self.words[event.value] if event.implicit[0] else str(event.value)

    def _container(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if (kind is not MappingStartEvent and kind is not SequenceStartEvent) or (
            event.anchor is not None or event.tag is not None
        ):
            raise _UnusualError
        if depth > self.limits.depth:
            raise _too_deep(event, self.limits)
        if kind is SequenceStartEvent:
            return self._sequence(depth)
        mark = event.start_mark
        self.marks.append((mark.line + 1) << COLUMN_BITS | mark.column + 1)
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Any]:
        # Every key and most values of a build pass here: no call that can be spared.
        next_event, words, keys = self.next_event, self.words, self.keys
        mapping: dict[str, Any] = {}
        while True:
            event = next_event()
            kind = type(event)
            if kind is MappingEndEvent:
                return mapping
            if kind is not ScalarEvent or event.anchor is not None or event.tag is not None:
                raise _UnusualError
            key = keys[event.value] if event.implicit[0] else event.value
            if key in mapping:
                raise _UnusualError
            event = next_event()
            if type(event) is not ScalarEvent:
                mapping[key] = self._container(event, depth + 1)
            elif event.anchor is None and event.tag is None:
                mapping[key] = words[event.value] if event.implicit[0] else event.value
            else:
                raise _UnusualError

    def _sequence(self, depth: int) -> list[Any]:
        next_event = self.next_event
        sequence: list[Any] = []
        while True:
            event = next_event()
            kind = type(event)
            if kind is SequenceEndEvent:
                return sequence
            sequence.append(
                self._scalar(event) if kind is ScalarEvent else self._container(event, depth + 1)
            )


def _too_deep(event: Any, limits: Limits) -> _LimitError:
    message = f"mappings and lists nest deeper than {limits.depth} levels"
    return _LimitError(event.start_mark.index, message)


def _check_sizes(content: str, limits: Limits) -> None:
    """A document ends only at --- or ... at the start of a line."""
    if len(content) <= limits.document_characters:
        return
    start = 0
    for end in (*(match.start() for match in _BOUNDARY.finditer(content)), len(content)):
        if end - start > limits.document_characters:
            message = f"the document is longer than {limits.document_characters:,} characters"
            raise _LimitError(start, message)
        start = end
