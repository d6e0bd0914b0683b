"""Addresses of LoadBalancer Services: from a status, a wish, the lock or a pool."""

import pytest

from cluster_objects import DUAL, balanced, decided, node, pool, service
from kcompile.address import parse_ip
from kcompile.model import IpMode, Object
from kcompile.problems import InputError

POOL = pool("main", "198.51.100.0-198.51.100.7")


def ingress(*texts: str, mode: IpMode = "VIP") -> tuple[tuple[int, int, IpMode], ...]:
    return tuple((*parse_ip(text), mode) for text in texts)


def errors(*objects: Object) -> list[str]:
    with pytest.raises(InputError) as caught:
        decided(*objects)
    return [str(problem) for problem in caught.value.problems if problem.severity.value == "error"]


def test_a_status_gives_the_addresses_as_they_stand() -> None:
    given = balanced("a", ingress=ingress("203.0.113.9", "203.0.113.1", mode="Proxy"))
    found = decided(POOL, given)
    assert found.service("a").load_balancer_ips == ingress(
        "203.0.113.9", "203.0.113.1", mode="Proxy"
    )
    assert found.service("a").load_balanced_elsewhere
    assert "loadBalancerIPs" not in found.lock


def test_two_services_may_share_an_address_of_their_statuses() -> None:
    shared = ingress("203.0.113.9")
    found = decided(balanced("a", ingress=shared), balanced("b", ingress=shared))
    assert found.balanced("a") == found.balanced("b") == ["203.0.113.9"]


def test_without_a_status_a_pool_gives_one_and_the_lock_keeps_it() -> None:
    first = decided(POOL, balanced("a"))
    (address,) = first.balanced("a")
    assert address.startswith("198.51.100.")
    assert f", loadBalancerIPs: [{address}]}}" in first.lock
    others = [balanced(f"b{i}") for i in range(7)]
    second = decided(POOL, *others, balanced("a"), lock=first.lock)
    assert second.balanced("a") == [address]
    every = {
        ip for each in ("a", *(other.name for other in others)) for ip in second.balanced(each)
    }
    assert every == {f"198.51.100.{i}" for i in range(8)}


def test_a_pool_that_is_used_up() -> None:
    (message,) = errors(POOL, *(balanced(f"b{i}") for i in range(9)))
    assert "KC403: the supply of IPv4 load balancer addresses is 1 address short" in message
    assert "9 are needed and it has 8; without one: Service default/b" in message


def test_a_freed_address_goes_back_to_its_service_and_to_others_last() -> None:
    services = [balanced(f"b{i}") for i in range(8)]
    first = decided(POOL, *services)
    second = decided(POOL, *services[1:], lock=first.lock)
    assert "service/default/b0/freed: " in second.lock
    assert decided(POOL, *services, lock=second.lock).lock == first.lock
    third = decided(POOL, *services[1:], balanced("new"), lock=second.lock)
    assert third.balanced("new") == first.balanced("b0")


def test_a_wish_within_a_pool_is_fulfilled_before_others_choose() -> None:
    free = decided(POOL, balanced("a")).balanced("a")[0]
    found = decided(POOL, balanced("a"), balanced("z", stated_ips=(parse_ip(free),)))
    assert found.balanced("z") == [free]
    assert found.balanced("a") != [free]


def test_a_wish_may_name_an_address_that_is_not_given_out_by_itself() -> None:
    reserved = pool("reserved", "192.0.2.0-192.0.2.9", auto_assign=False)
    wish = balanced("a", stated_ips=(parse_ip("192.0.2.3"),))
    assert decided(POOL, reserved, wish).balanced("a") == ["192.0.2.3"]
    assert decided(reserved, balanced("b")).balanced("b") == []


def test_a_wish_outside_every_pool_is_told() -> None:
    wish = balanced("a", stated_ips=(parse_ip("192.0.2.3"),))
    found = decided(POOL, wish)
    assert found.balanced("a")[0].startswith("198.51.100.")
    assert any(
        "loadBalancerIP 192.0.2.3 of Service default/a is in no pool" in n for n in found.notes
    )


def test_two_wishes_for_one_address() -> None:
    wish = (parse_ip("198.51.100.3"),)
    (message,) = errors(POOL, balanced("a", stated_ips=wish), balanced("b", stated_ips=wish))
    assert "KC401: loadBalancerIP 198.51.100.3 is already allocated to Service default/a" in message


def test_without_a_pool_there_is_no_address() -> None:
    found = decided(balanced("a"))
    assert found.balanced("a") == []
    (note,) = [note for note in found.notes if "pending" in note]
    assert "note: Service default/a has no external address and shows as <pending>" in note
    assert "--load-balancer-pool" in note


def test_another_implementation_s_service_is_left_alone() -> None:
    found = decided(POOL, balanced("a", class_name="example.com/lb"))
    assert found.balanced("a") == []
    assert any("loadBalancerClass example.com/lb is another" in note for note in found.notes)
    given = balanced("a", class_name="example.com/lb", ingress=ingress("203.0.113.9"))
    assert decided(POOL, given).balanced("a") == ["203.0.113.9"]


def test_one_address_a_family_that_service_and_pools_have() -> None:
    six = pool("six", "2001:db8:9::-2001:db8:9::ff")
    both = balanced("a", family_policy="PreferDualStack")
    found = decided(POOL, six, both, balanced("b"), flags=DUAL)
    assert [":" in address for address in found.balanced("a")] == [False, True]
    assert [":" in address for address in found.balanced("b")] == [False]
    assert len(decided(six, both, flags=DUAL).balanced("a")) == 1
    assert decided(six, balanced("b"), flags=DUAL).balanced("b") == []


def test_addresses_that_are_in_use_are_not_chosen() -> None:
    """A node's own, external ones that Services state, and those of statuses."""
    tight = pool("tight", "192.0.2.1-192.0.2.4")
    found = decided(
        node("n0", "192.0.2.1"),
        tight,
        service("e", external_ips=(parse_ip("192.0.2.2"),)),
        balanced("s", ingress=ingress("192.0.2.3")),
        balanced("a"),
    )
    assert found.balanced("a") == ["192.0.2.4"]


def test_a_pool_that_goes_takes_its_addresses_along() -> None:
    first = decided(POOL, balanced("a"))
    second = decided(pool("other", "192.0.2.0-192.0.2.7"), balanced("a"), lock=first.lock)
    assert second.balanced("a")[0].startswith("192.0.2.")
    assert any("loses its load balancer address 198.51.100." in note for note in second.notes)
