"""The file of `--zone-serial`: a line a zone.

Every entry has a heading, so that git sees an unchanged line between two that differ. A merge that
keeps the lines of both sides leaves two entries of one zone; the greater serial counts.
"""

import re
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice

from kcompile.lower.serials import SHARED, Entry, Serials, is_greater
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

_HEADER = "kcompile-zone-serials: 1"
_END = "# end"
_MOST_PROBLEMS = 20
_HIGHEST = 0xFFFFFFFF
_CONFLICT_MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
_COMMENT = re.compile(r"#[ -~]{0,300}")
_PIECES = (
    (
        re.compile(r"[a-z0-9_](?:[-a-z0-9_.]{0,251}[a-z0-9_])?"),
        "a zone's name, without its last dot",
    ),
    (re.compile(r": \{serial: "), "`: {serial: `"),
    (re.compile(r"[1-9][0-9]{0,9}(?![0-9])"), f"a serial from 1 to {_HIGHEST}"),
    (re.compile(r", digest: "), "`, digest: `"),
    (re.compile(r"[0-9a-f]{64}"), "a digest of 64 hexadecimal digits"),
    (re.compile(r"\}"), "`}`"),
)


class _LineError(Exception):
    """What is wrong with a line, and at which column."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column


def format_serials(serials: Serials) -> str:
    entries = [
        f"# {zone}\n{zone}: {{serial: {entry.serial}, digest: {entry.digest}}}\n"
        for zone, entry in sorted(serials.entries.items())
    ]
    return "\n".join([f"{_HEADER}\n", *entries, f"{_END}\n"])


def parse_serials(name: str, text: str) -> Serials:
    """Raises InputError with what is wrong, line by line."""
    lines = text.split("\n")
    if lines[0] != _HEADER:
        problem = _problem(name, 1, 1, f"found {printable(lines[0])} where {_HEADER!r} is expected")
        raise InputError([problem])
    found: dict[str, list[Entry]] = {}
    problems = tuple(islice(_read_lines(name, lines, found), _MOST_PROBLEMS))
    if problems:
        raise InputError(problems)
    return Serials(name, {zone: _greatest(name, zone, each) for zone, each in found.items()})


def broken_serials(name: str, message: str) -> InputError:
    """The file as a whole cannot be used."""
    return InputError([_problem(name, 1, 1, message)])


def _read_lines(
    name: str, lines: Sequence[str], found: dict[str, list[Entry]]
) -> Iterator[Problem]:
    """Adds the entries of all lines to `found`; gives what is wrong with the others."""
    for number, line in enumerate(lines[1:], 2):
        if not line or _COMMENT.fullmatch(line):
            continue
        try:
            zone, entry = _parse_entry(line, number)
            found.setdefault(zone, []).append(entry)
        except _LineError as error:
            yield _problem(name, number, error.column, str(error))


def _parse_entry(line: str, number: int) -> tuple[str, Entry]:
    if line.startswith(_CONFLICT_MARKS):
        raise _LineError(
            1,
            "a merge left a conflict here: remove the marks and keep the entries of both sides",
        )
    column, words = 0, list[str]()
    for pattern, wanted in _PIECES:
        match = pattern.match(line, column)
        if not match or (len(words) == 2 and int(match[0]) > _HIGHEST):
            found = printable(line[column:]) if column < len(line) else "the line's end"
            raise _LineError(column + 1, f"found {found} where {wanted} is expected")
        words.append(match[0])
        column = match.end()
    if column < len(line):
        raise _LineError(column + 1, f"found {printable(line[column:])} where the line should end")
    return words[0], Entry(int(words[2]), words[4], number)


def _greatest(name: str, zone: str, entries: Sequence[Entry]) -> Entry:
    """The entry that counts of those of one zone. Where two contents have the greatest serial,
    secondaries may have either, so neither may keep it."""
    greatest = reduce(_greater, entries)
    for entry in entries:
        if entry.serial != greatest.serial and not is_greater(greatest.serial, entry.serial):
            message = (
                f"zone {zone} has serial {entry.serial} here and {greatest.serial} in line"
                f" {greatest.line}: neither is the greatest, as serials are compared; remove one"
            )
            raise InputError([_problem(name, entry.line, 1, message)])
    digests = {entry.digest for entry in entries if entry.serial == greatest.serial}
    return greatest if len(digests) == 1 else Entry(greatest.serial, SHARED, greatest.line)


def _greater(one: Entry, other: Entry) -> Entry:
    return other if is_greater(other.serial, one.serial) else one


def _problem(name: str, line: int, column: int, message: str) -> Problem:
    hint = "mend it rather than remove it: secondaries ignore zones that start at 1 again"
    return Problem(Code.ZONE_SERIALS, Position(name, line, column), message, hint)
