"""How nat translates packets of all clients at once.

Clients are bits of a number, and a rule divides them. Where that is not enough (a rule draws lots
outside of a balance, a client must be told from others), it says so, and nobody guesses.
"""

from typing import assert_never

from kcompile.prove.balance import Balance, Balances
from kcompile.prove.chains import Indexed
from kcompile.prove.clients import Clients, Range
from kcompile.prove.packet import Key, Own
from kcompile.prove.rule import (
    ALWAYS,
    ANY,
    Accept,
    Addresses,
    Dnat,
    Drop,
    Jump,
    Masquerade,
    Pass,
    Reject,
    Return,
    Rule,
    SetMark,
)

Group = tuple[int, int]
"""Clients, and the mark of their packets."""

Translation = tuple[int, int, Balance | None]
"""Clients, the mark of their packets and what translates them, None if nothing does."""


class IrregularError(Exception):
    """A chain that only the evaluator can follow."""


class UnknownRangeError(Exception):
    """A rule tells clients apart that were taken for equal."""

    def __init__(self, range_: Range) -> None:
        self.range = range_
        super().__init__(str(range_))


class Sweep:
    """`known` are the ranges of destinations that were told apart among loopback addresses, `asked`
    those that rules have asked for."""

    def __init__(
        self, rules: Indexed, balances: Balances, own: Own, known: frozenset[Range]
    ) -> None:
        self.rules = rules
        self.balances = balances
        self.own = own
        self.known = known
        self.asked: set[Range] = set()

    def translate(self, clients: Clients, key: Key) -> list[Translation]:
        """What nat does before the routing decision to the first packet of each client."""
        found: list[Translation] = []
        walk = _Walk(self, clients, key, found)
        left = walk.chain("PREROUTING", [(clients.everyone & ~clients.own, 0)], ())
        left += walk.chain("OUTPUT", [(clients.own, 0)], ())
        return [*found, *((mask, mark, None) for mask, mark in left)]

    def tells_apart(self, range_: Addresses, destination: int) -> bool:
        """Whether what a range does to a destination is what it does to those like it."""
        loopback = self.own.loopback
        return (
            destination not in loopback
            or range_.last < loopback.first
            or loopback.last < range_.first
            or (range_.first, range_.last) in self.known
        )


class _Walk:
    def __init__(self, sweep: Sweep, clients: Clients, key: Key, found: list[Translation]) -> None:
        self.sweep = sweep
        self.clients = clients
        self.key = key
        self.found = found

    def chain(self, name: str, groups: list[Group], inside: tuple[str, ...]) -> list[Group]:
        """Walks a chain; the groups that come back from it."""
        if name in inside:
            raise IrregularError
        balance = self.sweep.balances.of(name)
        rules = balance.head if balance else self.sweep.rules.candidates("nat", name, self.key)
        going = groups
        returned: list[Group] = []
        for rule in rules:
            if not going:
                break
            if not self._fits(rule):
                continue
            matching = self._matching(rule)
            groups, going = going, []
            for mask, mark in groups:
                if mask & ~matching:
                    going.append((mask & ~matching, mark))
                if hit := mask & matching:
                    going += self._apply(rule, (hit, mark), (*inside, name), returned)
        if balance:
            if balance.protocol != self.key[1]:
                raise IrregularError
            self.found += [(mask, mark, balance) for mask, mark in going]
            return returned
        return returned + going

    def _apply(
        self, rule: Rule, group: Group, inside: tuple[str, ...], returned: list[Group]
    ) -> list[Group]:
        """What a rule does to clients that it matches; those that go on in the same chain."""
        match rule.target:
            case Jump(chain):
                return self.chain(chain, [group], inside)
            case SetMark(value) if rule.target == self.sweep.balances.marks:
                return [(group[0], group[1] | value)]
            case Pass():
                return [group]
            case Return():
                returned.append(group)
            case Accept():
                self.found.append((*group, None))
            case SetMark() | Dnat() | Masquerade() | Drop() | Reject():
                raise IrregularError
            case _:
                assert_never(rule.target)
        return []

    def _fits(self, rule: Rule) -> bool:
        """All matches that are the same for all clients."""
        destination, protocol, port = self.key
        if rule.protocol not in ("", protocol) or rule.port not in (0, port):
            return False
        if rule.destination is not ANY:
            self.sweep.asked.add((rule.destination.first, rule.destination.last))
            if not self.sweep.tells_apart(rule.destination, destination):
                raise IrregularError
            if destination not in rule.destination:
                return False
        if rule.destination_local and destination not in self.sweep.own:
            return False
        if rule.state and ("NEW" in rule.state.states) is rule.state.negate:
            return False
        if rule.mark or rule.recent or rule.threshold != ALWAYS:
            raise IrregularError
        return True

    def _matching(self, rule: Rule) -> int:
        clients = self.clients
        matching = clients.own if rule.source_local else clients.everyone
        if rule.source is ANY:
            return matching
        range_ = (rule.source.first, rule.source.last)
        if range_ not in clients.ranges:
            raise UnknownRangeError(range_)
        inside = clients.inside(range_)
        return matching & (~inside if rule.source.negate else inside)
