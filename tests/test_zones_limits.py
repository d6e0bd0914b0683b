"""What DNS cannot hold is found before a server finds it."""

from ipaddress import ip_address

import pytest

from kcompile.lower.limits import check_names
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from plan_builder import plan, port, service

LONG = "n" * 63


def codes(of: Plan) -> list[str]:
    return [finding.code.value for finding in check_names(of)]


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


def test_more_records_than_a_message_holds() -> None:
    def headless(count: int, named: bool) -> Plan:
        first = int(ip_address("10.244.0.1"))
        ips = [str(ip_address(first + i)) for i in range(count)]
        db = (
            service("default/db", headless=True, ports=[port(80, *ips, name="pg")])
            if named
            else service("default/db", headless=True, portless=ips)
        )
        return plan(services=[db])

    assert codes(headless(4090, named=False)) == []
    (finding,) = check_names(headless(4095, named=False))
    assert finding.code.value == "KC503"
    assert "4095 A records at 'db.default.svc.cluster.local.' need 65566 octets" in finding.message
    assert codes(headless(1000, named=True)) == []
    assert codes(headless(1300, named=True)) == ["KC503", "KC503"]
