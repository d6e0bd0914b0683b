"""What the rules part remembers on a node: how it was before, and what it put there last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kcompile.apply.host import Host
from kcompile.apply.rules.nft_merge import Made
from kcompile.apply.rules.text import Table, Tables
from kcompile.apply.state import damaged, drop_state, read_state, write_state

_ORIGINALS = "originals/rules.json"
_INSTALLED = "rules.json"
_DIGESTS = "rules-digests.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETNS = Path("/proc/thread-self/ns/net")

Place = tuple[str, str]
"""A table and a chain."""

Digests = dict[Place, str]
"""What the kernel holds of chains."""


@dataclass(frozen=True)
class Originals:
    """How the node was before kcompile: by family what it shares with others, the flavour of
    the rules, and that of plain `iptables`."""

    flavour: str
    default: str
    kept: Mapping[int, Tables]

    def with_family(self, family: int, kept: Tables) -> Originals:
        return replace(self, kept={**self.kept, family: kept})


@dataclass(frozen=True)
class Installed:
    """What was put there last, on the nft flavour: the files' SHA-256 by family, the number that
    the ruleset had then, and tables and built-in chains that were made for it.

    `is_now`: nobody changed any rule since, nor was the machine started again."""

    files: Mapping[int, str]
    made: Made
    is_now: bool


def read_originals(host: Host) -> Originals | None:
    """None before the first install."""
    value = read_state(host, _ORIGINALS)
    if not value:
        return None
    try:
        kept = {int(family): _tables(tables) for family, tables in value["kept"].items()}
        return Originals(value["flavour"], value["default"], kept)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise damaged(host, _ORIGINALS) from None


def write_originals(host: Host, originals: Originals) -> None:
    kept = {
        str(family): {
            name: {"chains": dict(table.chains), "built_in": dict(table.built_in)}
            for name, table in tables.items()
        }
        for family, tables in originals.kept.items()
    }
    value = {"flavour": originals.flavour, "default": originals.default, "kept": kept}
    write_state(host, _ORIGINALS, value)


def read_installed(host: Host, generation: int) -> Installed:
    """`generation` is the ruleset's number now."""
    value = read_state(host, _INSTALLED)
    return Installed(
        _by_family(value.get("files", {})),
        frozenset((family, table, chain) for family, table, chain in value.get("made", ())),
        value.get("moment") == _moment(generation),
    )


def read_digests(host: Host, family: int) -> tuple[str, Digests]:
    """The SHA-256 of the file that was put there, and its chains as the kernel then had them."""
    value = read_state(host, _DIGESTS).get(str(family), {})
    found: Digests = {}
    for table, text in value.get("tables", {}).items():
        words = iter(text.split(" "))
        found.update(((table, chain), digest) for chain, digest in zip(words, words))
    return value.get("file", ""), found


def remember(
    host: Host,
    files: Mapping[int, str],
    digests: Mapping[int, Digests],
    made: Made,
    generation: int,
) -> None:
    """That the kernel's rules are those of these files, at this number of the ruleset.

    Each of the two files is true by itself, if only one of them is replaced."""
    if any(read_digests(host, each) != (file, digests.get(each)) for each, file in files.items()):
        _write_digests(host, files, digests)
    said = {str(family): file for family, file in files.items()}
    value = {"files": said, "made": sorted(map(list, made)), "moment": _moment(generation)}
    write_state(host, _INSTALLED, value)


def forget(host: Host) -> None:
    """After removal."""
    for name in (_INSTALLED, _DIGESTS, _ORIGINALS):
        drop_state(host, name)


def _write_digests(host: Host, files: Mapping[int, str], digests: Mapping[int, Digests]) -> None:
    # A string a table: quick to read, whatever the number of chains.
    value: dict[str, Any] = {}
    for family, file in files.items():
        tables: dict[str, list[str]] = {}
        for (table, chain), digest in digests.get(family, {}).items():
            tables.setdefault(table, []).append(f"{chain} {digest}")
        texts = {table: " ".join(words) for table, words in tables.items()}
        value[str(family)] = {"file": file, "tables": texts}
    write_state(host, _DIGESTS, value)


def _moment(generation: int) -> dict[str, Any]:
    return {
        "boot": _BOOT.read_text("ascii").strip(),
        "network": _NETNS.stat().st_ino,
        "generation": generation,
    }


def _by_family(value: Mapping[str, str]) -> dict[int, str]:
    return {int(family): digest for family, digest in value.items()}


def _tables(value: Mapping[str, Any]) -> Tables:
    return {
        name: Table(
            {chain: tuple(lines) for chain, lines in table["chains"].items()},
            {chain: tuple(lines) for chain, lines in table["built_in"].items()},
        )
        for name, table in value.items()
    }
