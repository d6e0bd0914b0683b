"""The lock file: written, read back, refused."""

from collections.abc import Iterable
from itertools import combinations

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from kcompile.address import Cidr, format_ip
from kcompile.plan.lock import Lock, PodEntry, ServiceEntry, changes, format_lock
from kcompile.plan.lock_text import parse_lock
from kcompile.problems import InputError

HEAD = "kcompile-lock: 2\nalgorithm: 1\n"

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True) | st.just("freed")
ipv4 = st.tuples(st.just(4), st.integers(1, 2**32 - 1))
ipv6 = st.tuples(st.just(6), st.integers(1, 2**128 - 1))
addresses = st.tuples(ipv4) | st.tuples(ipv6) | st.tuples(ipv4, ipv6) | st.tuples(ipv6, ipv4)
shares4 = st.builds(
    lambda prefix, base: Cidr(4, base >> 32 - prefix << 32 - prefix, prefix),
    st.integers(8, 30),
    st.integers(0, 2**32 - 1),
)
shares6 = st.builds(
    lambda prefix, base: Cidr(6, base >> 128 - prefix << 128 - prefix, prefix),
    st.integers(8, 126),
    st.integers(0, 2**128 - 1),
)
nodes = st.tuples(shares4) | st.tuples(shares4, shares6)
pod_keys = st.tuples(names, st.just("Deployment"), names, st.integers(0, 10**9))
pods = st.builds(PodEntry, names, addresses | st.just(()), st.just("") | names)
ports = st.dictionaries(
    st.tuples(st.integers(1, 65535), st.sampled_from(["TCP", "UDP", "SCTP"])),
    st.integers(1, 65535),
    max_size=3,
).map(lambda found: tuple(sorted(found.items())))
services = st.builds(
    ServiceEntry,
    addresses | st.just(()),
    ports,
    st.integers(0, 65535),
    addresses | st.just(()),
)
freed = st.integers(1, 10**8)
locks = st.builds(
    Lock,
    st.dictionaries(names, nodes, max_size=3),
    st.dictionaries(pod_keys, pods, max_size=5),
    st.dictionaries(st.tuples(names, names), services, max_size=5),
    st.dictionaries(names, st.tuples(nodes, freed), max_size=2),
    st.dictionaries(pod_keys, st.tuples(pods, freed), max_size=2),
    st.dictionaries(st.tuples(names, names), st.tuples(services, freed), max_size=2),
)


@given(locks)
def test_what_is_written_is_read(lock: Lock) -> None:
    held = [
        *(address for entry in lock.pods.values() for address in entry.ips),
        *(address for entry in lock.services.values() for address in entry.cluster_ips),
        *(address for entry in lock.services.values() for address in entry.load_balancer_ips),
        *(ports_of(entry) for entry in lock.services.values()),
        *((key[0], entry.name) for key, entry in lock.pods.items() if entry.name),
    ]
    shares = [cidr for cidrs in lock.nodes.values() for cidr in cidrs]
    assume(not any(one == other for one, other in combinations(held, 2)))
    assume(not any(one.overlaps(other) for one, other in combinations(shares, 2)))
    assume(disjoint(thing for thing in held if isinstance(thing, set)))
    assert parse_lock("kcompile.lock", format_lock(lock)) == lock


def ports_of(entry: ServiceEntry) -> set[int]:
    return {port for _, port in entry.node_ports} | {entry.health_check_node_port} - {0}


def disjoint(sets: Iterable[set[int]]) -> bool:
    return all(not one & other for one, other in combinations(sets, 2))


@given(locks)
def test_a_lock_is_yaml_with_an_entry_a_line(lock: Lock) -> None:
    text = format_lock(lock)
    read = yaml.safe_load(text)
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    assert len(read) == len(lines)
    assert [*read][2:] == sorted([*read][2:], key=lambda key: key.split("/")[0])
    for name, cidrs in lock.nodes.items():
        assert read[f"node/{name}"]["podCIDRs"] == [*map(str, cidrs)]
    for (namespace, name), entry in lock.services.items():
        ips = read[f"service/{namespace}/{name}"]["clusterIPs"]
        assert ips == [format_ip(*address) for address in entry.cluster_ips]


