"""Values as YAML that every reader takes for the same."""

import re
from collections.abc import Iterator, Mapping

_SPECIAL = re.compile(r'["\\]|[^ -~]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def yaml_text(value: Mapping[str, object]) -> str:
    """A document in block style, a value a line, in ASCII. Every string is in double quotes, where
    nothing has a meaning but what the backslash says."""
    return "".join(f"{line}\n" for line in _lines(value))


def quoted(text: str) -> str:
    """YAML's double quotes. JSON's would not do: it writes characters beyond U+FFFF as two halves,
    of which YAML readers make two wrong characters or an error."""
    return f'"{_SPECIAL.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    number = ord(character)
    if 0xD800 <= number < 0xE000:
        number = 0xFFFD  # half a character: as Go has it
    return _SHORT.get(character) or (f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _entry(quoted(key), inner)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            lines = _lines(item)
            yield f"- {next(lines)}"
            yield from (f"  {line}" for line in lines)
    else:
        yield _scalar(value)


def _entry(key: str, value: object) -> Iterator[str]:
    """A key and its value behind it, or below it and further in."""
    if isinstance(value, Mapping | list | tuple) and value:
        yield f"{key}:"
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key}: {_scalar(value)}"


def _scalar(value: object) -> str:
    match value:
        case str():
            return quoted(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Mapping():
            return "{}"
        case list() | tuple():
            return "[]"
        case _:
            raise TypeError(f"no plain value: {type(value)}")
