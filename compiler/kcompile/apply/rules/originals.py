"""What the rules part remembers on a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kcompile.apply.host import Host
from kcompile.apply.rules.text import Table, Tables
from kcompile.apply.state import drop_state, read_state, write_state

_ORIGINALS = "originals/rules.json"
_INSTALLED = "rules.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETNS = Path("/proc/thread-self/ns/net")


@dataclass(frozen=True)
class Originals:
    """How the node was before kcompile: by family what it shares with others, the flavour of
    the rules, and that of plain `iptables`."""

    flavour: str
    default: str
    kept: Mapping[int, Tables]

    def with_family(self, family: int, kept: Tables) -> Originals:
        return replace(self, kept={**self.kept, family: kept})


def read_originals(host: Host) -> Originals | None:
    """None before the first install."""
    value = read_state(host, _ORIGINALS)
    if not value:
        return None
    kept = {int(family): _tables(tables) for family, tables in value["kept"].items()}
    return Originals(value["flavour"], value["default"], kept)


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


def forget(host: Host) -> None:
    """After removal."""
    drop_state(host, _INSTALLED)
    drop_state(host, _ORIGINALS)


def remember_installed(host: Host, generation: int, files: Mapping[int, str]) -> None:
    """That the kernel's rules, at this generation of theirs, are those of the files with these
    digests by family."""
    digests = {str(family): digest for family, digest in files.items()}
    write_state(host, _INSTALLED, {**_moment(generation), "files": digests})


def installed(host: Host, generation: int) -> Mapping[int, str] | None:
    """Digests of the files that the kernel's rules are those of; None if anybody changed any
    rule since, or the machine was started again."""
    value = read_state(host, _INSTALLED)
    files = value.pop("files", None)
    if files is None or value != _moment(generation):
        return None
    return {int(family): digest for family, digest in files.items()}


def _moment(generation: int) -> dict[str, Any]:
    return {
        "boot": _BOOT.read_text("ascii").strip(),
        "network": _NETNS.stat().st_ino,
        "generation": generation,
    }


def _tables(value: Mapping[str, Any]) -> Tables:
    return {
        name: Table(
            {chain: tuple(lines) for chain, lines in table["chains"].items()},
            {chain: tuple(lines) for chain, lines in table["built_in"].items()},
        )
        for name, table in value.items()
    }
