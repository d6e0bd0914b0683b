"""What the kernel's nf_tables hold, read over netlink, as bytes that can be compared and sent back.

The body of a rule is all of it but its place: expressions and user data, as the kernel lists them.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from typing import Callable, TypeVar

from kcompile.apply.failures import NodeError
from kcompile.apply.netlink import (
    ATTRIBUTE,
    InterruptedDumpError,
    Netfilter,
    NetlinkError,
    attribute,
    attributes,
)

# linux/netfilter/nf_tables.h
SUBSYSTEM = 10
GET_TABLE = 0xA01
GET_CHAIN = 0xA04
GET_RULE = 0xA07
GET_GENERATION = 0xA10
TABLE_NAME = TABLE = 1
TABLE_USE = 3
RULE_CHAIN = 2
CHAIN_NAME = HANDLE = 3
RULE_EXPRESSIONS = 4
CHAIN_HOOK = 4
CHAIN_POLICY = 5
CHAIN_TYPE = 7
CHAIN_COUNTERS = 8
ACCEPT = (1).to_bytes(4, "big")

PROTOCOLS = {4: 2, 6: 10}
"""NFPROTO_IPV4 and _IPV6, by family."""

_MISSING = {errno.ENOENT, errno.EINVAL, errno.ERANGE}  # the others: no name could be such
_READINGS = 20
_HANDLE = ATTRIBUTE.pack(12, 3)
_POSITION = ATTRIBUTE.pack(12, 6)
# An expression "counter" of no packets and no bytes, and as it is: two 64-bit numbers, with an
# empty attribute in front of them where the machine wants them aligned.
_PAD = ATTRIBUTE.pack(4, 3)
_COUNTED_NOTHING, _ALIGNED_NOTHING = (
    ATTRIBUTE.pack(12, 1)
    + b"counter\0"
    + ATTRIBUTE.pack(28 + 2 * len(pad), 2)
    + b"".join(pad + ATTRIBUTE.pack(12, kind) + bytes(8) for kind in (1, 2))
    for pad in (b"", _PAD)
)
_COUNTED, _ALIGNED = (
    re.compile(
        b".{8}".join(map(re.escape, (nothing[: -20 - pads], nothing[-12 - pads : -8], b""))),
        re.DOTALL,
    )
    for nothing, pads in ((_COUNTED_NOTHING, 0), (_ALIGNED_NOTHING, len(_PAD)))
)
_IMMEDIATE = ATTRIBUTE.pack(14, 1) + b"immediate\0\0\0"
_COMMENT = ATTRIBUTE.pack(12, 1) + b"comment\0"
_T = TypeVar("_T")


def chain_key(table: str, chain: str) -> bytes:
    """The attributes that name a chain to messages about rules."""
    return attribute(TABLE, _name(table)) + attribute(RULE_CHAIN, _name(chain))


def chain_name(table: str, chain: str) -> bytes:
    """The attributes that name a chain to messages about chains."""
    return attribute(TABLE, _name(table)) + attribute(CHAIN_NAME, _name(chain))


def table_name(table: str) -> bytes:
    return attribute(TABLE_NAME, _name(table))


def generation_of(kernel: Netfilter) -> int:
    data, start, end = kernel.get(GET_GENERATION, 0)
    return next(int.from_bytes(data[a:b], "big") for k, a, b in attributes(data, start, end))


def table_use(kernel: Netfilter, family: int, table: str) -> int | None:
    """How many chains, sets and other things a table holds; None if there is no such table."""
    found = _find(kernel, GET_TABLE, family, table_name(table))
    return None if found is None else int.from_bytes(found[TABLE_USE], "big")


def chain_of(kernel: Netfilter, family: int, table: str, chain: str) -> dict[int, bytes] | None:
    """A chain's attributes; None if there is no such chain."""
    return _find(kernel, GET_CHAIN, family, chain_name(table, chain))


def chains_of(kernel: Netfilter, family: int, table: str) -> list[str]:
    """The names of a table's chains."""
    return _whole(lambda: list(_chains(kernel, family, table)))


def rules_of(kernel: Netfilter, family: int, table: str, chain: str) -> list[tuple[bytes, bytes]]:
    """The handle and the body of each rule of a chain, in order."""
    return _whole(lambda: list(rules(kernel, family, chain_key(table, chain))))


