"""Pods in their node's network, and ports of nodes."""

from collections import Counter

import pytest

from cluster_objects import DUAL, decided, deployment, dual_node, node, service
from kcompile.address import parse_ip
from kcompile.model import HostPort, Object
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags

NODES = tuple(node(f"n{i}", f"192.0.2.{i + 1}") for i in range(3))


def errors(*objects: Object) -> list[str]:
    with pytest.raises(InputError) as caught:
        decided(*objects)
    return [str(problem) for problem in caught.value.problems if problem.severity.value == "error"]


def test_a_pod_in_the_host_s_network_has_the_node_s_addresses() -> None:
    objects = dual_node(0), deployment("web", host_network=True), service("web")
    found = decided(*objects, flags=DUAL)
    assert found.pods() == {"web/0": ("n0", "192.0.2.1", "2001:db8::1")}
    assert found.endpoints("web") == ["192.0.2.1:80"]
    assert decided(*objects).pods() == {"web/0": ("n0", "192.0.2.1")}


def test_it_needs_an_address_of_the_node() -> None:
    (message,) = errors(deployment("web", host_network=True))
    assert "KC305: pods of Deployment default/web are in the network of node node-1" in message
    assert "--node NAME=IP[,IP]" in message
    flags = Flags(nodes=("node-1=192.0.2.1",))
    found = decided(deployment("web", host_network=True), flags=flags)
    assert found.pods() == {"web/0": ("node-1", "192.0.2.1")}


def test_two_pods_with_one_port_never_share_a_node() -> None:
    found = decided(*NODES, deployment("web", 3, host_network=True))
    assert sorted(place for place, _ in found.pods().values()) == ["n0", "n1", "n2"]
    (message,) = errors(*NODES, deployment("web", 4, host_network=True))
    assert "4 replicas of Deployment default/web, but a host port is there once a node" in message
    two = deployment("a", 2, host_network=True), deployment("b", 2, host_network=True)
    (message,) = errors(*NODES, *two)
    assert "1 of 2 pods of Deployment default/b fit on no node" in message
    assert "host port 80/TCP is taken" in message


def test_ports_differ_by_number_and_protocol() -> None:
    found = decided(
        NODES[0],
        deployment("a", ports="53/TCP", host_network=True),
        deployment("b", ports="53/UDP", host_network=True),
        deployment("c", ports="54", host_network=True),
    )
    assert {place for place, _ in found.pods().values()} == {"n0"}


def test_without_ports_many_share_a_node_and_take_no_room() -> None:
    small = Flags(node_cidr_mask_size="29")
    host = deployment("host", 5, ports="", host_network=True)
    found = decided(NODES[0], host, deployment("pods", 5), flags=small)
    assert Counter(found.pods().values())["n0", "192.0.2.1"] == 5
    assert len({address for place, address in found.pods().values()}) == 6


def test_endpoints_of_pods_that_share_an_address_are_one() -> None:
    host = deployment("web", 2, ports="", host_network=True)
    assert decided(NODES[0], host, service("web")).endpoints("web") == ["192.0.2.1:80"]


def host_port(number: int, ip: str = "") -> HostPort:
    return HostPort((parse_ip(ip),) if ip else (), number, 80, "TCP")


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (host_port(80), host_port(80), False),
        (host_port(80), host_port(80, "192.0.2.1"), False),
        (host_port(80, "192.0.2.1"), host_port(80, "192.0.2.1"), False),
        (host_port(80, "192.0.2.1"), host_port(80, "127.0.0.1"), True),
        (host_port(80), host_port(81), True),
    ],
)
def test_host_ports_on_one_address_keep_pods_apart(
    first: HostPort, second: HostPort, together: bool
) -> None:
    pods = deployment("a", host_ports=(first,)), deployment("b", host_ports=(second,))
    if together:
        assert len(decided(NODES[0], *pods).pods()) == 2
    else:
        assert "host port 80/TCP is taken" in errors(NODES[0], *pods)[0]


def test_the_lock_keeps_places_but_no_addresses_that_are_the_nodes() -> None:
    host = deployment("host", 2, host_network=True)
    first = decided(*NODES, host)
    lines = [line for line in first.lock.splitlines() if line.startswith("pod/")]
    assert all(line.endswith(", ips: []}") for line in lines)
    assert len(lines) == 2
    others = [deployment(f"a{i}", 2, ports=f"8{i}1", host_network=True) for i in range(3)]
    second = decided(*NODES, *others, host, lock=first.lock)
    assert {key: second.pods()[key] for key in first.pods()} == first.pods()
    gone = decided(*NODES, *others, lock=second.lock)
    freed = [line for line in gone.lock.splitlines() if "/freed: {" in line]
    assert len(freed) == 2
    assert all(line.startswith("pod/default/Deployment/host/") for line in freed)
    assert decided(*NODES, *others, host, lock=gone.lock).lock == second.lock


def test_moving_into_the_host_s_network_and_back() -> None:
    first = decided(*NODES, deployment("web", 2))
    second = decided(*NODES, deployment("web", 2, host_network=True), lock=first.lock)
    assert [place for place, _ in second.pods().values()] == [
        place for place, _ in first.pods().values()
    ]
    assert "pod/default/Deployment/web/0/freed: " in second.lock
    third = decided(*NODES, deployment("web", 2, host_network=True), lock=second.lock)
    assert third.lock == second.lock
    assert decided(*NODES, deployment("web", 2), lock=third.lock).lock == first.lock
