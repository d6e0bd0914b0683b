"""What the flags for DNS add to the zones, change in them, or refuse."""

import pytest

from kcompile.lower.zones import lower_zones
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags
from notation import deployment, endpoint_slice, node, planned, service

DOMAIN = "cluster.local."


def lines(text: str, flags: Flags, origin: str = DOMAIN) -> list[str]:
    """A zone's records without TTL and class, relative to its origin."""
    plan = planned(text, flags=flags).plan
    (zone,) = [zone for zone in lower_zones(plan) if zone.origin == origin]
    return [
        f"{record.owner} {record.type} {record.data}".replace(f".{origin}", "")
        for record in zone.records
    ]


def below(name: str, found: list[str]) -> list[str]:
    return [
        line.replace(f".{name}", "").replace(name, "@")
        for line in found
        if line.split()[0].endswith(name)
    ]


def test_a_ttl_is_that_of_records_and_of_negative_answers() -> None:
    plan = planned(service("web"), flags=Flags(dns_ttl="5")).plan
    for zone in lower_zones(plan):
        assert (zone.soa.ttl, zone.soa.negative_ttl) == (5, 5)
        assert {record.ttl for record in zone.records if record.type != "TXT"} == {5}


@pytest.mark.parametrize("ttl", ["", "-1", "3601", "5s", "٥", "5\n"])  # noqa: RUF001 - a hostile digit
def test_a_ttl_is_a_number_of_seconds(ttl: str) -> None:
    assert "seconds from 0 to 3600 are allowed" in refused(Flags(dns_ttl=ttl))


def refused(flags: Flags) -> str:
    with pytest.raises(InputError) as caught:
        planned(service("web"), flags=flags)
    (problem,) = [each for each in caught.value.problems if each.code.value == "KC303"]
    return str(problem)


def test_pods_have_records_if_they_are_verified() -> None:
    pod = [
        line
        for line in lines(deployment("web"), Flags(dns_pods="verified"))
        if ".pod" in line and not line.startswith("_ent")
    ]
    (line,) = pod
    owner, _, address = line.split()
    assert owner == f"{address.replace('.', '-')}.default.pod"
    assert not any(".default.pod" in line for line in lines(deployment("web"), Flags()))


SLICE = endpoint_slice(
    "db",
    "[10.0.0.5]",
    ports="[{port: 80}]",
).replace("[10.0.0.5]", "[10.0.0.5], targetRef: {kind: Pod, name: NAME}")
HEADLESS = "clusterIP: None"


@pytest.mark.parametrize(
    ("pod", "label"),
    [
        ("db-abcde", "db-abcde"),
        ("p" * 63, "p" * 63),
        ("p" * 64, "10-0-0-5"),
        ("a.b", "10-0-0-5"),
    ],
)
def test_endpoints_can_be_named_after_their_pods(pod: str, label: str) -> None:
    text = service("db", spec=HEADLESS).replace("selector: {app: db}, ", "")
    text += SLICE.replace("NAME", pod)
    found = below("db.default.svc", lines(text, Flags(dns_endpoint_pod_names=True)))
    assert found == [
        "@ A 10.0.0.5",
        f"@ SRV 0 100 80 {label}",
        f"{label} A 10.0.0.5",
        f"{label} SRV 0 100 80 {label}",
    ]
    assert "10-0-0-5 A 10.0.0.5" in below("db.default.svc", lines(text, Flags()))


def test_a_host_name_wins_over_the_pods_name() -> None:
    text = service("db", spec=HEADLESS).replace("selector: {app: db}, ", "")
    text += SLICE.replace("NAME", "db-abcde").replace("targetRef", "hostname: own, targetRef")
    found = below("db.default.svc", lines(text, Flags(dns_endpoint_pod_names=True)))
    assert "own A 10.0.0.5" in found


ZONAL = (
    service("db", spec=HEADLESS).replace("selector: {app: db}, ", "")
    + node("n1", "192.0.2.1", labels="{topology.kubernetes.io/zone: East}")
    + endpoint_slice("db", "[10.0.0.5]").replace(
        "endpoints: [",
        "endpoints: [{addresses: [10.0.0.7], nodeName: n1}, {addresses: [10.0.0.8], zone: a.b},"
        " {addresses: [10.0.0.6], zone: west}, ",
    )
)


