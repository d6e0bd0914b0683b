"""Service ports as rules: the article's chains, odds, refusals, and iptables-save's spelling."""

from base64 import b32encode
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.address import parse_cidr, parse_ip
from kcompile.flow import PortId, Target
from kcompile.lower.chains import chain_hash, port_text, target_text
from kcompile.lower.rules import lower_rules
from kcompile.planned import PlannedService
from kcompile.render.rules import probability, rules_text
from kcompile.settings import Settings
from kcompile.traffic import traffic
from plan_builder import plan, port, service, settings


def rules(services: Iterable[PlannedService], with_settings: Settings | None = None) -> list[str]:
    """The lines of the one node's iptables.rules."""
    a_plan = plan(services=services)
    if with_settings:
        a_plan = replace(a_plan, settings=with_settings)
    (ruleset,) = lower_rules(traffic(a_plan), a_plan.settings)
    return "".join(rules_text(ruleset, {})).splitlines()


def about(lines: Iterable[str], word: str) -> list[str]:
    return [line for line in lines if word in line]


def test_the_article_s_cluster_ip() -> None:
    httpd = service(
        "default/httpd-svc",
        "10.96.203.6",
        ports=[port(8080, "10.244.1.28", "10.244.1.29", "10.244.2.22", to=80)],
    )
    assert about(rules([httpd]), "default/httpd-svc:") == [
        (
            '-A KUBE-SERVICES -d 10.96.203.6/32 -p tcp -m comment --comment "default/httpd-svc: '
            'cluster IP" -m tcp --dport 8080 -j KUBE-SVC-RL3JAE4GN7VOGDGP'
        ),
        (
            "-A KUBE-SVC-RL3JAE4GN7VOGDGP ! -s 10.244.0.0/16 -d 10.96.203.6/32 -p tcp -m comment "
            '--comment "default/httpd-svc: cluster IP" -m tcp --dport 8080 -j KUBE-MARK-MASQ'
        ),
        (
            '-A KUBE-SVC-RL3JAE4GN7VOGDGP -m comment --comment "default/httpd-svc: -> 10.244.1.28:80" '
            "-m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-CR63JSDONEUBE2YK"
        ),
        (
            '-A KUBE-SVC-RL3JAE4GN7VOGDGP -m comment --comment "default/httpd-svc: -> 10.244.1.29:80" '
            "-m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-Y5EOPQEI6R2HKSKZ"
        ),
        (
            '-A KUBE-SVC-RL3JAE4GN7VOGDGP -m comment --comment "default/httpd-svc: -> 10.244.2.22:80" '
            "-j KUBE-SEP-XY6KDITI4WWURGO2"
        ),
        (
            "-A KUBE-SEP-CR63JSDONEUBE2YK -s 10.244.1.28/32 -m comment --comment "
            '"default/httpd-svc:" -j KUBE-MARK-MASQ'
        ),
        (
            '-A KUBE-SEP-CR63JSDONEUBE2YK -p tcp -m comment --comment "default/httpd-svc:" -m tcp '
            "-j DNAT --to-destination 10.244.1.28:80"
        ),
        (
            "-A KUBE-SEP-Y5EOPQEI6R2HKSKZ -s 10.244.1.29/32 -m comment --comment "
            '"default/httpd-svc:" -j KUBE-MARK-MASQ'
        ),
        (
            '-A KUBE-SEP-Y5EOPQEI6R2HKSKZ -p tcp -m comment --comment "default/httpd-svc:" -m tcp '
            "-j DNAT --to-destination 10.244.1.29:80"
        ),
        (
            "-A KUBE-SEP-XY6KDITI4WWURGO2 -s 10.244.2.22/32 -m comment --comment "
            '"default/httpd-svc:" -j KUBE-MARK-MASQ'
        ),
        (
            '-A KUBE-SEP-XY6KDITI4WWURGO2 -p tcp -m comment --comment "default/httpd-svc:" -m tcp '
            "-j DNAT --to-destination 10.244.2.22:80"
        ),
    ]


