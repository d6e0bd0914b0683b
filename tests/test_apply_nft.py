"""The nft flavour's engine: what is in the kernel after it is what iptables would have put there."""

import re
import socket
from pathlib import Path

import pytest

from kcompile.apply.netlink import attribute
from kcompile.apply.rules import nft
from kcompile.apply.rules.nft_ruleset import still
from lab.needs import requires, requires_flavour, requires_ipv6
from nft_changes import BUILT_IN, FIRST, HOST, RESTORE, TABLES, change_of, rules_in, run, saved
from node_netns import in_netns

GOLDEN = Path(__file__).parent.parent / "golden"
EVERY_MATCH = """\
*filter
:K - [0:0]
:L - [0:0]
:K2 - [0:0]
-A INPUT -j K
-A K -p tcp -m tcp --dport 80:90 --tcp-flags SYN,ACK SYN -j REJECT --reject-with tcp-reset
-A K ! -p udp -m statistic --mode nth --every 3 --packet 1 -j RETURN
-A K -p udp -m multiport --dports 1,2,10:20 -j DROP
-A K ! -s 10.0.0.0/8 -i eth+ ! -o lo -p sctp -m sctp --dport 5 -j L
-A K -m limit --limit 5/min --limit-burst 7 -m comment --comment "a \\"quoted\\" -j L" -j RETURN
-A K -p icmp -m icmp --icmp-type 8 -g L
-A K -m mark ! --mark 0x1/0x3 -m addrtype --dst-type LOCAL -j MARK --set-xmark 0x4000/0x4000
-A K -m conntrack --ctstate RELATED,ESTABLISHED -j LOG --log-prefix "x: "
-A L -m recent --update --seconds 10 --reap --name clients --mask 255.255.255.255 --rsource -j K2
-A K2 -p 47 -j ACCEPT
COMMIT
"""


@pytest.fixture(autouse=True)
def _needs() -> None:
    requires()
    requires_flavour("nft")


def restored(text: str, family: int = 4) -> tuple[list[str], dict[tuple[str, str], str]]:
    found = []

    def work() -> None:
        run(RESTORE[family], stdin=without_empty_chains(text))
        found.append((saved(family), nft.digests(family, TABLES)))

    in_netns(work)
    return found[0]


def without_empty_chains(text: str) -> str:
    """The engine makes no built-in chain for nothing."""
    tables = text.split("COMMIT\n")
    for number, table in enumerate(tables):
        for chain in BUILT_IN:
            if f"-A {chain} " not in table:
                tables[number] = tables[number].replace(f":{chain} - [0:0]\n", "")
    return "COMMIT\n".join(tables)


def engine(text: str, family: int = 4) -> tuple[list[str], dict[tuple[str, str], str]]:
    found = []

    def work() -> None:
        prepared = nft.prepare(HOST, [change_of(text, family)])
        assert saved(family) == []
        nft.commit(prepared)
        digests = nft.digests(family, TABLES)
        assert prepared.digests[family].items() <= digests.items()
        found.append((saved(family), digests))

    in_netns(work)
    return found[0]


@pytest.mark.parametrize("text", [FIRST, EVERY_MATCH], ids=["first", "every-match"])
def test_as_a_plain_restore(text: str) -> None:
    assert engine(text) == restored(text)


def test_as_a_plain_restore_of_ipv6() -> None:
    requires_ipv6()
    requires_flavour("nft", 6)
    text = (
        FIRST.replace("icmp", "icmp6")
        .replace("10.244.0.", "[fd00::]")
        .replace("127.0.0.0/8", "::1/128")
    )
    text = re.sub(r"\[fd00::\](\d):80", r"[fd00::\1]:80", text).replace(
        "10.96.0.10/32", "fd00:1::a/128"
    )
    assert engine(text, 6) == restored(text, 6)


def test_goldens_as_plain_restores() -> None:
    """Also rules that were written before this iptables is asked: compared in the kernel's bytes."""
    files = {path.read_text(): path for path in sorted(GOLDEN.rglob("*.rules"))}
    files = {text: path for text, path in files.items() if "-A" in text}
    assert len(files) > 20
    for text, path in list(files.items())[::6]:
        family = 6 if path.name.startswith("ip6") else 4
        assert engine(text, family) == restored(text, family), path


