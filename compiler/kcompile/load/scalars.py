"""What an unquoted word means: Kubernetes' reading (sigs.k8s.io/yaml), not PyYAML's.

Kubernetes reads YAML with go-yaml v2 and hands it on as JSON. So a word is first judged by its
first character, as go-yaml does, and a float then becomes what JSON makes of it: 1e3 is 1000.
"""

import re
from decimal import Decimal

Plain = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_IN_JSON = frozenset(
    [".nan", ".NaN", ".NAN"]
    + [sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")]
)
_NUMERIC_START = frozenset("+-.0123456789")
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|0([0-7]*)|([1-9][0-9]*))"
)
_BASES = (16, 8, 2, 8, 10)
# go-yaml reads what follows 0b as a binary number with a sign of its own.
_BINARY_WITH_INNER_SIGN = re.compile(r"0b([-+][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Only after a leading dot does Go itself look at underscores: it wants them between digits.
_FLOAT_FROM_DOT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_MOST_DIGITS = 20  # of 2^64 - 1


class NotInJsonError(ValueError):
    """An infinity or not-a-number, which JSON and so Kubernetes cannot hold."""


def resolve(word: str) -> Plain:
    """The value that Kubernetes gives an unquoted word. Raises NotInJsonError."""
    value = as_go_yaml(word)
    return json_float(value) if type(value) is float else value


def as_go_yaml(word: str) -> Plain:
    """The value of a word before JSON: 1.0 is still a float. Raises NotInJsonError."""
    if word in _WORDS:
        return _WORDS[word]
    if word in _NOT_IN_JSON:
        raise NotInJsonError(word)
    if word[0] not in _NUMERIC_START:
        return word
    if word[0] == ".":
        number = _finite_float(word.replace("_", "")) if _FLOAT_FROM_DOT.fullmatch(word) else None
    else:
        number = _number(word.replace("_", ""))
    return word if number is None else number


def json_number(text: str) -> int | float | None:
    """The value of a JSON number; None where a 64-bit float cannot hold it."""
    number = _integer(text)
    value = _finite_float(text) if number is None else number
    return json_float(value) if type(value) is float else value


def json_float(value: float) -> int | float:
    """What a float becomes on its way through JSON, where whole numbers below 1e21 have no dot.

    They keep only the digits that tell them from their neighbours, as Go (and Python) print them.
    """
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    return int(value) if abs(value) < 2**53 else int(Decimal(repr(value)))


def _number(digits: str) -> int | float | None:
    integer = _integer(digits)
    if integer is not None:
        return integer
    if _FLOAT.fullmatch(digits):
        return _finite_float(digits)
    if inner := _BINARY_WITH_INNER_SIGN.fullmatch(digits):
        value = int(inner[1], 2)
        return value if -(2**63) <= value < 2**63 else None
    return None


def _integer(digits: str) -> int | None:
    """An integer that fits into 64 bits; with a sign, into 63 and the sign."""
    match = _INTEGER.fullmatch(digits)
    if match is None:
        return None
    sign, *alternatives = match.groups()
    base, figures = next((b, f) for b, f in zip(_BASES, alternatives, strict=True) if f is not None)
    if base == 10 and len(figures) > _MOST_DIGITS:
        return None
    value = int(figures or "0", base)
    limit = 2**64 - 1 if not sign else 2**63 - 1 if sign == "+" else 2**63
    if value > limit:
        return None
    return -value if sign == "-" else value


def _finite_float(digits: str) -> float | None:
    value = float(digits)
    return value if abs(value) != float("inf") else None
