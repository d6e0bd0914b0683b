"""Both families: node shares, pods and Services, and that the second one moves nothing."""

import pytest

from cluster_objects import (
    DUAL,
    DUAL_IPV6_FIRST,
    IPV6,
    decided,
    deployment,
    dual_node,
    node,
    service,
)
from kcompile.address import parse_cidr, parse_ip
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags

WEB = (dual_node(0), dual_node(1), deployment("web", 5), service("web", type="NodePort"))


def test_nodes_and_pods_have_a_share_and_an_address_of_each_family() -> None:
    found = decided(*WEB, flags=DUAL)
    shares = {each.name: each.pod_cidrs for each in found.plan.nodes}
    for cidrs in shares.values():
        assert [(cidr.family, cidr.prefix) for cidr in cidrs] == [(4, 24), (6, 64)]
        assert parse_cidr("fd00:10:244::/56").covers(cidrs[1])
    for place, ipv4, ipv6 in found.pods().values():
        assert parse_ip(ipv4)[1] in shares[place][0]
        assert parse_ip(ipv6)[1] in shares[place][1]
    assert len({address for pod in found.pods().values() for address in pod[1:]}) == 10


def test_one_family_alone_may_be_ipv6() -> None:
    found = decided(*WEB, flags=IPV6)
    assert all(len(cidrs.pod_cidrs) == 1 for cidrs in found.plan.nodes)
    assert all(":" in address for _, address in found.pods().values())
    assert found.cluster_ips("web")[0].startswith("fd00:10:96::")
    assert found.service("web").ports[0].endpoints4 == ()
    assert len(found.service("web").ports[0].endpoints6) == 5


def test_small_ipv6_shares_are_used_up_but_for_network_and_gateway() -> None:
    flags = Flags(
        service_cidr="fd00:10:96::/108",
        pod_network_cidr="fd00::/120",
        node_cidr_mask_size="126",
    )
    found = decided(node("n0", "2001:db8::1"), deployment("web", 2), flags=flags)
    base = found.plan.nodes[0].pod_cidrs[0].base
    assert sorted(pod.ipv6 - base for pod in found.plan.pods) == [2, 3]
    with pytest.raises(InputError, match="3 replicas"):
        decided(node("n0", "2001:db8::1"), deployment("web", 3), flags=flags)


def test_a_huge_share_is_not_counted_out() -> None:
    flags = Flags(
        service_cidr="fd00:10:96::/108", pod_network_cidr="fc00::/16", node_cidr_mask_size="16"
    )
    assert len(decided(deployment("web", 3), flags=flags).plan.pods) == 3
    with pytest.raises(InputError, match="hold 65536 pods"):
        decided(deployment("web", 2_000_000_000), flags=flags)


def test_a_node_may_state_one_family_and_leave_the_other() -> None:
    stated = node("n0", "192.0.2.1", "2001:db8::1", pod_cidrs=("fd00:10:244:7::/64",))
    shares = decided(stated, flags=DUAL).plan.nodes[0].pod_cidrs
    assert [(cidr.family, cidr.prefix) for cidr in shares] == [(4, 24), (6, 64)]
    assert shares[1] == parse_cidr("fd00:10:244:7::/64")


def test_services_take_addresses_in_the_order_of_their_families() -> None:
    found = decided(
        service("plain"),
        service("both", family_policy="PreferDualStack"),
        service("turned", family_policy="RequireDualStack", families=(6,)),
        service("six", families=(6,)),
        flags=DUAL,
    )
    families = {
        name: [family for family, _ in found.service(name).cluster_ips]
        for name in ("plain", "both", "turned", "six")
    }
    assert families == {"plain": [4], "both": [4, 6], "turned": [6, 4], "six": [6]}
    turned = decided(service("plain"), flags=DUAL_IPV6_FIRST)
    assert [family for family, _ in turned.service("plain").cluster_ips] == [6]


def test_endpoints_are_of_the_service_s_families() -> None:
    both = {"family_policy": "PreferDualStack", "selector": "web"}
    found = decided(
        dual_node(0),
        deployment("web"),
        service("one", selector="web"),
        service("two", **both),
        flags=DUAL,
    )
    ((_, ipv4, ipv6),) = found.pods().values()
    assert found.endpoints("one") == [f"{ipv4}:80"]
    assert found.endpoints("two") == [f"{ipv4}:80", f"[{ipv6}]:80"]


def test_a_headless_service_without_selector_may_have_a_family_that_the_cluster_lacks() -> None:
    found = decided(service("a", headless=True, selector="-"))
    assert found.service("a").families == (4, 6)
    assert found.service("a").family_policy == "RequireDualStack"
    assert found.service("a").cluster_ips == ()


@pytest.mark.parametrize("flags", [DUAL, DUAL_IPV6_FIRST])
@pytest.mark.parametrize("locked", [True, False])
def test_a_second_family_moves_no_address_of_the_first(flags: Flags, locked: bool) -> None:
    services = service("a", families=(4,)), service("b", families=(4,), type="NodePort")
    objects = (*WEB[:3], *services)
    before = decided(*objects)
    after = decided(*objects, lock=before.lock if locked else "", flags=flags)
    assert {key: pod[:2] for key, pod in after.pods().items()} == before.pods()
    for name in ("a", "b"):
        assert after.cluster_ips(name) == before.cluster_ips(name)
        assert after.node_ports(name) == before.node_ports(name)
    assert not any("KC411" in note for note in after.notes)


def test_a_family_that_goes_and_comes_again_is_as_it_was() -> None:
    both = service("both", family_policy="PreferDualStack")
    first = decided(*WEB, both, flags=DUAL)
    single = decided(*WEB, both, lock=first.lock)
    assert all(len(pod) == 2 for pod in single.pods().values())
    assert single.pods() == {key: pod[:2] for key, pod in first.pods().items()}
    idle = decided(*WEB, both, lock=single.lock)
    assert idle.lock == single.lock
    assert decided(*WEB, both, lock=idle.lock, flags=DUAL).lock == first.lock


def test_a_service_that_loses_a_family_frees_its_address() -> None:
    both = service("a", family_policy="PreferDualStack")
    first = decided(both, flags=DUAL)
    second = decided(service("a"), flags=DUAL, lock=first.lock)
    assert second.cluster_ips("a") == first.cluster_ips("a")[:1]
    lost = first.cluster_ips("a")[1]
    freed = f'service/default/a/freed: {{clusterIPs: ["{lost}"], freed: 1}}'
    assert freed in second.lock
    assert decided(both, flags=DUAL, lock=second.lock).lock == first.lock
