"""The rules of a chain that a packet may match: all of them, or those that an index finds."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from kcompile.address import Family
from kcompile.prove.packet import ANYWHERE, OWN, Key
from kcompile.prove.parse import parse_address
from kcompile.prove.rule import Rule
from kcompile.prove.text import RulesText

_KEYED = re.compile(
    r"^-A (\S+) (?:-d ([0-9a-f.:]+)/(?:32|128) )?-p (tcp|udp|sctp)"
    r' (?:-m comment --comment "[^"\\\n]*" )?(-m addrtype --dst-type LOCAL )?'
    r'-m \3 --dport ([1-9][0-9]{0,4}) -j [^"\n]*\n',
    re.MULTILINE,
)


class Linear:
    """Every rule of the chain: slow, and the measure of what is faster."""

    def __init__(self, text: RulesText) -> None:
        self.text = text
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}

    def candidates(self, table: str, chain: str, key: Key) -> Sequence[Rule]:
        del key
        place = (table, chain)
        if place not in self._rules:
            self._rules[place] = tuple(self.text.rules(table, chain))
        return self._rules[place]


class Indexed:
    """Rules by destination, protocol and port. A chain's other rules are candidates always."""

    def __init__(self, text: RulesText) -> None:
        self.text = text
        self._indexes: dict[tuple[str, str], _Index] = {}

    def candidates(self, table: str, chain: str, key: Key) -> Sequence[Rule]:
        return self._index(table, chain).candidates(key)

    def keys(self, table: str, chain: str) -> AbstractSet[Key]:
        """The keys of a chain's rules."""
        return self._index(table, chain).keyed.keys()

    def _index(self, table: str, chain: str) -> "_Index":
        place = (table, chain)
        found = self._indexes.get(place)
        if found is None:
            found = self._indexes[place] = _Index(self.text, table, chain)
        return found


class _Index:
    """One chain: `keyed` has the offsets of rules that only packets with a key can match."""

    def __init__(self, text: RulesText, table: str, chain: str) -> None:
        self.text = text
        self.table = table
        self.keyed: dict[Key, list[int]] = {}
        self._parsed: dict[Key, tuple[Rule, ...]] = {}
        others = [offset for offset in text.offsets(table, chain) if not self._file(offset)]
        self._others = tuple([text.rule(table, offset) for offset in others])

    def _file(self, offset: int) -> bool:
        match = _KEYED.match(self.text.text, offset)
        key = _key(match, self.text.family) if match else None
        if key is None:
            return False
        self.keyed.setdefault(key, []).append(offset)
        return True

    def candidates(self, key: Key) -> Sequence[Rule]:
        if not self.keyed:
            return self._others
        _, protocol, port = key
        keys = (key, (ANYWHERE, protocol, port), (OWN, protocol, port))
        found = [rule for each in keys if each in self.keyed for rule in self._rules(each)]
        if not found:
            return self._others
        return sorted((*found, *self._others), key=_offset)

    def _rules(self, key: Key) -> tuple[Rule, ...]:
        found = self._parsed.get(key)
        if found is None:
            rules = [self.text.rule(self.table, offset) for offset in self.keyed[key]]
            found = self._parsed[key] = tuple(rules)
        return found


def keyed_rules(lines: str, family: Family) -> Iterator[tuple[str, Key]]:
    """Chain and key of each line that only packets with a key can match."""
    for match in _KEYED.finditer(lines):
        if key := _key(match, family):
            yield match[1], key


def _key(match: re.Match[str], family: Family) -> Key | None:
    _, address, protocol, own, port = match.groups()
    to = OWN if own else ANYWHERE
    if address:
        try:
            to = parse_address(address, family)
        except ValueError:
            return None
    return to, protocol, int(port)


def _offset(rule: Rule) -> int:
    return rule.offset
