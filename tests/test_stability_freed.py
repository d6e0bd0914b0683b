"""What was freed: its own key has it again while it is free, others when there is nothing else, the
oldest first. In a range so narrow that it comes to that."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kcompile.model import Key
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from kcompile.resolve.flags import Flags
from notation import node_ports, planned, service

FLAGS = Flags(service_cidr="10.96.0.0/26", service_node_port_range="30000-30059")
"""60 addresses beside the two that are reserved, and 60 ports."""
FIRST = 0x0A600000
FREE = {FIRST + offset for offset in range(1, 63)} - {FIRST + 1, FIRST + 10}

steps = st.lists(st.sets(st.integers(0, 99), min_size=40, max_size=58), min_size=2, max_size=7)
"""Which Services there are, build by build."""


def built(numbers: set[int], lock: str, *, spec: str = "") -> tuple[str, dict[Key, int], list[int]]:
    """The lock, the Services' addresses, and their ports in the order of their names."""
    text = "".join(service(f"s{number:02}", spec=spec) for number in sorted(numbers))
    made = planned(text, lock=lock, flags=FLAGS)
    given_out = {
        each.key: each.cluster_ip(4) for each in made.plan.services if not each.synthesised
    }
    return made.lock, given_out, [ports[0] for _, ports in sorted(node_ports(made.plan).items())]


@settings(max_examples=60, deadline=None)
@given(steps)
def test_addresses_that_were_freed(builds: list[set[int]]) -> None:
    text = ""
    for numbers in builds:
        lock = parse_lock("kcompile.lock", text) if text else Lock()
        text, given_out, _ = built(numbers, text)
        check(lock, parse_lock("kcompile.lock", text), given_out)


def check(before: Lock, after: Lock, given_out: dict[Key, int]) -> None:
    live = {Key("Service", *key): e.cluster_ips[0][1] for key, e in before.services.items()}
    freed = {
        Key("Service", *key): (number, entry.cluster_ips[0][1])
        for key, (entry, number) in before.freed_services.items()
    }
    # What this build frees is the last of all.
    once = {address: (before.next_number, address) for address in live.values()}
    once |= {address: (number, address) for number, address in freed.values()}
    own = live | {key: address for key, (_, address) in freed.items()}
    for key, address in given_out.items():
        assert address == own.get(key, address)
    taken = [once[ip] for key, ip in given_out.items() if ip in once and key not in own]
    if taken:
        assert FREE - set(given_out.values()) <= once.keys()
        left = [place for place in once.values() if place[1] not in given_out.values()]
        assert all(place > max(taken) for place in left)
    assert {ip for e, _ in after.freed_services.values() for _, ip in e.cluster_ips} == (
        once.keys() - set(given_out.values())
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 99), min_size=10, max_size=25), min_size=2, max_size=3))
def test_node_ports_that_were_freed(builds: list[set[int]]) -> None:
    """As long as there are others, nobody has one that was somebody else's."""
    text = ""
    once: dict[int, int] = {}
    for numbers in builds:
        text, _, ports = built(numbers, text, spec="type: NodePort")
        assert len(set(ports)) == len(ports)
        given_out = dict(zip(sorted(numbers), ports, strict=True))
        if len({*once.values(), *ports}) < 60:
            was = {port: number for number, port in once.items()}
            assert all(was.get(port, number) == number for number, port in given_out.items())
            assert all(once.get(number, port) == port for number, port in given_out.items())
        once |= given_out
