"""Files of rules with one thing wrong: a line gone, two lines swapped, one word changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MATCHES = re.compile(
    r"(?:! )?-[sd] \S+ |-p \S+ |-m \S+ (?:(?:! )?--(?!comment)\S+(?: [^-! ]\S*)? )*"
    r'(?:--comment "[^"]*" )?'
)
_NEGATABLE = re.compile(r"(?<!! )(?=-[sd] |--ctstate |--mark )")
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9]+\b")
_TARGETS = ("ACCEPT", "DROP", "RETURN", "KUBE-MARK-MASQ")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`line` is the number, from 1, of the (first) line that changed, `before` and `after` what it
    was and is: "" if it is gone."""

    kind: str
    line: int
    before: str
    after: str
    text: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The original's lines that changed."""
        return (self.before, self.after) if self.kind == "swap" else (self.before,)


def mutants(text: str) -> Iterator[Mutant]:
    lines = text.splitlines()
    for index, line in enumerate(lines):
        yield _changed("delete", lines, index, None)
        if index + 1 < len(lines) and lines[index + 1] != line:
            yield _swapped(lines, index)
        for kind, changed in _variants(line):
            if changed != line:
                yield _changed(kind, lines, index, changed)


def _changed(kind: str, lines: list[str], index: int, after: str | None) -> Mutant:
    middle = [] if after is None else [after]
    text = "\n".join([*lines[:index], *middle, *lines[index + 1 :]]) + "\n"
    return Mutant(kind, index + 1, lines[index], after or "", text)


def _swapped(lines: list[str], index: int) -> Mutant:
    first, second = lines[index], lines[index + 1]
    text = "\n".join([*lines[:index], second, first, *lines[index + 2 :]]) + "\n"
    return Mutant("swap", index + 1, first, second, text)


def _variants(line: str) -> Iterator[tuple[str, str]]:
    """Lines in which one word is different."""
    if line.startswith("*"):
        yield "table", {"*nat": "*filter", "*filter": "*nat"}[line]
    if line.startswith("-A "):
        yield from _numbers(line)
        yield from _targets(line)
        yield from _matches(line)


def _numbers(line: str) -> Iterator[tuple[str, str]]:
    comment = re.search(r'"[^"]*"', line)
    for match in _NUMBERS.finditer(line):
        if not (comment and comment.start() < match.start() < comment.end()):
            for number in _others(match[0]):
                yield "number", line[: match.start()] + number + line[match.end() :]


def _others(number: str) -> tuple[str, ...]:
    """The next number; of a mark, the next bit, and one bit more."""
    if number.startswith("0x"):
        value = int(number, 16)
        return hex(value << 1 & 0xFFFFFFFF), hex(value ^ 1)
    return (str(int(number) + 1).zfill(len(number)),)


def _targets(line: str) -> Iterator[tuple[str, str]]:
    rule, jump, target = line.partition(" -j ")
    if jump:
        for other in _TARGETS:
            yield "target", f"{rule}{jump}{other}"
        yield "option", f"{rule}{jump}{target.split(' ')[0]}"


def _matches(line: str) -> Iterator[tuple[str, str]]:
    start = line.index(" ", 3) + 1
    for match in _MATCHES.finditer(line, start):
        yield "match", line[: match.start()] + line[match.end() :]
    for match in _NEGATABLE.finditer(line, start):
        yield "negation", line[: match.start()] + "! " + line[match.start() :]
    for match in re.finditer("! ", line):
        yield "negation", line[: match.start()] + line[match.end() :]
    for match in re.finditer(r"(?<=[ ,])[A-Z]+,|,[A-Z]+(?= )", line):
        yield "state", line[: match.start()] + line[match.end() :]
    for word in ("--set ", "--rcheck ", "--reap "):
        yield "option", line.replace(word, "")
