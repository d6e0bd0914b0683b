"""What holds for serials over every sequence of edits."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from kcompile.ir import Zone
from kcompile.lower.serials import Serials, give_serials, is_greater, zone_key
from kcompile.lower.serials_text import format_serials, parse_serials
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from kcompile.problems import InputError
from kcompile.render.zones import zone_text
from plan_builder import kube_dns, plan, port, service

Services = dict[str, tuple[int, tuple[int, ...]]]
"""Port and pods of each Service; a name stands for a cluster IP, a number for a pod's address."""

NAMES = ("a", "b", "c", "d")
PODS = st.lists(st.integers(2, 9), max_size=3, unique=True).map(tuple)
EDITS = st.lists(
    st.one_of(
        st.just(None),
        st.tuples(st.sampled_from(NAMES), st.one_of(st.none(), st.tuples(st.integers(1, 3), PODS))),
    ),
    max_size=12,
)
"""A Service that is set, or goes; or a build without an edit."""
STARTS = st.one_of(st.integers(1, 2**32 - 1), st.integers(2**32 - 9, 2**32 - 1))


def planned(services: Services) -> Plan:
    return plan(
        services=[
            kube_dns(),
            *(
                service(
                    f"default/{name}",
                    f"10.96.0.{20 + NAMES.index(name)}",
                    ports=[port(number, *[f"10.244.0.{pod}" for pod in pods])],
                )
                for name, (number, pods) in services.items()
            ),
        ],
        namespaces=["default"],
        service_cidrs=["10.96.0.0/24"],
        pod_cidrs=["10.244.0.0/24"],
    )


def states(edits: list[tuple[str, tuple[int, tuple[int, ...]] | None] | None]) -> list[Services]:
    found: list[Services] = [{}]
    for edit in edits:
        after = dict(found[-1])
        if edit:
            name, content = edit
            after.pop(name, None)
            if content:
                after[name] = content
        found.append(after)
    return found


def by_key(zones: tuple[Zone, ...]) -> dict[str, Zone]:
    return {zone_key(zone): zone for zone in zones}


@given(EDITS)
def test_a_serial_from_the_content_changes_exactly_with_it(
    edits: list[tuple[str, tuple[int, tuple[int, ...]] | None] | None],
) -> None:
    """Whatever the order of edits: the content says it all."""
    seen: dict[tuple[object, ...], str] = {}
    serials: dict[tuple[str, int], object] = {}
    for state in states(edits):
        for zone in lower_zones(planned(state)):
            content = zone.origin, zone.records
            assert seen.setdefault(content, zone_text(zone)) == zone_text(zone)
            assert serials.setdefault((zone.origin, zone.soa.serial), content) == content
            assert 0 < zone.soa.serial < 2**32


@given(EDITS, STARTS)
def test_a_kept_serial_rises_with_each_change_and_with_nothing_else(
    edits: list[tuple[str, tuple[int, tuple[int, ...]] | None] | None], start: int
) -> None:
    first, *later = states(edits)
    zones, kept = give_serials(lower_zones(planned(first)), Serials("f", {}), start)
    before = by_key(zones)
    for state in later:
        kept = parse_serials("f", format_serials(kept))
        zones, kept = give_serials(lower_zones(planned(state)), kept)
        after = by_key(zones)
        assert after.keys() == before.keys()
        for key, zone in after.items():
            old = before[key]
            if zone.records == old.records:
                assert zone_text(zone) == zone_text(old)
            else:
                assert is_greater(zone.soa.serial, old.soa.serial)
                assert zone.soa.serial != 0
            assert kept.entries[key].serial == zone.soa.serial
        before = after


@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_of_two_serials_at_most_one_is_greater(one: int, other: int) -> None:
    apart = (one - other) % 2**32 == 2**31
    greater = [is_greater(one, other), is_greater(other, one)]
    assert sum(greater) == (0 if apart or one == other else 1)


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_fail_but_in_words(text: str) -> None:
    for content in (text, f"kcompile-zone-serials: 1\n{text}"):
        with suppress(InputError):
            kept = parse_serials("f", content)
            assert parse_serials("f", format_serials(kept)).entries.keys() == kept.entries.keys()
