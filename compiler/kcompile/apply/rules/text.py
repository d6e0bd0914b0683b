"""A slice's iptables.rules and ip6tables.rules as tables, read strictly: whatever the file's
author wanted, only chains of kcompile's own and jumps to them come out of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kcompile.apply.failures import RefusedError
from kcompile.apply.rules.change import Lines

BUILT_IN: Mapping[str, frozenset[str]] = {
    "filter": frozenset(("INPUT", "FORWARD", "OUTPUT")),
    "nat": frozenset(("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
}
_TARGETS = frozenset(("ACCEPT", "DNAT", "DROP", "MARK", "MASQUERADE", "REJECT", "RETURN"))

# XT_EXTENSION_MAXNAMELEN: 29 bytes with the end.
_DECLARATION = re.compile(r":((?:KUBE|KCOMPILE)-[A-Z0-9-]{1,23}|[A-Z]{5,11}) - \[0:0\]")
_OPTIONS = (
    "comment|ctstate|dport|dst-type|mark|mask|mode|name|probability|random-fully|rcheck|reap"
    "|reject-with|rsource|seconds|set|set-xmark|src-type|to-destination"
)
# No option of iptables itself (another table, a program to load modules with), no line end.
_RULE = re.compile(
    r"-A [A-Z0-9-]+"
    rf"(?: (?:!|-[sdpmj]|--(?:{_OPTIONS})"
    r'|[A-Za-z0-9.:\[][A-Za-z0-9.:/,\[\]_-]*|"[ !#-\[\]-~]*"))+'
)


@dataclass(frozen=True)
class Table:
    """Rules by chain: in chains that somebody made, and in the kernel's own."""

    chains: Mapping[str, Lines]
    built_in: Mapping[str, Lines]


Tables = Mapping[str, Table]
NOTHING = Table({}, {})


def read(text: str, name: str) -> Tables:
    """The tables of a file, by name. Rules themselves are not looked at: see `require_plain`.

    Raises RefusedError with file and line.
    """
    lines = text.split("\n")
    tables: dict[str, Table] = {}
    number = 0
    while number < len(lines):
        line = lines[number]
        if line[:1] == "*":
            if line[1:] not in BUILT_IN or line[1:] in tables:
                raise _refused(name, number, line)
            end = _end(lines, number, name)
            tables[line[1:]] = _table(line[1:], lines[number + 1 : end], name, number + 1)
            number = end
        elif line and line[0] != "#":
            raise _refused(name, number, line)
        number += 1
    return tables


def require_plain(chain: str, lines: Lines, chains: Mapping[str, Lines]) -> None:
    """Refuse rules that say more than kcompile's ever do. `chains` may be jumped to."""
    start = f"-A {chain} "
    for line in lines:
        to = target(line)
        known = not to or to in _TARGETS or to in chains  # without one, a rule counts
        if not (known and line.startswith(start) and _RULE.fullmatch(line)):
            raise RefusedError(f"a rule of chain {chain} is none that kcompile writes: {line!a}")


def target(line: str) -> str:
    """Where a rule leads: a chain or a target; "" if it only counts."""
    # A comment may hold anything but a quotation mark.
    return line.rpartition('"')[2].partition(" -j ")[2].partition(" ")[0]


def alike(one: Lines, other: Lines) -> bool:
    """Whether rules say the same; versions of iptables print matches in different orders."""
    return one == other or (
        len(one) == len(other) and all(map(lambda a, b: a == b or words(a) == words(b), one, other))
    )


def words(line: str) -> tuple[str, ...]:
    """What a rule says, in whichever order it is printed."""
    return tuple(sorted(line.replace("! ", "!").split(" ")))


def _end(lines: Sequence[str], start: int, name: str) -> int:
    try:
        return lines.index("COMMIT", start)
    except ValueError:
        raise RefusedError(f"{name}: line {start + 1}: the table has no COMMIT") from None


def _table(table: str, lines: Sequence[str], name: str, first: int) -> Table:
    rules: dict[str, list[str]] = {}
    for number, line in enumerate(lines, first):
        if line[:3] == "-A ":
            # The hot loop: a file may have hundreds of thousands of these.
            chain = line[3 : line.find(" ", 3)]
            if chain not in rules:
                raise _refused(name, number, line)
            rules[chain].append(line)
        elif line[:1] == ":":
            found = _DECLARATION.fullmatch(line)
            if not found or found[1] in rules or not _may_be(table, found[1]):
                raise _refused(name, number, line)
            rules[found[1]] = []
        elif line and line[0] != "#":
            raise _refused(name, number, line)
    own = {chain: tuple(said) for chain, said in rules.items() if chain not in BUILT_IN[table]}
    jumps = {chain: tuple(said) for chain, said in rules.items() if chain in BUILT_IN[table]}
    _require_jumps(jumps, own, name)
    return Table(own, jumps)


def _may_be(table: str, chain: str) -> bool:
    return "-" in chain or chain in BUILT_IN[table]


def _require_jumps(jumps: Mapping[str, Lines], own: Mapping[str, Lines], name: str) -> None:
    """In the kernel's own chains stand only jumps to ours, each once."""
    for chain, lines in jumps.items():
        require_plain(chain, lines, own)
        for line in lines:
            if target(line) not in own or lines.count(line) > 1:
                raise RefusedError(f"{name}: this is no jump of kcompile's: {line!a}")


def _refused(name: str, number: int, line: str) -> RefusedError:
    return RefusedError(f"{name}: line {number + 1}: kcompile writes no such line: {line[:200]!a}")
