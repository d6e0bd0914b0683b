"""Mistakes in the syntax, in words that say what to mend."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from json import JSONDecodeError
from typing import Any

from yaml import MarkedYAMLError, YAMLError
from yaml.events import ScalarEvent

from kcompile.load.events import yaml_events
from kcompile.load.limits import LIMITS
from kcompile.load.lines import position_in
from kcompile.problems import Code, Problem, printable
from kcompile.source import Text

# A template action at the start of a line or value, not in a comment.
_TEMPLATE = re.compile(r"(?:\A|(?<=[\r\n]))(?:[^#\r\n]*[:\-][ \t]+|[ \t]*)(\{\{|\{%)")
_LINE_END = re.compile(r"[\r\n]|\Z")

# libyaml's words, and ours: what was found, and a hint.
_REWORDED = {
    "mapping values are not allowed in this context": (
        "found ': ' where no key can stand",
        "quote the value if it holds ': '; keys of one mapping start in the same column",
    ),
    "mapping keys are not allowed in this context": ("found '? ' where no key can stand", ""),
    "block sequence entries are not allowed in this context": (
        "found '- ' where no list can stand",
        "a list starts on a line of its own",
    ),
    "did not find expected key": (
        "this does not belong to the mapping around it, expected a key in the column of its keys",
        "mend the indentation; text after a quoted value or an unquoted '*' or '&' reads so too",
    ),
    "did not find expected '-' indicator": (
        "this does not belong to the list around it, expected '- ' in the column of its items",
        "mend the indentation",
    ),
    "did not find expected ',' or '}'": ("expected ',' or '}' in a mapping in braces", ""),
    "did not find expected ',' or ']'": ("expected ',' or ']' in a list in brackets", ""),
    "could not find expected ':'": (
        "this line is no 'key: value', and no key can span lines",
        "a ':' before a value needs a space after it",
    ),
    "did not find expected node content": (
        "expected a value here",
        "quote text that starts with one of , [ ] { }",
    ),
    "did not find expected <document start>": (
        "expected the end of the document",
        "another document starts with '---'",
    ),
    "found unexpected end of stream": ("the quoted text that starts here never ends", ""),
    "found unexpected document indicator": (
        "the quoted text that starts here does not end before the next document",
        "",
    ),
    "found unknown escape character": (
        "unknown escape after '\\' in double quotes",
        r"write '\\' for a backslash, or use single quotes",
    ),
    "did not find expected hexdecimal number": (
        "expected hexadecimal digits after the escape",
        r"\x takes 2 digits, \u 4, \U 8",
    ),
    "found invalid Unicode character escape code": (
        "this escape is no character: surrogates and numbers above 10FFFF are none",
        "write the character itself, or \\U and its 8 digits",
    ),
    "did not find expected alphabetic or numeric character": (
        "expected a name of letters, digits, '-' and '_' after '*' or '&'",
        "quote text that starts with '*' or '&'",
    ),
    "found undefined tag handle": (
        "unknown tag handle",
        "quote text that starts with '!'",
    ),
    "found incompatible YAML document": (
        "found a %YAML directive of another version, expected 1.1 or 1.2",
        "remove it",
    ),
    "found unknown directive name": (
        "found an unknown directive, expected %YAML or %TAG",
        "quote text that starts with '%'",
    ),
    "found an indentation indicator equal to 0": (
        "the indentation after '|' or '>' is 1 to 9, found 0",
        "",
    ),
    "did not find expected comment or line break": (
        "expected the end of the line after '|' or '>'",
        "text starts on the next line",
    ),
    "found a tab character where an indentation space is expected": (
        "found a tab in the indentation, expected spaces",
        "",
    ),
    "found a tab character that violates indentation": (
        "found a tab in the indentation, expected spaces",
        "",
    ),
}
# Where these are noticed says little; where the text that they are about starts says more.
_AT_ITS_START = frozenset(
    {
        "found unexpected end of stream",
        "found unexpected document indicator",
        "could not find expected ':'",
    }
)
# libyaml's own limit, 1,000: its scanner may run ahead of the events that ours counts.
_TOO_DEEP = "exceeded maximum nesting depth"
_IN_BRACKETS = frozenset({"did not find expected ',' or '}'", "did not find expected ',' or ']'"})


def yaml_problem(text: Text, error: YAMLError, document_start: int) -> Problem:
    """The problem at which libyaml stopped, in a document that starts at `document_start`."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        position = position_in(text.name, text.content, document_start)
        return Problem(Code.SYNTAX, position, f"not valid YAML: {printable(str(error))}")
    found = str(error.problem)
    if found == _TOO_DEEP:
        position = position_in(text.name, text.content, error.problem_mark.index)
        message = f"mappings and lists nest deeper than {LIMITS.depth} levels"
        return Problem(Code.LIMIT, position, message)
    at_start = found in _AT_ITS_START and error.context_mark is not None
    mark = error.context_mark if at_start else error.problem_mark
    offset = mark.index if mark is not None else document_start
    if template := _template(text.content, document_start, error.problem_mark.index):
        position = position_in(text.name, text.content, template.start(1))
        message = f"found '{template[1]}' of a template, expected YAML"
        return Problem(Code.TEMPLATE, position, message, _render_hint(template[1]))
    message, hint = _words(text.content, found, offset)
    if found in _IN_BRACKETS and error.context_mark is not None:
        opened = position_in(text.name, text.content, error.context_mark.index)
        message += f" that opens at line {opened.line}, column {opened.column}"
    return Problem(Code.SYNTAX, position_in(text.name, text.content, offset), message, hint)


def json_problem(text: Text, error: JSONDecodeError) -> Problem:
    """The problem at which the JSON reader stopped."""
    message = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    return Problem(Code.SYNTAX, position_in(text.name, text.content, error.pos), message)


def _render_hint(action: str) -> str:
    kind = "Helm" if action == "{{" else "Jinja"
    return f"looks like a {kind} template: render it first"


def _template(content: str, start: int, offset: int) -> re.Match[str] | None:
    """The first template action from `start` to the line of `offset` that stands in no text."""
    line_end = _LINE_END.search(content, offset)
    end = line_end.start() if line_end else offset
    found = list(_TEMPLATE.finditer(content, start, end))
    texts = list(_texts(content[start:], start)) if found else []
    starts = [text[0] for text in texts]
    for match in found:
        index = bisect_right(starts, match.start(1)) - 1
        if index < 0 or texts[index][1] <= match.start(1):
            return match
    return None


def _texts(content: str, base: int) -> Iterator[tuple[int, int]]:
    """Where quoted text and blocks of text that hold braces start and end, up to the mistake."""
    with suppress(YAMLError):
        for event in iter(yaml_events(content), None):
            if _holds_braces(event):
                yield base + event.start_mark.index, base + event.end_mark.index


def _holds_braces(event: Any) -> bool:
    return type(event) is ScalarEvent and "{" in event.value


def _words(content: str, found: str, offset: int) -> tuple[str, str]:
    if found == "found character that cannot start any token":
        character = content[offset : offset + 1]
        if character == "\t":
            return "found a tab in the indentation, expected spaces", ""
        return f"a value cannot start with {printable(character)}", "quote it"
    if found in _REWORDED:
        return _REWORDED[found]
    return f"not valid YAML: {found}", ""
