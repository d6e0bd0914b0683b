"""Places, addresses, ports and endpoints: what a plan decides."""

import re
from collections import Counter

import pytest

from kcompile.address import format_ip, parse_cidr
from kcompile.plan.choice import Band
from kcompile.plan.node_ports import node_port_bands
from kcompile.plan.services import service_bands
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags
from notation import (
    cluster_ips,
    deployment,
    endpoints,
    node,
    node_ports,
    nodes,
    planned,
    pods,
    service,
)


def errors(text: str, *, lock: str = "", flags: Flags | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        planned(text, lock=lock, flags=flags)
    return [str(problem) for problem in caught.value.problems if problem.severity.value == "error"]


def notes(text: str) -> list[str]:
    return [str(note) for note in planned(text).notes]


# ---- placement


def test_pods_spread_evenly() -> None:
    plan = planned(nodes(3) + deployment("web", 7)).plan
    counts = Counter(node for node, _ in pods(plan).values())
    assert sorted(counts.values()) == [2, 2, 3]


def test_many_small_workloads_spread_evenly() -> None:
    text = nodes(4) + "".join(deployment(f"w{i}", 3) for i in range(10))
    counts = Counter(node for node, _ in pods(planned(text).plan).values())
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("taints: [{key: k, effect: NoSchedule}]", {"n1"}),
        ("taints: [{key: k, effect: NoExecute}]", {"n1"}),
        ("taints: [{key: k, effect: PreferNoSchedule}]", {"n1"}),
        ("unschedulable: true", {"n1"}),
        ("", {"n0", "n1"}),
    ],
)
def test_taints_keep_pods_away(spec: str, expected: set[str]) -> None:
    text = node("n0", "192.0.2.1", spec=spec) + node("n1", "192.0.2.2") + deployment("web", 4)
    assert {node for node, _ in pods(planned(text).plan).values()} == expected


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ("{key: k, operator: Exists}", True),
        ("{operator: Exists}", True),
        ("{key: k, value: v}", True),
        ("{key: k, operator: Equal, value: v, effect: NoSchedule}", True),
        ("{key: k, value: other}", False),
        ("{key: k, operator: Exists, effect: NoExecute}", False),
        ("{key: other, operator: Exists}", False),
    ],
)
def test_tolerations(toleration: str, fits: bool) -> None:
    text = node("n0", "192.0.2.1", spec="taints: [{key: k, value: v, effect: NoSchedule}]")
    text += deployment("web", spec=f"tolerations: [{toleration}]")
    if fits:
        assert len(planned(text).plan.pods) == 1
    else:
        (message,) = errors(text)
        assert "KC404" in message
        assert "n0: taint k=v:NoSchedule is not tolerated" in message


def test_a_stated_node_is_taken_past_taints() -> None:
    text = node("n0", "192.0.2.1", spec="taints: [{key: k, effect: NoSchedule}]")
    text += node("n1", "192.0.2.2") + deployment("web", 2, spec="nodeName: n0")
    assert {node for node, _ in pods(planned(text).plan).values()} == {"n0"}


def test_a_stated_node_must_exist() -> None:
    (message,) = errors(nodes(2) + deployment("web", spec="nodeName: n9"))
    assert "KC404: 1 of 1 pods of Deployment default/web fit on no node" in message


def test_more_replicas_than_all_nodes_hold_are_refused_before_they_are_counted() -> None:
    (message,) = errors(deployment("web", 1_000_000_000))
    assert "1000000000 replicas" in message
    assert "hold 253 pods" in message


def test_a_full_node_takes_no_more() -> None:
    flags = Flags(node_cidr_mask_size="29")
    text = nodes(2) + deployment("a", 7) + deployment("b", 3)
    assert Counter(n for n, _ in pods(planned(text, flags=flags).plan).values()) == {
        "n0": 5,
        "n1": 5,
    }
    (message,) = errors(text + deployment("c"), flags=flags)
    assert "its pod CIDR is full (5 of 5)" in message


# ---- names and pod addresses


