"""Zones in the notation of zone files: which records a plan gives."""

from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from kcompile.render.zones import zone_text
from kcompile.settings import DnsSettings
from plan_builder import kube_dns, plan, pod, port, service, with_dns, workload

DOMAIN = "cluster.local."


def lines(of: Plan, origin: str = DOMAIN, options: DnsSettings | None = None) -> list[str]:
    """A zone's records without TTL and class; owners and data relative to the cluster domain."""
    zones = {zone.origin: zone for zone in lower_zones(with_dns(of, options or DnsSettings()))}
    text = zone_text(zones[origin])
    records = text.partition("    )\n")[2].splitlines()
    short = [
        " ".join(word for i, word in enumerate(r.split(" ")) if i not in (1, 2)) for r in records
    ]
    return [line.replace(f".{DOMAIN}", "") for line in short]


def of_service(of: Plan, name: str, options: DnsSettings | None = None) -> list[str]:
    """The lines at and below a Service's name, which is left out."""
    base = f"{name}.svc"
    wanted = [line for line in lines(of, options=options) if line.split()[0].endswith(base)]
    return [line.replace(f".{base}", "").replace(base, "@") for line in wanted]


def test_an_empty_cluster_has_its_apex_version_and_markers() -> None:
    assert lines(plan(services=[kube_dns()], namespaces=["default", "0-first"]))[:7] == [
        "cluster.local. NS ns.dns",
        "ns.dns A 10.96.0.10",
        'dns-version TXT "1.1.0"',
        '_ent.pod TXT "exists"',
        '_ent.0-first.svc TXT "exists"',
        '_ent.svc TXT "exists"',
        '_ent.default.svc TXT "exists"',
    ]


def test_the_head_of_the_file() -> None:
    zone = lower_zones(plan(services=[kube_dns()]))[-1]
    text = zone_text(zone)
    assert text.splitlines()[:9] == [
        f"; {DOMAIN} as kcompile made it from the cluster's manifests. Changes here do not last.",
        "$ORIGIN cluster.local.",
        "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. (",
        f"    {zone.soa.serial} ; serial: the first 32 bits of the digest of all other content",
        "    7200 ; refresh, seconds",
        "    1800 ; retry",
        "    86400 ; expire",
        "    30 ; negative answers",
        "    )",
    ]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert zone.soa.serial == int(zone.digest[:8], 16)


def test_a_cluster_ip_service_has_address_ports_and_endpoints() -> None:
    web = service(
        "default/httpd-svc",
        "10.96.203.6",
        ports=[port(8080, "10.244.2.5", "10.244.1.5", name="http", to=80, node_port=30000)],
    )
    assert of_service(plan(services=[web]), "httpd-svc.default") == [
        "@ A 10.96.203.6",
        "@ SRV 0 100 8080 @",
        "10-244-1-5 A 10.244.1.5",
        "10-244-1-5 SRV 0 100 80 10-244-1-5",
        "10-244-2-5 A 10.244.2.5",
        "10-244-2-5 SRV 0 100 80 10-244-2-5",
        "_http._tcp SRV 0 100 8080 @",
    ]


def test_a_port_without_a_name_has_no_owner_of_its_own() -> None:
    web = service("a/web", "10.96.0.7", ports=[port(80)])
    assert of_service(plan(services=[web]), "web.a") == ["@ A 10.96.0.7", "@ SRV 0 100 80 @"]


def test_equal_srv_records_become_one_whose_weight_still_counts_both() -> None:
    ports = [
        port(53, "10.244.0.9", name="dns", protocol="UDP"),
        port(53, "10.244.0.9", name="dns-tcp"),
        port(9, "10.244.0.9", name="sctp-p", protocol="SCTP"),
    ]
    multi = service("prod/multi", "10.96.60.60", ports=ports)
    assert of_service(plan(services=[multi]), "multi.prod") == [
        "@ A 10.96.60.60",
        "@ SRV 0 33 9 @",
        "@ SRV 0 33 53 @",
        "10-244-0-9 A 10.244.0.9",
        "10-244-0-9 SRV 0 33 9 10-244-0-9",
        "10-244-0-9 SRV 0 33 53 10-244-0-9",
        "_sctp-p._sctp SRV 0 100 9 @",
        "_dns-tcp._tcp SRV 0 100 53 @",
        "_dns._udp SRV 0 100 53 @",
    ]


