"""Proves a node by what is different there from a node that is proven.

Most nodes share most of their text and most of what is meant. What a packet meets depends on the
rules that all packets pass (the frame), the rules with its own key, and the chains that these jump
to. So where the frame is the same, it is enough to prove the keys whose rules, chains or meaning
differ, on a text that has nothing but the frame and what these keys reach. Where that is not
certain, nothing is said, and the node is proven in full.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from kcompile.planned import PlannedNode
from kcompile.prove.compare import Proof
from kcompile.prove.expect import Expectation, keys_of
from kcompile.prove.packet import ANYWHERE, OWN, Key
from kcompile.prove.pieces import Difference, Piece, Pieces, Place
from kcompile.prove.shared import own_addresses
from kcompile.prove.text import BUILTIN, UnreadableRulesError, read_rules
from kcompile.prove.views import Index, View, Views, places_of


class _UncertainError(Exception):
    """The frame may be different, or a change reaches further than can be told."""


@dataclass(frozen=True, slots=True)
class _Variant:
    """What was proven of another node, with its text and view."""

    proof: Proof
    chunks: Sequence[str]
    view: View


class Base:
    """A node that is proven, by a proof of its whole text."""

    def __init__(
        self, proof: Proof, node: PlannedNode, chunks: Sequence[str], views: Views
    ) -> None:
        self.proof = proof
        self.views = views
        self.chunks = chunks
        self.own = own_addresses(node, views.family)
        self.view = views.of(node)
        self._variants: list[_Variant] = []

    def proves(self, node: PlannedNode, chunks: Sequence[str]) -> bool:
        """Whether what is proven here, and a proof of what differs, prove a node. If not, it may
        still be right."""
        views = self.views
        own = own_addresses(node, views.family)
        if views.ranges(own) != views.ranges(self.own) or not self.proof.covers(own):
            return False
        view = views.of(node)
        services = {index for index in view if view[index] != self.view[index]}
        services |= (naming := views.naming(self.own) | views.naming(own))
        if chunks is self.chunks and not services:
            return True
        if not naming and any(
            each.chunks is chunks and each.view == view and each.proof.covers(own)
            for each in self._variants
        ):
            return True
        try:
            proof = self._proof(node, [chunk for chunk in chunks if chunk], services)
            proven = not proof.mismatches()
        except (_UncertainError, UnreadableRulesError):
            return False
        if proven:
            self._variants.append(_Variant(proof, chunks, view))
        return proven

    def _proof(self, node: PlannedNode, chunks: Sequence[str], services: set[Index]) -> Proof:
        difference = self._pieces.difference(chunks)
        keys = self._keys(difference, chunks, node)
        keys = self._close(keys, services, node)
        plan, shared = self.views.plan, self.views.shared
        text = read_rules(self._reduced(difference, chunks, keys), shared.family)
        some = [plan.services[index] for index in sorted(services)]
        expectation = Expectation(plan, node, shared.family, shared, some)
        return Proof(text, expectation, self.proof.frame.known)

    # ---- which keys

    def _keys(self, difference: Difference, chunks: Sequence[str], node: PlannedNode) -> set[Key]:
        """The keys whose rules differ, or a chain that these jump to."""
        keys: set[Key] = set()
        chains: set[Place] = set()
        own = self._all_own(node)
        for piece in self._changed(difference, chunks):
            if not piece.plain or not self._frame.isdisjoint(piece.declared | piece.unkeyed):
                raise _UncertainError
            if not self.proof.frame.known.late.isdisjoint(piece.chains):
                self._stay_clear(piece.keys, own)
            keys |= piece.keys
            chains |= (piece.declared | piece.chains) - self._frame
        return keys | self._keys_to(chains)

    def _changed(self, difference: Difference, chunks: Sequence[str]) -> Iterator[Piece]:
        before = dict(_places_before(difference, len(self._pieces.chunks)))
        for index in difference.added:
            if index and not chunks[index - 1].endswith("\n"):
                raise _UncertainError
            yield self._pieces.piece(chunks[index], before[index])
        old = self._pieces.chunks
        for index in difference.removed:
            if index and not old[index - 1].endswith("\n"):
                raise _UncertainError
            yield self._pieces.piece(old[index], index)

    def _stay_clear(self, keys: Iterable[Key], own: frozenset[int]) -> None:
        """A filter may not meet what other Services have translated."""
        for to, protocol, port in keys:
            places = own if to == OWN else (to,)
            if to == ANYWHERE or any(
                (place, protocol, port) in self.views.owners.backends for place in places
            ):
                raise _UncertainError

    def _keys_to(self, chains: set[Place]) -> set[Key]:
        """The keys of rules that lead to some chains."""
        keys: set[Key] = set()
        waiting = [*chains]
        seen = set(chains)
        while waiting:
            for piece in self._jumping.get(waiting.pop(), ()):
                if not self._frame.isdisjoint(piece.unkeyed):
                    raise _UncertainError
                keys |= piece.keys
                more = piece.chains - self._frame - seen
                seen |= more
                waiting += more
        return keys

    def _close(self, keys: set[Key], services: set[Index], node: PlannedNode) -> set[Key]:
        """Adds to `services` those that have a say on the keys, and gives all keys that any of
        them has to do with."""
        views = self.views
        own = self._all_own(node)
        waiting = [*keys]
        for index in services:
            waiting += self._concerns(index)
        seen: set[Key] = set()
        while waiting:
            key = waiting.pop()
            if key in seen:
                continue
            seen.add(key)
            waiting += self._alike(key, own)
            for index in views.owners.by_key.get(key, ()):
                if index not in services:
                    services.add(index)
                    waiting += self._concerns(index)
        return seen

    def _concerns(self, index: Index) -> Iterator[Key]:
        service, family = self.views.plan.services[index], self.views.family
        yield from keys_of(service, family)
        yield from places_of(service, family)

    def _alike(self, key: Key, own: frozenset[int]) -> Iterator[Key]:
        """Other keys that a packet with a key can have."""
        to, protocol, port = key
        if to == ANYWHERE:
            yield from self.views.owners.by_port.get((protocol, port), ())
        elif (ANYWHERE, protocol, port) in self._by_key:
            yield ANYWHERE, protocol, port
        if to in (OWN, ANYWHERE):
            yield OWN, protocol, port
            yield from ((address, protocol, port) for address in own)
        elif to in own:
            yield OWN, protocol, port

    def _all_own(self, node: PlannedNode) -> frozenset[int]:
        return self.views.shared.own.union(own_addresses(node, self.views.family), self.own)

    # ---- their text

    def _reduced(self, difference: Difference, chunks: Sequence[str], keys: set[Key]) -> str:
        """The frame, the rules of some keys, and the chains that these lead to."""
        pieces = self._pieces
        new_index = dict(difference.kept)
        keep = set(self._structure)
        for key in keys:
            keep.update(self._by_key.get(key, ()))
        before = dict(_places_before(difference, len(pieces.chunks)))
        targets: set[Place] = set()
        for index in keep:
            targets |= pieces.piece(pieces.chunks[index], index).targets
        for index in difference.added:
            piece = pieces.piece(chunks[index], before[index])
            # Also those that it has rules of: their declarations may be among what is common.
            targets |= piece.targets | piece.chains
        waiting, seen = [*targets], set(targets)
        while waiting:
            for index in self._of_chain.get(waiting.pop(), ()):
                if index not in keep:
                    keep.add(index)
                    more = pieces.piece(pieces.chunks[index], index).targets - seen
                    seen |= more
                    waiting += more
        found = [new_index[index] for index in keep if index in new_index]
        return "".join([chunks[index] for index in sorted((*found, *difference.added))])

    # ---- the base's text, taken apart when a node differs

    @cached_property
    def _frame(self) -> frozenset[Place]:
        builtin = [(table, chain) for table, chains in BUILTIN.items() for chain in chains]
        return self.proof.frame.known.passed.union(builtin)

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(self.proof.rules.text, [chunk for chunk in self.chunks if chunk])

    @cached_property
    def _jumping(self) -> dict[Place, list[Piece]]:
        """The pieces with rules that jump to a chain."""
        found: dict[Place, list[Piece]] = {}
        for piece in self._pieces.all():
            for target in piece.targets:
                found.setdefault(target, []).append(piece)
        return found

    @cached_property
    def _by_key(self) -> dict[Key, list[int]]:
        """Where the rules with a key are."""
        found: dict[Key, list[int]] = {}
        for index, piece in enumerate(self._pieces.all()):
            for key in piece.keys:
                found.setdefault(key, []).append(index)
        return found

    @cached_property
    def _of_chain(self) -> dict[Place, list[int]]:
        """Where the declaration and the rules of a chain outside of the frame are."""
        found: dict[Place, list[int]] = {}
        for index, piece in enumerate(self._pieces.all()):
            for chain in (piece.declared | piece.chains) - self._frame:
                found.setdefault(chain, []).append(index)
        return found

    @cached_property
    def _structure(self) -> tuple[int, ...]:
        """What every text needs: the frame, and what is between rules."""
        return tuple(
            index
            for index, piece in enumerate(self._pieces.all())
            if not piece.plain or not self._frame.isdisjoint(piece.declared | piece.unkeyed)
        )


def _places_before(difference: Difference, end: int) -> Iterator[tuple[int, int]]:
    """For each added chunk the old chunk that it stands before."""
    kept = iter((*difference.kept, (end, -1)))
    place, new = next(kept)
    for index in difference.added:
        while 0 <= new < index:
            place, new = next(kept)
        yield index, place
