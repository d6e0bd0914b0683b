"""How full ranges are, what is said when they are too small, and what they keep for themselves."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_objects import balanced, decided, deployment, node, pool, service
from kcompile.address import Cidr, Family, parse_cidr
from kcompile.model import Object
from kcompile.plan.capacity import capacity, notes_on
from kcompile.plan.services import usable
from kcompile.planned import Plan
from kcompile.problems import InputError
from kcompile.render.plan_json import plan_json
from kcompile.resolve.flags import Flags

NODES = (node("n1", "192.0.2.1"), node("n2", "192.0.2.2"))


def shown(plan: Plan) -> dict[str, Any]:
    """The section of plan.json."""
    section: dict[str, Any] = json.loads(plan_json(plan, capacity(plan)))["capacity"]
    return section


def test_pod_ranges_count_their_pods_and_not_those_of_the_host() -> None:
    objects: tuple[Object, ...] = (*NODES, deployment("web", 5))
    objects = (*objects, deployment("host", 2, host_network=True))
    found = shown(decided(*objects).plan)["podCIDRs"]
    assert [each["node"] for each in found] == ["n1", "n2"]
    assert {each["size"] for each in found} == {253}
    assert sum(each["used"] for each in found) == 5


def test_every_family_of_a_node_has_a_line() -> None:
    nodes = (node("n1", "192.0.2.1", "2001:db8::1", pod_cidrs=("10.244.3.0/28", "fd00:244::/64")),)
    flags = Flags(
        service_cidr="10.96.0.0/12,fd00:96::/108", pod_network_cidr="10.244.0.0/16,fd00:244::/48"
    )
    found = shown(decided(*nodes, deployment("web", 3), flags=flags).plan)
    assert found["podCIDRs"] == [
        {"node": "n1", "cidr": "10.244.3.0/28", "size": 13, "used": 3},
        {"node": "n1", "cidr": "fd00:244::/64", "size": 2**64 - 2, "used": 3},
    ]
    assert [each["cidr"] for each in found["serviceCIDRs"]] == ["10.96.0.0/12", "fd00:96::/108"]
    assert [each["used"] for each in found["serviceCIDRs"]] == [2, 0]


def test_service_range_and_node_ports_with_their_bands() -> None:
    services = [service(f"s{i}", type="NodePort") for i in range(15)]
    stated = service("stated", "80@30001", "53@30002", "53/UDP@30002", ips="10.0.0.3")
    flags = Flags(service_cidr="10.0.0.0/27", service_node_port_range="30000-30031")
    made = decided(*services, service("plain"), stated, flags=flags).plan
    found = shown(made)
    assert found["serviceCIDRs"] == [
        {
            "cidr": "10.0.0.0/27",
            "size": 30,
            "used": 19,  # 17 declared, the first and the tenth address
            "static": {"size": 16, "used": 5},
            "dynamic": {"size": 14, "used": 14},
        }
    ]
    assert found["nodePorts"] == {
        "size": 32,
        "used": 15,
        "static": {"size": 16, "used": 0},
        "dynamic": {"size": 16, "used": 15},
    }


def test_one_node_port_for_two_protocols_is_one() -> None:
    dns = service("dns", "53@30002", "53/UDP@30002", type="NodePort")
    assert shown(decided(dns).plan)["nodePorts"]["used"] == 1


def test_load_balancer_pools_count_what_others_hold() -> None:
    pools = (
        pool("both", "192.0.2.0-192.0.2.9", "2001:db8::1-2001:db8::4"),
        pool("more", "198.51.100.0-198.51.100.9", auto_assign=False),
    )
    found = shown(decided(*NODES, *pools, *(balanced(f"b{i}") for i in range(3))).plan)
    assert found["loadBalancerPools"] == [
        {"namespace": "metallb-system", "name": "both", "family": "IPv4", "size": 10, "used": 5},
        {"namespace": "metallb-system", "name": "both", "family": "IPv6", "size": 4, "used": 0},
        {"namespace": "metallb-system", "name": "more", "family": "IPv4", "size": 10, "used": 0},
    ]


def test_nothing_in_a_cluster_still_fills_what_is_reserved() -> None:
    found = shown(decided().plan)
    assert found["serviceCIDRs"][0]["used"] == 2
    assert found["loadBalancerPools"] == []
    assert found["nodePorts"]["used"] == 0


def test_a_note_for_what_is_nearly_full() -> None:
    flags = Flags(
        service_cidr="10.0.0.0/28", pod_network_cidr="10.1.0.0/27", node_cidr_mask_size="28"
    )
    objects = (*NODES, deployment("web", 24), service("a"), pool("p", "198.51.100.1-198.51.100.1"))
    made = decided(*objects, balanced("b"), flags=flags).plan
    assert [note.message for note in notes_on(capacity(made))] == [
        f"pod CIDR {made.nodes[0].pod_cidrs[0]} of node n1: 12 of 13 are used, and 1 more are nearly full",
        "IPv4 addresses of load balancer pool p: 1 of 1 are used",
    ]
    services = [service(f"s{i}") for i in range(11)]
    assert [note.message for note in notes_on(capacity(decided(*services, flags=flags).plan))] == [
        "service range 10.0.0.0/28: 13 of 14 are used"
    ]


# ---- out of room, and what is reserved, in ranges of every size

tiny: st.SearchStrategy[tuple[Family, int]] = st.one_of(
    st.tuples(st.just(4), st.integers(24, 32)), st.tuples(st.just(6), st.integers(112, 128))
)


def range_of(family: Family, prefix: int) -> Cidr:
    return parse_cidr(f"10.9.8.0/{prefix}" if family == 4 else f"fd00:9::/{prefix}")


@given(tiny, st.integers(0, 40))
def test_reserved_addresses_go_to_nobody_else(kind: tuple[Family, int], count: int) -> None:
    """As many Services as the range holds get one each; of more, it says how many get none."""
    cidr = range_of(*kind)
    first, size = usable(cidr)
    reserved = {first, first + 9} if size >= 10 else {first} if size else set()
    pods = "10.244.0.0/16" if cidr.family == 4 else "fd00:244::/56"
    flags = Flags(service_cidr=str(cidr), pod_network_cidr=pods)
    missing = count - (size - len(reserved))
    services = [service(f"s{i}") for i in range(count)]
    if missing > 0:
        with pytest.raises(InputError) as caught:
            decided(*services, flags=flags)
        (problem,) = [p for p in caught.value.problems if p.code.value == "KC403"]
        assert f" is {missing} address" in problem.message
        assert f"{size + missing} are needed and it has {size};" in problem.message
        return
    made = decided(*services, flags=flags).plan
    given_ = [each.cluster_ip(cidr.family) for each in made.services if not each.synthesised]
    assert len(set(given_)) == count
    assert reserved.isdisjoint(given_)
    assert all(first <= address < first + size for address in given_)
    (own,) = capacity(made).services
    assert (own[1].whole.size, own[1].whole.used) == (size, count + len(reserved))


@given(tiny, st.data())
def test_a_secondary_range_keeps_nothing(kind: tuple[Family, int], data: st.DataObject) -> None:
    """kubernetes and kube-dns are of the primary family alone, so a full range is really full."""
    second = range_of(*kind)
    size = usable(second)[1]
    count = data.draw(st.integers(0, min(size, 20)))
    primary = "fd00:96::/112" if second.family == 4 else "10.96.0.0/16"
    pods = ["10.244.0.0/16", "fd00:244::/56"]
    flags = Flags(
        service_cidr=f"{primary},{second}",
        pod_network_cidr=",".join(pods if second.family == 6 else pods[::-1]),
    )
    services = [service(f"s{i}", family_policy="RequireDualStack") for i in range(count)]
    made = decided(*services, flags=flags).plan
    assert {each.synthesised for each in made.services if not each.cluster_ip(second.family)} <= {
        True
    }
    assert capacity(made).services[1][1].whole.used == count