def test_a_pod_s_name_depends_on_its_key_only() -> None:
    before = planned(deployment("web", 2)).plan.pods
    after = planned(deployment("web", 3).replace("image: i", "image: other")).plan.pods
    assert [pod.name for pod in after[:2]] == [pod.name for pod in before]
    assert all(
        re.fullmatch(r"web-[b-df-hj-np-tv-xz2-9]{10}-[b-df-hj-np-tv-xz2-9]{5}", pod.name)
        for pod in after
    )


def test_long_names_still_make_labels_of_63_characters() -> None:
    names = {
        pod.name for pod in planned(deployment("a" * 200 + ".b", 50, labels="{app: a}")).plan.pods
    }
    assert len(names) == 50
    assert all(len(name) == 63 for name in names)


def test_pod_addresses_skip_network_gateway_and_broadcast() -> None:
    text = node("n0", "192.0.2.1", spec="podCIDR: 10.244.7.0/28") + deployment("web", 13)
    addresses = sorted(int(ip.rpartition(".")[2]) for _, ip in pods(planned(text).plan).values())
    assert addresses == list(range(2, 15))


def test_node_pod_cidrs_are_distinct_and_in_range() -> None:
    plan = planned(nodes(200)).plan
    cidrs = [node.pod_cidrs[0] for node in plan.nodes]
    assert len(set(cidrs)) == 200
    assert all(parse_cidr("10.244.0.0/16").covers(cidr) and cidr.prefix == 24 for cidr in cidrs)


def test_more_nodes_than_shares() -> None:
    flags = Flags(pod_network_cidr="10.244.0.0/29", node_cidr_mask_size="30")
    (message,) = errors(nodes(7), flags=flags)
    assert "KC403: the pod range 10.244.0.0/29, in shares of /30, is 5 shares short" in message
    assert "7 are needed and it has 2; without one: Node n" in message
    assert message.endswith(" and 2 more (--pod-network-cidr with a /27 has enough)")
    flags = Flags(pod_network_cidr="10.244.0.0/23", node_cidr_mask_size="24")
    (message,) = errors(nodes(5), flags=flags)
    enough = "--pod-network-cidr with a /21 or --node-cidr-mask-size 26 has enough"
    assert message.endswith(f" ({enough})")
    flags = Flags(pod_network_cidr="10.0.0.0/16", node_cidr_mask_size="17")
    (message,) = errors(nodes(3).replace("192.0.2", "192.0.3"), flags=flags)
    assert message.endswith(
        "(--pod-network-cidr with a /15 or --node-cidr-mask-size 18 has enough)"
    )


# ---- cluster addresses


def test_chosen_addresses_come_from_the_dynamic_band() -> None:
    flags = Flags(service_cidr="10.0.0.0/27")
    text = "".join(service(f"s{i}") for i in range(14))
    taken = {
        int(ip.rpartition(".")[2]) for ip in cluster_ips(planned(text, flags=flags).plan).values()
    }
    assert taken == set(range(17, 31))


def test_the_static_band_is_used_when_the_dynamic_one_is_full() -> None:
    flags = Flags(service_cidr="10.0.0.0/27")
    text = "".join(service(f"s{i}") for i in range(28))
    taken = {
        int(ip.rpartition(".")[2]) for ip in cluster_ips(planned(text, flags=flags).plan).values()
    }
    assert taken == set(range(2, 31)) - {10}
    (message,) = errors(text + service("more"), flags=flags)
    assert "KC403: the service range 10.0.0.0/27 is 1 address short" in message
    assert message.endswith("(--service-cidr with a /26 or a wider one has enough)")


def test_node_ports_run_out() -> None:
    ports = "[{name: a, port: 80}, {name: b, port: 81}]"
    text = "".join(service(f"s{i}", ports=ports, spec="type: NodePort") for i in range(5))
    (message,) = errors(text, flags=Flags(service_node_port_range="30000-30003"))
    assert "KC403: the node port range 30000-30003 is 6 ports short" in message
    assert "10 are needed and it has 4; without one: Service default/s2, " in message
    assert "(--service-node-port-range with 10 ports or more has enough)" in message


