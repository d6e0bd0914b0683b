"""Whatever two branches gave out: `resolve` settles it, and moves nothing of the target branch."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kcompile.address import Cidr
from kcompile.plan.lock import Lock, PodEntry, ServiceEntry, format_lock
from kcompile.plan.lock_resolve import resolve
from kcompile.plan.lock_text import parse_lock, read_lock

# Few enough keys and values that they meet.
names = st.sampled_from("abcd")
shares = st.builds(lambda n, prefix: Cidr(4, 10 << 24 | n << 8, prefix), st.integers(0, 3), st.sampled_from([23, 24])).filter(
    lambda cidr: cidr.base % cidr.size == 0
)  # fmt: skip
addresses = st.integers(1, 5).map(lambda n: ((4, 10 << 24 | n),))
numbers = st.integers(30001, 30004)
ports = st.dictionaries(
    st.tuples(st.integers(80, 82), st.just("TCP")), numbers, max_size=2
).map(lambda found: tuple(sorted(found.items())))  # fmt: skip
locks = st.builds(
    Lock,
    st.dictionaries(names, st.tuples(shares), max_size=3),
    st.dictionaries(
        st.tuples(st.just("x"), st.just("Deployment"), names, st.integers(0, 1)),
        st.builds(PodEntry, names, addresses | st.just(()), st.just("") | st.just("pinned")),
        max_size=4,
    ),
    st.dictionaries(
        st.tuples(st.just("x"), names),
        st.builds(ServiceEntry, addresses | st.just(()), ports, st.just(0) | numbers),
        max_size=4,
    ),
    freed_services=st.dictionaries(
        st.tuples(st.just("x"), names),
        st.tuples(st.builds(ServiceEntry, addresses, ports), st.integers(1, 3)),
        max_size=2,
    ),
)
HEAD_LINES = 2


@settings(max_examples=150, deadline=None)
@given(locks, locks)
def test_it_is_settled_and_the_branch_stays(one: Lock, two: Lock) -> None:
    base_text = format_lock(resolve("base", format_lock(one), read_lock("x", HEAD))[0])
    base = read_lock("base", base_text)
    merged = base_text + "\n".join(format_lock(two).split("\n")[HEAD_LINES:])
    lock, _ = resolve("merged", merged, base)
    text = format_lock(lock)
    assert parse_lock("resolved", text) == lock
    for mine, theirs in (
        (lock.nodes, base.lock.nodes),
        (lock.pods, base.lock.pods),
        (lock.services, base.lock.services),
    ):
        assert {key: mine[key] for key in theirs} == theirs
    assert resolve("again", text, base) == (lock, ())


HEAD = "kcompile-lock: 2\nalgorithm: 1\n"
