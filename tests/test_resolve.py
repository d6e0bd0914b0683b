"""Settings, nodes and pools: do flags and documents fit together?"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from cluster_objects import DUAL, balanced, decided, dual_node, node, pool, service
from kcompile.address import parse_ip
from kcompile.model import Object
from kcompile.problems import Code, InputError, Problem, Severity
from kcompile.resolve.flags import Flags
from notation import planned
from notation import service as service_text

POD4, POD6 = "10.244.0.0/16", "fd00:10:244::/56"
SERVICE4, SERVICE6 = "10.96.0.0/12", "fd00:10:96::/108"


def errors(flags: Flags, *objects: Object) -> list[str]:
    with pytest.raises(InputError) as caught:
        decided(*objects, flags=flags)
    return [str(problem) for problem in caught.value.problems if problem.severity.value == "error"]


def of_errors(error: InputError) -> list[Problem]:
    return [each for each in error.problems if each.severity is Severity.ERROR]


def masks(flags: Flags) -> dict[int, int]:
    return dict(decided(flags=flags).plan.settings.node_masks)


def ranges(services: str | None, pods: str | None, **masks: str) -> Flags:
    return Flags(
        service_cidr=services,
        pod_network_cidr=pods,
        node_cidr_mask_size=masks.get("whole"),
        node_cidr_mask_size_ipv4=masks.get("ipv4"),
        node_cidr_mask_size_ipv6=masks.get("ipv6"),
    )


@pytest.mark.parametrize(
    ("services", "pods", "families"),
    [
        (None, None, (4,)),
        (SERVICE6, POD6, (6,)),
        (f"{SERVICE4},{SERVICE6}", f"{POD4},{POD6}", (4, 6)),
        (f"{SERVICE6},{SERVICE4}", f"{POD4},{POD6}", (6, 4)),
    ],
)
def test_the_service_ranges_say_which_family_is_primary(
    services: str | None, pods: str | None, families: Sequence[int]
) -> None:
    assert decided(flags=ranges(services, pods)).plan.settings.families == families


@pytest.mark.parametrize(
    ("services", "pods", "message"),
    [
        (SERVICE6, None, f"service range {SERVICE6} and pod range {POD4} (default) are not of"),
        (None, POD6, f"pod range {POD6} and service range {SERVICE4} (default) are not of"),
        (f"{SERVICE4},{SERVICE6}", None, "(--pod-network-cidr gives the other one)"),
        (None, f"{POD4},{POD6}", "(--service-cidr gives the other one)"),
        (f"{SERVICE4},10.0.0.0/16", None, "one range a family is allowed"),
        (f"{SERVICE6},fd01::/112", POD6, "one range a family is allowed"),
        ("fd00::/64", POD6, "service range fd00::/64 is too large: an IPv6 one is /108 or smaller"),
        ("10.0.0.0/8", None, "an IPv4 one is /12 or smaller"),
        ("fd00:10:244::/112", POD6, f"service range fd00:10:244::/112 overlaps pod range {POD6}"),
        ("10.96.0.0/33", None, "CIDR[,CIDR] is allowed"),
        ("", None, "CIDR[,CIDR] is allowed"),
        ("10.96.0.0/12,", None, "CIDR[,CIDR] is allowed"),
    ],
)
def test_ranges_that_do_not_fit(services: str | None, pods: str | None, message: str) -> None:
    assert any(message in found for found in errors(ranges(services, pods)))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (ranges(None, None), {4: 24, 6: 64}),
        (ranges(None, None, whole="26"), {4: 26, 6: 64}),
        (ranges(None, None, ipv4="26"), {4: 26, 6: 64}),
        (ranges(SERVICE6, POD6, whole="72"), {4: 24, 6: 72}),
        (ranges(SERVICE6, POD6, ipv6="72"), {4: 24, 6: 72}),
        (
            ranges(f"{SERVICE4},{SERVICE6}", f"{POD4},{POD6}", ipv4="25", ipv6="70"),
            {4: 25, 6: 70},
        ),
    ],
)
def test_masks(flags: Flags, expected: dict[int, int]) -> None:
    assert masks(flags) == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (ranges(None, None, ipv6="72"), "--node-cidr-mask-size-ipv6:1:1: KC302: there is no IPv6"),
        (ranges(SERVICE6, POD6, ipv4="24"), "there is no IPv4 pod range for this mask"),
        (
            ranges(None, None, whole="24", ipv4="24"),
            "for a cluster of one family, and stands alone",
        ),
        (
            ranges(f"{SERVICE4},{SERVICE6}", f"{POD4},{POD6}", whole="24"),
            "for a cluster of one family, and stands alone",
        ),
        (ranges(SERVICE6, POD6, whole="73"), "is a /73, but /56 to /72 is possible"),
        (ranges(SERVICE6, POD6, whole="55"), "is a /55, but /56 to /72 is possible"),
        (ranges(SERVICE6, "fd00::/120", whole="127"), "but /120 to /126 is possible"),
        (ranges(None, None, whole="31"), "but /16 to /30 is possible"),
        (ranges(SERVICE6, "fd00::/40"), "a node's share of pod range fd00::/40 is a /64"),
        (ranges(None, None, whole="x"), "'x': a number of bits is allowed"),
    ],
)
def test_masks_that_do_not_fit(flags: Flags, message: str) -> None:
    assert any(message in found for found in errors(flags))


def test_kubeadm_may_state_both_families() -> None:
    configuration = (
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
        f"networking: {{podSubnet: '{POD4},{POD6}', serviceSubnet: '{SERVICE6},{SERVICE4}'}}\n"
        "controllerManager: {extraArgs: [{name: node-cidr-mask-size-ipv4, value: '25'},"
        " {name: node-cidr-mask-size-ipv6, value: '66'}]}\n---\n"
    )
    settings = planned(configuration + service_text("a")).plan.settings
    assert settings.families == (6, 4)
    assert settings.node_masks == {4: 25, 6: 66}


def test_several_nodes_need_an_address_of_each_family() -> None:
    (message,) = errors(DUAL, dual_node(0), node("n1", "192.0.2.2"))
    assert "KC305: node n1 has no IPv6 InternalIP, which routes to its pods need" in message
    assert "--node NAME=IP[,IP]" in message
    assert len(decided(node("n1", "192.0.2.2"), flags=DUAL).plan.nodes) == 1
    both = replace(DUAL, nodes=("n0=192.0.2.1,2001:db8::1", "n1=192.0.2.2,2001:db8::2"))
    assert len(decided(flags=both).plan.nodes) == 2


def test_the_synthesised_services_are_of_the_primary_family() -> None:
    found = decided(service("a"), flags=DUAL)
    assert found.cluster_ips("kubernetes") == ["10.96.0.1"]
    assert found.cluster_ips("kube-dns") == ["10.96.0.10"]
    flags = ranges(SERVICE6, POD6)
    assert decided(flags=flags).cluster_ips("kube-dns") == ["fd00:10:96::a"]


# ---- pools


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("198.51.100.4/30", "198.51.100.4", "198.51.100.7"),
        ("198.51.100.1-198.51.100.7", "198.51.100.1", "198.51.100.7"),
        ("2001:db8:1::/64", "2001:db8:1::", "2001:db8:1::ffff:ffff:ffff:ffff"),
    ],
)
def test_pools_by_flag(text: str, first: str, last: str) -> None:
    flags = replace(DUAL, load_balancer_pools=(text,))
    family, low = parse_ip(first)
    (address,) = decided(balanced("a", families=(family,)), flags=flags).balanced("a")
    assert low <= parse_ip(address)[1] <= parse_ip(last)[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "198.51.100.1",
        "198.51.100.7-198.51.100.1",
        "198.51.100.1-2001:db8::1",
        "a-b",
        "198.51.100.0/24-198.51.101.0",
    ],
)
def test_pools_that_cannot_be_read(text: str) -> None:
    (message,) = errors(Flags(load_balancer_pools=(text,)))
    assert message.startswith("--load-balancer-pool:1:1: KC303: ")
    assert "CIDR or FIRST-LAST is allowed" in message


def test_pools_do_not_overlap_the_cluster_s_ranges_nor_each_other() -> None:
    (message,) = errors(Flags(load_balancer_pools=("10.96.1.0/24",)))
    assert "KC302: 10.96.1.0-10.96.1.255 overlaps service range 10.96.0.0/12" in message
    (message,) = errors(Flags(), pool("a", "10.244.255.0-10.245.0.1"))
    assert "m.yaml:1:1: KC302: 10.244.255.0-10.245.0.1 overlaps pod range 10.244.0.0/16" in message
    two = (
        pool("a", "192.0.2.0-192.0.2.255"),
        pool("b", "192.0.2.9-192.0.2.9", "192.0.1.0-192.0.1.9"),
    )
    (message,) = errors(Flags(), *two)
    assert (
        "192.0.2.9-192.0.2.9 overlaps 192.0.2.0-192.0.2.255 of IPAddressPool metallb-system/a"
        in message
    )
    (message,) = errors(Flags(load_balancer_pools=("192.0.2.0/31",)), two[0])
    assert "192.0.2.0-192.0.2.255 overlaps 192.0.2.0-192.0.2.1 of --load-balancer-pool" in message
    assert decided(two[0], pool("b", "192.0.3.0-192.0.3.9")).plan


# ---- who is to blame


def test_a_default_is_never_to_blame() -> None:
    (message,) = errors(Flags(pod_network_cidr="10.96.0.0/16"))
    assert message.startswith(
        "--pod-network-cidr:1:1: KC302: pod range 10.96.0.0/16 overlaps service range 10.96.0.0/12"
    )
    configuration = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
    for networking in (
        "podSubnet: 10.96.0.0/16",
        "podSubnet: 'fd00::/56'",
        "serviceSubnet: 10.244.0.0/24",
    ):
        with pytest.raises(InputError) as raised:
            planned(f"{configuration}networking: {{{networking}}}\n")
        (problem,) = of_errors(raised.value)
        assert (problem.code, problem.position.line) == (Code.SETTINGS_CONFLICT, 3)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("40000-30000", "node port range 40000-30000: its first port is above its last"),
        ("0-70000", "node port range 0-70000: 1-65535 is allowed"),
        ("x", "'x': FIRST-LAST or FIRST+MORE is allowed"),
    ],
)
def test_node_port_ranges_that_cannot_be(text: str, wrong: str) -> None:
    (message,) = errors(Flags(service_node_port_range=text))
    assert message == f"--service-node-port-range:1:1: KC303: {wrong}"


def test_an_address_that_two_nodes_have_is_shown_where_it_stands() -> None:
    document = "apiVersion: v1\nkind: Node\nmetadata: {{name: {}}}\nstatus:\n  addresses:\n{}---\n"
    one = document.format("n1", "  - {type: InternalIP, address: 192.0.2.1}\n")
    other = document.format(
        "n2",
        "  - {type: Hostname, address: n2}\n  - {type: InternalIP, address: 192.0.2.1}\n",
    )
    with pytest.raises(InputError) as raised:
        planned(one + other)
    (problem,) = of_errors(raised.value)
    assert problem.code is Code.NODE_CONFLICT
    assert (problem.position.line, problem.position.column) == (14, 33)


@pytest.mark.parametrize(
    ("addresses", "on"),
    [
        ("[]", True),
        ("[192.0.2.0/24]", False),
        ("[192.0.2.0/24, 127.0.0.0/8]", True),
        ("[127.0.0.1/32]", True),
        ("[0.0.0.0/0]", True),
        ("['fd00::/8']", True),
    ],
)
def test_node_port_addresses_without_loopback_turn_localhost_off(addresses: str, on: bool) -> None:
    configuration = (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        f"nodePortAddresses: {addresses}\n"
    )
    assert planned(configuration).plan.settings.localhost_node_ports is on