def test_a_freed_address_outside_its_range_is_given_to_nobody() -> None:
    lock = planned(service("old", spec="clusterIP: 10.0.7.7")
        + service("port", spec="type: NodePort", ports="[{port: 80, nodePort: 31000}]"),
        flags=Flags(service_cidr="10.0.0.0/16")).lock  # fmt: skip
    text = "".join(service(f"s{i}", spec="type: NodePort") for i in range(12))
    flags = Flags(service_cidr="10.0.0.0/28", service_node_port_range="30000-30011")
    plan = planned(text, flags=flags, lock=lock).plan
    assert all(port < 30012 for (port,) in node_ports(plan).values())
    found = errors(text + service("more", spec="type: NodePort"), flags=flags, lock=lock)
    assert [message.partition(" is ")[0].partition("KC403: ")[2] for message in found] == [
        "the node port range 30000-30011",
        "the service range 10.0.0.0/28",
    ]


@pytest.mark.parametrize(
    ("cidr", "dynamic", "static"),
    [
        ("10.0.0.0/27", ("10.0.0.17", 14), ("10.0.0.1", 16)),
        ("192.168.0.0/22", ("192.168.0.65", 958), ("192.168.0.1", 64)),
        ("10.0.0.0/12", ("10.0.1.1", (1 << 20) - 258), ("10.0.0.1", 256)),
        ("10.0.0.0/28", ("10.0.0.1", 14), ("10.0.0.1", 0)),
    ],
)
def test_service_bands(cidr: str, dynamic: tuple[str, int], static: tuple[str, int]) -> None:
    def band(first: str, size: int) -> Band:
        return Band(parse_cidr(first + "/32").base, size)

    assert service_bands(parse_cidr(cidr)) == (band(*dynamic), band(*static))


def test_node_port_bands() -> None:
    assert node_port_bands(30000, 32767) == (Band(30086, 2682), Band(30000, 86))
    assert node_port_bands(1, 8192) == (Band(129, 8064), Band(1, 128))
    assert node_port_bands(30000, 30015) == (Band(30000, 16), Band(30000, 0))


def test_stated_addresses_are_taken_before_any_is_chosen() -> None:
    free = cluster_ips(planned(service("a")).plan)["default/a"]
    plan = planned(service("a") + service("z", spec=f"clusterIP: {free}")).plan
    assert cluster_ips(plan)["default/z"] == free
    assert cluster_ips(plan)["default/a"] != free


def test_two_services_that_state_one_address() -> None:
    one = service("a", spec="clusterIP: 10.96.0.50")
    messages = errors(one + service("b", spec="clusterIP: 10.96.0.50"))
    assert (
        messages
        == ["m.yaml:8:62: KC401: clusterIP 10.96.0.50 is already allocated to Service default/a"]
        or "KC401: clusterIP 10.96.0.50 is already allocated to Service default/a" in messages[0]
    )


@pytest.mark.parametrize("address", ["10.112.0.1", "10.96.0.0", "10.111.255.255"])
def test_an_address_outside_the_range(address: str) -> None:
    (message,) = errors(service("a", spec=f"clusterIP: {address}"))
    assert f"KC402: clusterIP {address} is not in the valid range 10.96.0.0/12" in message


def test_the_first_address_is_reserved() -> None:
    (message,) = errors(service("a", spec="clusterIP: 10.96.0.1"))
    assert "already allocated to Service default/kubernetes, for which it is reserved" in message


def test_whoever_states_the_tenth_address_is_the_dns_service() -> None:
    plan = planned(service("a", spec="clusterIP: 10.96.0.10")).plan
    assert [each.name for each in plan.services if each.synthesised] == ["kubernetes"]


