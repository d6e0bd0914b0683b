"""Serials that rise, for secondaries that ask by them whether a zone has changed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kcompile.ir import Zone
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

FIRST_SERIAL = 1
"""What a zone starts with that has no serial yet."""
_MODULUS = 1 << 32
_HALF = 1 << 31
SHARED = "0" * 64
"""The digest beside a serial that two branches gave to different contents: no content has it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The serial of a zone, the digest of what the zone held with it, and the entry's line in the
    file (0 if it is new)."""

    serial: int
    digest: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Serials:
    """The entries of a file by origin, without the last dot. `name` is the file's, for messages."""

    name: str
    entries: Mapping[str, Entry]


def give_serials(
    zones: Iterable[Zone], serials: Serials, chosen: int | None = None
) -> tuple[tuple[Zone, ...], Serials]:
    """The zones with the serials of their entries, and the entries as they are after that.

    A zone whose digest is the entry's keeps the serial, another gets the next. With `chosen`, all
    zones get that one; raises InputError if it is not greater than what they have. Entries of
    zones that are not here stay: a secondary may still hold such a zone.
    """
    zones = tuple(zones)
    if chosen is not None:
        _refuse_lower(zones, serials, chosen)
    entries = dict(serials.entries)
    numbered = []
    for zone in zones:
        key = zone_key(zone)
        entry = _next_entry(zone, entries.get(key), chosen)
        entries[key] = entry
        numbered.append(replace(zone, soa=replace(zone.soa, serial=entry.serial), rising=True))
    return tuple(numbered), Serials(serials.name, entries)


def zone_key(zone: Zone) -> str:
    return zone.origin.rstrip(".")


def next_serial(serial: int) -> int:
    """The least that is greater in the arithmetic of RFC 1982, but for 0, which some servers take
    for none."""
    return (serial + 1) % _MODULUS or 1


def is_greater(serial: int, other: int) -> bool:
    """Whether a secondary that has `other` takes `serial` (RFC 1982, 3.2). Of two serials that are
    2^31 apart, neither is greater."""
    return 0 < (serial - other) % _MODULUS < _HALF


def _next_entry(zone: Zone, entry: Entry | None, chosen: int | None) -> Entry:
    if chosen is not None:
        return Entry(chosen, zone.digest)
    if entry is None:
        return Entry(FIRST_SERIAL, zone.digest)
    if entry.digest == zone.digest:
        return entry
    return Entry(next_serial(entry.serial), zone.digest)


def _refuse_lower(zones: Iterable[Zone], serials: Serials, chosen: int) -> None:
    problems = tuple(_too_low(zones, serials, chosen))
    if problems:
        raise InputError(problems)


def _too_low(zones: Iterable[Zone], serials: Serials, chosen: int) -> Iterator[Problem]:
    for zone in zones:
        entry = serials.entries.get(zone_key(zone))
        if entry and not is_greater(chosen, entry.serial):
            highest = (entry.serial + _HALF - 1) % _MODULUS
            yield Problem(
                Code.SERIAL_NOT_GREATER,
                Position(serials.name, entry.line, 1),
                f"--serial {chosen} is not greater than {entry.serial}, which zone"
                f" {zone_key(zone)} has, so no secondary would take it",
                f"greater, as serials are compared, are {next_serial(entry.serial)}"
                f" to {highest or _MODULUS - 1}",
            )
