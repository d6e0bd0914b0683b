"""The nft flavour's engine among others' rules: none is lost, none changed, whatever happens."""

import os
import socket
import threading
from pathlib import Path

import pytest

from kcompile.apply.failures import CommandError, NodeError
from kcompile.apply.rules import nft
from kcompile.apply.rules.change import FamilyChange
from lab.kernel import enter
from lab.needs import requires, requires_flavour, requires_ipv6
from nft_changes import FIRST, HOST, SCALED, TABLES, change_of, rules_in, run, saved
from node_netns import in_netns

DOCKER = """\
*filter
:FORWARD DROP [7:700]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
[3:300] -A FORWARD -j DOCKER-USER
[0:0] -A FORWARD -o docker0 -j DOCKER
[1:60] -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
[0:0] -A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[5:500] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[0:0] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
[0:0] -A PREROUTING -p udp -m udp --dport 4789 -j DROP
COMMIT
"""
FIREWALLD = """\
table inet firewalld {
    set allowed { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
    chain filter_INPUT {
        type filter hook input priority 10; policy accept;
        ip saddr @allowed counter accept
        tcp dport vmap { 22 : accept, 23 : drop }
    }
}
"""
PORTALS = '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
OUR_CHAINS = {
    "filter": ["KUBE-FORWARD", "KUBE-FIREWALL"],
    "nat": ["KUBE-SERVICES", "KUBE-SVC-A", "KUBE-SEP-A", "KUBE-SEP-B"],
}
OUR_JUMPS = [
    ("filter", "-A INPUT -j KUBE-FIREWALL"),
    ("filter", '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD'),
    ("nat", f"-A PREROUTING {PORTALS}"),
    ("nat", f"-A OUTPUT {PORTALS}"),
]


@pytest.fixture(autouse=True)
def _needs() -> None:
    requires("nft")
    requires_flavour("nft")


def foreign() -> tuple[list[str], str]:
    """Everybody else's rules with counters and handles."""
    lines = [line for line in saved(counters=True) if "KUBE-" not in line]
    return lines, run("nft", "-a", "list", "table", "inet", "firewalld")


def install_neighbours() -> None:
    run("iptables-nft-restore", "-c", stdin=DOCKER)
    run("nft", "-f", "-", stdin=FIREWALLD)
    run("ip", "link", "set", "lo", "up")


def removal() -> FamilyChange:
    return change_of("*filter\nCOMMIT\n*nat\nCOMMIT\n", remove=OUR_CHAINS, no_jumps=OUR_JUMPS)


def test_others_rules_counters_and_policies_stay() -> None:
    in_netns(come_and_go)


def come_and_go() -> None:
    install_neighbours()
    before, everything = foreign(), run("nft", "list", "ruleset")
    made = nft.load(HOST, [change_of(FIRST)]).made
    assert {where[2] for where in made} == {"INPUT", "OUTPUT"}
    assert foreign() == before
    made = nft.load(HOST, [change_of(SCALED, remove={"nat": ["KUBE-SEP-B"]})], made).made
    assert rules_in("nat", "KUBE-SVC-A")[-1].endswith("-j KUBE-SEP-C")
    chains = {**OUR_CHAINS, "nat": [*OUR_CHAINS["nat"][:3], "KUBE-SEP-C"]}
    gone = change_of("*filter\nCOMMIT\n*nat\nCOMMIT\n", remove=chains, no_jumps=OUR_JUMPS)
    assert nft.load(HOST, [gone], made).made == frozenset()
    assert foreign() == before
    assert run("nft", "list", "ruleset") == everything


def test_tables_that_were_not_there_go_with_the_last_rule() -> None:
    in_netns(first_and_last)


def first_and_last() -> None:
    requires_ipv6()
    both = [change_of(FIRST), change_of("*filter\n:K - [0:0]\n-A INPUT -j K\nCOMMIT\n", 6)]
    made = nft.load(HOST, both).made
    assert (6, "filter", "INPUT") in made
    run("iptables-nft", "-A", "FORWARD", "-j", "ACCEPT")
    last = change_of(
        "*filter\nCOMMIT\n", 6, remove={"filter": ["K"]}, no_jumps=[("filter", "-A INPUT -j K")]
    )
    made = nft.load(HOST, [removal(), last], made).made
    # Somebody else's rule keeps a chain, and its table.
    assert made == {(4, "filter", ""), (4, "filter", "FORWARD")}
    assert run("nft", "list", "tables").split("\n")[:-1] == ["table ip filter"]
    run("iptables-nft", "-D", "FORWARD", "-j", "ACCEPT")
    made = nft.load(HOST, [change_of("*filter\nCOMMIT\n")], made).made
    assert (made, run("nft", "list", "ruleset")) == (frozenset(), "")
    nft.load(HOST, [change_of("*nat\n:K - [0:0]\nCOMMIT\n")])
    nft.load(HOST, [change_of("*nat\nCOMMIT\n", remove={"nat": ["K", "L"]})])
    assert run("nft", "list", "ruleset").split() == ["table", "ip", "nat", "{", "}"]
    run("nft", "delete", "table", "ip", "nat")
    # What is gone already is not made again to be removed.
    assert nft.load(HOST, [change_of("*nat\nCOMMIT\n", remove=OUR_CHAINS)]).made == frozenset()
    assert run("nft", "list", "ruleset") == ""


