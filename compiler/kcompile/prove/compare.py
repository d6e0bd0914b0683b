"""Holds the text of a node's rules against what the plan means there.

Every packet is covered. Those that no Service claims are the frame's matter. For those that one
claims, nat is swept for all clients at once; from there on they are like others, unless a rule has
their new destination. What is neither is a key of a rule that nobody expects.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Literal

from kcompile.prove.balance import Balance, Balances
from kcompile.prove.chains import Indexed
from kcompile.prove.clients import Clients, Range, representatives
from kcompile.prove.evaluate import Evaluator
from kcompile.prove.expect import Claim, Expectation, Source, Targets, thresholds
from kcompile.prove.frame import Known, prove_frame, same_frame
from kcompile.prove.judge import ENOUGH, Judge, Mismatch
from kcompile.prove.packet import ANYWHERE, OWN, Key
from kcompile.prove.shared import own_addresses
from kcompile.prove.sweep import IrregularError, Sweep, Translation, UnknownRangeError
from kcompile.prove.text import RulesText
from kcompile.reach import State

_LATER: tuple[State, ...] = ("RELATED", "ESTABLISHED", "INVALID")


Half = Literal[0, 1]
"""Every other claim, from the first or from the second."""


class Proof:
    """One text for one node."""

    def __init__(
        self, text: RulesText, expectation: Expectation, known: Known | None = None
    ) -> None:
        """`known` is that of a proof with the same frame."""
        self.expectation = expectation
        self.rules = Indexed(text)
        self.frame = (
            prove_frame(self.rules, expectation)
            if known is None
            else same_frame(known, self.rules, expectation)
        )
        own = expectation.own
        self.sweep = Sweep(self.rules, Balances(text), own, self.frame.known.destinations)
        self.judge = Judge(Evaluator(self.rules, own), expectation)
        self.own_places = [place for place in self.frame.places if place in own]
        self.clients: dict[frozenset[Range], tuple[Clients, list[Source]]] = {}
        self.thresholds: dict[int, tuple[int, ...]] = {}

    def mismatches(self, half: Half | None = None) -> tuple[Mismatch, ...]:
        """What is wrong with the node's rules, the first of it; or with one half of the claims."""
        return tuple(islice(self._mismatches(half), ENOUGH))

    def covers(self, own: Sequence[int]) -> bool:
        """Whether this also proves the text for a node that sees the same, but has these
        addresses: then rules must not tell them from those of this node."""
        mine = own_addresses(self.expectation.node, self.expectation.family)
        known = self.frame.known
        asked = set(known.sources | known.destinations | self._wide).union(*self.clients)
        return (
            len(mine) == len(own)
            and self._single.isdisjoint((*mine, *own))
            and all(
                (first <= a <= last) == (first <= b <= last)
                for a, b in zip(mine, own, strict=True)
                for first, last in asked
            )
        )

    @cached_property
    def _asked(self) -> set[Range]:
        """All destinations that rules speak of, once the proof is done."""
        keyed = {key[0] for place in self.frame.known.passed for key in self.rules.keys(*place)} - {
            ANYWHERE,
            OWN,
        }
        return {
            *self.sweep.asked,
            *self.judge.evaluator.asked.destinations,
            *((address, address) for address in keyed),
        }

    @cached_property
    def _single(self) -> frozenset[int]:
        return frozenset(first for first, last in self._asked if first == last)

    @cached_property
    def _wide(self) -> frozenset[Range]:
        return frozenset((first, last) for first, last in self._asked if first != last)

    def _mismatches(self, half: Half | None) -> Iterator[Mismatch]:
        if self.frame.mismatches:
            yield from self.frame.mismatches
            return
        claims = self.expectation.claims
        for claim in claims if half is None else claims[half::2]:
            for key in self._keys(claim.key):
                claims = self.expectation.claims_on(key)
                if not self._agrees(key, claims):
                    ranges = _allowed(claims) | _targets(claims)
                    yield from self._examine(key, ("NEW",), ranges)
        for stray in self.frame.strays:
            for key in self._keys(stray):
                yield from self._examine(key, ("NEW",))
        for later in self.frame.later:
            for key in self._keys(later):
                yield from self._examine(key, _LATER)

    def _keys(self, key: Key) -> list[Key]:
        """A key with each destination that it stands for."""
        if key[0] == OWN:
            return [(place, *key[1:]) for place in self.own_places]
        if key[0] == ANYWHERE:
            return [(place, *key[1:]) for place in self.frame.places]
        return [key]

    # ---- fast: true only if all is as it should be

    def _agrees(self, key: Key, claims: list[Claim]) -> bool:
        ranges = _allowed(claims) - self.frame.known.sources
        while True:
            clients, sources = self._clients(ranges)
            try:
                translations = self.sweep.translate(clients, key)
            except UnknownRangeError as error:
                ranges |= {error.range}
            except IrregularError:
                return False
            else:
                break
        decisions = [self.expectation.decide(source, claims) for source in sources]
        for translation in translations:
            mask, mark, balance = translation
            for bit, decision in enumerate(decisions):
                if not mask >> bit & 1:
                    continue
                if decision is None or balance is None:
                    if decision or balance or mark:
                        return False
                elif mark != (self.expectation.mark if decision.marked else 0) or not self._same(
                    balance, decision.targets
                ):
                    return False
        return self._arrive(key, translations, sources)

    def _clients(self, ranges: frozenset[Range]) -> tuple[Clients, list[Source]]:
        found = self.clients.get(ranges)
        if found is None:
            expectation = self.expectation
            all_ranges = self.frame.known.sources | ranges
            clients = Clients(expectation.family, all_ranges, expectation.own)
            sources = [expectation.source(address) for address in clients.addresses]
            found = self.clients[ranges] = (clients, sources)
        return found

    def _same(self, balance: Balance, targets: Targets) -> bool:
        count = len(targets.places)
        if count not in self.thresholds:
            self.thresholds[count] = thresholds(count)
        return (
            balance.backends == targets.places
            and balance.thresholds == self.thresholds[count]
            and balance.seconds == targets.seconds
        )

    def _arrive(self, key: Key, translations: list[Translation], sources: list[Source]) -> bool:
        """Whether packets go on as others do, or as they should where a filter has their key."""
        arrived = {id(balance): balance.backends for _, _, balance in translations if balance}
        for backends in arrived.values():
            for address, port in backends:
                if self._is_filtered((address, key[1], port)):
                    return False
        if not self._is_filtered(key):
            return True
        left = 0
        for mask, _, balance in translations:
            left |= 0 if balance else mask
        return not any(
            self.judge.arrival(source.address, key, marked=False, translated=False)
            for bit, source in enumerate(sources)
            if left >> bit & 1
        )

    def _is_filtered(self, key: Key) -> bool:
        filtered = self.frame.filtered
        _, protocol, port = key
        return (
            key in filtered
            or (ANYWHERE, protocol, port) in filtered
            or (OWN, protocol, port) in filtered
        )

    # ---- slow: every client by itself

    def _examine(
        self, key: Key, states: tuple[State, ...], ranges: frozenset[Range] = frozenset()
    ) -> Iterator[Mismatch]:
        """The first client of which a packet with a key meets another fate than it should."""
        expectation = self.expectation
        judge = Judge(Evaluator(self.rules, expectation.own), expectation)
        asked = judge.evaluator.asked.sources
        sources = {*self.frame.known.sources, *ranges}
        seen: set[int] = set()
        while True:
            for client in representatives(expectation.family, sources, expectation.own):
                if client in seen:
                    continue
                seen.add(client)
                for state in states:
                    if found := judge.packet(client, key, state):
                        yield found
                        return
            if asked <= sources:
                return
            sources |= asked


def _allowed(claims: list[Claim]) -> frozenset[Range]:
    return frozenset(range_ for claim in claims for range_ in claim.allowed)


def _targets(claims: list[Claim]) -> frozenset[Range]:
    """Endpoints as clients of themselves, also where no rule asks for them any more."""
    return frozenset(
        (address, address)
        for claim in claims
        for targets in (claim.everywhere, claim.here)
        for address, _ in targets.places
    )
