"""What holds for the zones of every plan."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import dns.name
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_model import Server
from kcompile.address import format_ip
from kcompile.lower.limits import check_names
from kcompile.lower.reverse import pointer_name
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan, PlannedNode, PlannedPort, PlannedService
from kcompile.settings import DnsSettings
from plan_builder import kube_dns, plan, pod, port, service, with_dns, workload

LABELS = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
POD_IPS = st.integers(2, 2000).map(lambda n: format_ip(4, (10 << 24 | 244 << 16) + n))


@st.composite
def ports(draw: st.DrawFn) -> PlannedPort:
    return port(
        draw(st.integers(1, 65535)),
        *draw(st.lists(POD_IPS, max_size=5)),
        name=draw(st.one_of(st.just(""), LABELS)),
        protocol=draw(st.sampled_from(["TCP", "UDP", "SCTP"])),
        to=draw(st.integers(0, 65535)),
    )


@st.composite
def services(draw: st.DrawFn) -> PlannedService:
    name = f"{draw(LABELS)}/{draw(LABELS)}"
    sort = draw(st.sampled_from(["cluster", "headless", "portless", "external"]))
    if sort == "external":
        return service(name, external_name=f"{draw(LABELS)}.example")
    if sort == "portless":
        return service(name, headless=True, portless=draw(st.lists(POD_IPS, max_size=5)))
    found = draw(st.lists(ports(), max_size=3, unique_by=lambda each: each.spec.name))
    if sort == "headless":
        return service(name, headless=True, ports=found)
    ip = format_ip(4, (10 << 24 | 96 << 16) + draw(st.integers(20, 65000)))
    return service(name, ip, ports=found)


def _unique(found: list[PlannedService]) -> list[PlannedService]:
    by_name = {each.key: each for each in found}
    return [*{each.cluster_ips or each.key: each for each in by_name.values()}.values()]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    found = _unique(draw(st.lists(services(), max_size=6)))
    return plan(
        services=[kube_dns(), *found],
        namespaces=draw(st.lists(LABELS, max_size=3)),
        service_cidrs=["10.96.0.0/16"],
    )


OPTIONS = st.builds(
    DnsSettings,
    ttl=st.sampled_from([0, 5, 30, 3600]),
    pod_records=st.booleans(),
    endpoint_pod_names=st.booleans(),
    ptr=st.sampled_from(["all", "canonical"]),
    zonal=st.booleans(),
    ignore_empty=st.booleans(),
    external_zone=st.sampled_from(["", "out.example"]),
)


@st.composite
def optioned(draw: st.DrawFn) -> Plan:
    """Plans with every option, with pods, topology zones and external addresses."""
    of = draw(plans())
    spaces = st.sampled_from([each.name for each in of.namespaces])
    pods = [pod(workload(f"{draw(spaces)}/web"), n, ip) for n, ip in enumerate(draw(ADDRESSES))]
    nodes = tuple(
        PlannedNode(name, (("topology.kubernetes.io/zone", zone),), (), ())
        for name, zone in (("n1", "a"), ("n2", "B"), ("n3", "c.d"))
    )
    services = tuple(draw(_placed(each)) for each in of.services)
    return with_dns(replace(of, services=services, pods=tuple(pods), nodes=nodes), draw(OPTIONS))


ADDRESSES = st.lists(POD_IPS, max_size=4, unique=True)
PLACES = st.tuples(st.sampled_from(["", "n1", "n2", "n3"]), st.sampled_from(["", "twin", "own"]))


@st.composite
def _placed(draw: st.DrawFn, of: PlannedService) -> PlannedService:
    """The Service with its endpoints on nodes, with host names, and with an external address."""
    found = tuple(
        replace(
            each,
            endpoints4=tuple(
                replace(endpoint, node=node, hostname=hostname)
                for endpoint in each.endpoints4
                for node, hostname in [draw(PLACES)]
            ),
        )
        for each in of.ports
    )
    outside = () if of.external_name or of.headless else draw(st.sampled_from([(), ((4, 9),)]))
    return replace(of, ports=found, external_ips=outside)


@settings(max_examples=60, deadline=None)
@given(plans())
def test_addresses_and_names_point_at_each_other(of: Plan) -> None:
    server = Server(lower_zones(of))
    assert check_names(of) == ()
    for each in of.services:
        for family, ip in each.cluster_ips:
            name = f"{each.name}.{each.namespace}.svc.cluster.local."
            address = format_ip(family, ip)
            assert server.ask(name, "A").records == (f"{name} 30 A {address}",)
            owner = pointer_name(family, ip)
            assert server.ask(owner, "PTR").records == (f"{owner} 30 PTR {name}",)
        for each_port in each.ports:
            for endpoint in each_port.endpoints4:
                owner = pointer_name(4, endpoint.ip)
                back = [record.split()[-1] for record in server.ask(owner, "PTR").records]
                assert back
                for name in back:
                    expected = f"{name} 30 A {format_ip(4, endpoint.ip)}"
                    assert server.ask(name, "A").records == (expected,)


@settings(max_examples=60, deadline=None)
@given(optioned(), st.randoms(use_true_random=False))
def test_the_order_of_a_plan_changes_nothing(of: Plan, random: Random) -> None:
    shuffled = list(of.services)
    random.shuffle(shuffled)
    namespaces = list(of.namespaces)
    random.shuffle(namespaces)
    pods = list(of.pods)
    random.shuffle(pods)
    other = replace(of, services=tuple(shuffled), namespaces=tuple(namespaces), pods=tuple(pods))
    assert lower_zones(other) == lower_zones(of)


@settings(max_examples=60, deadline=None)
@given(optioned())
def test_names_are_in_canonical_order_and_no_record_is_twice(of: Plan) -> None:
    for zone in lower_zones(of):
        assert len(set(zone.records)) == len(zone.records)
        if not zone.origin.endswith(".arpa."):
            names = [dns.name.from_text(record.owner) for record in zone.records]
            assert all(one <= other for one, other in pairwise(names))


@settings(max_examples=60, deadline=None)
@given(plans(), plans())
def test_serials_are_equal_where_records_are(one: Plan, other: Plan) -> None:
    for left, right in zip(lower_zones(one), lower_zones(other), strict=True):
        assert (left.digest == right.digest) == (left.records == right.records)
        assert (left.soa == right.soa) == (left.records == right.records)
        assert 0 < left.soa.serial < 1 << 32


@settings(max_examples=60, deadline=None)
@given(plans())
def test_an_alias_shares_its_name_with_nothing(of: Plan) -> None:
    forward = lower_zones(of)[-1]
    aliases = {record.owner for record in forward.records if record.type == "CNAME"}
    owners = [record.owner for record in forward.records if record.owner in aliases]
    assert len(owners) == len(aliases)
