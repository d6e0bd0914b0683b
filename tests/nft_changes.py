"""Changes for the nft engine in the notation of iptables-restore, and what the kernel has after."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from kcompile.apply.host import Host
from kcompile.apply.rules.change import FamilyChange, Lines, TableChange
from lab.needs import search_path

HOST = Host()
TABLES = ("filter", "nat")
BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
SAVE = {4: "iptables-nft-save", 6: "ip6tables-nft-save"}
RESTORE = {4: "iptables-nft-restore", 6: "ip6tables-nft-restore"}

FIRST = """\
*filter
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate DNAT -j DROP
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "a/b:c cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -m comment --comment "a/b:c" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
-A KUBE-SVC-A -m comment --comment "a/b:c" -j KUBE-SEP-B
-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.0.5:80
-A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination 10.244.0.6:80
COMMIT
"""
SCALED = """\
*nat
:KUBE-SVC-A - [0:0]
:KUBE-SEP-C - [0:0]
-A KUBE-SVC-A -m comment --comment "a/b:c" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
-A KUBE-SVC-A -m comment --comment "a/b:c" -j KUBE-SEP-C
-A KUBE-SEP-C -p tcp -m tcp -j DNAT --to-destination 10.244.0.7:80
COMMIT
"""


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
