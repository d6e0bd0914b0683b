"""Chains that only choose among endpoints, recognised whole.

The kernel tries their rules in turn; what they do is told by a list of thresholds and endpoints.
A chain of any other form is no balance, and is walked rule by rule.
"""

import re
from dataclasses import dataclass

from kcompile.address import BITS
from kcompile.prove.parse import FULL_MASK, parse_address, threshold
from kcompile.prove.rule import ALWAYS, Rule, SetMark, unconditional
from kcompile.prove.text import RulesText

_MARK_CHAIN = "KUBE-MARK-MASQ"
_COMMENT = r'(?:-m comment --comment "[^"\\\n]*" )?'
_PARTS = re.compile(
    rf"((?:-A \S+ [^\n]*-j {_MARK_CHAIN}\n)*)"
    rf"((?:-A \S+ {_COMMENT}-m recent [^\"\n]*\n)*)"
    rf"((?:-A \S+ {_COMMENT}(?:-m statistic [^\"\n]*)?-j \S+\n)+)"
)
_PICK = re.compile(
    rf"-A \S+ {_COMMENT}(?:-m statistic --mode random --probability (\S+) )?-j (\S+)\n"
)


@dataclass(frozen=True, slots=True)
class Balance:
    """What becomes of a new client's packet after the rules of `head`: the first endpoint is
    taken if 31 random bits are below the first threshold, and so on; the last is taken always.

    What an endpoint sends to itself is marked. A client comes back to its endpoint for `seconds`,
    if that is not 0.
    """

    head: tuple[Rule, ...]
    protocol: str
    thresholds: tuple[int, ...]
    backends: tuple[tuple[int, int], ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A chain that marks what its endpoint sends to itself, and translates. `remembers` says that
    it notes clients in a list of its own name."""

    protocol: str
    backend: tuple[int, int]
    remembers: bool


class Balances:
    """The balances among the chains of nat. `marks` is what makes a packet's source the node's;
    there are no balances if it is none of its own."""

    def __init__(self, text: RulesText) -> None:
        mask = re.escape(FULL_MASK[text.family])
        self._asked = re.compile(
            rf"-A \S+ {_COMMENT}-m recent --rcheck --seconds ([1-9][0-9]{{0,8}}) --reap"
            rf" --name (\S+) --mask {mask} --rsource -j \2\n"
        )
        to = r"\2:" if text.family == 4 else r"\[\2\]:"
        self._translate = re.compile(
            rf"-A (\S+) -s ([0-9a-f.:]+)/{BITS[text.family]} {_COMMENT}-j {_MARK_CHAIN}\n"
            rf"-A \1 -p (tcp|udp|sctp) {_COMMENT}"
            rf"(-m recent --set --name \1 --mask {mask} --rsource )?"
            rf"-m \3 -j DNAT --to-destination {to}([1-9][0-9]{{0,4}})\n"
        )
        self._text = text
        self._chains = text.chains["nat"]
        self._found: dict[str, Balance | None] = {}
        self._endpoints: dict[str, _Endpoint] = {}
        self._thresholds: dict[str, int] = {"": ALWAYS}
        self.marks = self._marks()

    def of(self, chain: str) -> Balance | None:
        """The chain as a balance, None if it is something else."""
        if chain not in self._found:
            self._found[chain] = self._recognise(chain) if self.marks else None
        return self._found[chain]

    def _marks(self) -> SetMark | None:
        """What the chain for marks does, None if it is anything but to set some bits."""
        if _MARK_CHAIN not in self._chains:
            return None
        match list(self._text.rules("nat", _MARK_CHAIN)):
            case [Rule(target=SetMark(value, mask)) as rule] if value == mask:
                target = SetMark(value, mask)
                return target if rule == unconditional(rule.offset, target) else None
            case _:
                return None

    def _recognise(self, chain: str) -> Balance | None:
        spans = self._chains[chain]
        parts = _PARTS.fullmatch(self._text.text, *spans) if len(spans) == 2 else None
        if not parts:
            return None
        picks = self._lines(_PICK, *parts.span(3))
        endpoints = [self._endpoint(target) for _, target in picks]
        if not picks or None in endpoints:
            return None
        found = [each for each in endpoints if each]
        thresholds = self._thresholds_of([text for text, _ in picks])
        if thresholds is None or len({each.protocol for each in found}) > 1:
            return None
        seconds = 0
        if parts[2]:
            kept = self._seconds(*parts.span(2), [target for _, target in picks])
            if kept is None or not all(each.remembers for each in found):
                return None
            seconds = kept
        return Balance(
            self._rules(*parts.span(1)),
            found[0].protocol,
            thresholds,
            tuple([each.backend for each in found]),
            seconds,
        )

    def _lines(self, pattern: re.Pattern[str], start: int, end: int) -> list[tuple[str, str]]:
        """What a pattern finds in each of some lines, nothing if a line is different."""
        found = pattern.findall(self._text.text, start, end)
        return found if len(found) == self._text.text.count("\n", start, end) else []

    def _thresholds_of(self, texts: list[str]) -> tuple[int, ...] | None:
        if texts[-1] or "" in texts[:-1]:
            return None
        known = self._thresholds
        for text in texts:
            if text not in known:
                try:
                    known[text] = threshold(text)
                except ValueError:
                    return None
        return tuple([known[text] for text in texts[:-1]])

    def _seconds(self, start: int, end: int, targets: list[str]) -> int | None:
        """How long lists of exactly these endpoints are asked for."""
        asked = self._lines(self._asked, start, end)
        seconds = {number for number, _ in asked}
        if sorted(name for _, name in asked) != sorted(set(targets)) or len(seconds) != 1:
            return None
        return int(seconds.pop())

    def _rules(self, start: int, end: int) -> tuple[Rule, ...]:
        """The rules of some lines."""
        found = []
        while start < end:
            found.append(self._text.rule("nat", start))
            start = self._text.text.index("\n", start) + 1
        return tuple(found)

    def _endpoint(self, chain: str) -> _Endpoint | None:
        if chain in self._endpoints:
            return self._endpoints[chain]
        spans = self._chains.get(chain, ())
        match = self._translate.fullmatch(self._text.text, *spans) if len(spans) == 2 else None
        if not match:
            return None
        _, address, protocol, remembers, port = match.groups()
        try:
            backend = (parse_address(address, self._text.family), int(port))
        except ValueError:
            return None
        if backend[1] > 65535:
            return None
        found = self._endpoints[chain] = _Endpoint(protocol, backend, bool(remembers))
        return found
