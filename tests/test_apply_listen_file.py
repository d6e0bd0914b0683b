"""listeners.json as a node reads it: what a build writes is good, everything else is refused."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.apply.failures import NodeError
from kcompile.apply.listen_file import BOTH, Place, Use, parse_listeners, read_listeners
from listening import health_check, listener, listeners_text, refusal

GOLDEN = Path(__file__).parent.parent / "golden"
WEB = Use("default/web", None)


def complaint(text: str) -> str:
    with pytest.raises(NodeError) as error:
        parse_listeners(text, "l.json")
    return str(error.value)


def test_what_builds_write_is_read() -> None:
    files = sorted(GOLDEN.glob("*/*/expected/bundle/nodes/*/listeners.json"))
    assert len(files) > 50
    for file in files:
        ports = {place.port for place in read_listeners(file).places}
        written = json.loads(file.read_text())["listeners"]
        assert ports == {each["port"] for each in written if each["protocol"] != "SCTP"}


def test_places() -> None:
    text = listeners_text(
        [
            listener(1),
            listener(2, families=["IPv6"]),
            listener(3, "UDP", families=["IPv4"], addresses=["192.0.2.1", "2001:DB8::0:1"]),
            listener(4, "SCTP"),
        ],
        [health_check(5, 2), health_check(6, 0, addresses=["2001:DB8::0:1"])],
    )
    assert parse_listeners(text, "l.json") == {
        Place("TCP", BOTH, "", 1): WEB,
        Place("TCP", 6, "", 2): WEB,
        Place("UDP", 4, "192.0.2.1", 3): WEB,
        Place("TCP", BOTH, "", 5): Use("default/web", 2),
        Place("TCP", 6, "2001:db8::1", 6): Use("default/web", 0),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Expecting value"),
        ("[]", "the file is not an object"),
        ("{" * 100_000, ""),
        ("[" * 100_000, "nested too deeply"),
        (listeners_text(version=2), "version is 2, this program knows 1"),
        (listeners_text(version=True), "version is True"),
        (listeners_text(version=1.0), "the number '1.0' is not"),
        (listeners_text(more=1), "the file has the unknown key 'more'"),
        (listeners_text(node="../a"), "node is '../a', which is no name"),
        (listeners_text(node="a\n"), r"node is 'a\n', which is no name"),
        (listeners_text(node="\x1b[31m"), r"node is '\x1b[31m'"),
        ('{"version": 1}', "the file has no node"),
        ('{"version": 1, "version": 1}', "a key is there twice"),
        (listeners_text([listener(0)]), "listeners[0].port is 0, not a number from 1 to 65535"),
        (listeners_text([listener(65536)]), "listeners[0].port is 65536"),
        (listeners_text([listener(1) | {"port": "80"}]), "listeners[0].port is '80'"),
        (listeners_text([listener(1) | {"port": True}]), "listeners[0].port is True"),
        ('{"version": ' + "9" * 100_000 + "}", "the number '999"),
        ('{"version": NaN}', "the number 'NaN'"),
        (listeners_text([listener(1, "tcp")]), "protocol is 'tcp', not TCP, UDP or SCTP"),
        (listeners_text([listener(1) | {"protocol": []}]), "protocol is []"),
        (listeners_text([listener(1, families=[])]), "must have IPv4, IPv6 or both"),
        (listeners_text([listener(1, families=["IPv4", "IPv4"])]), "must have IPv4"),
        (listeners_text([listener(1, families=[["IPv4"]])]), "must have IPv4"),
        (listeners_text([listener(1, families="IPv4")]), "families is not a list"),
        (listeners_text([listener(1, addresses=["a"])]), "'a', which is no address"),
        (listeners_text([listener(1, addresses=["1.2.3.4\0"])]), "which is no address"),
        (listeners_text([listener(1, addresses=[1])]), "has 1, which is no address"),
        (listeners_text([listener(1, addresses=["::1", "0::1"])]), "has an address twice"),
        (listeners_text([listener(1, service="web")]), "service is 'web', which is no name"),
        (listeners_text([listener(1, service='a/b"')]), "which is no name"),
        (listeners_text([listener(1, portName="\n")]), "which is no name"),
        (listeners_text([listener(1), listener(1)]), "port 1/TCP is there twice"),
        (listeners_text([listener(1)], [health_check(1, 1)]), "port 1/TCP is there twice"),
        (listeners_text([], [health_check(1, -1)]), "healthChecks[0].localEndpoints is -1"),
        (listeners_text([], [health_check(1, 1, x="x" * 999)]), "unknown key 'x'"),
        (listeners_text([{"port": 1}]), "listeners[0] has no protocol"),
    ],
)
def test_what_is_refused(text: str, expected: str) -> None:
    said = complaint(text)
    assert expected in said
    assert said.startswith("l.json ")
    assert said.isprintable()
    assert len(said) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.sampled_from(["version", "node", "listeners", "healthChecks"]))
def test_nothing_but_our_own_error(value: Any, key: str) -> None:
    whole = json.loads(listeners_text([listener(1)], [health_check(2, 1)]))
    for text in (
        json.dumps(value),
        json.dumps(whole | {key: value}),
        json.dumps(whole | {"listeners": [listener(1) | {"port": value, "addresses": value}]}),
        json.dumps(whole)[: len(key) * 9],
    ):
        with suppress(NodeError):
            parse_listeners(text, "l.json")


def test_files_that_are_none(tmp_path: Path) -> None:
    pipe, large, binary = (tmp_path / name for name in ("pipe", "large", "binary"))
    os.mkfifo(pipe)
    large.write_bytes(b" " * (5 << 20))
    binary.write_bytes(b"\xff\xfe{}")
    assert "is not a file" in refusal(pipe)
    assert "is not a file" in refusal(tmp_path)
    assert "is not a file" in refusal(Path("/dev/zero"))
    assert "is larger than 4 MB" in refusal(large)
    assert "is not UTF-8" in refusal(binary)
    assert "cannot be read: No such file or directory" in refusal(tmp_path / "none")
