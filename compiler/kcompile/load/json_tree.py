"""A JSON value becomes a tree with offsets."""

import json
import re
from collections.abc import Iterator

from kcompile.load.limits import LIMITS, Limits
from kcompile.load.scalars import Plain, json_number
from kcompile.load.tree import Flaw, Mapping, Node, Scalar, Sequence, Tree
from kcompile.problems import Code, printable

TOKEN = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|-?[0-9][-+.0-9eE]*|-?Infinity|[a-zA-Z]+', re.DOTALL
)
_CONSTANTS = {"true": True, "false": False, "null": None}


def read_json_tree(content: str, start: int, end: int, limits: Limits = LIMITS) -> Tree:
    """The tree of the value in content[start:end], whose grammar is right (or too deep)."""
    reader = _Reader(TOKEN.finditer(content, start, end), limits)
    try:
        root = reader.value(next(reader.tokens), 1)
    except _AbandonError:
        root = Scalar(start, None)
    return Tree(root, reader.flaws)


class _AbandonError(Exception):
    """Nothing more is read."""


class _Reader:
    def __init__(self, tokens: Iterator[re.Match[str]], limits: Limits) -> None:
        self.limits = limits
        self.tokens = tokens
        self.flaws: list[Flaw] = []

    def value(self, token: re.Match[str], depth: int) -> Node:
        offset, text = token.start(), token[0]
        if text not in ("{", "["):
            return Scalar(offset, self._scalar(offset, text))
        if depth > self.limits.depth:
            message = f"objects and arrays nest deeper than {self.limits.depth} levels"
            self.flaws.append(Flaw(Code.LIMIT, offset, message))
            raise _AbandonError
        return self._mapping(offset, depth) if text == "{" else self._sequence(offset, depth)

    def _mapping(self, offset: int, depth: int) -> Mapping:
        mapping = Mapping(offset)
        while (token := next(self.tokens))[0] != "}":
            key = self._string(token.start(), token[0])
            value = self.value(next(self.tokens), depth + 1)
            if key in mapping.entries:
                message = f"key {printable(key)} stands twice in this object"
                first = mapping.entries[key][0]
                hint = "keep one of them"
                self.flaws.append(Flaw(Code.DUPLICATE_KEY, token.start(), message, hint, first))
            else:
                mapping.entries[key] = (token.start(), value)
        return mapping

    def _sequence(self, offset: int, depth: int) -> Sequence:
        sequence = Sequence(offset)
        while (token := next(self.tokens))[0] != "]":
            sequence.items.append(self.value(token, depth + 1))
        return sequence

    def _scalar(self, offset: int, text: str) -> Plain:
        if text.startswith('"'):
            return self._string(offset, text)
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        number = None if text.endswith(("NaN", "Infinity")) else json_number(text)
        if number is None:
            message = f"{printable(text)} is no number that a 64-bit float can hold"
            self.flaws.append(Flaw(Code.SCALAR, offset, message, "quote it if text is meant"))
        return number

    def _string(self, offset: int, text: str) -> str:
        if "\\" not in text:
            return text[1:-1]
        value = str(json.loads(text))
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            message = "an escape in this string is half of a surrogate pair"
            hint = r"characters above \uffff take two escapes"
            self.flaws.append(Flaw(Code.ENCODING, offset, message, hint))
        return value
