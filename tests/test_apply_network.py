"""A node's links, addresses, routes and settings: set up, changed, taken back."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from apply_network import Watched, ip, machine, network_slice, seen
from kcompile.apply.failures import CommandError, RefusedError
from kcompile.apply.host import Host
from kcompile.apply.network import _prepare, converge, differences, extend, notices
from kcompile.apply.network.perform import perform
from kcompile.apply.network.wanted import read_wanted
from kcompile.apply.slices import Slice
from lab.kernel import OWN_NETNS, enter, new_netns
from lab.needs import requires, requires_bridge_netfilter, requires_ipv6

PODS = "route replace 10.244.1.0/24 via 192.0.2.2\nroute replace 10.244.2.0/24 via 192.0.2.3\n"
SERVICES = "route replace 10.96.0.0/24 dev kcompile0 src 192.0.2.1\n"
SIX = """\
route replace fd00:244:1::/64 via fd00::2
route replace fd00:96::/112 dev kcompile0 src fd00::1
"""
ADDRESSES = """\
addr replace 169.254.20.10/32 dev lo scope host
addr replace fd6b:636f:6d70::53/128 dev lo preferred_lft 0
"""
SYSCTLS = """\
net.bridge.bridge-nf-call-iptables = 1
net.ipv4.conf.all.route_localnet = 1
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
"""


class Node(NamedTuple):
    host: Watched
    first: Slice
    second: Slice


def fresh_netns() -> None:
    """As after a reboot: what the machine's own configuration brings."""
    os.close(new_netns())
    # No link-local addresses: they follow from random ones, and come when they like.
    Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1")
    ip(
        "link set lo up",
        "link add eth0 type veth peer name switch0",
        "link set switch0 up",
        "link set eth0 up",
        "addr add 192.0.2.1/24 dev eth0",
        "addr add fd00::1/64 dev eth0 nodad",
        "route add default via 192.0.2.254",
        "route add 198.51.100.0/24 via 192.0.2.9 proto static",
    )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    requires()
    requires_ipv6()
    requires_bridge_netfilter()
    home = os.open(OWN_NETNS, os.O_RDONLY)
    try:
        fresh_netns()
        yield Node(
            machine(tmp_path / "root"),
            network_slice(tmp_path / "1", PODS + SERVICES),
            network_slice(
                tmp_path / "2",
                PODS.replace("192.0.2.3", "192.0.2.4").replace("10.244.1.", "10.244.7.")
                + SERVICES
                + SIX,
                addresses=ADDRESSES,
                sysctls=SYSCTLS,
            ),
        )
    finally:
        enter(home)
        os.close(home)


def settle(node: Node, before: Slice | None, after: Slice | None) -> None:
    extend(node.host, before, after)
    converge(node.host, before, after)
    assert differences(node.host, after, after) == ()


def etc(host: Host) -> dict[str, str]:
    place = host.path("/etc")
    return {
        str(file.relative_to(place)): file.read_text()
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }


def test_install_sets_up_what_the_slice_says(node: Node) -> None:
    assert [(each.action, each.what) for each in differences(node.host, None, node.first)] == [
        ("change", "net.ipv4.ip_forward"),
        ("add", "link kcompile0"),
        ("add", "address 169.254.20.10/32"),
        ("add", "route 10.244.1.0/24"),
        ("add", "route 10.244.2.0/24"),
        ("add", "route 10.96.0.0/24"),
        ("add", "/etc/sysctl.d/90-kcompile.conf"),
        ("add", "/etc/modules-load.d/kcompile.conf"),
    ]
    settle(node, None, node.first)
    found = seen()
    assert found["/proc/sys/net/ipv4/ip_forward"] == "1\n"
    assert {"dst": "10.244.1.0/24", "gateway": "192.0.2.2", "dev": "eth0"} in found["-4 route"]
    assert etc(node.host) == {
        "modules-load.d/kcompile.conf": node.first.own("modules-load.d/kcompile.conf"),
        "sysctl.d/90-kcompile.conf": node.first.own("sysctl.d/90-kcompile.conf"),
    }
    assert notices(node.host, node.first, node.first) == ()


def test_what_is_right_is_not_touched(node: Node) -> None:
    settle(node, None, node.first)
    remembered = node.host.path("/var/lib/kcompile/originals/network.json").stat()
    node.host.ran.clear()
    extend(node.host, node.first, node.first)
    converge(node.host, node.first, node.first)
    assert node.host.ran == []
    assert node.host.path("/var/lib/kcompile/originals/network.json").stat() == remembered


def test_only_what_is_missing_runs(node: Node) -> None:
    settle(node, None, node.first)
    ip("route del 10.244.2.0/24", "link set kcompile0 down")
    node.host.ran.clear()
    found = differences(node.host, node.first, node.first)
    assert [each.what for each in found] == [
        "link kcompile0",
        "route 10.244.2.0/24",
        "route 10.96.0.0/24",
    ]
    converge(node.host, node.first, node.first)
    assert node.host.ran == [
        "ip -batch -",
        "link set dev kcompile0 up",
        "route add 10.244.2.0/24 via 192.0.2.3",
        "route add 10.96.0.0/24 dev kcompile0 src 192.0.2.1",
    ]


