"""A JSON text becomes documents: one value, or several one after the other.

Ordinary values take the short way through the standard library; those with a mistake that JSON's
grammar does not see (keys twice, numbers too large) are read again as a tree.
"""

import json
import re
from json import JSONDecodeError
from typing import Any

from kcompile.load.document import Document, Reading
from kcompile.load.json_tree import TOKEN, read_json_tree
from kcompile.load.limits import Limits
from kcompile.load.lines import count_breaks, lines_of, position_in
from kcompile.load.scalars import json_number
from kcompile.load.tree import problem_of
from kcompile.problems import Code, Problem
from kcompile.source import Origin, Text

_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _UnusualError(Exception):
    """Something that only the tree reader can locate."""


def read_json(text: Text, limits: Limits) -> Reading | JSONDecodeError:
    """All values of a text; an error where it is not JSON from end to end."""
    reading = Reading()
    content = text.content
    if too_large := _too_large(text, limits):
        reading.problems.append(too_large)
        return reading
    start, line, counted = _after_space(content, 0), 1, 0
    while start < len(content):
        line += count_breaks(content, counted, start)
        counted = start
        try:
            end = _read_value(text, start, line, reading, limits)
        except JSONDecodeError as error:
            return error
        except RecursionError:
            reading.problems.extend(_problems(text, start, len(content), line, limits))
            return reading
        if end - start > limits.document_characters:
            message = f"the value is longer than {limits.document_characters:,} characters"
            position = position_in(text.name, content, start)
            reading.problems.append(Problem(Code.LIMIT, position, message))
        start = _after_space(content, end)
    return reading


def is_json(content: str) -> bool:
    """Whether this is one JSON value from end to end."""
    try:
        _LAX.decode(content)
    except (JSONDecodeError, RecursionError):
        return False
    return True


def _after_space(content: str, start: int) -> int:
    match = _SPACE.match(content, start)
    return match.end() if match else start


def _read_value(text: Text, start: int, line: int, reading: Reading, limits: Limits) -> int:
    """Read the value at `start`; returns where it ends."""
    try:
        value, end = _STRICT.raw_decode(text.content, start)
        unusual = _deep(value, limits) or _SURROGATE.search(text.content, start, end) is not None
    except _UnusualError:
        _, end = _LAX.raw_decode(text.content, start)
        value, unusual = None, True
    problems = _problems(text, start, end, line, limits) if unusual else []
    reading.problems.extend(problems)
    if value is not None and not problems:
        reading.documents.append(Document(value, Origin(text, start, end, line)))
    return end


def _problems(text: Text, start: int, end: int, line: int, limits: Limits) -> list[Problem]:
    flaws = read_json_tree(text.content, start, end, limits).flaws
    lines = lines_of(text.name, text.content, start, end, line)
    return [problem_of(flaw, lines) for flaw in flaws]


def _deep(value: Any, limits: Limits) -> bool:
    level = [value]
    for _ in range(limits.depth):
        level = [
            child
            for parent in level
            if type(parent) is dict or type(parent) is list
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _too_large(text: Text, limits: Limits) -> Problem | None:
    """First counts what is surely no less than the parts, and them only if that is too much."""
    content = text.content
    if content.count(",") + content.count("[") + content.count("{") <= limits.parts:
        return None
    start = parts = depth = 0
    for token in TOKEN.finditer(content):
        start = token.start() if depth == 0 else start
        parts = 1 if depth == 0 else parts + 1
        if parts > limits.parts:
            position = position_in(text.name, content, start)
            message = f"the value has more than {limits.parts:,} parts (keys, values, brackets)"
            return Problem(Code.LIMIT, position, message)
        if token[0] in ("{", "["):
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _UnusualError
    return mapping


def _number(text: str) -> int | float:
    number = json_number(text)
    if number is None:
        raise _UnusualError
    return number


def _constant(text: str) -> None:
    raise _UnusualError(text)


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_number, parse_float=_number, parse_constant=_constant
)
_LAX = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)
