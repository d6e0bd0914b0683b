"""The text of an iptables-restore file, taken apart no further than asked for.

A large file has 300,000 rules, so that no object is made of a rule before a packet meets it: the
tables know where in the text each chain's lines are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.address import Family
from kcompile.problems import OurBugError
from kcompile.prove.parse import parse_rule
from kcompile.prove.rule import Dnat, Drop, Jump, Masquerade, Reject, Rule

BUILTIN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
_DECLARATION = re.compile(r":([A-Za-z0-9-]{1,28}) - \[0:0\]\n")
_GROUP = re.compile(r"-A (\S+) [^\n]*\n(?:-A \1 [^\n]*\n)*")
_BETWEEN_TABLES = re.compile(r"(?:#[^\n]*)?\n")

Spans = tuple[int, ...]
"""Start, end, start, end, ... of a chain's lines."""


class UnreadableRulesError(OurBugError):
    """A line that the prover does not understand, or that a kernel would not load."""

    def __init__(self, line: int, message: str, file: str = "rules") -> None:
        self.line = line
        self.message = message
        super().__init__(f"{file}:{line}: {message}")


@dataclass(frozen=True, slots=True)
class RulesText:
    """`chains` has, by table and name, where the rules of every declared chain are."""

    text: str
    family: Family
    chains: dict[str, dict[str, Spans]]

    def line(self, offset: int) -> int:
        """The number, from 1, of the line at an offset."""
        return self.text.count("\n", 0, offset) + 1

    def rule(self, table: str, offset: int) -> Rule:
        """The rule whose line begins at an offset."""
        line = self.text[offset : self.text.index("\n", offset)]
        try:
            rule = parse_rule(line, offset, self.family)
        except ValueError as error:
            raise self.bug(offset, f"{error} in {line!r}") from None
        if message := self._misplaced(table, rule):
            raise self.bug(offset, message)
        return rule

    def rules(self, table: str, chain: str) -> Iterator[Rule]:
        """The rules of a chain, in order."""
        for offset in self.offsets(table, chain):
            yield self.rule(table, offset)

    def offsets(self, table: str, chain: str) -> Iterator[int]:
        """Where the lines of a chain begin, in order."""
        spans = self.chains[table][chain]
        for start, end in zip(spans[::2], spans[1::2], strict=True):
            offset = start
            while offset < end:
                yield offset
                offset = self.text.index("\n", offset) + 1

    def _misplaced(self, table: str, rule: Rule) -> str:
        """Why a kernel would not load a rule in this table, "" if it would."""
        match rule.target:
            case Jump(chain) if chain in BUILTIN[table] or chain not in self.chains[table]:
                return f"a jump to {chain!r}, which is no chain of ours in {table}"
            case Drop() | Reject() if table == "nat":
                return "nat is not for filtering"
            case Dnat() | Masquerade() if table != "nat":
                return "addresses are translated in nat only"
            case Dnat() if not rule.protocol:
                return "a DNAT to a port needs a protocol"
            case _:
                return ""

    def bug(self, offset: int, message: str) -> UnreadableRulesError:
        return UnreadableRulesError(self.line(offset), message)


def read_rules(text: str, family: Family) -> RulesText:
    """Both tables of a file. Raises UnreadableRulesError."""
    found = RulesText(text, family, {})
    position = 0
    while position < len(text):
        between = _BETWEEN_TABLES.match(text, position)
        position = between.end() if between else _read_table(found, position)
    for name in BUILTIN:
        if name not in found.chains:
            raise found.bug(len(text), f"no table {name!r}")
    if spans := found.chains["nat"]["INPUT"]:
        # Where sources are translated on arrival: nothing here means that, so no proof walks it.
        raise found.bug(spans[0], "a rule in INPUT of nat")
    return found


def _read_table(found: RulesText, position: int) -> int:
    """Reads the table that begins at a position; where its end is."""
    text = found.text
    first = text.find("\n", position) + 1
    name = text[position + 1 : first - 1]
    if text[position] != "*" or not first or name not in BUILTIN or name in found.chains:
        raise found.bug(position, "not the beginning of filter or nat, each once")
    end = text.find("\nCOMMIT\n", first - 1) + 1
    if not end:
        raise found.bug(position, f"no COMMIT of {name}")
    rules = text.find("\n-A ", first - 1, end) + 1 or end
    found.chains[name] = _declarations(found, first, rules)
    for builtin in BUILTIN[name]:
        if builtin not in found.chains[name]:
            raise found.bug(position, f"{builtin} of {name} is not declared")
    _groups(found, found.chains[name], rules, end)
    return end + len("COMMIT\n")


def _declarations(found: RulesText, start: int, end: int) -> dict[str, Spans]:
    """Declared chains. `-` leaves a built-in chain's policy as it is."""
    block = found.text[start:end]
    names = _DECLARATION.findall(block)
    chains: dict[str, Spans] = dict.fromkeys(names, ())
    if len(names) == block.count("\n") and len(chains) == len(names):
        return chains
    position = start
    seen = set()
    while match := _DECLARATION.match(found.text, position, end):
        if match[1] in seen:
            break
        seen.add(match[1])
        position = match.end()
    raise found.bug(position, "not a declaration like ':CHAIN - [0:0]', each chain once")


def _groups(found: RulesText, chains: dict[str, Spans], start: int, end: int) -> None:
    """Finds the lines of each chain; those of one chain need not stand together."""
    position = start
    for match in _GROUP.finditer(found.text, start, end):
        name = match[1]
        if match.start() != position or name not in chains:
            break
        position = match.end()
        chains[name] += match.span()
    if position != end:
        raise found.bug(position, "not a rule of a declared chain")
