"""Two branches gave out one address: the entry that the target branch does not have loses it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kcompile.address import Cidr
from kcompile.plan.keep import settled
from kcompile.plan.lock import Lock, format_lock, pod_key
from kcompile.plan.lock_edit import without
from kcompile.plan.lock_text import Holder, Reading, read_lock, shown_value


@dataclass(frozen=True, slots=True)
class Move:
    """`loser` gives up a value that `winner` keeps; `on_base` says whether the loser and the
    winner have it on the target branch too."""

    loser: str
    winner: str
    value: str
    on_base: tuple[bool, bool]

    def sentence(self, base: str) -> str:
        """Who moves and why."""
        match self.on_base:
            case (False, True):
                reason = f"{self.winner} has it on {base}"
            case (True, True):
                reason = f"both have it on {base}, and {self.winner} comes first"
            case _:
                reason = f"{self.winner}, not on {base} either, comes first"
        return f"{self.loser} loses its {self.value}: {reason}"


def resolve(name: str, text: str, base: Reading) -> tuple[Lock, tuple[Move, ...]]:
    """A lock in which no two entries hold the same. Raises InputError.

    Of two entries the one keeps a value that has it on the target branch. If both have, or none,
    the first in the file's order keeps it. Of two lines with one key the one stays that the target
    branch has, else the first. A merge conflict's marks are taken out before: both sides count.
    """
    lines = _one_line_a_key(name, without_marks(text.split("\n")), base)
    moves: list[Move] = []
    while (reading := _sorted_reading(name, lines)).clashes:
        lock = reading.lock
        for loser, winner in _decided(reading, base):
            lock = _without_pods_there(without(lock, loser.key, loser.value), loser, base)
            on_base = (_has(base, loser), _has(base, winner))
            moves.append(Move(loser.key, winner.key, shown_value(loser.value), on_base))
        lines = format_lock(lock).split("\n")
    lock = reading.lock
    return settled(lock, lock.nodes, lock.pods, lock.services), tuple(moves)


def without_marks(lines: Sequence[str]) -> list[str]:
    """Both sides of each conflict; what stands between ||||||| and ======= is neither's."""
    kept = []
    is_ancestor = False
    for line in lines:
        if line.startswith("|||||||"):
            is_ancestor = True
        elif line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            is_ancestor = False
        elif not is_ancestor:
            kept.append(line)
    return kept


def _one_line_a_key(name: str, lines: Sequence[str], base: Reading) -> list[str]:
    kept = list(lines)
    stays: dict[str, int] = {}
    for one, two in read_lock(name, "\n".join(lines)).clashes:
        if one.is_key and two.is_key:
            first = stays.setdefault(one.key, one.line)
            is_base = base.line_of(two) == lines[two.line - 1]
            stays[one.key] = two.line if is_base else first
            kept[(first if is_base else two.line) - 1] = ""
    return kept


def _sorted_reading(name: str, lines: Sequence[str]) -> Reading:
    """Sorted, so that what is decided does not depend on how a merge left the lines."""
    return read_lock(name, format_lock(read_lock(name, "\n".join(lines)).lock))


def _decided(reading: Reading, base: Reading) -> Iterator[tuple[Holder, Holder]]:
    """Who loses and who keeps. Nodes alone while there are some: they take their pods along."""
    nodes = [clash for clash in reading.clashes if clash[0].key.startswith("node/")]
    lost: set[tuple[str, object]] = set()
    for one, two in nodes or reading.clashes:
        if lost.isdisjoint(((one.key, one.value), (two.key, two.value))):
            swap = _has(base, two) and not _has(base, one)
            loser, winner = (one, two) if swap else (two, one)
            lost.add((loser.key, loser.value))
            yield loser, winner


def _without_pods_there(lock: Lock, loser: Holder, base: Reading) -> Lock:
    """The pods of a node that loses a CIDR lose their addresses of it, but none that the target
    branch has."""
    match loser.value:
        case Cidr() as cidr:
            node = loser.key.removeprefix("node/")
            left = {
                key: replace(
                    entry,
                    ips=tuple(
                        address
                        for address in entry.ips
                        if not (address[0] == cidr.family and address[1] in cidr)
                        or _has(base, Holder(0, pod_key(key), address))
                    ),
                )
                for key, entry in lock.pods.items()
                if entry.node == node
            }
            return replace(lock, pods={**lock.pods, **left})
    return lock


def _has(base: Reading, holder: Holder) -> bool:
    first = base.line_of(holder).startswith(f"{holder.key}: ")
    others = (other for _, other in base.clashes)
    return first or any((o.key, o.value) == (holder.key, holder.value) for o in others)
