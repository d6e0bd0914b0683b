"""plan.json: what stands where in the file, and that nothing is lost on the way there and back."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.address import Cidr, Family, parse_cidr, parse_ip
from kcompile.explain import bundle
from kcompile.explain.contents import Contents
from kcompile.labels import Labels, Requirement, Selector
from kcompile.model import Container, ContainerPort, Namespace, Protocol, ServicePort
from kcompile.planned import Endpoint, Plan, PlannedNode, PlannedPod, PlannedPort, PlannedService
from kcompile.problems import InputError
from kcompile.render.plan_json import FORMAT_VERSION
from plan_builder import settings
from shown_plans import httpd_plan, myhttpd_plan, plan_text, varied_plan, workload

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads((DOCS / "plan.schema.json").read_text())

names = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
texts = st.text(max_size=8)
port_numbers = st.integers(1, 65535)
ipv4 = st.integers(1, 2**32 - 1)
ipv6 = st.integers(1, 2**128 - 1)
protocols: st.SearchStrategy[Protocol] = st.sampled_from(("TCP", "UDP", "SCTP"))
labels: st.SearchStrategy[Labels] = st.dictionaries(texts, texts, max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
container_ports = st.builds(ContainerPort, st.just("") | names, port_numbers, protocols)
containers = st.builds(Container, names, texts, st.lists(container_ports, max_size=2).map(tuple))
selectors = st.builds(
    Selector,
    labels,
    st.lists(
        st.builds(
            Requirement,
            texts,
            st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")),
            st.lists(texts, max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)


def endpoints(ips: st.SearchStrategy[int], ports: st.SearchStrategy[int]) -> Any:
    either = st.just("") | names
    return st.lists(st.builds(Endpoint, ips, ports, either, either), max_size=3).map(tuple)


planned_ports = st.builds(
    PlannedPort,
    st.builds(ServicePort, names, protocols, port_numbers, port_numbers | names, st.just(0)),
    st.just(0) | port_numbers,
    endpoints(ipv4, port_numbers),
    endpoints(ipv6, port_numbers),
)


@st.composite
def services(draw: st.DrawFn) -> PlannedService:
    family_ips = (st.tuples(st.just(4), ipv4), st.tuples(st.just(6), ipv6))
    kind = draw(st.sampled_from(("ClusterIP", "NodePort", "headless", "ExternalName")))
    ips = draw(st.lists(st.one_of(family_ips), min_size=1, max_size=2)) if "P" in kind else []
    return PlannedService(
        namespace=draw(names),
        name=draw(names),
        labels=draw(labels),
        type="ClusterIP" if kind == "headless" else kind,
        selector=draw(labels),
        cluster_ips=tuple(ips),
        headless=kind == "headless",
        external_name=draw(names) if kind == "ExternalName" else "",
        ports=tuple(draw(st.lists(planned_ports, max_size=2))),
        portless4=draw(endpoints(ipv4, st.just(0))),
        portless6=draw(endpoints(ipv6, st.just(0))),
        synthesised=draw(st.booleans()),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    nodes = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    owners = tuple(
        workload(name, draw(labels), draw(containers), selector=draw(selectors))
        for name in draw(st.lists(names, max_size=3, unique=True))
    )
    pods = [
        PlannedPod(owner, ordinal, f"{owner.name}-{ordinal}", draw(st.sampled_from(nodes)), *ips)
        for owner in owners
        for ordinal, ips in enumerate(
            draw(st.lists(st.tuples(ipv4, st.just(0) | ipv6), max_size=3))
        )
    ]
    return Plan(
        settings=settings(),
        nodes=tuple(
            PlannedNode(name, draw(labels), ((4, draw(ipv4)),), (Cidr(4, 0x0A000000, 24),))
            for name in nodes
        ),
        namespaces=tuple(Namespace(name, ()) for name in draw(st.lists(names, max_size=2))),
        workloads=owners,
        pods=tuple(pods),
        services=tuple(draw(st.lists(services(), max_size=3))),
        origins={},
        notes=(),
    )


def read_back(plan: Plan) -> Contents:
    return bundle.parse(plan_text(plan), Path("plan.json"))


@given(plans())
def test_pods_and_services_come_back(plan: Plan) -> None:
    contents = read_back(plan)
    owners = {(owner.kind, owner.name): owner for owner in plan.workloads}
    assert plan.pods == tuple(
        PlannedPod(
            owners[pod.workload.kind, pod.workload.name],
            pod.ordinal,
            pod.name,
            pod.node.name,
            **family_fields(pod.ips),
        )
        for pod in contents.pods
    )
    assert [service_facts(service) for service in plan.services] == [
        (
            service.namespace,
            service.name,
            service.type,
            service.labels,
            service.selector,
            service.cluster_ips == ("None",),
            () if service.cluster_ips == ("None",) else tuple(map(parse_ip, service.cluster_ips)),
            service.external_name or "",
            service.synthesised,
            [
                (
                    (port.name, port.protocol, port.port, port.target_port),
                    port.node_port or 0,
                    as_planned(port.endpoints),
                )
                for port in service.ports
            ],
            as_planned(service.portless_endpoints),
        )
        for service in contents.services
    ]


@given(plans())
def test_nodes_namespaces_and_workloads_come_back(plan: Plan) -> None:
    contents = read_back(plan)
    assert plan.nodes == tuple(
        PlannedNode(
            node.name,
            node.labels,
            tuple(map(parse_ip, node.addresses)),
            tuple(map(parse_cidr, node.pod_cidrs)),
        )
        for node in contents.nodes
    )
    assert [each.name for each in plan.namespaces] == [each.name for each in contents.namespaces]
    for planned, read in zip(plan.workloads, contents.workloads, strict=True):
        template = planned.template
        assert (read.namespace, read.name, read.replicas) == (
            planned.namespace,
            planned.name,
            planned.replicas,
        )
        assert read.match_labels == planned.selector.labels
        assert [dataclasses.astuple(each) for each in read.match_expressions] == [
            dataclasses.astuple(each) for each in planned.selector.requirements
        ]
        assert read.pod_labels == template.labels
        assert [dataclasses.astuple(each) for each in read.containers] == [
            dataclasses.astuple(each) for each in template.containers
        ]


@given(plans())
def test_the_file_has_the_documented_form(plan: Plan) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(plan_text(plan)))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"]["const"] == FORMAT_VERSION


@given(plans())
def test_the_file_is_ascii_and_a_line_holds_one_thing(plan: Plan) -> None:
    text = plan_text(plan)
    assert text.isascii()
    assert text.endswith("}\n")
    lines = text.splitlines()
    for pod in plan.pods:
        assert sum(line.startswith(f'    {{"namespace": "{pod.namespace}", "name": "{pod.name}", '
                                   '"workload"') for line in lines) == 1  # fmt: skip


def test_the_article() -> None:
    found = json.loads(plan_text(httpd_plan()))
    assert found["pods"][0] == {
        "namespace": "default",
        "name": "httpd-741508562-4h08z",
        "workload": {"kind": "Deployment", "name": "httpd"},
        "ordinal": 0,
        "node": "f16-7-kubernetes02",
        "ips": ["10.244.1.28"],
        "labels": {"run": "httpd"},
    }
    service = found["services"][0]
    assert service["clusterIPs"] == ["10.96.203.6"]
    assert service["ports"][0]["nodePort"] is None
    assert service["ports"][0]["endpoints"][2] == {
        "ip": "10.244.2.22",
        "port": 80,
        "node": "f16-8-kubernetes03",
        "pod": "httpd-741508562-jvgbg",
        "ready": True,
    }


def test_absence_is_written_as_documented() -> None:
    services = {each["name"]: each for each in json.loads(plan_text(varied_plan()))["services"]}
    assert services["bare"]["clusterIPs"] == ["None"]
    assert services["bare"]["portlessEndpoints"][0]["port"] is None
    assert services["far"]["clusterIPs"] == []
    assert services["far"]["externalName"] == "far.example"
    assert services["web"]["externalName"] is None
    assert services["web"]["ports"][0]["targetPort"] == "http"
    assert services["web"]["ports"][1]["targetPort"] == 9090


def test_a_new_endpoint_is_a_new_line() -> None:
    plan = httpd_plan()
    first = plan.services[0].ports[0]
    more = (*first.endpoints4, Endpoint(parse_ip("10.244.9.9")[1], 80, "", ""))
    service = dataclasses.replace(
        plan.services[0], ports=(dataclasses.replace(first, endpoints4=more),)
    )
    grown = dataclasses.replace(plan, services=(service, *plan.services[1:]))
    before, after = (plan_text(each).splitlines() for each in (plan, grown))
    assert len(after) == len(before) + 1
    added = '{"ip": "10.244.9.9", "port": 80, "node": null, "pod": null, "ready": true}'
    assert [line.strip() for line in after if line.strip(" ,") not in strip_all(before)] == [added]


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "1:1", "not JSON"),
        ('{\n"version": 1,\n}', "3:1", "not JSON"),
        ("[]", "1:1", "where a plan is expected"),
        ('{"version": 2}', "1:1", "found 2 where format version 1 is expected"),
        ("[" * 100_000, "1:1", "nesting"),
        ("9" * 5000, "1:1", "numbers"),
    ],
)
def test_what_is_not_a_plan_is_refused(text: str, where: str, why: str) -> None:
    with pytest.raises(InputError) as refused:
        bundle.parse(text, Path("some/plan.json"))
    (problem,) = refused.value.problems
    assert str(problem).startswith(f"some/plan.json:{where}: KC601: ")
    assert why in problem.message


PLAN = json.loads(plan_text(varied_plan()))


def spots(value: object, path: tuple[str | int, ...] = ()) -> Iterable[tuple[str | int, ...]]:
    yield path
    match value:
        case dict():
            for key, inner in value.items():
                yield from spots(inner, (*path, key))
        case list():
            for index, inner in enumerate(value):
                yield from spots(inner, (*path, index))


@given(st.sampled_from(list(spots(PLAN))), st.sampled_from((None, 7, "x", [], {}, [1], {"a": 1})))
def test_a_damaged_plan_is_refused_or_read(path: tuple[str | int, ...], other: object) -> None:
    damaged: Any = json.loads(json.dumps(PLAN))
    if path:
        holder = damaged
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = other
    else:
        damaged = other
    try:
        bundle.parse(json.dumps(damaged), Path("plan.json"))
    except InputError as refused:
        assert "KC601" in str(refused)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("plan", [httpd_plan(), myhttpd_plan(), varied_plan()])
def test_the_same_plan_gives_the_same_text(plan: Plan) -> None:
    assert plan_text(plan) == plan_text(dataclasses.replace(plan))


def strip_all(lines: Iterable[str]) -> set[str]:
    return {line.strip(" ,") for line in lines}


def family_fields(ips: Iterable[str]) -> dict[str, int]:
    found: dict[Family, int] = dict(map(parse_ip, ips))
    return {"ipv4": found.get(4, 0), "ipv6": found.get(6, 0)}


def as_planned(read: Iterable[Any]) -> tuple[list[Endpoint], list[Endpoint]]:
    families: dict[Family, list[Endpoint]] = {4: [], 6: []}
    for each in read:
        family, ip = parse_ip(each.ip)
        families[family].append(Endpoint(ip, each.port or 0, each.node or "", each.pod or ""))
    return families[4], families[6]


def service_facts(service: PlannedService) -> tuple[object, ...]:
    return (
        service.namespace,
        service.name,
        service.type,
        service.labels,
        service.selector,
        service.headless,
        service.cluster_ips,
        service.external_name,
        service.synthesised,
        [
            (
                (port.spec.name, port.spec.protocol, port.spec.port, port.spec.target_port),
                port.node_port,
                (list(port.endpoints4), list(port.endpoints6)),
            )
            for port in service.ports
        ],
        (list(service.portless4), list(service.portless6)),
    )
