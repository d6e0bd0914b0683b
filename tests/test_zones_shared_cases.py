"""The shared DNS cases (observed answers of CoreDNS's plugin), as far as they apply today.

Left out, each with its reason in `why_not`: what needs an option or an input of a later stage of
the project.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dns_model import Answer, Server
from kcompile.address import Family, parse_ip
from kcompile.lower.zones import lower_zones
from kcompile.model import DnsSettings, Protocol
from kcompile.planned import Plan, PlannedPod, PlannedPort, PlannedService
from plan_builder import plan, pod, port, service, with_dns, workload

CASES = Path(__file__).parents[2] / "shared" / "cases" / "dns.yaml"

Case = Mapping[str, Any]  # as YAML has it

PROTOCOLS: Mapping[str, Protocol] = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
RANGES = {
    "reverse": (("192.168.0.0/16", "fd00:77:30::/108"), ("10.0.0.0/16", "1234:abcd::/96")),
    "demo": (("10.96.0.0/12", "fd00:10:96::/48"), ("10.244.0.0/16", "fd00:10:244::/48")),
}
NEEDS = {
    "multicluster": "ServiceImports are not compiled",
    "zonal": "zonal names are not compiled",
    "external-zone": "an external zone is not compiled",
    "endpointPodNames": "endpoints are not named after pods yet",
}


@cache
def shared() -> Mapping[str, Any]:
    # libyaml's loader: the file is long.
    loaded: Mapping[str, Any] = yaml.load(CASES.read_text("utf-8"), yaml.CSafeLoader)
    return loaded


def cases() -> list[Any]:
    if not CASES.exists():
        reason = "../shared/cases/dns.yaml is not beside the checkout"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(case, id=case["id"]) for case in shared()["cases"]]


def why_not(case: Case) -> str:
    for need in case.get("needs", ()):
        if need in NEEDS:
            return NEEDS[need]
    if case["static"] not in ("yes", "differs-rfc"):
        return str(case.get("why", "not a case for a zone file"))
    return "" if "query" in case else "asks for a transfer"


@pytest.mark.parametrize("case", cases())
def test_case(case: Case) -> None:
    if reason := why_not(case):
        pytest.skip(reason)
    query, expected = case["query"], case["expect"]
    answer = server(case["cluster"]).ask(query["name"], query["type"])
    assert comparable(answer) == (wanted_of_rfc(case) or wanted(expected))


def comparable(answer: Answer) -> tuple[str, set[str]]:
    return answer.rcode, {_without_serial(record.lower()) for record in answer.records}


def wanted(expected: Case) -> tuple[str, set[str]]:
    records = (f"{r['name']} {r['ttl']} {r['type']} {r['rdata']}" for r in expected["answers"])
    return expected["rcode"], {_without_serial(record.lower()) for record in records}


def wanted_of_rfc(case: Case) -> tuple[str, set[str]] | None:
    """Where CoreDNS breaks an RFC, the case says what a name server answers."""
    if "static_answer" not in case:
        return None
    answers = [
        text.replace(".c13.test.", ".cluster.local.") for text in case["static_answer"]["answers"]
    ]
    return case["static_answer"]["rcode"], {f"{case['query']['name']} 5 {text}" for text in answers}


def _without_serial(record: str) -> str:
    return re.sub(r"( soa \S+ \S+) [0-9]+ ", r"\1 0 ", record)


@cache
def server(name: str) -> Server:
    cluster = shared()["clusters"][name]
    options = DnsSettings(
        ttl=shared()["defaults"]["ttl"],
        pod_records=cluster["options"].get("podMode") == "verified",
        name_servers=_name_server(cluster),
    )
    return Server(lower_zones(with_dns(_plan(name, cluster), options)))


def _plan(name: str, cluster: Case) -> Plan:
    service_ranges, pod_ranges = RANGES.get(name, (("10.96.0.0/16",), ("10.244.0.0/16",)))
    exposed = cluster["options"].get("exposedNamespaces", cluster["namespaces"])
    services = [_service(each, cluster) for each in cluster["services"]]
    built = plan(
        services=[each for each in services if each.namespace in exposed],
        pods=[_pod(each) for each in cluster["pods"]],
        namespaces=exposed,
        service_cidrs=service_ranges,
        pod_cidrs=pod_ranges,
        domain=cluster["zones"][0].rstrip("."),
    )
    known = tuple(n for n in built.namespaces if n.name in cluster["namespaces"])
    # The plugin answers for namespaces that exist; a plan has no others.
    return replace(
        built,
        namespaces=known,
        services=tuple(
            each for each in built.services if each.namespace in {n.name for n in known}
        ),
        pods=tuple(each for each in built.pods if each.namespace in {n.name for n in known}),
    )


def _pod(each: Case) -> PlannedPod:
    return pod(workload(f"{each['namespace']}/{each['name']}"), 0, each["ip"])


def _service(each: Case, cluster: Case) -> PlannedService:
    slices = [
        endpoints
        for endpoints in cluster["endpoints"]
        if (endpoints["service"], endpoints["namespace"]) == (each["name"], each["namespace"])
    ]
    headless = each["clusterIPs"] == ["None"]
    ports = {(p["name"], p["protocol"]): p["port"] for p in each["ports"]}
    if headless:
        # The plugin takes a headless Service's ports from its endpoints.
        found = {(p["name"], p["protocol"]): p["port"] for s in slices for p in s["ports"]}
        ports = found | ports
    return service(
        f"{each['namespace']}/{each['name']}",
        *([] if headless else each["clusterIPs"]),
        ports=[_port(key, number, slices) for key, number in ports.items()],
        headless=headless,
        external_name=each["externalName"].rstrip("."),
        portless=[
            f"{a['ip']}/{a.get('hostname', '')}"
            for s in slices
            if not s["ports"]
            for a in s["addresses"]
        ],
    )


def _port(key: tuple[str, str], number: int, slices: list[Case]) -> PlannedPort:
    name, protocol = key
    matching = [
        (f"{endpoint['ip']}/{endpoint.get('hostname', '')}", target["port"])
        for each in slices
        for target in each["ports"]
        if (target["name"], target["protocol"]) == key
        for endpoint in each["addresses"]
    ]
    to = matching[0][1] if matching else 0
    ips = [ip for ip, _ in matching]
    return port(number, *ips, name=name, protocol=PROTOCOLS[protocol], to=to)


def _name_server(cluster: Case) -> tuple[tuple[Family, int], ...]:
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
