"""Endpoints of slices, conditions and topology hints."""

import pytest

from cluster_objects import (
    DUAL,
    decided,
    deployment,
    dual_node,
    endpoint,
    node,
    service,
    slice_of,
)
from kcompile.model import EndpointState
from notation import endpoint_slice, endpoints, planned
from notation import service as service_text

UNREADY = EndpointState(ready=False)
LEAVING = EndpointState(ready=False, serving=True, terminating=True)
FREE = service("db", "pg:5432", selector="-")


def test_a_service_without_selector_has_the_endpoints_of_its_slices() -> None:
    first = slice_of("db", "192.0.2.7", "192.0.2.5", ports="pg:6432")
    second = slice_of("db", "192.0.2.9", ports="pg:7432", slice_name="db-2")
    found = decided(FREE, second, first)
    assert found.endpoints("db") == ["192.0.2.5:6432", "192.0.2.7:6432", "192.0.2.9:7432"]


@pytest.mark.parametrize("ports", ["other:5432", "pg:5432/UDP", "5432", ""])
def test_a_slice_s_port_counts_by_name_and_protocol(ports: str) -> None:
    assert decided(FREE, slice_of("db", "192.0.2.7", ports=ports)).endpoints("db") == []


def test_a_slice_of_either_family() -> None:
    six = slice_of("db", "2001:db8::7", ports="pg:5432", slice_name="db-6")
    found = decided(
        service("db", "pg:5432", selector="-", family_policy="RequireDualStack"),
        slice_of("db", "192.0.2.7", ports="pg:5432"),
        six,
        flags=DUAL,
    )
    assert found.endpoints("db") == ["192.0.2.7:5432", "[2001:db8::7]:5432"]


def test_endpoints_documents_count_for_services_without_selector_alone() -> None:
    manual = slice_of("db", "192.0.2.7", ports="pg:5432", kind="Endpoints", slice_name="db/0")
    assert decided(FREE, manual).endpoints("db") == ["192.0.2.7:5432"]
    found = decided(service("db", "pg:5432", selector="x"), manual)
    assert found.endpoints("db") == []
    (note,) = [note for note in found.notes if "left out" in note]
    assert (
        "Endpoints default/db/0 of Service default/db left out: endpoints of a Service with a"
        in note
    )


def test_what_the_controller_made_of_a_selector_is_left_out_and_other_slices_are_added() -> None:
    web = dual_node(0), deployment("web", 2), service("web")
    managed = [slice_of("web", "10.244.9.9", managed=True, slice_name=f"web-{i}") for i in range(3)]
    custom = slice_of("web", "192.0.2.99", slice_name="extra")
    found = decided(*web, *managed, custom)
    own = [f"{pod[1]}:80" for pod in found.pods().values()]
    assert sorted(found.endpoints("web")) == sorted([*own, "192.0.2.99:80"])
    (note,) = [note for note in found.notes if "left out" in note]
    assert (
        "EndpointSlice default/web-0 of Service default/web and 2 more left out: endpoints of"
        in note
    )


def test_slices_in_yaml() -> None:
    text = service_text("db", selector="{}", ports="[{port: 5432, name: pg}]")
    text += endpoint_slice("db", "['2001:db8::7']", ports="[{port: 6432, name: pg}]")
    assert endpoints(planned(text).plan, "db") == [["[2001:db8::7]:6432"]]


def test_a_slice_of_no_service_is_told() -> None:
    found = decided(FREE, slice_of("bd", "192.0.2.7", ports="pg:5432"))
    (note,) = [note for note in found.notes if "left out" in note]
    assert (
        "EndpointSlice default/bd-1 of Service default/bd left out: there is no such Service"
        in note
    )


def test_managed_slices_count_where_no_selector_is_resolved() -> None:
    managed = slice_of("kubernetes", "192.0.2.1", ports="https:6443", managed=True)
    assert decided(managed).endpoints("kubernetes") == ["192.0.2.1:6443"]


def test_one_endpoint_in_two_slices_is_one_and_the_ready_one_tells() -> None:
    first = slice_of("db", endpoint("192.0.2.7", state=LEAVING), ports="pg:5432")
    second = slice_of("db", "192.0.2.7", ports="pg:5432", slice_name="db-2")
    found = decided(FREE, first, second)
    assert found.endpoints("db") == ["192.0.2.7:5432"]
    assert found.states("db") == [EndpointState()]


def test_one_endpoint_in_two_slices_is_on_the_node_that_one_of_them_names() -> None:
    first = slice_of("db", "192.0.2.7", ports="pg:5432")
    second = slice_of(
        "db", endpoint("192.0.2.7", node_name="n1"), ports="pg:5432", slice_name="db-2"
    )
    (found,) = decided(FREE, first, second).service("db").ports[0].endpoints4
    assert found.node == "n1"


LABEL = "service.kubernetes.io/service-proxy-name: mine"


