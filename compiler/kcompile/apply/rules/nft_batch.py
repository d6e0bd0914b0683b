"""Messages of one transaction to nf_tables, each with a number that tells what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from sys import byteorder

from kcompile.apply.netlink import (
    ATTRIBUTE,
    HEADER,
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_REQUEST,
    attribute,
    message,
)
from kcompile.apply.rules.nft_ruleset import (
    CHAIN_COUNTERS,
    CHAIN_HOOK,
    CHAIN_TYPE,
    HANDLE,
    PROTOCOLS,
    chain_key,
    chain_name,
    table_name,
)

# linux/netfilter/nf_tables.h
_NEW_TABLE = 0xA00
_DELETE_TABLE = 0xA02
_NEW_CHAIN = 0xA03
_DELETE_CHAIN = 0xA05
_NEW_RULE = 0xA06
_DELETE_RULE = 0xA08
_RULE_COMPAT = 5
_COMPAT_PROTOCOL = 1
_COMPAT_FLAGS = 2
_COMPAT_INVERTED = 2
_COMPAT_SIZE = 20
_NESTED = 0x8000
_UNEQUAL = 1

# `meta load l4proto => a register`, which is 36 bytes, then `cmp`, as the kernel lists them.
_PROTOCOL = (
    ATTRIBUTE.pack(9, 1)
    + b"meta\0\0\0\0"
    + ATTRIBUTE.pack(20, 2)
    + ATTRIBUTE.pack(8, 2)
    + (16).to_bytes(4, "big")
)
_COMPARE = ATTRIBUTE.pack(8, 1) + b"cmp\0"
_COMPARE_AT = 36
_OPERATION_AT = _COMPARE_AT + len(_COMPARE) + 4 + 8 + 4 + 3  # the last of four bytes
_PROTOCOL_AT = _OPERATION_AT + 1 + 4 + 4

Where = tuple[int, str, str]
"""Family (4 or 6), table, chain ("" if it is about the table)."""


class Batch:
    """Messages in the order in which they are to be done, about what `where` says by number."""

    def __init__(self, where: list[Where]) -> None:
        self.messages = bytearray()
        self._where = where

    def new_table(self, family: int, table: str) -> None:
        """Make sure of a table; acknowledged."""
        self._add((family, table, ""), _NEW_TABLE, table_name(table), NLM_F_CREATE | NLM_F_ACK)

    def delete_table(self, family: int, table: str) -> None:
        self._add((family, table, ""), _DELETE_TABLE, table_name(table), 0)

    def base_chain(self, where: Where, definition: Mapping[int, bytes]) -> None:
        """Make a built-in chain at the place where another one is, empty and accepting."""
        kept = b"".join(
            attribute(kind | _NESTED * (kind != CHAIN_TYPE), definition[kind])
            for kind in (CHAIN_HOOK, CHAIN_TYPE, CHAIN_COUNTERS)
            if kind in definition
        )
        self._add(where, _NEW_CHAIN, chain_name(*where[1:]) + kept, NLM_F_CREATE)

    def empty_chain(self, where: Where) -> None:
        """Make sure of a chain, without rules."""
        self._add(where, _NEW_CHAIN, chain_name(*where[1:]), NLM_F_CREATE)
        self._add(where, _DELETE_RULE, chain_key(*where[1:]), 0)

    def delete_chain(self, where: Where) -> None:
        self._add(where, _DELETE_CHAIN, chain_name(*where[1:]), 0)

    def delete_rule(self, where: Where, handle: bytes) -> None:
        self._add(where, _DELETE_RULE, chain_key(*where[1:]) + attribute(HANDLE, handle), 0)

    def append(self, where: Where, bodies: list[bytes]) -> None:
        self._rules(where, bodies, NLM_F_APPEND)

    def prepend(self, where: Where, bodies: list[bytes]) -> None:
        """Put rules, in this order, in front of all others."""
        self._rules(where, bodies[::-1], 0)

    def _rules(self, where: Where, bodies: list[bytes], place: int) -> None:
        self._where.append(where)
        number, protocol = len(self._where), PROTOCOLS[where[0]]
        key = chain_key(*where[1:])
        flags = NLM_F_REQUEST | NLM_F_CREATE | place
        # All of the header and what follows it but the message's size, which comes first.
        same = HEADER.pack(0, _NEW_RULE, flags, number, 0, protocol, 0, 0)[4:] + key
        rest = 4 + len(same) + _COMPAT_SIZE
        parts: list[bytes] = []
        for body in bodies:
            parts += ((rest + len(body)).to_bytes(4, byteorder), same, body, _compat(body))
        self.messages += b"".join(parts)

    def _add(self, where: Where, kind: int, attributes: bytes, flags: int) -> None:
        self._where.append(where)
        protocol = PROTOCOLS[where[0]]
        self.messages += message(kind, protocol, attributes, flags, len(self._where))


def _compat(body: bytes) -> bytes:
    """The protocol that a rule is for (`-p`), which matches and targets of iptables ask for; the
    kernel does not keep it beside the expressions that compare it."""
    at = body.find(_PROTOCOL)
    if at < 0 or body[at + _COMPARE_AT : at + _COMPARE_AT + len(_COMPARE)] != _COMPARE:
        return _COMPATS[0, False]
    return _COMPATS[body[at + _PROTOCOL_AT], body[at + _OPERATION_AT] == _UNEQUAL]


def _compat_of(protocol: int, *, unequal: bool) -> bytes:
    flags = _COMPAT_INVERTED * unequal
    return attribute(
        _RULE_COMPAT | _NESTED,
        attribute(_COMPAT_PROTOCOL, protocol.to_bytes(4, "big"))
        + attribute(_COMPAT_FLAGS, flags.to_bytes(4, "big")),
    )


_COMPATS = {
    (protocol, unequal): _compat_of(protocol, unequal=unequal)
    for protocol in range(256)
    for unequal in (False, True)
}
