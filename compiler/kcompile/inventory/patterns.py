"""Names with ranges in them, as Ansible writes many hosts at once: node[01:10], rack-[a:f]."""

import re
from itertools import product
from math import prod
from string import ascii_letters

_RANGE = re.compile(r"\[([^\[\]]*)\]")
_NUMBERS = re.compile(r"([0-9]{0,9}):([0-9]{1,9})(?::([0-9]{1,9}))?")
_LETTERS = re.compile(r"([A-Za-z]):([A-Za-z])(?::([0-9]{1,9}))?")


class PatternError(Exception):
    """Why a pattern stands for no hosts."""


def expand(pattern: str, most: int) -> list[str]:
    """The names that a pattern stands for, the first range varying slowest."""
    if "[" not in pattern:
        return [pattern]
    pieces = _RANGE.split(pattern)
    choices = [
        _values(piece) if index % 2 else range(1) for index, piece in enumerate(pieces)
    ]  # fmt: skip
    if prod(len(each) for each in choices) > most:
        raise PatternError(f"it stands for more than {most:,} hosts")
    texts = [
        [_shown(piece, value) for value in values] if index % 2 else [piece]
        for index, (piece, values) in enumerate(zip(pieces, choices, strict=True))
    ]
    return ["".join(parts) for parts in product(*texts)]


def _values(text: str) -> range:
    """Numbers, or indices of letters; both ends are in the range."""
    if match := _NUMBERS.fullmatch(text):
        first, last = match[1] or "0", match[2]
        if first[0] == "0" and len(first) > 1 and len(first) != len(last):
            raise PatternError(f"the ends of [{text}] have leading zeros, but not equal lengths")
        low, high, step = int(first), int(last), int(match[3] or 1)
    elif match := _LETTERS.fullmatch(text):
        low, high = ascii_letters.index(match[1]), ascii_letters.index(match[2])
        step = int(match[3] or 1)
    else:
        raise PatternError("a range is [FIRST:LAST] or [FIRST:LAST:STEP], of numbers or letters")
    if step < 1 or low > high:
        raise PatternError(f"[{text}] is empty")
    return range(low, high + 1, step)


def _shown(text: str, value: int) -> str:
    first = text.partition(":")[0]
    if first.isalpha():
        return ascii_letters[value]
    return str(value).zfill(len(first)) if first.startswith("0") else str(value)
