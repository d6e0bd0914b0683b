"""Changes for the nft engine in the notation of iptables-restore, and what the kernel has after."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from kcompile.apply.rules.change import FamilyChange, Lines, TableChange
from lab.needs import search_path

BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
SAVE = {4: "iptables-nft-save", 6: "ip6tables-nft-save"}
RESTORE = {4: "iptables-nft-restore", 6: "ip6tables-nft-restore"}


def change_of(
    text: str,
    family: int = 4,
    *,
    remove: Mapping[str, Sequence[str]] = {},
    no_jumps: Sequence[tuple[str, str]] = (),
) -> FamilyChange:
    """Built-in chains' rules are the jumps, other chains are to be replaced; `remove` names chains
    by table, `no_jumps` rules with their table."""
    tables = []
    for table, body in re.findall(r"^\*(\w+)\n(.*?)^COMMIT$", text, re.MULTILINE | re.DOTALL):
        chains: dict[str, list[str]] = {
            name: [] for name in re.findall(r"^:(\S+)", body, re.MULTILINE)
        }
        for line in re.findall(r"^-A .*", body, re.MULTILINE):
            chains.setdefault(line.split()[1], []).append(line)
        gone = by_chain([line for name, line in no_jumps if name == table])
        jumps = {chain: tuple(lines) for chain, lines in chains.items() if chain in BUILT_IN}
        own = {chain: tuple(lines) for chain, lines in chains.items() if chain not in BUILT_IN}
        tables.append(TableChange(table, own, tuple(remove.get(table, ())), jumps, gone))
    return FamilyChange(family, tuple(tables))


def by_chain(lines: Sequence[str]) -> Mapping[str, Lines]:
    chains = dict.fromkeys(line.split()[1] for line in lines)
    return {chain: tuple(line for line in lines if line.split()[1] == chain) for chain in chains}


def run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PATH": search_path()},
    )
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


def saved(family: int = 4, *, counters: bool = False) -> list[str]:
    """What iptables-nft-save prints, without the time of day."""
    lines = run(SAVE[family], *(["-c"] if counters else [])).splitlines()
    return [line for line in lines if not line.startswith("#")]


def rules_in(table: str, chain: str, family: int = 4) -> list[str]:
    program = {4: "iptables-nft", 6: "ip6tables-nft"}[family]
    return run(program, "-t", table, "-S", chain).splitlines()[1:]