def test_synthesised_services() -> None:
    plan = planned(service("a")).plan
    made = {str(each.key): each for each in plan.services if each.synthesised}
    assert sorted(made) == ["Service default/kubernetes", "Service kube-system/kube-dns"]
    dns = made["Service kube-system/kube-dns"]
    assert dns.cluster_ips == ((4, 0x0A60000A),)
    (endpoint,) = {endpoint for port in dns.ports for endpoint in port.endpoints4}
    assert (format_ip(4, endpoint.ip), endpoint.port) == ("169.254.20.10", 53)
    assert (endpoint.node, endpoint.pod, endpoint.everywhere) == ("", "", True)
    assert [(p.spec.name, p.spec.protocol, p.spec.port, p.endpoints6) for p in dns.ports] == [
        ("dns", "UDP", 53, ()),
        ("dns-tcp", "TCP", 53, ()),
    ]


def test_a_range_without_a_tenth_address_has_no_dns_service() -> None:
    built = planned(service("a"), flags=Flags(service_cidr="10.96.0.0/29"))
    assert [each.name for each in built.plan.services if each.synthesised] == ["kubernetes"]
    assert any("too small for Service kube-system/kube-dns" in str(note) for note in built.notes)


# ---- node ports


def test_node_ports_are_chosen_from_the_dynamic_band_and_differ() -> None:
    ports = "[{port: 80, name: a}, {port: 443, name: b}]"
    plan = planned(service("a", ports=ports, spec="type: NodePort")).plan
    first, second = node_ports(plan)["a"]
    assert first != second
    assert 30086 <= min(first, second) <= max(first, second) <= 32767


def test_one_service_port_over_two_protocols_shares_a_node_port() -> None:
    ports = "[{port: 53, name: a, protocol: TCP}, {port: 53, name: b, protocol: UDP}]"
    plan = planned(service("a", ports=ports, spec="type: NodePort")).plan
    first, second = node_ports(plan)["a"]
    assert first == second


def test_two_services_that_state_one_node_port() -> None:
    one = service("a", ports="[{port: 80, nodePort: 30080}]", spec="type: NodePort")
    two = service("b", ports="[{port: 80, protocol: UDP, nodePort: 30080}]", spec="type: NodePort")
    (message,) = errors(one + two)
    assert "KC409: nodePort 30080 is already allocated to Service default/a" in message


def test_a_node_port_outside_the_range() -> None:
    text = service("a", ports="[{port: 80, nodePort: 80}]", spec="type: NodePort")
    (message,) = errors(text)
    assert "KC410: nodePort 80 is not in the valid range 30000-32767" in message
    assert node_ports(planned(text, flags=Flags(service_node_port_range="1-65535")).plan) == {
        "a": [80]
    }


# ---- endpoints


def test_two_deployments_with_one_label_are_both_behind_a_service() -> None:
    text = deployment("a", 2, labels="{run: x}") + deployment("b", 1, labels="{run: x}")
    plan = planned(text + service("s", selector="{run: x}")).plan
    assert sorted(endpoints(plan, "s")[0]) == sorted(f"{ip}:80" for _, ip in pods(plan).values())


def test_a_selector_needs_all_of_its_labels_and_its_namespace() -> None:
    text = deployment("a", labels="{run: x, tier: z}") + deployment("b", labels="{run: x}")
    text += deployment("c", namespace="other", labels="{run: x, tier: z}")
    plan = planned(text + service("s", selector="{tier: z, run: x}")).plan
    assert endpoints(plan, "s") == [[f"{pods(plan)['default/a/0'][1]}:80"]]


def test_an_empty_selector_selects_nothing() -> None:
    plan = planned(deployment("a") + service("s", selector="{}")).plan
    assert endpoints(plan, "s") == [[]]


def test_named_target_ports_are_looked_up_in_each_pod() -> None:
    text = deployment("a", labels="{run: x}", ports="[{name: http, containerPort: 8080}]")
    text += deployment("b", labels="{run: x}", ports="[{name: http, containerPort: 9090}]")
    text += deployment("c", labels="{run: x}", ports="[{containerPort: 80}]")
    text += service("s", selector="{run: x}", ports="[{port: 80, targetPort: http}]")
    plan = planned(text).plan
    ips = {name: ip for name, (_, ip) in pods(plan).items()}
    expected = {f"{ips['default/a/0']}:8080", f"{ips['default/b/0']}:9090"}
    assert set(endpoints(plan, "s")[0]) == expected
    assert any("KC323" in note and "named 'http'" in note for note in notes(text))