def test_extend_takes_nothing_away(node: Node) -> None:
    settle(node, None, node.first)
    extend(node.host, node.first, node.second)
    routes = {route["dst"]: route for route in seen()["-4 route"]}  # type: ignore[attr-defined] # JSON
    assert {"10.244.1.0/24", "10.244.7.0/24"} <= routes.keys()
    assert routes["10.244.2.0/24"]["gateway"] == "192.0.2.4"
    converge(node.host, node.first, node.second)
    routes = {route["dst"]: route for route in seen()["-4 route"]}  # type: ignore[attr-defined] # JSON
    assert "10.244.1.0/24" not in routes


def test_removal_leaves_the_node_as_it_was(node: Node) -> None:
    before = seen()
    settle(node, None, node.first)
    settle(node, node.first, node.second)
    assert differences(node.host, node.second, None)
    settle(node, node.second, None)
    assert seen() == before
    assert etc(node.host) == {}
    assert list(node.host.path("/var/lib/kcompile/originals").iterdir()) == []


def test_an_mtu_of_routes_comes_and_goes(node: Node, tmp_path: Path) -> None:
    before = seen()
    six = "route replace fd00:244::/64 via fd00::2\n"
    usual = network_slice(tmp_path / "3", PODS + six)
    small = network_slice(tmp_path / "4", (PODS + six).replace("\n", " mtu 1420\n"))
    settle(node, None, usual)
    settle(node, usual, small)
    found = seen()
    for routes in (found["-4 route"], found["-6 route"]):
        mtus = [route["metrics"] for route in routes if "metrics" in route]  # type: ignore[attr-defined] # JSON
        assert mtus
        assert all(metrics == [{"mtu": 1420}] for metrics in mtus)
    settle(node, small, usual)
    assert "metrics" not in str(seen()["-4 route"]) + str(seen()["-6 route"])
    settle(node, usual, small)
    settle(node, small, None)
    assert seen() == before


def test_rollback_is_the_change_the_other_way_round(node: Node) -> None:
    settle(node, None, node.first)
    installed = seen(), etc(node.host)
    settle(node, node.first, node.second)
    settle(node, node.second, node.first)
    assert (seen(), etc(node.host)) == installed


def test_removal_restores_what_was_there_before(node: Node) -> None:
    """Operators' own settings: forwarding by interface, redirects, and what kcompile sets too."""
    ip(
        "link add kcompile0 type bridge",
        "link add eth0.5 type veth peer name switch0.5",
        "addr add 169.254.20.10/32 dev lo scope host",
        "route add 10.244.1.0/24 via 192.0.2.2 proto static",
        "route add 10.244.2.0/24 via 192.0.2.3",
    )
    for name, value in {
        "ipv4/conf/all/accept_redirects": "0",
        "ipv4/conf/eth0/forwarding": "1",
        "ipv4/conf/eth0.5/forwarding": "1",
        "ipv6/conf/eth0/forwarding": "1",
        "ipv4/conf/all/route_localnet": "1",
    }.items():
        Path("/proc/sys/net", name).write_text(value)
    before = seen()
    settle(node, None, node.first)
    settle(node, node.first, node.second)
    settle(node, node.second, None)
    assert seen() == before


@pytest.mark.parametrize("first", ["", "8080,9000-9010"])
def test_reserved_ports_come_change_and_go(node: Node, tmp_path: Path, first: str) -> None:
    place = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
    place.write_text(f"{first}\n")
    slices = [
        network_slice(tmp_path / name, sysctls=f"net.ipv4.ip_local_reserved_ports = {ports}\n")
        for name, ports in (("one", "32768"), ("two", "32768-32770,40000"))
    ]
    for before, after in ((None, slices[0]), (slices[0], slices[1])):
        settle(node, before, after)
    assert place.read_text() == "32768-32770,40000\n"
    settle(node, slices[1], None)
    assert place.read_text() == f"{first}\n"


def test_a_crash_at_any_step_is_healed(node: Node) -> None:
    empty = seen()
    settle(node, None, node.second)
    second = seen(), etc(node.host)
    settle(node, node.second, node.first)
    first = seen(), etc(node.host)
    chance = random.Random(6)  # noqa: S311 # no secret
    for number in range(12):
        plan = _prepare(node.host, read_wanted(node.first), read_wanted(node.second))
        done = [[step for step in steps if chance.random() < 0.5] for steps in plan]
        # A route needs its link and a replaced one its time, so of lines there is a beginning.
        added = plan.additions[: chance.randrange(len(plan.additions) + 1)]
        perform(node.host, type(plan)(*map(tuple, done))._replace(additions=added))
        if number % 2:
            settle(node, node.first, node.second)
            assert (seen(), etc(node.host)) == second
        settle(node, node.second, node.first)
        assert (seen(), etc(node.host)) == first
    settle(node, node.first, None)
    assert seen() == empty


