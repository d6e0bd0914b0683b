"""The shared DNS cases: what CoreDNS's plugin was seen to answer, and of which clusters.

A cluster has a domain of its own here, so that one name server has them all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dns_model import Answer
from kcompile.address import Family, parse_ip
from kcompile.ir import Zone
from kcompile.lower.zones import lower_zones
from kcompile.model import Protocol
from kcompile.planned import Plan, PlannedPod, PlannedPort, PlannedService
from kcompile.settings import DnsSettings
from plan_builder import plan, pod, port, service, with_dns, workload

CASES = Path(__file__).parents[2] / "shared" / "cases" / "dns.yaml"

Loaded = Mapping[str, Any]  # as YAML has it

PROTOCOLS: Mapping[str, Protocol] = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
RANGES = {
    "reverse": (("192.168.0.0/16", "fd00:77:30::/108"), ("10.0.0.0/16", "1234:abcd::/96")),
    "demo": (("10.96.0.0/12", "fd00:10:96::/48"), ("10.244.0.0/16", "fd00:10:244::/48")),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and what is wanted. `left_out` says why it is not asked, "" if it is."""

    id: str
    cluster: str
    name: str
    kind: str
    rcode: str
    records: frozenset[str]
    additional: frozenset[str]
    left_out: str


@cache
def shared() -> Loaded:
    # libyaml's loader: the file is long.
    loaded: Loaded = yaml.load(CASES.read_text("utf-8"), yaml.CSafeLoader)
    return loaded


def shared_cases() -> list[Case]:
    """All but transfers; none where the file is not there."""
    if not CASES.exists():
        return []
    return [_case(case) for case in shared()["cases"] if "query" in case]


def domain_of(cluster: str) -> str:
    return f"{cluster}.test"


@cache
def zones_of(cluster: str) -> tuple[Zone, ...]:
    return lower_zones(plan_of(shared()["clusters"][cluster], cluster))


def served() -> list[Zone]:
    """The zones of all clusters, without reverse zones that nothing asks: they have equal names."""
    return [
        zone
        for cluster in shared()["clusters"]
        for zone in zones_of(cluster)
        if cluster in RANGES or not zone.origin.endswith(".arpa.")
    ]


def comparable(answer: Answer) -> tuple[str, frozenset[str]]:
    return answer.rcode, frozenset(_without_serial(record.lower()) for record in answer.records)


def _case(case: Loaded) -> Case:
    query, expected = case["query"], case["expect"]
    rcode = expected["rcode"]
    answers = [f"{r['name']} {r['ttl']} {r['type']} {r['rdata']}" for r in expected["answers"]]
    if static := case.get("static_answer"):
        # Where CoreDNS breaks an RFC, the case says what a name server answers.
        rcode = static["rcode"]
        own = [text.replace(".c13.test.", ".cluster.local.") for text in static["answers"]]
        answers = [f"{query['name']} 5 {text}" for text in own]
        expected = {}
    more = [
        f"{r['name']} {r['ttl']} {r['type']} {r['rdata']}" for r in expected.get("additional", ())
    ]
    cluster = case["cluster"]
    return Case(
        id=case["id"],
        cluster=cluster,
        name=_own(query["name"], cluster),
        kind=query["type"],
        rcode=rcode,
        records=frozenset(_without_serial(_own(text, cluster).lower()) for text in answers),
        additional=frozenset(_own(text, cluster).lower() for text in more),
        left_out=_left_out(case),
    )


def _own(text: str, cluster: str) -> str:
    return re.sub(r"(?i)cluster\.local\.", f"{domain_of(cluster)}.", text)


def _left_out(case: Loaded) -> str:
    if "multicluster" in case.get("needs", ()):
        return "a ServiceImport is made from what other clusters export, which no manifest says"
    return str(case["why"]) if case["static"] in ("no", "no-leniency") else ""