def test_a_named_port_of_another_protocol_does_not_count() -> None:
    text = deployment("s", ports="[{name: dns, containerPort: 53, protocol: UDP}]")
    ports = "[{port: 53, name: t, targetPort: dns}, {port: 53, name: u, targetPort: dns, protocol: UDP}]"
    tcp, udp = endpoints(planned(text + service("s", ports=ports)).plan, "s")
    assert not tcp
    assert len(udp) == 1


def test_a_selector_that_matches_nothing_is_a_note() -> None:
    assert any("KC322" in note for note in notes(service("s")))


# ---- the lock


def test_a_build_with_its_own_lock_changes_nothing() -> None:
    text = nodes(3) + deployment("a", 5) + service("a", spec="type: NodePort")
    first = planned(text)
    second = planned(text, lock=first.lock)
    assert second.lock == first.lock
    assert second.plan.pods == first.plan.pods
    assert second.plan.services == first.plan.services


def test_a_node_that_goes_takes_only_its_pods_along() -> None:
    first = planned(nodes(3) + deployment("a", 6))
    second = planned(nodes(2) + deployment("a", 6), lock=first.lock)
    before, after = pods(first.plan), pods(second.plan)
    assert all(after[key] == place for key, place in before.items() if place[0] != "n2")
    assert any("KC411" in str(note) and "node n2" in str(note) for note in second.notes)


def test_a_cordoned_node_keeps_its_pods() -> None:
    first = planned(nodes(2) + deployment("a", 4))
    cordoned = node("n0", "192.0.2.1", spec="unschedulable: true") + node("n1", "192.0.2.2")
    assert pods(planned(cordoned + deployment("a", 4), lock=first.lock).plan) == pods(first.plan)


def test_a_freed_address_goes_back_to_its_own_key() -> None:
    text = service("a") + service("b", spec="type: NodePort")
    first = planned(text)
    without = planned(service("a"), lock=first.lock)
    assert "service/default/b/freed" in without.lock
    again = planned(text, lock=without.lock)
    assert again.lock == first.lock


def test_a_freed_address_is_given_out_last() -> None:
    flags = Flags(service_cidr="10.0.0.0/28")  # 14 addresses, two of them reserved
    first = planned("".join(service(f"s{i:02}") for i in range(12)), flags=flags)
    freed = cluster_ips(first.plan)["default/s03"]
    others = "".join(service(f"s{i:02}") for i in range(12) if i != 3)
    second = planned(others, lock=first.lock, flags=flags)
    third = planned(others + service("new"), lock=second.lock, flags=flags)
    assert cluster_ips(third.plan)["default/new"] == freed
    assert "freed" not in third.lock


def test_a_stated_address_wins_over_the_lock_and_says_who_moves() -> None:
    first = planned(service("a"))
    held = cluster_ips(first.plan)["default/a"]
    second = planned(service("a") + service("b", spec=f"clusterIP: {held}"), lock=first.lock)
    assert cluster_ips(second.plan)["default/b"] == held
    message = f"KC411: warning: Service default/a loses its address {held}: Service default/b"
    assert any(message in str(note) for note in second.notes)


def test_what_was_stated_stays_when_the_statement_goes() -> None:
    first = planned(service("a", spec="clusterIP: 10.96.0.77"))
    assert cluster_ips(planned(service("a"), lock=first.lock).plan) == {"default/a": "10.96.0.77"}


def test_a_pinned_name_stays() -> None:
    lock = planned(deployment("a")).lock.replace("]}\nservice", "]}\nservice")
    pinned = re.sub(r"(pod/.*\])\}", r"\1, name: a-741508562-4h08z}", lock)
    again = planned(deployment("a"), lock=pinned)
    assert [pod.name for pod in again.plan.pods] == ["a-741508562-4h08z"]
    assert again.lock == pinned