def test_a_dual_stack_service_has_both_families_and_halved_weights() -> None:
    ports = [
        port(80, "10.244.1.10", "fd00:10:244:1::a", name="http", to=8080),
        port(443, "10.244.1.10", "fd00:10:244:1::a", name="https", to=8443),
    ]
    dual = service("default/dual", "10.96.50.50", "fd00:10:96::5050", ports=ports)
    assert of_service(plan(services=[dual]), "dual.default") == [
        "@ A 10.96.50.50",
        "@ AAAA fd00:10:96::5050",
        "@ SRV 0 25 80 @",
        "@ SRV 0 25 443 @",
        "10-244-1-10 A 10.244.1.10",
        "10-244-1-10 SRV 0 50 8080 10-244-1-10",
        "10-244-1-10 SRV 0 50 8443 10-244-1-10",
        "_http._tcp SRV 0 50 80 @",
        "_https._tcp SRV 0 50 443 @",
        "fd00-10-244-1--a AAAA fd00:10:244:1::a",
        "fd00-10-244-1--a SRV 0 50 8080 fd00-10-244-1--a",
        "fd00-10-244-1--a SRV 0 50 8443 fd00-10-244-1--a",
    ]


def test_a_headless_service_names_its_endpoints_and_their_ports() -> None:
    ports = [port(5432, "10.244.2.7", "10.244.10.7", "fd00:10:244:2::", name="pg", to=15432)]
    db = service("default/db", headless=True, ports=ports)
    assert of_service(plan(services=[db]), "db.default") == [
        "@ A 10.244.2.7",
        "@ A 10.244.10.7",
        "@ AAAA fd00:10:244:2::",
        "@ SRV 0 33 15432 10-244-10-7",
        "@ SRV 0 33 15432 10-244-2-7",
        "@ SRV 0 33 15432 fd00-10-244-2--0",
        "10-244-10-7 A 10.244.10.7",
        "10-244-10-7 SRV 0 100 15432 10-244-10-7",
        "10-244-2-7 A 10.244.2.7",
        "10-244-2-7 SRV 0 100 15432 10-244-2-7",
        "_pg._tcp SRV 0 33 15432 10-244-10-7",
        "_pg._tcp SRV 0 33 15432 10-244-2-7",
        "_pg._tcp SRV 0 33 15432 fd00-10-244-2--0",
        "fd00-10-244-2--0 AAAA fd00:10:244:2::",
        "fd00-10-244-2--0 SRV 0 100 15432 fd00-10-244-2--0",
    ]


def test_a_headless_service_without_ports_has_addresses_only() -> None:
    quiet = service("default/quiet", headless=True, portless=["10.244.1.8"])
    assert of_service(plan(services=[quiet]), "quiet.default") == [
        "@ A 10.244.1.8",
        "10-244-1-8 A 10.244.1.8",
    ]


def test_a_headless_service_without_endpoints_has_no_name() -> None:
    empty = service("default/empty", headless=True, ports=[port(5432, name="pg")])
    assert of_service(plan(services=[empty]), "empty.default") == []


def test_named_target_ports_may_differ_from_pod_to_pod() -> None:
    mixed = service(
        "default/mixed",
        "10.96.0.9",
        ports=[
            port(80, "10.244.1.1", name="web", to=8080),
            port(81, "10.244.1.2", name="old", to=8081),
        ],
    )
    assert of_service(plan(services=[mixed]), "mixed.default")[3:7] == [
        "10-244-1-1 A 10.244.1.1",
        "10-244-1-1 SRV 0 100 8080 10-244-1-1",
        "10-244-1-2 A 10.244.1.2",
        "10-244-1-2 SRV 0 100 8081 10-244-1-2",
    ]


def test_more_than_a_hundred_endpoints_still_weigh_one() -> None:
    ips = [f"10.244.1.{last}" for last in range(1, 151)]
    big = service("default/big", headless=True, ports=[port(80, *ips, name="http")])
    weights = {
        line.split()[3]
        for line in of_service(plan(services=[big]), "big.default")
        if line.startswith("_http._tcp SRV")
    }
    assert weights == {"1"}


def test_external_names_are_aliases_with_one_dot_at_the_end() -> None:
    ext = service("default/ext", external_name="www.example.com", ports=[port(80, name="http")])
    assert of_service(plan(services=[ext]), "ext.default") == ["@ CNAME www.example.com."]