@pytest.mark.parametrize(
    ("labels", "fields", "found"),
    [
        ("", "", ["192.0.2.7:5432"]),
        ("", "clusterIP: None, ", ["192.0.2.7:5432", "192.0.2.8:5432"]),
        (LABEL, "", ["192.0.2.7:5432", "192.0.2.8:5432"]),
    ],
)
def test_a_slice_of_another_proxy_counts_where_that_proxy_serves_and_for_names(
    labels: str, fields: str, found: list[str]
) -> None:
    text = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: db, labels: {{{labels}}}}}\n"
        f"spec: {{{fields}ports: [{{port: 5432, name: pg}}]}}\n---\n"
    )
    for number, label in ((7, ""), (8, f", {LABEL}")):
        text += (
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
            f"metadata: {{name: db-{number}, labels: {{kubernetes.io/service-name: db{label}}}}}\n"
            "addressType: IPv4\nports: [{port: 5432, name: pg}]\n"
            f"endpoints: [{{addresses: [192.0.2.{number}]}}]\n---\n"
        )
    assert endpoints(planned(text).plan, "db") == [found]


def test_conditions_are_kept_and_publishing_makes_ready() -> None:
    each = slice_of(
        "db",
        endpoint("192.0.2.7", state=UNREADY),
        endpoint("192.0.2.8", state=LEAVING),
        "192.0.2.9",
        ports="pg:5432",
    )
    assert decided(FREE, each).states("db") == [UNREADY, LEAVING, EndpointState()]
    public = service("db", "pg:5432", selector="-", publish_not_ready=True)
    found = decided(public, each)
    assert [state.ready for state in found.states("db")] == [True, True, True]
    assert found.states("db")[1] == EndpointState(terminating=True)


def test_headless_services_name_endpoints_that_no_port_leads_to() -> None:
    headless = service("db", "pg:5432", selector="-", headless=True)
    slices = (
        slice_of("db", "192.0.2.7", ports="pg:5432"),
        slice_of("db", "192.0.2.7", "192.0.2.8", ports="", slice_name="db-2"),
    )
    found = decided(headless, *slices)
    assert found.endpoints("db") == ["192.0.2.7:5432"]
    assert found.portless("db") == ["192.0.2.8"]
    assert decided(FREE, *slices).portless("db") == []


def test_pods_without_a_named_port_keep_their_names_in_a_headless_service() -> None:
    web = deployment("a", ports="http:80", labels="web"), deployment("b", ports="80", labels="web")
    found = decided(*web, service("web", "80>http", headless=True))
    pods = found.pods()
    assert found.endpoints("web") == [f"{pods['a/0'][1]}:80"]
    assert found.portless("web") == [pods["b/0"][1]]


# ---- hints


ZONES = (
    node("n0", "192.0.2.1", zone="a"),
    node("n1", "192.0.2.2", zone="b"),
    node("n2", "192.0.2.3"),
)


def hints(distribution: str, *, topology: bool = False) -> dict[str, EndpointState]:
    """States of the endpoints by node."""
    found = decided(
        *ZONES,
        deployment("web", 3),
        service("web", distribution=distribution, topology_hints=topology),
    )
    assert found.service("web").hints == bool(distribution and not topology)
    return {each.node: each.state for each in found.service("web").ports[0].endpoints4}


@pytest.mark.parametrize("distribution", ["PreferClose", "PreferSameZone"])
def test_each_endpoint_is_for_its_own_zone_where_it_has_one(distribution: str) -> None:
    assert hints(distribution) == {
        "n0": EndpointState(hint_zones=("a",)),
        "n1": EndpointState(hint_zones=("b",)),
        "n2": EndpointState(),
    }


def test_each_endpoint_is_for_its_own_node_and_else_for_its_zone() -> None:
    assert hints("PreferSameNode") == {
        "n0": EndpointState(hint_zones=("a",), hint_nodes=("n0",)),
        "n1": EndpointState(hint_zones=("b",), hint_nodes=("n1",)),
        "n2": EndpointState(hint_nodes=("n2",)),
    }


def test_no_distribution_no_hints() -> None:
    assert {*hints("").values()} == {EndpointState()}


@pytest.mark.parametrize("distribution", ["", "PreferClose"])
def test_the_topology_annotation_on_a_selector_gives_no_hints_and_a_warning(
    distribution: str,
) -> None:
    assert {*hints(distribution, topology=True).values()} == {EndpointState()}
    found = decided(deployment("web"), service("web", topology_hints=True))
    (note,) = [note for note in found.notes if "topology" in note]
    assert "KC225: warning: the topology mode of Service default/web gives no hints" in note


def test_states_are_shared() -> None:
    found = decided(*ZONES, deployment("web", 30), service("web", distribution="PreferClose"))
    assert len({id(state) for state in found.states("web")}) == 3


@pytest.mark.parametrize(("annotated", "counts"), [(True, True), (False, False)])
def test_hints_of_slices_count_where_the_annotation_asks_for_them(
    annotated: bool, counts: bool
) -> None:
    hinted = endpoint("192.0.2.7", state=EndpointState(hint_zones=("a",)))
    free = service("db", "pg:5432", selector="-", topology_hints=annotated)
    found = decided(free, slice_of("db", hinted, ports="pg:5432"))
    assert found.service("db").hints == counts
    assert found.states("db") == [EndpointState(hint_zones=("a",))]
    plain = decided(free, slice_of("db", "192.0.2.7", ports="pg:5432"))
    assert not plain.service("db").hints