def test_a_removal_that_crashed_is_finished(node: Node) -> None:
    empty = seen()
    chance = random.Random(6)  # noqa: S311 # no secret
    for _ in range(6):
        settle(node, None, node.second)
        plan = _prepare(node.host, read_wanted(node.second), read_wanted(None))
        done = [[step for step in steps if chance.random() < 0.5] for steps in plan]
        removed = plan.removals[: chance.randrange(len(plan.removals) + 1)]
        perform(node.host, type(plan)(*map(tuple, done))._replace(removals=removed))
        settle(node, node.second, None)
        assert (seen(), etc(node.host)) == (empty, {})


def test_a_reboot(node: Node) -> None:
    settle(node, None, node.second)
    running = seen()
    fresh_netns()
    empty = seen()
    settle(node, node.second, node.second)
    after = seen()
    assert after["-4 route"] == running["-4 route"]
    assert after["-6 route"] == running["-6 route"]
    settle(node, node.second, None)
    assert seen() == empty


def test_a_route_of_somebody_else_is_refused(node: Node) -> None:
    ip("route add 10.244.2.0/24 via 192.0.2.9 proto static metric 20")
    before = seen()
    for act in (extend, converge):
        with pytest.raises(RefusedError) as refused:
            act(node.host, None, node.first)
        assert str(refused.value) == (
            "route 10.244.2.0/24 should be 10.244.2.0/24 via 192.0.2.3, but the node has 10.244.2.0/24 via "
            "192.0.2.9 dev eth0 proto static metric 20, which kcompile did not set: find out who did, and "
            "remove one of them"
        )
    assert seen() == before
    assert not node.host.path("/var").exists()


def test_a_route_of_somebody_else_that_was_fine_is_refused_when_it_is_not(node: Node) -> None:
    ip("route add 10.244.2.0/24 via 192.0.2.3 proto static")
    settle(node, None, node.first)
    with pytest.raises(
        RefusedError, match=r"should be 10\.244\.2\.0/24 via 192\.0\.2\.4, but the node"
    ):
        extend(node.host, node.first, node.second)


def test_a_route_that_somebody_took_is_theirs_and_reported(node: Node) -> None:
    """Not refused: after a reboot, everything else is to come back."""
    settle(node, None, node.first)
    ip("route replace 10.244.2.0/24 via 192.0.2.9", "route del 10.244.1.0/24")
    converge(node.host, node.first, node.first)
    found = differences(node.host, node.first, node.first)
    assert [(each.action, each.what) for each in found] == [("change", "route 10.244.2.0/24")]
    converge(node.host, node.first, None)
    kept = {"dst": "10.244.2.0/24", "gateway": "192.0.2.9", "dev": "eth0"}
    assert kept in seen()["-4 route"]


def test_a_gateway_that_nothing_reaches(node: Node) -> None:
    ip("link set eth0 down")
    with pytest.raises(CommandError) as failed:
        extend(node.host, None, node.first)
    assert str(failed.value) == (
        "ip route add 10.244.1.0/24 via 192.0.2.2 failed: Error: Nexthop has invalid gateway. "
        "(is the interface up by which this node reaches 192.0.2.2?)"
    )


def test_a_source_that_the_node_has_not(node: Node, tmp_path: Path) -> None:
    wanted = network_slice(tmp_path / "3", SERVICES)
    ip("addr add 192.0.2.77/24 dev eth0", "addr del 192.0.2.1/24 dev eth0")
    with pytest.raises(CommandError, match=r"\(has this node the address 192\.0\.2\.1\?\)"):
        extend(node.host, None, wanted)


def test_a_default_route_from_advertisements_is_not_lost(node: Node) -> None:
    ip("route add ::/0 via fe80::1 dev eth0 proto ra")
    with pytest.raises(RefusedError, match=r"set net\.ipv6\.conf\.eth0\.accept_ra = 2 first"):
        extend(node.host, None, node.second)
    Path("/proc/sys/net/ipv6/conf/eth0/accept_ra").write_text("2")
    extend(node.host, None, node.second)


def test_somebody_elses_link_or_address_is_refused(node: Node) -> None:
    ip(
        "link add kcompile0 type veth peer name other0",
        "addr add 169.254.20.10/32 dev lo scope global",
    )
    with pytest.raises(RefusedError) as refused:
        extend(node.host, None, node.first)
    assert str(refused.value) == (
        "link kcompile0 is not the bridge that kcompile makes: rename or remove it; "
        "address 169.254.20.10/32 is on lo already, but not as kcompile sets it (scope host): "
        "remove it first"
    )


def test_an_address_that_another_link_has_is_refused(node: Node) -> None:
    ip("addr add 169.254.20.10/32 dev eth0")
    with pytest.raises(
        RefusedError, match=r"^address 169\.254\.20\.10/32 is on eth0 already, and has"
    ):
        extend(node.host, None, node.first)


def test_an_address_of_ours_with_another_scope_is_put_right(node: Node) -> None:
    settle(node, None, node.second)
    running = seen()
    ip(
        "addr del 169.254.20.10/32 dev lo",
        "addr add 169.254.20.10/32 dev lo",
        "addr change fd6b:636f:6d70::53/128 dev lo preferred_lft forever",
    )
    settle(node, node.second, node.second)
    assert seen() == running