def problems(text: str) -> list[tuple[str, int]]:
    with pytest.raises(InputError) as caught:
        parse_lock("kcompile.lock", text)
    return [(problem.code.value, problem.position.line) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("KC405", 1), ("KC405", 2)]),
        ("kcompile-lock: 3\nalgorithm: 1\n", [("KC408", 1)]),
        ("kcompile-lock: 2\nalgorithm: 9\n", [("KC408", 2)]),
        (HEAD + "<<<<<<< ours\n", [("KC405", 3)]),
        (HEAD + "node/n1: {podCIDRs: [10.0.0.0/33]}\n", [("KC405", 3)]),
        (HEAD + "node/n1: {podCIDRs: []}\n", [("KC405", 3)]),
        (HEAD + "pod/a/Deployment/b/-1: {node: n, ips: [10.0.0.1]}\n", [("KC405", 3)]),
        (HEAD + "pod/a/Deployment/b/0: {node: n, ips: [10.0.0.1]} \n", [("KC405", 3)]),
        (HEAD + "pod/a/Deployment/../0: {node: n, ips: [10.0.0.1]}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [10.0.0.1], freed: 3}\n", [("KC405", 3)]),
        (HEAD + "service/a/b/freed: {clusterIPs: [10.0.0.1]}\n", [("KC405", 3)]),
        (HEAD + "freed/service/a/b: {clusterIPs: [10.0.0.1], freed: 3}\n", [("KC405", 3)]),
        (HEAD + "# a comment\n", [("KC405", 3)]),
        (HEAD + "# Service a/b \n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [], nodePorts: {80/tcp: 3}}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [], healthCheckNodePort: 0}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [], healthCheckNodePort: 65536}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [], loadBalancerIPs: []}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [fd00::5]}\n", [("KC405", 3)]),
        (HEAD + 'service/a/b: {clusterIPs: ["10.96.0.5"]}\n', [("KC405", 3)]),
        (HEAD + "node/n1: {podCIDRs: [fd00::/64]}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [], loadBalancerIPs: [a.b]}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [10.96.0.05]}\n", [("KC405", 3)]),
        (HEAD + "service/a/b: {clusterIPs: [10.96.5]}\n", [("KC405", 3)]),
        (HEAD + "x: 1\ny: 2\n", [("KC405", 3), ("KC405", 4)]),
    ],
)
def test_lines_that_kcompile_does_not_write_are_refused(
    text: str, expected: list[tuple[str, int]]
) -> None:
    assert problems(text) == expected


def test_two_entries_with_one_address_are_named_both() -> None:
    text = (
        HEAD
        + "service/a/one: {clusterIPs: [10.96.0.5], nodePorts: {80/TCP: 30001}}\n"
        + "service/a/two: {clusterIPs: [10.96.0.5], nodePorts: {80/TCP: 30001}}\n"
    )
    with pytest.raises(InputError) as caught:
        parse_lock("kcompile.lock", text)
    assert [str(problem) for problem in caught.value.problems] == [
        "kcompile.lock:4:1: KC407: service/a/two and service/a/one (kcompile.lock:3) hold the same"
        f" {what} (kcompile lock resolve --base BRANCH takes it from the one that is new)"
        for what in ("address 10.96.0.5", "node port 30001")
    ]


def test_a_service_may_use_a_node_port_for_two_protocols() -> None:
    line = "service/a/dns: {clusterIPs: [10.96.0.5], nodePorts: {53/TCP: 30053, 53/UDP: 30053}}\n"
    assert line in format_lock(parse_lock("kcompile.lock", HEAD + line))


def test_a_line_of_everything() -> None:
    line = (
        'service/a/lb: {clusterIPs: [10.96.0.5, "fd00::5"], nodePorts: {80/TCP: 30080},'
        ' healthCheckNodePort: 30081, loadBalancerIPs: [192.0.2.1, "2001:db8::"]}\n'
    )
    assert line in format_lock(parse_lock("kcompile.lock", HEAD + line))


def test_health_checks_and_load_balancers_are_held_too() -> None:
    other = "service/a/b: {clusterIPs: [192.0.2.1], nodePorts: {80/TCP: 30081}}\n"
    one = (
        "service/a/a: {clusterIPs: [], healthCheckNodePort: 30081, loadBalancerIPs: [192.0.2.1]}\n"
    )
    assert problems(HEAD + one + other) == [("KC407", 4), ("KC407", 4)]


