"""How ranges are cut into reverse zones, and which zone holds an address."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcompile.address import BITS, Cidr, Family, parse_cidr, parse_ip
from kcompile.lower.limits import check_names
from kcompile.lower.reverse import cut, pointer_name, reverse_origin, share_out
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from plan_builder import kube_dns, plan, port, service


def origins(cidr: str) -> list[str]:
    return [reverse_origin(zone) for zone in cut(parse_cidr(cidr))]


def owners(of: Plan, origin: str) -> list[str]:
    (zone,) = [zone for zone in lower_zones(of) if zone.origin == origin]
    return [record.owner for record in zone.records if record.type == "PTR"]


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.244.0.0/16", ["244.10.in-addr.arpa."]),
        ("10.0.0.0/8", ["10.in-addr.arpa."]),
        ("192.168.7.0/24", ["7.168.192.in-addr.arpa."]),
        ("10.96.0.0/15", ["96.10.in-addr.arpa.", "97.10.in-addr.arpa."]),
        ("172.16.4.0/23", ["4.16.172.in-addr.arpa.", "5.16.172.in-addr.arpa."]),
        ("192.168.7.128/25", ["7.168.192.in-addr.arpa."]),
        ("192.168.7.96/27", ["7.168.192.in-addr.arpa."]),
        ("192.168.7.96/31", ["96.7.168.192.in-addr.arpa.", "97.7.168.192.in-addr.arpa."]),
        ("192.168.7.96/32", ["96.7.168.192.in-addr.arpa."]),
        ("fd00:10:96::/112", ["0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."]),
        (
            "fd00:10:244::/47",
            ["4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa.", "5.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa."],
        ),
    ],
)
def test_ranges_are_cut_at_octets_and_nibbles(cidr: str, expected: list[str]) -> None:
    assert origins(cidr) == expected


@pytest.mark.parametrize(
    ("cidr", "count"),
    [
        ("10.96.0.0/12", 16),
        ("10.128.0.0/9", 128),
        ("10.96.0.0/20", 16),
        ("192.168.7.16/28", 16),
        ("fd00:10:96::/110", 4),
        ("fd00:10:96::/109", 8),
        ("fd00:10:96::/108", 1),
    ],
)
def test_how_many_zones_a_range_takes(cidr: str, count: int) -> None:
    assert len(set(origins(cidr))) == count


def test_names_of_addresses() -> None:
    assert pointer_name(*parse_ip("10.96.203.6")) == "6.203.96.10.in-addr.arpa."
    expected = "b.a.9.8.7.6.5.0." + "0." * 16 + "8.b.d.0.1.0.0.2.ip6.arpa."
    assert pointer_name(*parse_ip("2001:db8::567:89ab")) == expected


def test_zones_without_names_are_there_too() -> None:
    zones = lower_zones(plan(services=[kube_dns()]))
    assert len(zones) == 1 + 16 + 1
    assert [zone.origin for zone in zones] == sorted(zone.origin for zone in zones)
    assert all(zone.records[0].type == "NS" for zone in zones)


def test_the_longest_zone_owns_an_address() -> None:
    of = plan(
        services=[service("a/web", "10.9.0.1", ports=[port(80, "10.244.1.5")])],
        service_cidrs=["10.0.0.0/8"],
        pod_cidrs=["10.244.0.0/16"],
    )
    assert owners(of, "10.in-addr.arpa.") == ["1.0.9.10.in-addr.arpa."]
    assert owners(of, "244.10.in-addr.arpa.") == ["5.1.244.10.in-addr.arpa."]


def test_addresses_outside_all_ranges_have_no_pointer() -> None:
    of = plan(services=[service("a/web", "10.96.0.7", ports=[port(80, "192.0.2.1")])])
    assert all("192.in-addr" not in zone.origin for zone in lower_zones(of))


def test_a_zone_of_one_address_has_the_pointer_at_its_apex() -> None:
    of = plan(services=[service("a/web", "192.168.7.97")], service_cidrs=["192.168.7.96/30"])
    assert owners(of, "97.7.168.192.in-addr.arpa.") == ["97.7.168.192.in-addr.arpa."]


def test_a_range_that_needs_a_wider_zone_is_told() -> None:
    (finding,) = check_names(plan(pod_cidrs=["192.168.7.128/25"]))
    assert finding.code.value == "KC502"
    assert finding.path == ("networking", "podSubnet")
    assert "7.168.192.in-addr.arpa. for 192.168.7.128/25" in finding.message
    assert "192.168.7.0/24" in finding.message


@st.composite
def ranges(draw: st.DrawFn, family: Family) -> Cidr:
    bits = BITS[family]
    prefix = draw(st.integers(1, bits))
    return Cidr(family, draw(st.integers(0, (1 << prefix) - 1)) << bits - prefix, prefix)


FAMILIES: tuple[Family, ...] = (4, 6)
ANY = st.sampled_from(FAMILIES).flatmap(ranges)


@settings(deadline=None)
@given(ANY)
def test_zones_cover_their_range_and_no_more_than_they_must(cidr: Cidr) -> None:
    zones = cut(cidr)
    assert len(zones) <= (128 if cidr.family == 4 else 8)
    assert zones[0].base <= cidr.base
    assert zones[-1].last >= cidr.last
    assert all(one.last + 1 == other.base for one, other in pairwise(zones))
    assert len({reverse_origin(zone) for zone in zones}) == len(zones)
    if cidr.family == 4 and 25 <= cidr.prefix <= 27:
        assert zones == (Cidr(4, cidr.base & ~255, 24),)
    else:
        assert (zones[0].base, zones[-1].last) == (cidr.base, cidr.last)


NEAR = st.integers(0, 1 << 12).map(lambda low: (10 << 24) + low)
SMALL = st.tuples(st.integers(0, 15), st.integers(20, 32)).map(
    lambda found: parse_cidr(f"10.0.{found[0]}.16/{found[1]}")
)


@settings(deadline=None)
@given(st.lists(SMALL, max_size=4), st.lists(st.tuples(NEAR, st.sampled_from("ab")), max_size=30))
def test_each_pointer_is_in_the_longest_zone_around_it(
    cidrs: list[Cidr], found: list[tuple[int, str]]
) -> None:
    zones = {zone for cidr in cidrs for zone in cut(cidr)}
    shares = share_out(zones, sorted(found), 4)
    assert shares.keys() == zones
    for pointer in found:
        around = [zone for zone in zones if pointer[0] in zone]
        longest = max(around, key=lambda zone: zone.prefix, default=None)
        holders = {zone for zone, share in shares.items() if pointer in share}
        assert holders == ({longest} if longest else set())
    assert all(list(share) == sorted(share) for share in shares.values())
    inside = [pointer for pointer in found if any(pointer[0] in zone for zone in zones)]
    assert sum(map(len, shares.values())) == len(inside)
