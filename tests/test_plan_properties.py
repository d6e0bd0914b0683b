"""What holds for every small cluster: addresses are unique, in range and nobody else's; orders
change nothing; a second family moves nothing of the first."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_objects import (
    Decided,
    balanced,
    decided,
    deployment,
    dual_node,
    pool,
    service,
    slice_of,
)
from kcompile.model import Object
from kcompile.plan.services import usable
from kcompile.resolve.flags import Flags
from kcompile.resolve.services import DNS, KUBERNETES, reserved_address

SINGLE = Flags(
    service_cidr="10.96.0.0/27",
    pod_network_cidr="10.244.0.0/23",
    node_cidr_mask_size="26",
    service_node_port_range="30000-30031",
)
"""Narrow ranges, in which many keys prefer one place."""
DUAL = Flags(
    service_cidr="10.96.0.0/27,fd00:96::/123",
    pod_network_cidr="10.244.0.0/23,fd00:244::/120",
    node_cidr_mask_size_ipv4="26",
    node_cidr_mask_size_ipv6="123",
    service_node_port_range="30000-30031",
)
POOLS = (
    pool("four", "198.51.100.0-198.51.100.3", "198.51.100.8-198.51.100.15"),
    pool("six", "2001:db8:9::1-2001:db8:9::c"),
)

names = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,2}", fullmatch=True), unique=True, max_size=5)
policies = st.sampled_from(["", "SingleStack", "PreferDualStack"])
fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"family_policy": policies, "external_policy": st.sampled_from(["Cluster", "Local"])}
)


@st.composite
def clusters(draw: st.DrawFn) -> list[Object]:
    """Few enough Services for the narrowest range; a slice beside a selector."""
    objects: list[Object] = [dual_node(i, zone="ab"[i % 2]) for i in range(draw(st.integers(1, 3)))]
    objects += [
        deployment(
            name,
            draw(st.integers(0, 3)),
            ports=f"{number}",
            labels=draw(st.sampled_from(["x", "y"])),
            host_network=draw(st.integers(0, 4)) == 0 and len(objects) > 2,
        )
        for number, name in enumerate(draw(names), 8000)
    ]
    for name in draw(names):
        make = draw(st.sampled_from([service, balanced]))
        kind = {"type": "NodePort"} if make is service and draw(st.booleans()) else {}
        selector = draw(st.sampled_from(["x", "y", "-"]))
        distribution = draw(st.sampled_from(["", "PreferSameZone", "PreferSameNode"]))
        objects.append(
            make(
                name,
                "a:80",
                "b:81/UDP",
                selector=selector,
                distribution=distribution,
                **kind,
                **draw(fields),
            )
        )
        objects.append(slice_of(name, "192.0.2.77", "10.244.0.3", ports="a:80", slice_name=name))
    return objects


def build(objects: Sequence[Object], flags: Flags, lock: str = "") -> Decided:
    return decided(*objects, *POOLS, flags=flags, lock=lock)


FLAGS = pytest.mark.parametrize("flags", [SINGLE, DUAL], ids=["single", "dual"])


@FLAGS
@settings(max_examples=100, deadline=None)
@given(clusters())
def test_addresses_are_unique_in_range_and_not_reserved(
    flags: Flags, objects: list[Object]
) -> None:
    plan = build(objects, flags).plan
    shares = {node.name: {cidr.family: cidr for cidr in node.pod_cidrs} for node in plan.nodes}
    used: list[tuple[int, int]] = [address for node in plan.nodes for address in node.addresses]
    for pod in plan.pods:
        ips = [(family, ip) for family, ip in ((4, pod.ipv4), (6, pod.ipv6)) if ip]
        assert len(ips) == len(plan.settings.pod_cidrs)
        if not pod.workload.template.host_network:
            used += ips
            for family, ip in ips:
                share = shares[pod.node][family]
                assert share.base + 2 <= ip <= share.last - (family == 4)
    for each in plan.services:
        assert len(each.cluster_ips) == len(each.families)
        for family, ip in each.cluster_ips:
            (cidr,) = [cidr for cidr in plan.settings.service_cidrs if cidr.family == family]
            first, size = usable(cidr)
            assert first <= ip < first + size
            if not each.synthesised and family == plan.settings.families[0]:
                assert ip not in (reserved_address(cidr, KUBERNETES), reserved_address(cidr, DNS))
        used += each.cluster_ips
        used += [(family, ip) for family, ip, _ in each.load_balancer_ips]
        assert (len(each.load_balancer_ips) > 0) == (each.type == "LoadBalancer")
    assert len(set(used)) == len(used)
    numbers = [
        number
        for each in plan.services
        for number in (*(port.node_port for port in each.ports), each.health_check_node_port)
        if number
    ]
    assert len(set(numbers)) == len(numbers)
    assert all(30000 <= number <= 30031 for number in numbers)


@FLAGS
@settings(max_examples=60, deadline=None)
@given(clusters(), st.randoms(use_true_random=False))
def test_orders_change_nothing(flags: Flags, objects: list[Object], random: Any) -> None:
    first = build(objects, flags)
    second = build(random.sample(objects, len(objects)), flags)
    assert second.lock == first.lock
    assert second.plan.services == first.plan.services
    assert second.plan.pods == first.plan.pods
    again = build(objects, flags, first.lock)
    assert again.lock == first.lock
    assert again.plan.services == first.plan.services


@settings(max_examples=100, deadline=None)
@given(clusters(), st.booleans())
def test_a_second_family_moves_nothing_of_the_first(objects: list[Object], locked: bool) -> None:
    before = build(objects, SINGLE)
    after = build(objects, DUAL, before.lock if locked else "")
    assert [(p.name, p.node, p.ipv4) for p in after.plan.pods] == [
        (p.name, p.node, p.ipv4) for p in before.plan.pods
    ]
    for old, new in zip(before.plan.services, after.plan.services, strict=True):
        assert new.cluster_ip(4) == old.cluster_ip(4)
        assert [port.node_port for port in new.ports] == [port.node_port for port in old.ports]
        assert new.health_check_node_port == old.health_check_node_port
        assert [ip for ip in new.load_balancer_ips if ip[0] == 4] == [*old.load_balancer_ips]
    home = build(objects, SINGLE, build(objects, SINGLE, after.lock).lock)
    assert [pod.ipv4 for pod in home.plan.pods] == [pod.ipv4 for pod in before.plan.pods]
    assert build(objects, DUAL, home.lock).lock == after.lock


@FLAGS
@settings(max_examples=60, deadline=None)
@given(clusters(), st.randoms(use_true_random=False))
def test_what_goes_and_comes_again_is_as_it_was(
    flags: Flags, objects: list[Object], random: Any
) -> None:
    first = build(objects, flags)
    fewer = [each for each in objects if each.key.kind == "Node" or random.random() < 0.5]
    second = build(fewer, flags, first.lock)
    assert build(objects, flags, second.lock).lock == first.lock
