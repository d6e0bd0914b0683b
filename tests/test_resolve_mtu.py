"""--mtu [NODE=]BYTES."""

import pytest

from kcompile.resolve.mtu import resolve_mtus


def wrong(*texts: str) -> list[str]:
    return [finding.message for finding in resolve_mtus(texts, {"a", "b"})[1]]


def test_one_for_all_and_others_by_name() -> None:
    assert resolve_mtus(["b=1380", "1420"], {"a", "b"}) == ((("", 1420), ("b", 1380)), ())


def test_the_same_twice_is_said_once() -> None:
    assert resolve_mtus(["1420", "1420"], {"a"}) == ((("", 1420),), ())


@pytest.mark.parametrize(
    "text", ["", "1279", "65536", "-1420", "1420\n", "a=", "a=1420,b=1420", "\u0661420", "=1420"]
)
def test_what_is_no_mtu(text: str) -> None:
    (message,) = wrong(text)
    assert message.endswith("[NODE=]BYTES is allowed, 1280 to 65535")


def test_nodes_that_are_not_there_and_contradictions() -> None:
    assert wrong("c=1420", "1420", "1400", "a=1400", "a=1500") == [
        "'c=1420': there is no node 'c'",
        "1400 and 1420 for every node: say one",
        "1500 and 1400 for node a: say one",
    ]
