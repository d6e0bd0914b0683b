"""Proofs: texts in, what is wrong with them out."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from golden_plans import CASES, GOLDEN, plan_of, rules_of
from kcompile.address import parse_cidr, parse_ip
from kcompile.planned import Plan, PlannedNode, PlannedService
from kcompile.prove import UnreadableRulesError, prove
from kcompile.prove.expect import Expectation
from kcompile.prove.shared import share
from kcompile.reach import Balanced, describe
from packet_cases import rules
from plan_builder import plan, port, service

WEB = service(
    "a/web",
    "10.96.0.9",
    ports=[port(80, "10.244.1.2", "10.244.2.2", "10.244.2.3", node_port=30080)],
)


def one_node(*services: PlannedService) -> Plan:
    node = PlannedNode("n1", (), (parse_ip("192.0.2.1"),), (parse_cidr("10.244.1.0/24"),))
    return replace(plan(), nodes=(node,), services=services)


def text_of(a_plan: Plan) -> str:
    return "".join(rules(a_plan)["n1"][4])


def found(a_plan: Plan, text: str) -> list[str]:
    return [str(mismatch) for mismatch in prove(a_plan, {"n1": {4: text}})]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
def test_every_golden_is_proven(case: Path) -> None:
    a_plan = plan_of(case)
    assert prove(a_plan, rules_of(case, a_plan)) == ()


def test_a_mismatch_says_who_sends_what_where_and_what_became_of_it() -> None:
    a_plan = one_node(WEB)
    text = text_of(a_plan).replace("--to-destination 10.244.2.3", "--to-destination 10.244.2.4")
    (to_cluster_ip, *others) = found(a_plan, text)
    lines = text.splitlines()
    walked = to_cluster_ip.partition("(lines ")[2].rstrip(")").split(", ")
    assert to_cluster_ip.partition(" (lines")[0] == (
        "node n1: a/web: TCP: outside 203.0.113.7 to cluster IP 10.96.0.9:80 TCP:"
        " expected 0.33333333349 10.244.1.2:80, masqueraded, accepted,"
        " 0.33333333326 10.244.2.2:80, masqueraded, accepted,"
        " 0.33333333326 10.244.2.3:80, masqueraded, accepted;"
        " found 0.33333333349 10.244.1.2:80, masqueraded, accepted,"
        " 0.33333333326 10.244.2.2:80, masqueraded, accepted,"
        " 0.33333333326 10.244.2.4:80, masqueraded, accepted"
    )
    assert any("10.244.2.4:80" in lines[int(number) - 1] for number in walked)
    assert others
    assert all("node port" in other for other in others)


def test_rules_for_a_service_of_another_proxy_are_a_mismatch() -> None:
    labels = (("service.kubernetes.io/service-proxy-name", "mine"),)
    others = one_node(replace(WEB, labels=labels))
    assert found(others, text_of(others)) == []
    assert found(others, text_of(one_node(WEB))) != []
    assert found(one_node(WEB), text_of(others)) != []


def test_odds_are_exact() -> None:
    a_plan = one_node(WEB)
    expectation = Expectation(a_plan, a_plan.nodes[0], 4, share(a_plan, 4))
    pod = expectation.source(parse_ip("10.244.1.9")[1])
    verdict = expectation.verdict(pod, (parse_ip("10.96.0.9")[1], "tcp", 80))
    assert isinstance(verdict, Balanced)
    third = Fraction(715827883, 1 << 31)
    assert [odds for _, odds in verdict.backends] == [third, (1 - third) / 2, (1 - third) / 2]
    # One unit of the kernel's off, and it is found.
    text = text_of(a_plan)
    assert found(a_plan, text) == []
    assert found(a_plan, text.replace("0.33333333349", "0.33333333302")) != []


def test_affinity_is_part_of_the_verdict() -> None:
    a_plan = one_node(replace(WEB, affinity_seconds=600))
    text = text_of(a_plan)
    assert found(a_plan, text) == []
    first, *_ = found(a_plan, text.replace("--seconds 600", "--seconds 601", 1))
    assert first.count("kept for 600 s") == 5
    assert first.count("kept for 601 s") == 1
    forgetful = text.replace("-m recent --set", "-m recent --rcheck --seconds 600", 1)
    assert "kept for 600 s" not in found(a_plan, forgetful)[0].partition("; found ")[2][:40]


def test_a_rule_that_nobody_expects_is_found() -> None:
    a_plan = one_node(WEB)
    text = text_of(a_plan)
    jump = "-A KUBE-SERVICES -d 10.96.0.9/32 -p tcp"
    target = next(line for line in text.splitlines() if line.startswith(jump)).split(" ")[-1]
    extra = f"-A KUBE-SERVICES -d 10.96.0.77/32 -p udp -m udp --dport 7 -j {target}\n"
    (mismatch,) = found(a_plan, text.replace(jump, extra + jump, 1))
    assert mismatch.startswith("node n1: no Service: pod ")
    assert "to elsewhere 10.96.0.77:7 UDP: expected untouched, accepted; found" in mismatch


def test_a_filter_in_an_endpoint_s_way_is_found() -> None:
    a_plan = one_node(WEB)
    drop = "-A KUBE-PROXY-FIREWALL -d 10.244.2.3/32 -p tcp -m tcp --dport 80 -j DROP\n"
    first, *_ = found(a_plan, text_of(a_plan).replace("COMMIT\n", f"{drop}COMMIT\n", 1))
    assert first.partition(" (lines")[0].endswith("0.33333333326 dropped")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("-m addrtype --dst-type", "-m addrtype --dst-kind", "unknown word '--dst-kind'"),
        ("-m addrtype", "-m owner", "'--dst-type' without '-m addrtype' before it"),
        ("--ctstate NEW", "--ctstate OLD", "'OLD' is not one of DNAT, ESTABLISHED, INVALID"),
        ("0.33333333349", "1.33333333349", "a probability of 1.33333333349 is out of range"),
        ("--dport 80 ", "--dport 65536 ", "65536 is not in 1 to 65535"),
        ("10.96.0.9/32", "10.96.0.9/8", "'10.96.0.9/8' has bits outside its prefix"),
        ("-j KUBE-POSTROUTING", "-j KUBE-PRETROUTING", "a jump to 'KUBE-PRETROUTING'"),
        ("-j KUBE-POSTROUTING", "-j PREROUTING", "a jump to 'PREROUTING', which is no chain"),
        ("-j RETURN", "-j LOG", "a jump to 'LOG', which is no chain of ours in nat"),
        ("-j RETURN", "-j KUBE-POSTROUTING", "a loop through 'KUBE-POSTROUTING'"),
        ("-j RETURN", "-j DROP", "nat is not for filtering"),
        (":KUBE-MARK-MASQ - [0:0]\n", "", "not a rule of a declared chain"),
        (":FORWARD - [0:0]", ":FORWARD ACCEPT [0:0]", "not a declaration like ':CHAIN - [0:0]'"),
        ("COMMIT\n", "", "no COMMIT of filter"),
        ("*nat", "*mangle", "not the beginning of filter or nat"),
        ("--reject-with icmp", "--reject-with icmp6", "unknown target 'REJECT --reject-with icmp6"),
    ],
)
def test_what_a_kernel_would_not_load_is_said_with_its_line(
    before: str, after: str, message: str
) -> None:
    a_plan = one_node(WEB, service("a/none", "10.96.0.10", ports=[port(80)]))
    text = text_of(a_plan)
    assert before in text
    with pytest.raises(UnreadableRulesError) as caught:
        found(a_plan, text.replace(before, after))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"nodes/n1/iptables.rules:{caught.value.line}: ")


def three_nodes() -> Plan:
    nodes = tuple(
        PlannedNode(f"n{i}", (), (parse_ip(f"192.0.2.{i}"),), (parse_cidr(f"10.244.{i}.0/24"),))
        for i in (1, 2, 3)
    )
    return replace(plan(), nodes=nodes, services=(WEB,))


def test_a_text_is_proven_for_all_nodes_that_share_it() -> None:
    a_plan = three_nodes()
    texts = rules(a_plan)
    assert texts["n1"][4] is texts["n3"][4]
    assert prove(a_plan, texts) == ()


def test_what_is_wrong_for_one_node_of_a_shared_text_is_found() -> None:
    a_plan = three_nodes()
    drop = "-A OUTPUT -s 192.0.2.3/32 -j DROP\n-A KCOMPILE-FORWARD"
    text = "".join(rules(a_plan)["n1"][4]).replace("-A KCOMPILE-FORWARD", drop, 1)
    mismatches = prove(a_plan, {"n1": {4: text}, "n2": {4: text}, "n3": {4: text}})
    assert {mismatch.packet.node for mismatch in mismatches} == {"n3"}


def test_verdicts_are_told_in_words() -> None:
    a_plan = one_node(WEB)
    expectation = Expectation(a_plan, a_plan.nodes[0], 4, share(a_plan, 4))

    def words(source: str, destination: str, port_number: int) -> str:
        client = expectation.source(parse_ip(source)[1])
        key = (parse_ip(destination)[1], "tcp", port_number)
        return describe(4, expectation.verdict(client, key))

    assert words("10.244.1.9", "198.51.100.1", 443) == "untouched, masqueraded, accepted"
    assert words("192.0.2.1", "198.51.100.1", 443) == "untouched"
    assert words("203.0.113.9", "127.0.0.1", 1) == "dropped"


def test_a_rule_deep_in_a_shared_text_that_is_about_one_nodes_address() -> None:
    """Nodes that share a text are told apart by a rule that only their own address meets."""
    a_plan = three_nodes()
    port_30080 = replace(WEB.ports[0], node_port=30080)
    a_plan = replace(a_plan, services=(replace(WEB, type="NodePort", ports=(port_30080,)),))
    text = "".join(rules(a_plan)["n1"][4])
    chain = next(line for line in text.splitlines() if line.startswith("-A KUBE-EXT-")).split()[1]
    drop = f"-A {chain} -d 192.0.2.3/32 -j RETURN\n-A {chain}"
    broken = text.replace(f"-A {chain}", drop, 1)
    texts = {f"n{i}": {4: (broken,)} for i in (1, 2, 3)}
    shared = {name: {4: texts["n1"][4]} for name in texts}
    assert {mismatch.packet.node for mismatch in prove(a_plan, shared)} == {"n3"}
    halves = (*prove(a_plan, shared, 0), *prove(a_plan, shared, 1))
    assert {mismatch.packet.node for mismatch in halves} == {"n3"}