def test_rules_that_others_add_meanwhile_are_not_lost() -> None:
    in_netns(meanwhile)


def meanwhile() -> None:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    run("iptables-nft", "-N", "OTHERS")
    done, added = threading.Event(), []

    def add() -> None:
        enter(here)
        while not done.is_set():
            mark = f"{len(added)}"
            run("iptables-nft", "-A", "OTHERS", "-m", "comment", "--comment", f"n{mark}")
            run(
                "iptables-nft",
                "-t",
                "nat",
                "-I",
                "PREROUTING",
                "-m",
                "comment",
                "--comment",
                f"n{mark}",
            )
            added.append(mark)

    thread = threading.Thread(target=add)
    thread.start()
    made: nft.Made = frozenset()
    try:
        for _ in range(10):
            made = nft.load(HOST, [change_of(FIRST)], made).made
            made = nft.load(HOST, [change_of(SCALED)], made).made
    finally:
        done.set()
        thread.join()
        os.close(here)
    assert len(added) > 5
    others = [f"-A OTHERS -m comment --comment n{mark}" for mark in added]
    assert rules_in("filter", "OTHERS") == others
    front = [f"-A PREROUTING -m comment --comment n{mark}" for mark in added]
    before = rules_in("nat", "PREROUTING")
    assert sorted(before) == sorted([f"-A PREROUTING {PORTALS}", *front])


def test_what_iptables_refuses_changes_nothing() -> None:
    in_netns(refused_by_iptables)


def refused_by_iptables() -> None:
    install_neighbours()
    before = foreign(), nft.generation()
    with pytest.raises(CommandError, match="K2"):
        nft.prepare(HOST, [change_of("*nat\n:K - [0:0]\n-A K -j K2\nCOMMIT\n")])
    with pytest.raises(CommandError, match="restore failed"):
        nft.prepare(
            HOST, [change_of("*nat\n:K - [0:0]\n-A PREROUTING -j K\n-A K -j MASQUERADE\nCOMMIT\n")]
        )
    assert (foreign(), nft.generation()) == before


def test_what_the_kernel_refuses_changes_nothing() -> None:
    in_netns(refused_by_the_kernel)


def refused_by_the_kernel() -> None:
    made = nft.load(HOST, [change_of(FIRST)]).made
    run("iptables-nft", "-A", "INPUT", "-p", "tcp", "-j", "KUBE-FORWARD")
    before = saved(counters=True), nft.generation(), nft.digests(4, TABLES)
    with pytest.raises(
        NodeError, match=r"chain KUBE-FORWARD in table filter of IPv4: .*jumps to it"
    ):
        nft.load(HOST, [removal()], made)
    assert (saved(counters=True), nft.generation(), nft.digests(4, TABLES)) == before


def test_clients_that_a_chain_remembers_stay() -> None:
    in_netns(remembered)


def remembered() -> None:
    rule = "-A KUBE-SEP-{0} -m recent --name KUBE-SEP-{0} --set -j RETURN"
    text = "*nat\n:KUBE-SEP-A - [0:0]\n:KUBE-SEP-B - [0:0]\n{}\n{}\nCOMMIT\n"
    nft.load(HOST, [change_of(text.format(rule.format("A"), rule.format("B")))])
    clients = Path("/proc/thread-self/net/xt_recent")
    for name in "AB":
        (clients / f"KUBE-SEP-{name}").write_text("+192.0.2.7\n")
    other = rule.format("A") + "\n-A KUBE-SEP-A -j RETURN"
    nft.load(HOST, [change_of(f"*nat\n:KUBE-SEP-A - [0:0]\n{other}\nCOMMIT\n")])
    for name in "AB":
        assert "192.0.2.7" in (clients / f"KUBE-SEP-{name}").read_text()


def test_digests_tell_drift_from_traffic() -> None:
    in_netns(traffic_and_drift)


def traffic_and_drift() -> None:
    run("ip", "link", "set", "lo", "up")
    text = """\
*filter
:K - [0:0]
-A OUTPUT -j K
-A K -m statistic --mode nth --every 3 --packet 1
-A K -m limit --limit 1/sec --limit-burst 2
-A K -m recent --name seen --set
-A K -m hashlimit --hashlimit-upto 1/sec --hashlimit-name h
-A K -m quota --quota 100
-A K -p udp -j ACCEPT
COMMIT
"""
    prepared = nft.prepare(HOST, [change_of(text)])
    nft.commit(prepared)
    before = nft.digests(4, ["filter"])
    assert before["filter", "K"] == prepared.digests[4]["filter", "K"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(5):
            client.sendto(b"?", ("127.0.0.1", 9))
    assert "[0:0] -A K -p udp" not in "\n".join(saved(counters=True))
    assert nft.digests(4, ["filter"]) == before
    run("iptables-nft", "-D", "K", "-p", "udp", "-j", "ACCEPT")
    after = nft.digests(4, ["filter"])
    assert {chain for chain in before if before[chain] != after[chain]} == {("filter", "K")}
    assert nft.digests(4, ["mangle"]) == {}