def test_changes_are_keys_of_live_entries() -> None:
    old = HEAD + "node/a: {podCIDRs: [10.244.0.0/24]}\nnode/b: {podCIDRs: [10.244.1.0/24]}\n"
    new = HEAD + "node/a/freed: {podCIDRs: [10.244.0.0/24], freed: 1}\n" + old.splitlines()[-1]
    assert changes(old, new) == ("node/a",)


def test_an_object_s_lines_stand_together_below_a_heading() -> None:
    text = """\
kcompile-lock: 2
algorithm: 1

# Node n1
node/n1: {podCIDRs: [10.244.0.0/24]}

# DaemonSet a/agent
pod/a/DaemonSet/agent/n1: {node: n1, ips: []}

# Deployment a/web
pod/a/Deployment/web/0: {node: n1, ips: [10.244.0.9]}
pod/a/Deployment/web/1/freed: {node: n1, ips: [10.244.0.8], freed: 3}

# Service a/web
service/a/web: {clusterIPs: [10.96.0.5]}
service/a/web/freed: {clusterIPs: [], nodePorts: {80/TCP: 30001}, freed: 7}

# end
"""
    assert format_lock(parse_lock("kcompile.lock", text)) == text


FIRST_FORM = """\
kcompile-lock: 1
algorithm: 1
freed/node/n9: {podCIDRs: [10.244.9.0/24], freed: 1}
freed/pod/a/Deployment/web/1: {node: n1, ips: [10.244.0.8], freed: 3}
freed/service/a/web: {clusterIPs: [], nodePorts: {80/TCP: 30001}, freed: 7}
node/n1: {podCIDRs: [10.244.0.0/24]}
pod/a/Deployment/web/0: {node: n1, ips: [10.244.0.9]}
service/a/web: {clusterIPs: [10.96.0.5]}
"""


def test_the_first_form_is_read() -> None:
    lock = parse_lock("kcompile.lock", FIRST_FORM)
    assert lock == Lock(
        {"n1": (Cidr(4, 10 << 24 | 244 << 16, 24),)},
        {("a", "Deployment", "web", 0): PodEntry("n1", ((4, 10 << 24 | 244 << 16 | 9),))},
        {("a", "web"): ServiceEntry(((4, 10 << 24 | 96 << 16 | 5),), ())},
        {"n9": ((Cidr(4, 10 << 24 | 244 << 16 | 9 << 8, 24),), 1)},
        {("a", "Deployment", "web", 1): (PodEntry("n1", ((4, 10 << 24 | 244 << 16 | 8),)), 3)},
        {("a", "web"): (ServiceEntry((), (((80, "TCP"), 30001),)), 7)},
    )
    text = format_lock(lock)
    assert text.startswith("kcompile-lock: 2\n")
    assert parse_lock("kcompile.lock", text) == lock


def test_each_form_has_its_own_freed_keys() -> None:
    new = "service/a/b/freed: {clusterIPs: [10.0.0.1], freed: 1}\n"
    assert problems("kcompile-lock: 1\nalgorithm: 1\n" + new) == [("KC405", 3)]
    assert problems(FIRST_FORM.replace("lock: 1", "lock: 2")) == [("KC405", n) for n in (3, 4, 5)]


def test_pod_ranges_that_overlap_clash() -> None:
    text = (
        HEAD
        + "node/a: {podCIDRs: [10.244.1.0/24]}\nnode/b: {podCIDRs: [10.244.0.0/16]}\n"
        + "node/c: {podCIDRs: [10.244.2.0/24]}\nnode/d: {podCIDRs: [10.245.0.0/16]}\n"
    )
    with pytest.raises(InputError) as caught:
        parse_lock("kcompile.lock", text)
    same = "hold pod CIDRs that overlap, "
    assert [str(problem).rpartition(" (")[0] for problem in caught.value.problems] == [
        f"kcompile.lock:4:1: KC407: node/b and node/a (kcompile.lock:3) {same}10.244.0.0/16 and 10.244.1.0/24",
        f"kcompile.lock:5:1: KC407: node/c and node/b (kcompile.lock:4) {same}10.244.2.0/24 and 10.244.0.0/16",
    ]