def test_the_article_s_node_port() -> None:
    myhttpd = service(
        "default/myhttpd-svc",
        "10.104.223.18",
        ports=[port(8080, "10.244.1.32", "10.244.1.33", to=80, node_port=30000)],
    )
    lines = rules([myhttpd])
    assert about(lines, "dport 30000") == [
        (
            '-A KUBE-NODEPORTS -p tcp -m comment --comment "default/myhttpd-svc:" -m tcp '
            "--dport 30000 -j KUBE-EXT-7P7YXYLZA3ZMJCMD"
        ),
    ]
    assert about(lines, "-A KUBE-EXT-7P7YXYLZA3ZMJCMD") == [
        (
            '-A KUBE-EXT-7P7YXYLZA3ZMJCMD -m comment --comment "masquerade traffic for '
            'default/myhttpd-svc: external destinations" -j KUBE-MARK-MASQ'
        ),
        (
            '-A KUBE-EXT-7P7YXYLZA3ZMJCMD -m comment --comment "default/myhttpd-svc: all endpoints" '
            "-j KUBE-SVC-7P7YXYLZA3ZMJCMD"
        ),
    ]


def test_node_ports_come_after_every_cluster_ip() -> None:
    """A node port of one Service must not catch packets to another's address."""
    lines = about(rules([service("a/z", "10.96.0.9", ports=[port(1, "10.244.0.2")])]), "-A KUBE-SE")
    nat = [line for line in lines if line.startswith("-A KUBE-SERVICES")]
    assert nat[-1].endswith("-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")


def test_without_endpoints_every_way_in_is_refused() -> None:
    lines = rules([service("a/none", "10.96.0.9", ports=[port(80, node_port=30080, name="w")])])
    assert about(lines, "a/none") == [
        (
            '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "a/none:w has no endpoints" '
            "-m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT "
            "--reject-with icmp-port-unreachable"
        ),
        (
            '-A KUBE-SERVICES -d 10.96.0.9/32 -p tcp -m comment --comment "a/none:w has no endpoints" '
            "-m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable"
        ),
    ]


def test_headless_and_external_services_have_no_rules() -> None:
    lines = rules(
        [
            service("a/headless", headless=True, ports=[port(80, "10.244.0.2")]),
            service("a/external", external_name="example.org"),
        ]
    )
    assert not about(lines, "a/headless")
    assert not about(lines, "a/external")


def test_udp_and_sctp_keep_their_protocol() -> None:
    ports = [
        port(53, "10.244.0.2", name="dns", protocol="UDP"),
        port(7, "10.244.0.2", name="s", protocol="SCTP"),
    ]
    lines = rules([service("a/b", "10.96.0.9", ports=ports)])
    assert [line.partition("DNAT ")[2] for line in about(lines, "-p udp") if "DNAT" in line] == [
        "--to-destination 10.244.0.2:53"
    ]
    assert len(about(lines, "-p sctp")) == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"masquerade_all": True}, "-d 10.96.0.9/32"),
        ({"detect_local": False}, ""),
        ({}, "! -s 10.244.0.0/16 -d 10.96.0.9/32"),
    ],
)
def test_who_is_masqueraded_towards_a_cluster_ip(changes: dict[str, bool], expected: str) -> None:
    with_settings = replace(settings(), **changes)
    one = service("a/b", "10.96.0.9", ports=[port(80, "10.244.0.2")])
    lines = [
        line
        for line in rules([one], with_settings)
        if line.startswith("-A KUBE-SVC-") and line.endswith("KUBE-MARK-MASQ")
    ]
    assert [line.split(" ", 2)[2].partition(" -p ")[0] for line in lines] == [expected][
        : len(lines)
    ]
    assert len(lines) == bool(expected)


