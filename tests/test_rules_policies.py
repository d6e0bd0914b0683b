"""Policies, load balancers, affinity, hints and families as rules, in the notation of the file."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from kcompile.address import parse_cidr, parse_ip
from kcompile.labels import Labels
from kcompile.lower.node import lower_listeners
from kcompile.lower.rules import lower_rules
from kcompile.model import EndpointState
from kcompile.planned import Endpoint, Plan, PlannedNode, PlannedPort, PlannedService
from kcompile.render.rules import rules_text
from kcompile.traffic import traffic
from plan_builder import plan, port, service, settings

ZONE = "topology.kubernetes.io/zone"


def node(name: str, *addresses: str, zone: str = "") -> PlannedNode:
    labels = ((ZONE, zone),) if zone else ()
    return PlannedNode(name, labels, tuple(parse_ip(a) for a in addresses), ())


def endpoint(ip: str, on: str = "", **state: object) -> Endpoint:
    return Endpoint(parse_ip(ip)[1], 80, on, "", state=EndpointState(**state))  # type: ignore[arg-type]


def with_endpoints(endpoints: Iterable[Endpoint], node_port: int = 0) -> PlannedPort:
    return replace(port(80, node_port=node_port), endpoints4=tuple(endpoints))


def files(a_plan: Plan) -> dict[str, list[str]]:
    """Lines about Services by family and node."""
    found = {}
    for ruleset in lower_rules(traffic(a_plan), a_plan.settings):
        lines = "".join(rules_text(ruleset, {})).splitlines()
        for name in ruleset.nodes:
            found[f"{ruleset.family}/{name}"] = [line for line in lines if "a/s" in line]
    return found


def two_nodes(a_service: PlannedService) -> dict[str, list[str]]:
    a_plan = replace(plan(), services=(a_service,))
    nodes = (node("n1", "192.0.2.1", zone="east"), node("n2", "192.0.2.2", zone="west"))
    return files(replace(a_plan, nodes=nodes))


def targets(lines: Iterable[str], chain: str) -> list[str]:
    """What a kind of chain picks from, in order."""
    return [
        line.partition(" -> ")[2].partition('"')[0]
        for line in lines
        if line.startswith(f"-A {chain}-") and " -> " in line and "recent" not in line
    ]


ONE_ON_N1 = [
    endpoint("10.244.1.2", "n1"),
    endpoint("10.244.2.2", "n2"),
    endpoint("10.244.2.3", "n2"),
]


def test_the_external_local_policy_keeps_addresses_and_uses_local_endpoints() -> None:
    local = service("a/s", "10.96.0.9", ports=[with_endpoints(ONE_ON_N1, node_port=30080)])
    lines = two_nodes(replace(local, external_policy="Local"))
    one = lines["4/n1"]
    assert targets(one, "KUBE-SVC") == ["10.244.1.2:80", "10.244.2.2:80", "10.244.2.3:80"]
    assert targets(one, "KUBE-SVL") == ["10.244.1.2:80"]
    assert targets(lines["4/n2"], "KUBE-SVL") == ["10.244.2.2:80", "10.244.2.3:80"]
    entry = [line.partition(" ")[2] for line in one if line.startswith("-A KUBE-EXT-")]
    assert [line.partition(" ")[2] for line in entry] == [
        '-s 10.244.0.0/16 -m comment --comment "pod traffic for a/s: external destinations" -j '
        + chain_of(one, "KUBE-SVC"),
        (
            '-m comment --comment "masquerade LOCAL traffic for a/s: external destinations" '
            "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"
        ),
        '-m comment --comment "route LOCAL traffic for a/s: external destinations" '
        "-m addrtype --src-type LOCAL -j " + chain_of(one, "KUBE-SVC"),
        '-m comment --comment "a/s: local endpoints" -j ' + chain_of(one, "KUBE-SVL"),
    ]


def chain_of(lines: Iterable[str], kind: str) -> str:
    return next(line for line in lines if line.startswith(f"-A {kind}-")).split(" ")[1]


def test_without_local_endpoints_the_local_policy_drops() -> None:
    only = [endpoint("10.244.1.2", "n1")]
    local = service("a/s", "10.96.0.9", ports=[with_endpoints(only, node_port=30080)])
    lines = two_nodes(replace(local, external_policy="Local", internal_policy="Local"))["4/n2"]
    assert [line for line in lines if line.endswith("-j DROP")] == [
        (
            '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "a/s: has no local endpoints" '
            "-m addrtype --dst-type LOCAL -m tcp --dport 30080 -j DROP"
        ),
        (
            '-A KUBE-SERVICES -d 10.96.0.9/32 -p tcp -m comment --comment "a/s: has no local '
            'endpoints" -m tcp --dport 80 -j DROP'
        ),
    ]


def test_the_internal_local_policy_goes_by_the_local_chain() -> None:
    local = service("a/s", "10.96.0.9", ports=[with_endpoints(ONE_ON_N1)])
    lines = two_nodes(replace(local, internal_policy="Local"))["4/n1"]
    assert targets(lines, "KUBE-SVL") == ["10.244.1.2:80"]
    assert not targets(lines, "KUBE-SVC")
    assert lines[0].endswith(f"-j {chain_of(lines, 'KUBE-SVL')}")
    assert any("! -s 10.244.0.0/16" in line for line in lines if line.startswith("-A KUBE-SVL-"))


def test_endpoints_that_shut_down_serve_when_nothing_is_ready() -> None:
    old = endpoint("10.244.1.2", "n1", ready=False, terminating=True)
    gone = endpoint("10.244.1.3", "n1", ready=False, serving=False, terminating=True)
    one = service("a/s", "10.96.0.9", ports=[with_endpoints([old, gone])])
    assert targets(two_nodes(one)["4/n1"], "KUBE-SVC") == ["10.244.1.2:80"]
    both = service("a/s", "10.96.0.9", ports=[with_endpoints([old, endpoint("10.244.1.4")])])
    assert targets(two_nodes(both)["4/n1"], "KUBE-SVC") == ["10.244.1.4:80"]


def test_hints_narrow_to_a_zone_and_fall_back_when_one_has_none() -> None:
    east = endpoint("10.244.1.2", hint_zones=("east",))
    west = endpoint("10.244.2.2", hint_zones=("west",))
    hinted = replace(service("a/s", "10.96.0.9", ports=[with_endpoints([east, west])]), hints=True)
    lines = two_nodes(hinted)
    assert targets(lines["4/n1"], "KUBE-SVC") == ["10.244.1.2:80"]
    assert targets(lines["4/n2"], "KUBE-SVC") == ["10.244.2.2:80"]
    ports = (with_endpoints([east, west, endpoint("10.244.2.3")]),)
    lines = two_nodes(replace(hinted, ports=ports))
    assert len(targets(lines["4/n1"], "KUBE-SVC")) == 3


def test_affinity_remembers_clients() -> None:
    one = service("a/s", "10.96.0.9", ports=[port(80, "10.244.0.2", "10.244.0.3")])
    lines = two_nodes(replace(one, affinity_seconds=60))["4/n1"]
    recent = [line.partition(" -m recent ")[2] for line in lines if "recent" in line]
    first, second = [name.split(" ")[5] for name in recent[:2]]
    mask = "--mask 255.255.255.255 --rsource"
    assert recent == [
        f"--rcheck --seconds 60 --reap --name {first} {mask} -j {first}",
        f"--rcheck --seconds 60 --reap --name {second} {mask} -j {second}",
        f"--set --name {first} {mask} -m tcp -j DNAT --to-destination 10.244.0.2:80",
        f"--set --name {second} {mask} -m tcp -j DNAT --to-destination 10.244.0.3:80",
    ]


def test_source_ranges_gate_a_load_balancer() -> None:
    balanced = replace(
        service("a/s", "10.96.0.9", ports=[port(80, "10.244.0.2")]),
        load_balancer_ips=((*parse_ip("203.0.113.5"), "VIP"), (*parse_ip("203.0.113.6"), "Proxy")),
        source_ranges=(parse_cidr("192.0.2.0/31"), parse_cidr("2001:db8::/32")),
    )
    lines = two_nodes(balanced)
    assert not any("203.0.113.6" in line for line in lines["4/n1"])
    firewall = {
        name: [line.split(" ", 2)[2] for line in found if line.startswith("-A KUBE-FW-")]
        for name, found in lines.items()
    }
    external = chain_of(lines["4/n1"], "KUBE-EXT")
    comment = '-m comment --comment "a/s: loadbalancer IP" -j ' + external
    last = '-m comment --comment "other traffic to a/s: will be dropped by KUBE-PROXY-FIREWALL"'
    assert firewall["4/n1"] == [
        f"-s 192.0.2.0/31 {comment}",
        f"-s 203.0.113.5/32 {comment}",
        last,
    ]
    assert firewall["4/n2"] == [f"-s 192.0.2.0/31 {comment}", last]
    drop = [line for line in lines["4/n1"] if line.startswith("-A KUBE-PROXY-FIREWALL")]
    assert len(drop) == 1
    assert drop[0].startswith("-A KUBE-PROXY-FIREWALL -d 203.0.113.5/32 -p tcp")
    assert drop[0].endswith("--dport 80 -j DROP")


def test_equal_nodes_share_one_ruleset() -> None:
    one = service("a/s", "10.96.0.9", ports=[with_endpoints(ONE_ON_N1, node_port=30080)])
    nodes = tuple(node(f"n{i}", f"192.0.2.{i}") for i in range(1, 9))
    a_plan = replace(plan(), services=(one,), nodes=nodes)
    assert len(lower_rules(traffic(a_plan), a_plan.settings)) == 1
    local = replace(a_plan, services=(replace(one, external_policy="Local"),))
    groups = [ruleset.nodes for ruleset in lower_rules(traffic(local), local.settings)]
    assert groups == [("n1",), ("n2",), ("n3", "n4", "n5", "n6", "n7", "n8")]


def test_node_port_addresses_name_the_node_s_own() -> None:
    with_ranges = replace(settings(), node_port_addresses=(parse_cidr("198.51.100.0/24"),))
    nodes = (node("n1", "192.0.2.1", "198.51.100.7"), node("n2", "192.0.2.2"))
    a_plan = replace(plan(), settings=with_ranges, nodes=nodes)
    found = {}
    for ruleset in lower_rules(traffic(a_plan), a_plan.settings):
        lines = "".join(rules_text(ruleset, {})).splitlines()
        jumps = [
            line for line in lines if line.endswith("-j KUBE-NODEPORTS") and "last rule" in line
        ]
        found[ruleset.nodes] = [line.split(" ")[3] for line in jumps]
    assert found == {("n1",): ["198.51.100.7/32"], ("n2",): []}


def test_ipv6_has_rules_of_its_own() -> None:
    a_plan = plan(
        services=[
            service(
                "a/s", "10.96.0.9", "fd00:96::9", ports=[port(80, "fd00:244::2", node_port=30080)]
            )
        ],
        pod_cidrs=["10.244.0.0/16", "fd00:244::/56"],
        service_cidrs=["10.96.0.0/12", "fd00:96::/112"],
        nodes=["n1"],
    )
    lines = files(a_plan)
    assert any(line.endswith("--to-destination [fd00:244::2]:80") for line in lines["6/n1"])
    assert any("-s fd00:244::2/128" in line for line in lines["6/n1"])
    assert any("! -s fd00:244::/56 -d fd00:96::9/128" in line for line in lines["6/n1"])
    # No IPv4 endpoint: refused there, for every way in.
    assert [line.partition("-j ")[2] for line in lines["4/n1"]] == [
        "REJECT --reject-with icmp-port-unreachable"
    ] * 2


OF_ANOTHER_PROXY = (
    (("service.kubernetes.io/headless", ""),),
    (("service.kubernetes.io/service-proxy-name", "mine"),),
)


@pytest.mark.parametrize("labels", OF_ANOTHER_PROXY)
def test_a_service_of_another_proxy_has_no_rules(labels: Labels) -> None:
    local = service("a/s", "10.96.0.9", ports=[with_endpoints(ONE_ON_N1, node_port=30080)])
    local = replace(local, external_policy="Local", affinity_seconds=60)
    assert all(two_nodes(local).values())
    assert not any(two_nodes(replace(local, labels=labels)).values())


@pytest.mark.parametrize("labels", OF_ANOTHER_PROXY)
def test_a_service_of_another_proxy_has_no_listeners(labels: Labels) -> None:
    balanced = service("a/s", "10.96.0.9", ports=[with_endpoints(ONE_ON_N1, node_port=30080)])
    balanced = replace(balanced, external_policy="Local", health_check_node_port=30500)
    (ours,) = lower_listeners(plan(services=[balanced]))
    (others,) = lower_listeners(plan(services=[replace(balanced, labels=labels)]))
    assert ours.listeners
    assert ours.health_checks
    assert not others.listeners
    assert not others.health_checks