def test_headless_services_can_have_names_in_each_topology_zone() -> None:
    found = below("_zone.db.default.svc", lines(ZONAL, Flags(dns_zonal=True)))
    assert found == [
        '_ent.*.pin TXT "exists"',
        "east.pin A 10.0.0.7",
        "east.pin SRV 0 100 80 10-0-0-7.db.default.svc",
        "west.pin A 10.0.0.6",
        "west.pin SRV 0 100 80 10-0-0-6.db.default.svc",
        "*.prefer A 10.0.0.5",
        "*.prefer A 10.0.0.6",
        "*.prefer A 10.0.0.7",
        "*.prefer A 10.0.0.8",
        "*.prefer SRV 0 25 80 10-0-0-5.db.default.svc",
        "*.prefer SRV 0 25 80 10-0-0-6.db.default.svc",
        "*.prefer SRV 0 25 80 10-0-0-7.db.default.svc",
        "*.prefer SRV 0 25 80 10-0-0-8.db.default.svc",
        "east.prefer A 10.0.0.7",
        "east.prefer SRV 0 100 80 10-0-0-7.db.default.svc",
        "west.prefer A 10.0.0.6",
        "west.prefer SRV 0 100 80 10-0-0-6.db.default.svc",
    ]
    assert not any("_zone" in line for line in lines(ZONAL, Flags()))
    with_cluster_ip = lines(ZONAL.replace(HEADLESS, "type: ClusterIP"), Flags(dns_zonal=True))
    assert not any("_zone" in line for line in with_cluster_ip)


EXTERNAL = (
    service("inside")
    + service("web", ports="[{port: 80, name: http}]", spec="externalIPs: [203.0.113.5]")
    + service("db", spec=HEADLESS).replace("selector: {app: db}, ", "")
    + endpoint_slice("db", "[10.0.0.5]")
    + "{apiVersion: v1, kind: Namespace, metadata: {name: empty}}\n---\n"
)


def test_an_external_zone_has_the_addresses_outside_the_cluster() -> None:
    text = EXTERNAL + service("lb", ports="[{port: 53, protocol: UDP}]").replace(
        "spec: {",
        "status: {loadBalancer: {ingress: [{ip: 203.0.113.9}]}}\nspec: {type: LoadBalancer, ",
    )
    found = lines(text, Flags(dns_external_zone="Example.org."), "example.org.")
    assert found[0] == "example.org. NS ns.dns.cluster.local."
    assert below("default", found) == [
        '_ent TXT "exists"',
        "db A 10.0.0.5",
        "db SRV 0 100 80 10-0-0-5.db",
        "10-0-0-5.db A 10.0.0.5",
        "10-0-0-5.db SRV 0 100 80 10-0-0-5.db",
        "lb A 203.0.113.9",
        "lb SRV 0 100 53 lb",
        "web A 203.0.113.5",
        "web SRV 0 100 80 web",
        "_http._tcp.web SRV 0 100 80 web",
    ]
    assert '_ent.empty TXT "exists"' in found


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("", "a DNS name"),
        ("exa mple", "a DNS name"),
        (f"{'x' * 64}.org", "a DNS name"),
        ("cluster.local", "a zone apart from the cluster's"),
        ("svc.cluster.local", "a zone apart from the cluster's"),
        ("local", "a zone apart from the cluster's"),
        ("10.in-addr.arpa", "arpa is for the names of addresses"),
    ],
)
def test_an_external_zone_is_a_zone_of_its_own(zone: str, said: str) -> None:
    assert said in refused(Flags(dns_external_zone=zone))


def test_addresses_outside_the_ranges_lead_back_where_a_zone_is_asked_for() -> None:
    text = service("db", spec=HEADLESS).replace("selector: {app: db}, ", "")
    text += endpoint_slice("db", "[192.0.2.5]")
    flags = Flags(dns_reverse_zones=("192.0.2.0/24, 2001:db8::/32", "10.0.0.0/8"))
    origins = {zone.origin for zone in lower_zones(planned(text, flags=flags).plan)}
    assert {"2.0.192.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "10.in-addr.arpa."} < origins
    assert lines(text, flags, "2.0.192.in-addr.arpa.") == [
        "2.0.192.in-addr.arpa. NS ns.dns.cluster.local.",
        "5 PTR 192-0-2-5.db.default.svc.cluster.local.",
    ]


@pytest.mark.parametrize("cidr", ["", "10.0.0.0", "10.0.0.0/33", "x", "10.0.0.0/8,"])
def test_a_reverse_zone_is_a_range(cidr: str) -> None:
    assert "CIDR[,CIDR] is allowed" in refused(Flags(dns_reverse_zones=(cidr,)))