def test_an_external_name_that_is_an_address_or_itself_has_no_record() -> None:
    by_address = service("default/ip", external_name="192.0.2.7")
    itself = service("default/me", external_name="me.default.svc.cluster.local")
    built = plan(services=[by_address, itself])
    assert of_service(built, "ip.default") == []
    assert of_service(built, "me.default") == []


def test_pod_records_are_there_when_asked_for() -> None:
    pods = [
        pod(workload("default/web"), 0, "10.244.1.5", "fd00:10:244:3::1"),
        pod(workload("prod/web"), 0, "10.244.1.6"),
    ]
    of = plan(pods=pods, namespaces=["empty"])
    assert [line for line in lines(of) if ".pod " in line] == ['_ent.pod TXT "exists"']
    assert [
        line for line in lines(of, options=DnsSettings(pod_records=True)) if ".pod " in line
    ] == [
        '_ent.pod TXT "exists"',
        "10-244-1-5.default.pod A 10.244.1.5",
        '_ent.default.pod TXT "exists"',
        "fd00-10-244-3--1.default.pod AAAA fd00:10:244:3::1",
        '_ent.empty.pod TXT "exists"',
        "10-244-1-6.prod.pod A 10.244.1.6",
        '_ent.prod.pod TXT "exists"',
    ]


def test_the_name_server_is_the_dns_service_wherever_that_is() -> None:
    headless = service(
        "kube-system/kube-dns", headless=True, ports=[port(53, "10.244.0.3", "10.244.0.2")]
    )
    for dns, addresses in (
        (kube_dns("10.96.0.20", "fd00:10:96::a"), ["A 10.96.0.20", "AAAA fd00:10:96::a"]),
        (headless, ["A 10.244.0.2", "A 10.244.0.3"]),
        (service("default/kube-dns", "10.96.0.20"), ["A 169.254.20.10"]),
        (service("kube-system/coredns", "10.96.0.10"), ["A 10.96.0.10"]),
    ):
        found = [line for line in lines(plan(services=[dns])) if line.startswith("ns.dns ")]
        assert found == [f"ns.dns {address}" for address in addresses]


def test_the_ttl_is_an_option_but_for_the_version_and_a_limited_soa() -> None:
    zone = lower_zones(with_dns(plan(services=[kube_dns()]), DnsSettings(ttl=600)))[-1]
    assert {record.ttl for record in zone.records} == {600, 28800}
    assert [record.owner for record in zone.records if record.ttl == 28800] == [
        "dns-version.cluster.local."
    ]
    assert (zone.soa.ttl, zone.soa.negative_ttl) == (300, 600)


def test_every_cluster_ip_and_endpoint_points_back() -> None:
    ports = [port(80, "10.244.1.5", "192.0.2.9", name="http")]
    of = plan(
        services=[
            service("default/web", "10.96.203.6", ports=ports),
            service("default/again", "10.96.203.7", ports=ports),
        ]
    )
    assert lines(of, "96.10.in-addr.arpa.") == [
        "96.10.in-addr.arpa. NS ns.dns",
        "6.203.96.10.in-addr.arpa. PTR web.default.svc",
        "7.203.96.10.in-addr.arpa. PTR again.default.svc",
    ]
    both = ["10-244-1-5.again.default.svc", "10-244-1-5.web.default.svc"]
    owner = "5.1.244.10.in-addr.arpa. PTR"
    assert lines(of, "244.10.in-addr.arpa.")[1:] == [f"{owner} {name}" for name in both]
    one = lines(of, "244.10.in-addr.arpa.", DnsSettings(ptr="canonical"))
    assert one[1:] == [f"{owner} {both[0]}"]


def test_a_cluster_ip_that_is_also_an_endpoint_points_to_its_service() -> None:
    other = service("default/other", headless=True, ports=[port(80, "10.96.0.7")])
    web = service("default/web", "10.96.0.7", ports=[port(80)])
    assert lines(plan(services=[other, web]), "96.10.in-addr.arpa.")[1:] == [
        "7.0.96.10.in-addr.arpa. PTR web.default.svc"
    ]


def test_a_service_in_ipv6() -> None:
    of = plan(
        services=[service("default/six", "fd00:10:96::1", ports=[port(80)])],
        service_cidrs=["fd00:10:96::/112"],
        pod_cidrs=["fd00:10:244::/56"],
    )
    origin = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."
    assert lines(of, origin)[1:] == [f"1.0.0.0.{origin} PTR six.default.svc"]
