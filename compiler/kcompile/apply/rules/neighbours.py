"""Who else uses kcompile's chain names on a node: a kube-proxy, and the kubelet."""

from __future__ import annotations

import re

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour
from kcompile.apply.rules.change import Lines
from kcompile.apply.rules.flavour import STEMS
from kcompile.apply.rules.text import NOTHING, Table, Tables, alike, target

_CANARY = "KUBE-PROXY-CANARY"
_KUBE_PROXY = re.compile(r"KUBE-(?:SVC|SVL|SEP|EXT|FW|XLB)-[A-Z0-9]{16}|" + _CANARY)
# What a kubelet makes (older ones made KUBE-MARK-MASQ and KUBE-POSTROUTING, too).
_KUBELET = frozenset(("KUBE-FIREWALL",))
_NAMED = 5  # chains in a message


def refuse_kube_proxy(family: int, seen: Tables) -> None:
    """Two that write the same chains undo each other's work."""
    for name, table in seen.items():
        if _CANARY in table.chains:
            raise RefusedError(
                f"a kube-proxy runs on this node, or ran (chain {_CANARY} in {STEMS[family]}'s"
                f" table {name}): stop it and give --adopt to take over its chains"
            )


def refuse_other_flavours_kube_proxy(host: Host, kind: str) -> None:
    """Its rules would act beside ours, and could not be taken over."""
    other = "legacy" if kind == "nft" else "nft"
    for family in STEMS:
        program = flavour.program(host, other, family, "-save")
        if host.has(program) and f"\n:{_CANARY} " in flavour.save(host, other, family):
            raise RefusedError(
                f"a kube-proxy runs on this node, or ran, with the {other} flavour of iptables"
                f" (chain {_CANARY}), and everybody else uses the {kind} flavour: stop it and"
                " remove its chains (kube-proxy --cleanup)"
            )


def kept(family: int, after: Tables, seen: Tables, *, adopt: bool) -> Tables:
    """What of ours was there before kcompile: chains with our content, or none yet (the
    kubelet's), and jumps to them. Raises RefusedError for other content, unless adopted."""
    found = {}
    # A kube-proxy's go with ours later; so do kcompile's own, if its state was lost.
    takes_over = adopt or any(
        chain.startswith("KCOMPILE-") for table in seen.values() for chain in table.chains
    )
    for name, table in after.items():
        there = seen.get(name, NOTHING)
        same = {
            chain: there.chains[chain]
            for chain, lines in table.chains.items()
            if chain in there.chains
            if not there.chains[chain] or alike(there.chains[chain], lines)
        }
        others = [chain for chain in table.chains if chain in there.chains and chain not in same]
        if others and not adopt:
            raise _other_content(family, name, others)
        if takes_over:
            same = {chain: lines for chain, lines in same.items() if chain in _KUBELET}
        found[name] = Table(same, _kept_jumps(table, there, same))
    return found


def adopted(after: Tables, seen: Tables, kept: Tables) -> Tables:
    """What a kube-proxy left that is not ours: its chains, and jumps to any of its chains."""
    found = {}
    for name, there in seen.items():
        want = after.get(name, NOTHING)
        keep = kept.get(name, NOTHING)
        chains = {
            chain: lines for chain, lines in there.chains.items() if _KUBE_PROXY.fullmatch(chain)
        }
        jumps = {
            chain: tuple(
                line
                for line in lines
                if target(line) in chains or target(line) in want.chains
                if line not in keep.built_in.get(chain, ())
            )
            for chain, lines in there.built_in.items()
        }
        found[name] = Table(chains, {chain: lines for chain, lines in jumps.items() if lines})
    return found


def _kept_jumps(want: Table, there: Table, same: dict[str, Lines]) -> dict[str, Lines]:
    jumps = {
        chain: tuple(
            line for line in there.built_in.get(chain, ()) if line in lines and target(line) in same
        )
        for chain, lines in want.built_in.items()
    }
    return {chain: lines for chain, lines in jumps.items() if lines}


def _other_content(family: int, table: str, chains: list[str]) -> RefusedError:
    shown = ", ".join(chains[:_NAMED])
    more = f" and {len(chains) - _NAMED} more" if len(chains) > _NAMED else ""
    return RefusedError(
        f"{STEMS[family]}'s table {table} has chains of somebody else with kcompile's names"
        f" ({shown}{more}), as a kube-proxy that ran here leaves: remove them"
        " (kube-proxy --cleanup), or give --adopt to take them over"
    )
