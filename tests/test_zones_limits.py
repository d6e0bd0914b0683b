"""What DNS cannot hold is found before a server finds it."""

from ipaddress import ip_address

import pytest

from kcompile.address import parse_cidr
from kcompile.lower.crowds import check_crowds
from kcompile.lower.limits import check_names
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from kcompile.problems import Severity, severity
from kcompile.settings import DnsSettings
from plan_builder import plan, pod, port, service, with_dns, workload

LONG = "n" * 63


def codes(of: Plan) -> list[str]:
    return [finding.code.value for finding in (*check_names(of), *check_crowds(of))]


def domain_of(length: int) -> str:
    """A domain name of this many characters, in labels of at most 50."""
    labels = ["d" * 49] * (length // 50)
    rest = length - 50 * len(labels)
    return ".".join([*labels, "d" * rest]) if rest else ".".join(labels)


def test_an_ordinary_cluster_is_fine() -> None:
    names = [f"default/{LONG}", "default/web"]
    services = [service(name, "10.96.0.7", ports=[port(80, name="http")]) for name in names]
    assert codes(plan(services=services)) == []


def test_a_service_whose_name_is_too_long_with_its_domain() -> None:
    fits = 253 - len(f"{LONG}.{LONG}.svc.")
    web = service(f"{LONG}/{LONG}", "10.96.0.7", ports=[port(80)])
    assert codes(plan(services=[web], domain=domain_of(fits))) == []
    (finding,) = check_names(plan(services=[web], domain=domain_of(fits + 1)))
    assert finding.code.value == "KC501"
    assert finding.path == ("metadata", "name")
    assert finding.message.startswith(f"Service {LONG}/{LONG}: the DNS name '{LONG}.")
    assert finding.message.endswith("has 254 characters; 253 is the most")


@pytest.mark.parametrize("protocol", ["TCP", "SCTP"])
def test_the_names_of_ports_and_endpoints_count(protocol: str) -> None:
    base = f"{LONG}.{LONG}.svc."
    named = [port(80, name="http", protocol=protocol)]
    extra = len(f"_http._{protocol.lower()}.")
    with_port = service(f"{LONG}/{LONG}", "10.96.0.7", ports=named)
    assert codes(plan(services=[with_port], domain=domain_of(253 - len(base) - extra))) == []
    assert codes(plan(services=[with_port], domain=domain_of(254 - len(base) - extra))) == ["KC501"]


def test_the_names_of_endpoints_count() -> None:
    base = f"10-244-1-5.{LONG}.{LONG}.svc."
    web = service(f"{LONG}/{LONG}", "10.96.0.7", ports=[port(80, "10.244.1.5")])
    assert codes(plan(services=[web], domain=domain_of(253 - len(base)))) == []
    assert codes(plan(services=[web], domain=domain_of(254 - len(base)))) == ["KC501"]


def test_a_namespace_without_services_counts_too() -> None:
    fits = 253 - len(f"_ent.{LONG}.svc.")
    assert codes(plan(namespaces=[LONG], domain=domain_of(fits))) == []
    (finding,) = check_names(plan(namespaces=[LONG], domain=domain_of(fits + 1)))
    assert finding.message.startswith(f"Namespace {LONG}: the DNS name '_ent.")


def test_a_domain_that_leaves_no_room_is_named_once() -> None:
    web = service("default/web", "10.96.0.7", ports=[port(80)])
    (finding,) = check_names(plan(services=[web], domain=domain_of(242)))
    assert (finding.code.value, finding.path) == ("KC501", ("networking", "dnsDomain"))
    (finding,) = check_names(plan(services=[web], domain="d" * 64))
    assert finding.message.endswith("in a DNS name has 64 characters; 63 is the most")


def test_a_port_name_that_leaves_no_room_for_its_underscore_has_no_record() -> None:
    ports = [port(80, name="p" * 62), port(81, name="p" * 63)]
    of = plan(services=[service("default/web", "10.96.0.7", ports=ports)])
    (finding,) = check_names(of)
    assert (finding.code.value, finding.path) == ("KC502", ("spec", "ports", 1, "name"))
    owners = {record.owner for record in lower_zones(of)[-1].records if record.type == "SRV"}
    assert owners == {
        "web.default.svc.cluster.local.",
        f"_{'p' * 62}._tcp.web.default.svc.cluster.local.",
    }


@pytest.mark.parametrize(
    "external_name", ["192.0.2.7", "192.0.2.07", "ext.default.svc.cluster.local"]
)
def test_an_external_name_that_dns_cannot_say(external_name: str) -> None:
    ext = service("default/ext", external_name=external_name)
    (finding,) = check_names(plan(services=[ext]))
    assert (finding.code.value, finding.path) == ("KC502", ("spec", "externalName"))
    assert finding.message.startswith(f"Service default/ext: '{external_name}' gets no DNS record")


def test_an_external_name_with_a_label_too_long() -> None:
    ext = service("default/ext", external_name=f"{'x' * 64}.example.com")
    (finding,) = check_names(plan(services=[ext]))
    assert (finding.code.value, finding.path) == ("KC501", ("spec", "externalName"))


def headless(count: int, *, named: bool = False) -> Plan:
    """A headless Service with so many endpoints, with or without a port."""
    first = int(ip_address("10.244.0.1"))
    ips = [str(ip_address(first + i)) for i in range(count)]
    db = (
        service("default/db", headless=True, ports=[port(80, *ips, name="pg")])
        if named
        else service("default/db", headless=True, portless=ips)
    )
    return plan(services=[db])


def test_more_records_than_a_message_holds() -> None:
    assert codes(headless(4090)) == ["KC504"]
    (finding,) = check_crowds(headless(4095))
    assert finding.code.value == "KC503"
    assert "4095 A records at 'db.default.svc.cluster.local.' need 65566 octets" in finding.message
    assert codes(headless(1000, named=True)) == ["KC504"]
    assert codes(headless(1300, named=True)) == ["KC503", "KC502"]


def test_more_ports_than_a_message_holds_are_not_at_the_services_own_name() -> None:
    web = service("default/web", "10.96.0.7", ports=[port(n) for n in range(1, 1700)])
    (finding,) = check_crowds(plan(services=[web]))
    assert (finding.code.value, finding.path) == ("KC502", ("spec",))
    assert "the SRV records of all ports at 'web.default.svc.cluster.local.'" in finding.message
    (zone,) = [
        each for each in lower_zones(plan(services=[web])) if each.origin == "cluster.local."
    ]
    assert {record.type for record in zone.records if record.owner.startswith("web.")} == {"A"}
    few = service("default/web", "10.96.0.7", ports=[port(n) for n in range(1, 1200)])
    assert codes(plan(services=[few])) == ["KC504"]


def test_more_records_at_a_name_than_bind_loads_by_itself() -> None:
    assert codes(headless(100, named=True)) == []
    (finding,) = check_crowds(headless(101, named=True))
    assert (finding.code.value, severity(finding.code)) == ("KC504", Severity.NOTE)
    assert finding.message.startswith("Service default/db: 101 A records at 'db.default.svc.")
    assert "max-records-per-type 101;" in finding.hint


def test_many_endpoints_crowd_no_name_unless_they_share_it() -> None:
    ips = [f"10.244.1.{n}" for n in range(1, 120)]
    web = service("default/web", "10.96.0.7", ports=[port(80, *ips)])
    assert codes(plan(services=[web])) == []
    twins = service("default/web", "10.96.0.7", ports=[port(80, *(f"{ip}/twin" for ip in ips))])
    (finding,) = check_crowds(plan(services=[twins]))
    assert "119 A records at 'twin.web.default.svc.cluster.local.'" in finding.message


def test_one_address_of_many_services_has_many_names() -> None:
    services = [
        service(f"default/s{n:03}", headless=True, ports=[port(80, "10.244.1.5")])
        for n in range(101)
    ]
    (finding,) = check_crowds(plan(services=services))
    assert finding.code.value == "KC504"
    assert finding.message.startswith(
        "Service default/s100: 101 PTR records for 10.244.1.5; BIND loads no zone with more than"
    )
    assert codes(plan(services=services, pod_cidrs=["10.0.0.0/16"])) == []
    canonical = with_dns(plan(services=services), DnsSettings(ptr="canonical"))
    assert codes(canonical) == []
    assert codes(plan(services=services[:100])) == []


def test_a_name_that_starts_with_a_dash() -> None:
    odd = service("default/db", headless=True, portless=["::1:5", "0:0:1::5", "2001:db8::5"])
    (finding,) = check_names(plan(services=[odd]))
    assert finding.code.value == "KC504"
    assert finding.message == (
        "Service default/db: --1-5 in a DNS name starts with a dash, and BIND loads no such zone"
    )
    assert codes(plan(services=[service("default/db", portless=["::1:5/own"])])) == []
    pods = plan(pods=[pod(workload("default/web"), 0, "::1:5")])
    assert codes(pods) == []
    assert codes(with_dns(pods, DnsSettings(pod_records=True))) == ["KC504"]


def test_names_below_an_underscore() -> None:
    assert codes(with_dns(plan(), DnsSettings(zonal=True))) == ["KC504"]


def test_the_names_of_pods_count() -> None:
    dns = DnsSettings(pod_records=True)
    of = plan(
        pods=[pod(workload(f"{LONG}/web"), 0, "10.244.1.5")],
        domain=domain_of(253 - len(f"10-244-1-5.{LONG}.pod.")),
    )
    assert codes(with_dns(of, dns)) == []
    longer = plan(pods=of.pods, domain=domain_of(254 - len(f"10-244-1-5.{LONG}.pod.")))
    assert codes(longer) == []
    assert codes(with_dns(longer, dns)) == ["KC501"]


def test_the_names_of_an_external_zone_count() -> None:
    web = service(
        f"{LONG}/{LONG}", "10.96.0.7", external_ips=["192.0.2.5"], ports=[port(80, name="http")]
    )
    room = 253 - len(f"_http._tcp.{LONG}.{LONG}.")
    fits = DnsSettings(external_zone=domain_of(room))
    assert codes(with_dns(plan(services=[web]), fits)) == []
    assert codes(
        with_dns(plan(services=[web]), DnsSettings(external_zone=domain_of(room + 1)))
    ) == ["KC501"]


def test_a_listed_range_that_ends_within_an_octet() -> None:
    dns = DnsSettings(reverse_ranges=(parse_cidr("192.0.2.128/25"),))
    (finding,) = check_names(with_dns(plan(), dns))
    assert (finding.code.value, finding.label) == ("KC502", "--dns-reverse-zone")