def test_the_mark_s_bit_can_be_chosen() -> None:
    lines = rules([], replace(settings(), masquerade_bit=3))
    assert "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x8/0x8" in lines
    assert "-A KUBE-POSTROUTING -m mark ! --mark 0x8/0x8 -j RETURN" in lines
    assert "-A KUBE-POSTROUTING -j MARK --set-xmark 0x8/0x0" in lines


def test_our_own_chains_have_switches() -> None:
    off = rules([], replace(settings(), egress_masquerade=False, forward_accept=False))
    assert not about(off, "KCOMPILE")
    on = rules([], replace(settings(), non_masquerade_cidrs=(parse_cidr("172.16.0.0/12"),)))
    assert [line.partition("-j ")[0] for line in about(on, "-A KCOMPILE-EGRESS")] == [
        '-A KCOMPILE-EGRESS ! -s 10.244.0.0/16 -m comment --comment "kcompile: not from a pod" ',
        '-A KCOMPILE-EGRESS -d 10.244.0.0/16 -m comment --comment "kcompile: within the cluster" ',
        '-A KCOMPILE-EGRESS -d 10.96.0.0/12 -m comment --comment "kcompile: within the cluster" ',
        (
            "-A KCOMPILE-EGRESS -d 172.16.0.0/12 -m comment --comment "
            '"kcompile: non-masquerade range" '
        ),
        '-A KCOMPILE-EGRESS -m comment --comment "kcompile: pods to the world" ',
    ]


def test_every_chain_is_declared_before_it_is_used_and_once() -> None:
    services = [
        service(f"a/s{i}", f"10.96.0.{i + 9}", ports=[port(80, "10.244.0.2", node_port=30000 + i)])
        for i in range(5)
    ]
    declared: set[str] = set()
    for line in rules(services):
        if line.startswith("*"):
            declared = {"ACCEPT", "DROP", "RETURN", "REJECT", "MARK", "DNAT", "MASQUERADE"}
        elif line.startswith(":"):
            name = line[1:].split(" ")[0]
            assert name not in declared
            declared.add(name)
        elif line.startswith("-A "):
            assert line.split(" ")[1] in declared
            assert line.rpartition("-j ")[2].split(" ")[0] in declared


def test_blocks_are_in_the_order_of_their_chains() -> None:
    services = [
        service(f"a/s{i}", f"10.96.0.{i + 9}", ports=[port(80, "10.244.0.2")]) for i in range(20)
    ]
    chains = [line.split(" ")[0] for line in about(rules(services), ":KUBE-SVC-")]
    assert chains == sorted(chains)


def test_files_have_no_blank_lines_and_end_with_commit() -> None:
    lines = rules([])
    assert all(lines)
    assert lines[-1] == "COMMIT"
    assert lines.count("COMMIT") == 2


def test_chain_hashes_are_kube_proxy_s() -> None:
    """Check values computed with the command line: printf TEXT | sha256sum | xxd -r -p | base32."""
    dns = PortId("kube-system", "dns", "dns", "UDP")
    assert port_text(dns) == "kube-system/dns:dnsudp"
    assert chain_hash(port_text(dns)) == "2KKYJRIGYGQNRODB"
    family, address = parse_ip("fd00:10:244:1::28")
    endpoint = target_text(family, Target(address, 80))
    assert chain_hash("default/dstcp" + endpoint) == "Q27TBH65AX7VED2A"


@given(st.text(st.characters(codec="utf-8")))
def test_chain_hash_is_base32_of_sha256(text: str) -> None:
    assert chain_hash(text) == b32encode(sha256(text.encode()).digest()).decode()[:16]


@given(st.integers(2, 100_000))
def test_odds_are_the_nearest_that_the_kernel_can_store(count: int) -> None:
    stored = round(float(probability(count)) * 2**31)
    assert abs(Fraction(stored, 2**31) - Fraction(1, count)) <= Fraction(1, 2**32)