def rules(kernel: Netfilter, family: int, key: bytes) -> Iterator[tuple[bytes, bytes]]:
    """As rules_of, once: raises InterruptedDumpError at the end if rules changed meanwhile."""
    named = len(key)
    for data, start, end in kernel.dump(GET_RULE, family, key):
        # The kernel's order: table, chain, handle, the previous rule's handle, what it does.
        at = start + named
        if data[at : at + 4] != _HANDLE:
            raise NodeError("this kernel lists rules in a way that kcompile does not know")
        body = at + 24 if data[at + 12 : at + 16] == _POSITION else at + 12
        yield data[at + 4 : at + 12], data[body:end]


def digests(family: int, tables: Iterable[str]) -> dict[tuple[str, str], str]:
    """A digest of every chain's rules in these tables, by table and chain: of what they do and
    their order, whatever their handles and counters. Tables that are not there have no chains."""
    found = {}
    protocol = PROTOCOLS[family]
    with closing(Netfilter()) as kernel:
        for table in tables:
            for chain in chains_of(kernel, protocol, table):
                listed = rules_of(kernel, protocol, table, chain)
                found[table, chain] = digest([still(b"".join([body for _, body in listed]))])
    return found


def digest(bodies: list[bytes]) -> str:
    """Of a chain's rules, `still` as they are."""
    return blake2b(b"".join(bodies), digest_size=12).hexdigest()


def still(body: bytes) -> bytes:
    """A rule's body without what packets change in it.

    Only counters: of the matches' and targets' data the kernel lists what the rule says, and
    zeros for what they keep in it (its `usersize`)."""
    found = _COUNTED.sub(_COUNTED_NOTHING, body)
    return _ALIGNED.sub(_ALIGNED_NOTHING, found) if _PAD in found else found


def jump_of(body: bytes) -> tuple[str, bytes] | None:
    """The chain that a rule jumps to, and its comment, if it has both.

    Versions of iptables write the same rule with other expressions."""
    at = body.rfind(_IMMEDIATE)
    if at < 0:
        return None
    verdict = _nested(body, at + len(_IMMEDIATE), (2, 2, 2, 2))
    comment = _match_comment(body) or _user_comment(body)
    if verdict is None or not comment:
        return None
    return verdict.rstrip(b"\0").decode("ascii", "replace"), comment


def _chains(kernel: Netfilter, family: int, table: str) -> Iterator[str]:
    wanted = _name(table)
    for data, start, end in kernel.dump(GET_CHAIN, family):
        found = {kind: data[a:b] for kind, a, b in attributes(data, start, end)}
        if found[TABLE] == wanted:
            yield found[CHAIN_NAME][:-1].decode("ascii", "surrogateescape")


def _whole(read: Callable[[], _T]) -> _T:
    for _ in range(_READINGS):
        try:
            return read()
        except InterruptedDumpError:  # noqa: PERF203 # what the loop is for
            continue
    raise NodeError(
        f"other programs changed this node's rules during each of {_READINGS} readings; "
        "stop what keeps changing them and try again"
    )


def _find(kernel: Netfilter, kind: int, family: int, name: bytes) -> dict[int, bytes] | None:
    try:
        data, start, end = kernel.get(kind, family, name)
    except NetlinkError as error:
        if error.number in _MISSING:
            return None
        raise
    return {kind: data[a:b] for kind, a, b in attributes(data, start, end)}


def _nested(body: bytes, start: int, path: tuple[int, ...]) -> bytes | None:
    end = len(body)
    for wanted in path:
        inside = next(((a, b) for k, a, b in attributes(body, start, end) if k == wanted), None)
        if inside is None:
            return None
        start, end = inside
    return body[start:end]


def _match_comment(body: bytes) -> bytes:
    # An expression "match": data {1: "comment", 2: revision, 3: 256 bytes}.
    at = body.find(_COMMENT)
    told = _nested(body, at, (3,)) if at >= 0 else None
    return told.split(b"\0")[0] if told else b""


def _user_comment(body: bytes) -> bytes:
    # User data of libnftnl: kind 0, length, the comment.
    told = next((body[a:b] for k, a, b in attributes(body, 0, len(body)) if k == 7), b"")
    return told[2:].split(b"\0")[0] if told[:1] == b"\0" else b""


def _name(name: str) -> bytes:
    return name.encode("ascii", "surrogateescape") + b"\0"
