"""Messages to netfilter and its answers, in network namespaces of their own."""

import errno
from contextlib import closing

import pytest

from kcompile.apply.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    Netfilter,
    NetlinkError,
    attribute,
    attributes,
    message,
)
from lab.needs import requires, requires_flavour
from node_netns import in_netns

NEW_TABLE, GET_TABLE, IPV4 = 0xA00, 0xA01, 2


def table(name: str) -> bytes:
    return attribute(1, name.encode() + b"\0")


def test_attributes_are_filled_up_to_four_bytes() -> None:
    data = attribute(1, b"ab") + attribute(2, b"") + attribute(0x8003, b"abcd")
    assert len(data) == 20
    found = [(kind, data[start:end]) for kind, start, end in attributes(data, 0, len(data))]
    assert found == [(1, b"ab"), (2, b""), (3, b"abcd")]


def test_attributes_end_where_their_lengths_are_wrong() -> None:
    assert list(attributes(b"\xff\xff\1\0abcd", 0, 8)) == []
    assert list(attributes(b"\0\0\1\0abcd", 0, 8)) == []


def test_transactions_dumps_and_refusals() -> None:
    requires()
    requires_flavour("nft")
    in_netns(talk)


def talk() -> None:
    with closing(Netfilter()) as kernel:
        batch = [
            message(NEW_TABLE, IPV4, table("one"), NLM_F_CREATE | 4, 7),
            message(NEW_TABLE, IPV4, table("two"), NLM_F_CREATE | NLM_F_EXCL, 8),
        ]
        kernel.transact(10, batch)
        assert names(kernel) == ["one", "two"]
        with pytest.raises(NetlinkError) as refused:
            kernel.transact(10, batch)
        assert (refused.value.number, refused.value.sequence) == (errno.EEXIST, 8)
        assert names(kernel) == ["one", "two"]
        data, start, end = kernel.get(GET_TABLE, IPV4, table("two"))
        assert next(data[a:b] for kind, a, b in attributes(data, start, end)) == b"two\0"
        with pytest.raises(NetlinkError, match="No such file"):
            kernel.get(GET_TABLE, IPV4, table("three"))
        with pytest.raises(NetlinkError, match="without an answer"):
            kernel.transact(10, [])
        with pytest.raises(NetlinkError) as refused:
            kernel.transact(10, batch, 99)
        assert (refused.value.number, refused.value.sequence) == (errno.ERESTART, 0)


def names(kernel: Netfilter) -> list[str]:
    return [
        data[a:b].rstrip(b"\0").decode()
        for data, start, end in kernel.dump(GET_TABLE, IPV4)
        for kind, a, b in attributes(data, start, end)
        if kind == 1
    ]