def _without_serial(record: str) -> str:
    return re.sub(r"( soa \S+ \S+) [0-9]+ ", r"\1 0 ", record)


def plan_of(cluster: Loaded, name: str) -> Plan:
    options = cluster["options"]
    service_ranges, pod_ranges = RANGES.get(name, (("10.96.0.0/16",), ("10.244.0.0/16",)))
    exposed = options.get("exposedNamespaces", cluster["namespaces"])
    # The plugin answers for namespaces that exist; a plan has no others.
    known = [each for each in exposed if each in cluster["namespaces"]]
    services = [_service(each, cluster, name) for each in cluster["services"]]
    pods = [_pod(each) for each in cluster["pods"]]
    built = plan(
        services=[each for each in services if each.namespace in known],
        pods=[each for each in pods if each.namespace in known],
        namespaces=known,
        service_cidrs=service_ranges,
        pod_cidrs=pod_ranges,
        domain=domain_of(name),
    )
    dns = DnsSettings(
        ttl=shared()["defaults"]["ttl"],
        pod_records=options.get("podMode") == "verified",
        endpoint_pod_names=options.get("endpointPodNames", False),
        ignore_empty=options.get("ignoreEmpty", False),
        zonal=options.get("zonal", False),
        external_zone=options.get("externalZone", "").rstrip("."),
        name_servers=_name_servers(cluster),
    )
    return with_dns(built, dns)


def _pod(each: Loaded) -> PlannedPod:
    return pod(workload(f"{each['namespace']}/{each['name']}"), 0, each["ip"])


def _service(each: Loaded, cluster: Loaded, name: str) -> PlannedService:
    slices = [
        endpoints
        for endpoints in cluster["endpoints"]
        if (endpoints["service"], endpoints["namespace"]) == (each["name"], each["namespace"])
    ]
    headless = each["clusterIPs"] == ["None"]
    ports = {(p["name"], p["protocol"].lower()): p["port"] for p in each["ports"]}
    if headless:
        # The plugin takes a headless Service's ports from its endpoints.
        found = {(p["name"], p["protocol"].lower()): p["port"] for s in slices for p in s["ports"]}
        ports = found | ports
    return service(
        f"{each['namespace']}/{each['name']}",
        *([] if headless else each["clusterIPs"]),
        ports=[_port(key, number, slices) for key, number in ports.items()],
        headless=headless,
        external_name=_own(f"{each.get('externalName', '').rstrip('.')}.", name).rstrip("."),
        external_ips=each.get("externalIPs", ()),
        portless=[_endpoint(a) for s in slices if not s["ports"] for a in s["addresses"]],
    )


def _port(key: tuple[str, str], number: int, slices: list[Loaded]) -> PlannedPort:
    name, protocol = key
    matching = [
        (_endpoint(endpoint), target["port"])
        for each in slices
        for target in each["ports"]
        if (target["name"], target["protocol"].lower()) == key
        for endpoint in each["addresses"]
    ]
    to = matching[0][1] if matching else 0
    ips = [ip for ip, _ in matching]
    return port(number, *ips, name=name, protocol=PROTOCOLS[protocol], to=to)


def _endpoint(address: Loaded) -> str:
    return "/".join((address["ip"], *(address.get(key, "") for key in ("hostname", "pod", "zone"))))


def _name_servers(cluster: Loaded) -> tuple[tuple[Family, int], ...]:
    """Where the plugin's own server is: the Services in front of its address, or the address."""
    local = cluster["options"].get("localIPs", ["10.0.0.10"])
    in_front = {
        endpoints["service"]
        for endpoints in cluster["endpoints"]
        for endpoint in endpoints["addresses"]
        if endpoint["ip"] in local
    }
    services = [each for each in cluster["services"] if each["name"] in in_front]
    found = [ip for each in services for ip in each["clusterIPs"] if ip != "None"]
    return tuple(parse_ip(ip) for ip in found or local)
