"""What is to change in a node's tables, as values: between the delta and the two engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Lines = tuple[str, ...]
"""Rules as `-A CHAIN ...` lines without a line end, in order."""


@dataclass(frozen=True)
class TableChange:
    """One table of one family. All of it happens in one step, or nothing.

    `replace`: chains of ours, new or old, by name with all rules that they shall have.
    `remove`: chains of ours that shall go; nothing of ours jumps to them afterwards.
    `jumps`: by built-in chain, the jumps of ours it shall have, as one block in front of every
    other rule; those of ours that are there already, wherever, are taken out in the same step.
    `no_jumps`: rules of ours in built-in chains that shall go, by chain, as they are in the
    kernel (`-A FORWARD ...` as `-S` prints them).
    """

    table: str
    replace: Mapping[str, Lines]
    remove: tuple[str, ...]
    jumps: Mapping[str, Lines]
    no_jumps: Mapping[str, Lines]


@dataclass(frozen=True)
class FamilyChange:
    """All tables of a family (4 or 6), in the order filter, nat."""

    family: int
    tables: tuple[TableChange, ...]