def test_a_second_time_only_rules_of_ours_are_written_and_jumps_stay_in_front() -> None:
    in_netns(again)


def again() -> None:
    for chain in ("PREROUTING", "OUTPUT"):
        run("iptables-nft", "-t", "nat", "-A", chain, "-j", "RETURN")
    made = nft.load(HOST, [change_of(FIRST)]).made
    assert (4, "filter", "") in made
    assert not [where for where in made if where[1] == "nat"]
    portals = '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
    assert rules_in("nat", "PREROUTING") == [portals, "-A PREROUTING -j RETURN"]
    before = nft.digests(4, TABLES), saved()
    loaded = nft.load(HOST, [change_of(FIRST)], made)
    assert loaded.made == made
    assert loaded.generation == nft.generation()
    assert (nft.digests(4, TABLES), saved()) == before
    run("iptables-nft", "-t", "nat", "-I", "PREROUTING", "-j", "ACCEPT")
    words = ["-m", "comment", "--comment", "kubernetes service portals", "-j", "KUBE-SERVICES"]
    run("iptables-nft", "-t", "nat", "-A", "PREROUTING", *words)
    nft.load(HOST, [change_of(FIRST)], made)
    assert rules_in("nat", "PREROUTING") == [
        portals,
        "-A PREROUTING -j ACCEPT",
        "-A PREROUTING -j RETURN",
    ]


def test_open_connections_stay_and_new_ones_go_where_the_new_rules_say() -> None:
    in_netns(connections)


def connections() -> None:
    run("ip", "link", "set", "lo", "up")
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        nft.load(HOST, [change_of(service_at(one))])
        with socket.create_connection(("127.0.0.2", 80), 5) as client, one.accept()[0] as served:
            nft.load(HOST, [change_of(service_at(two))])
            client.sendall(b"still")
            assert served.recv(5) == b"still"
            with socket.create_connection(("127.0.0.2", 80), 5):
                two.settimeout(5)
                two.accept()[0].close()


def service_at(server: socket.socket) -> str:
    port = server.getsockname()[1]
    return f"""\
*nat
:KUBE-SEP-A - [0:0]
-A OUTPUT -d 127.0.0.2/32 -p tcp -m tcp --dport 80 -j KUBE-SEP-A
-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 127.0.0.1:{port}
COMMIT
"""


def test_jumps_written_by_another_iptables_are_known_by_chain_and_comment() -> None:
    requires("nft")
    in_netns(other_encoding)


def other_encoding() -> None:
    nft.load(HOST, [change_of(FIRST)])
    run("iptables-nft", "-t", "nat", "-F", "PREROUTING")
    run(
        "nft",
        "add",
        "rule",
        "ip",
        "nat",
        "PREROUTING",
        "counter",
        "jump",
        "KUBE-SERVICES",
        "comment",
        '"kubernetes service portals"',
    )
    run(
        "nft",
        "add",
        "rule",
        "ip",
        "nat",
        "PREROUTING",
        "jump",
        "KUBE-SERVICES",
        "comment",
        '"mine"',
    )
    nft.load(HOST, [change_of(FIRST)])
    assert rules_in("nat", "PREROUTING") == [
        '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        "-A PREROUTING -m comment --comment mine -j KUBE-SERVICES",
    ]


@pytest.mark.parametrize("pad", [b"", attribute(3, b"")], ids=["packed", "aligned"])
def test_what_packets_count_is_no_difference(pad: bytes) -> None:
    def rule(count: bytes) -> bytes:
        numbers = b"".join(pad + attribute(kind, count * 8) for kind in (1, 2))
        counter = attribute(1, attribute(1, b"counter\0") + attribute(2, numbers))
        return attribute(4, counter + attribute(1, attribute(1, b"cmp\0") + attribute(2, count)))

    assert still(rule(b"\0")) == rule(b"\0")
    assert still(rule(b"7")) == rule(b"\0").replace(attribute(2, b"\0"), attribute(2, b"7"))
