"""Endpoints with host names of their own: what zones make of one name for many addresses."""

from kcompile.lower.zones import lower_zones
from plan_builder import plan, port, service


def records(*endpoints: str, portless: bool = False) -> list[str]:
    """What the forward zone says at and below a headless Service, without its domain."""
    db = (
        service("default/db", headless=True, portless=list(endpoints))
        if portless
        else service("default/db", headless=True, ports=[port(80, *endpoints, name="p")])
    )
    made = plan(
        services=[db],
        service_cidrs=["10.96.0.0/12", "fd00:10:96::/112"],
        pod_cidrs=["10.244.0.0/16", "fd00:10:244::/48"],
    )
    (zone,) = [each for each in lower_zones(made) if each.origin == "cluster.local."]
    domain = "db.default.svc.cluster.local."
    return [
        f"{record.owner} {record.type} {record.data}".replace(domain, "@").replace(".@", "")
        for record in zone.records
        if record.owner.endswith(domain)
    ]


def test_an_endpoint_is_called_by_its_host_name() -> None:
    assert records("10.244.1.5/db-0", "10.244.1.6") == [
        "@ A 10.244.1.5",
        "@ A 10.244.1.6",
        "@ SRV 0 50 80 10-244-1-6",
        "@ SRV 0 50 80 db-0",
        "10-244-1-6 A 10.244.1.6",
        "10-244-1-6 SRV 0 100 80 10-244-1-6",
        "_p._tcp SRV 0 50 80 10-244-1-6",
        "_p._tcp SRV 0 50 80 db-0",
        "db-0 A 10.244.1.5",
        "db-0 SRV 0 100 80 db-0",
    ]


def test_both_addresses_of_a_pod_have_one_name() -> None:
    assert records("10.244.1.5/db-0", "fd00:10:244:1::5/db-0")[-3:] == [
        "db-0 A 10.244.1.5",
        "db-0 AAAA fd00:10:244:1::5",
        "db-0 SRV 0 50 80 db-0",
    ]


def test_one_name_for_two_endpoints_and_two_names_for_one() -> None:
    found = records("10.244.1.5/twin", "10.244.1.6/twin", "10.244.1.6/only")
    assert [each for each in found if each.startswith(("@ A", "twin", "only"))] == [
        "@ A 10.244.1.5",
        "@ A 10.244.1.6",
        "only A 10.244.1.6",
        "only SRV 0 100 80 only",
        "twin A 10.244.1.5",
        "twin A 10.244.1.6",
        "twin SRV 0 50 80 twin",
    ]


def test_without_ports_there_are_addresses_only() -> None:
    assert records("10.244.1.5/db-0", portless=True) == ["@ A 10.244.1.5", "db-0 A 10.244.1.5"]


def test_addresses_of_two_families_with_one_number_are_two() -> None:
    found = records("10.244.1.5", "::10.244.1.5/six")
    assert [each for each in found if each.startswith("@ SRV")] == [
        "@ SRV 0 50 80 10-244-1-5",
        "@ SRV 0 50 80 six",
    ]
    both = records("10.244.1.5", "::10.244.1.5")
    assert [each for each in both if each.startswith("@ SRV")] == [
        "@ SRV 0 50 80 --af4-105",
        "@ SRV 0 50 80 10-244-1-5",
    ]
