"""Rulesets as iptables-restore text: the only place that knows its words.

The words of a rule come in iptables-save's order and spelling, so that what a kernel gives back
equals what was loaded.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import assert_never

from kcompile.address import Family, format_ip
from kcompile.ir import (
    Accept,
    Action,
    Block,
    Chain,
    ConntrackState,
    Destination,
    DestinationPort,
    Dnat,
    Drop,
    FlipMark,
    Jump,
    LocalDestination,
    LocalSource,
    Mark,
    Masquerade,
    OneIn,
    Pass,
    Reject,
    Remember,
    Remembered,
    Return,
    Rule,
    Ruleset,
    SetMark,
    Source,
    Table,
)
from kcompile.render.environment import template

# nf_tables and xt_statistic keep a probability as a 31-bit fraction (xt_statistic.h).
_STATISTIC_UNIT = 1 << 31
_FULL_MASK: dict[Family, str] = {
    4: "255.255.255.255",
    6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
}
_PORT_UNREACHABLE: dict[Family, str] = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
_BUILTIN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}


def rules_text(ruleset: Ruleset, blocks: dict[int, "BlockText"]) -> tuple[str, ...]:
    """A ruleset's file in chunks. `blocks` keeps what was rendered, by block, for other groups."""
    for block in ruleset.blocks:
        if id(block) not in blocks:
            blocks[id(block)] = BlockText(block)
    texts = [blocks[id(block)] for block in ruleset.blocks]
    shared = [blocks[id(block)] for block in ruleset.shared_order]
    tables = [_table(table, ruleset, texts, shared) for table in ruleset.tables]
    name = "iptables" if ruleset.family == 4 else "ip6tables"
    return tuple(template("rules.j2").generate(program=name, tables=tables))


class BlockText:
    """One block's text: declarations and rules of its own chains, and lines by shared chain."""

    __slots__ = ("declarations", "rules", "shared")

    def __init__(self, block: Block) -> None:
        self.declarations = "".join([f":{chain.name} - [0:0]\n" for chain in block.chains])
        self.rules = "".join(_lines(block.chains))
        self.shared: dict[tuple[str, str], str] = {}
        for entry in block.shared:
            key = (entry.table, entry.chain)
            line = f"-A {entry.chain} {words(entry.rule)}\n"
            self.shared[key] = self.shared.get(key, "") + line


def _table(
    table: Table, ruleset: Ruleset, blocks: list[BlockText], shared: list[BlockText]
) -> tuple[str, list[str], list[str]]:
    """Name, declarations and rules. A policy of - leaves the built-in chain's as it is."""
    declarations = [f":{name} - [0:0]\n" for name in _BUILTIN[table.name]]
    declarations += [f":{chain.name} - [0:0]\n" for chain in table.chains]
    rules = [
        f"-A {hook.builtin} {words(hook.rule)}\n"
        for hook in ruleset.hooks
        if hook.table == table.name
    ]
    tails = {chain.name: chain for chain in table.tails}
    for chain in table.chains:
        rules += _lines((chain,))
        key = (table.name, chain.name)
        rules += [block.shared[key] for block in shared if key in block.shared]
        rules += _lines((tails[chain.name],)) if chain.name in tails else ()
    if table.name == "nat":
        declarations += [block.declarations for block in blocks]
        rules += [block.rules for block in blocks]
    return table.name, declarations, rules


def _lines(chains: Iterable[Chain]) -> Iterator[str]:
    for chain in chains:
        start = f"-A {chain.name} "
        for rule in chain.rules:
            yield start + words(rule) + "\n"


def words(rule: Rule) -> str:
    """A rule as iptables-save prints it, without the chain."""
    addresses = ""
    protocol = ""
    extensions = f'-m comment --comment "{rule.comment}" ' if rule.comment else ""
    for match in rule.matches:
        # Without captures in the patterns: this runs for every rule, and they take twice as long.
        match match:
            case DestinationPort():
                word = _PROTOCOLS[match.protocol]
                protocol = f"-p {word} "
                port = f"--dport {match.port} " if match.port else ""
                extensions += f"-m {word} {port}"
            case Source():
                addresses += f"{'! ' if match.negate else ''}-s {match.range} "
            case Destination():
                addresses += f"{'! ' if match.negate else ''}-d {match.range} "
            case _:
                extensions += _extension(match)
    return f"{addresses}{protocol}{extensions}{_action(rule.action)}".rstrip()


def _extension(  # noqa: PLR0911 - a return for each match
    match: LocalDestination | LocalSource | ConntrackState | Mark | OneIn | Remember | Remembered,
) -> str:
    match match:
        case OneIn():
            return f"-m statistic --mode random --probability {probability(match.count)} "
        case Mark(value, negate):
            return f"-m mark {'! ' if negate else ''}--mark 0x{value:x}/0x{value:x} "
        case ConntrackState(states, negate):
            return f"-m conntrack {'! ' if negate else ''}--ctstate {','.join(states)} "
        case LocalDestination():
            return "-m addrtype --dst-type LOCAL "
        case LocalSource():
            return "-m addrtype --src-type LOCAL "
        case Remember(family, name):
            return f"-m recent --set --name {name} --mask {_FULL_MASK[family]} --rsource "
        case Remembered(family, name, seconds):
            return (
                f"-m recent --rcheck --seconds {seconds} --reap --name {name}"
                f" --mask {_FULL_MASK[family]} --rsource "
            )
        case _:
            assert_never(match)


@cache
def probability(count: int) -> str:
    """One in `count`, as the nearest that the kernel can store, with the 11 digits of
    iptables-save."""
    return f"{round(_STATISTIC_UNIT / count) / _STATISTIC_UNIT:.11f}"


def _action(action: Action) -> str:  # noqa: PLR0911 - a word for each action
    match action:
        case Jump():
            return "-j " + action.chain
        case Dnat():
            return "-j DNAT --to-destination " + _endpoint(action)
        case Accept():
            return "-j ACCEPT"
        case Drop():
            return "-j DROP"
        case Reject(family):
            return f"-j REJECT --reject-with {_PORT_UNREACHABLE[family]}"
        case Pass():
            return ""
        case Return():
            return "-j RETURN"
        case Masquerade():
            return "-j MASQUERADE --random-fully"
        case SetMark(value):
            return f"-j MARK --set-xmark 0x{value:x}/0x{value:x}"
        case FlipMark(value):
            return f"-j MARK --set-xmark 0x{value:x}/0x0"
        case _:
            assert_never(action)


def _endpoint(to: Dnat) -> str:
    text = format_ip(to.family, to.address)
    return f"{text}:{to.port}" if to.family == 4 else f"[{text}]:{to.port}"
