"""EndpointSlices, Endpoints and address pools: what they become and what is refused."""

import pytest

from kcompile.address import parse_ip
from kcompile.load import load
from kcompile.model import AddressPool, EndpointSlice, EndpointState, SlicePort
from kcompile.problems import InputError
from kcompile.validate import validate

SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
"""
ENDPOINTS = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\n"
POOL = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p}\n"


def read(text: str) -> tuple[object, ...]:
    return validate(load([("m.yaml", text)])).items


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    return str(caught.value)


def test_a_slice() -> None:
    text = SLICE + (
        "ports: [{name: http, port: 8080}, {name: all}]\n"
        "endpoints:\n"
        "- {addresses: [10.0.0.1, 10.0.0.2], nodeName: n1, zone: east, hostname: a,\n"
        "   targetRef: {kind: Pod, name: web-x}}\n"
        "- {addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true},\n"
        "   hints: {forZones: [{name: east}]}}\n"
    )
    (found,) = read(text)
    assert isinstance(found, EndpointSlice)
    assert (found.service, found.family, found.managed) == ("web", 4, False)
    # A port without a number is every port, which rules cannot say.
    assert found.ports == (SlicePort("http", "TCP", 8080),)
    first, second = found.endpoints
    assert (first.address, first.node, first.zone) == (parse_ip("10.0.0.1")[1], "n1", "east")
    assert (first.hostname, first.target, first.state) == ("a", "web-x", EndpointState())
    assert second.state == EndpointState(
        ready=False, serving=True, terminating=True, hint_zones=("east",)
    )


def test_a_slice_of_the_controller_is_known_as_such() -> None:
    managed = "endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io"
    (found,) = read(SLICE.replace("web}}", f"web, {managed}}}}}"))
    assert isinstance(found, EndpointSlice)
    assert found.managed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("endpoints: [{addresses: [127.0.0.1]}]", "must not be unspecified, loopback"),
        ("endpoints: [{addresses: [169.254.1.1]}]", "must not be unspecified, loopback"),
        ("endpoints: [{addresses: [224.0.0.1]}]", "must not be unspecified, loopback"),
        ("endpoints: [{addresses: ['fd00::1']}]", "must be an IPv4 address"),
        ("endpoints: [{addresses: []}]", "endpoints[0].addresses is missing"),
        ("endpoints: [{addresses: ['1.2.3.4 -j ACCEPT']}]", "must be an IPv4 or IPv6 address"),
        ("endpoints: [{addresses: [10.0.0.1], hostname: 'a b'}]", "hostname"),
        ("endpoints: [{addresses: [10.0.0.1], nodeName: '../x'}]", "nodeName"),
        (
            "ports: [{name: a, port: 1}, {name: a, port: 2}]",
            "name 'a' is there twice, first as ports[0].name",
        ),
        ("ports: [{port: 70000}]", "ports[0].port is 70000"),
        ("prots: []", "unknown field 'prots'"),
        (
            "endpoints: [{addresses: [10.0.0.1], hints: {forZones: [{name: a}, {name: a}]}}]",
            "forZones[1].name 'a' is there twice",
        ),
    ],
)
def test_what_a_slice_may_not_hold(text: str, message: str) -> None:
    assert message in refusal(SLICE + text + "\n")


@pytest.mark.parametrize(
    "text",
    [
        SLICE.replace("IPv4", "FQDN"),
        SLICE.replace(", labels: {kubernetes.io/service-name: web}", ""),
    ],
)
def test_slices_that_lead_nowhere_are_left_out_with_a_warning(text: str) -> None:
    objects = validate(load([("m.yaml", text)]))
    assert objects.items == ()
    assert len(objects.notes) == 1


def test_limits_of_a_slice() -> None:
    def slice_of(endpoints: int, addresses: int, topology: int) -> str:
        labels = ", ".join(f"k{number}: v" for number in range(topology))
        ips = ", ".join(f"10.0.0.{number}" for number in range(addresses))
        endpoint = f"- {{addresses: [{ips}], deprecatedTopology: {{{labels}}}}}\n"
        return f"{SLICE}endpoints:\n{endpoint * endpoints}"

    (found,) = read(slice_of(1000, 1, 0))
    assert isinstance(found, EndpointSlice)
    assert len(found.endpoints) == 1000
    assert read(slice_of(1, 100, 16))
    assert "endpoints is 1001; it must hold at most 1000 items" in refusal(slice_of(1001, 1, 0))
    assert "addresses is 101; it must hold at most 100 items" in refusal(slice_of(1, 101, 0))
    assert "deprecatedTopology is 17; it must hold at most 16" in refusal(slice_of(1, 1, 17))


def test_a_zone_that_no_node_can_be_in_is_unknown() -> None:
    objects = validate(
        load([("m.yaml", SLICE + "endpoints: [{addresses: [1.2.3.4], zone: a b}]\n")])
    )
    (found,) = objects.items
    assert isinstance(found, EndpointSlice)
    assert found.endpoints[0].zone == ""
    assert "no node can be in the zone 'a b'" in str(objects.notes[0])


@pytest.mark.parametrize(
    "metadata",
    [
        "labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}",
        "annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}",
    ],
)
def test_endpoints_that_no_slice_mirrors_are_left_out(metadata: str) -> None:
    text = ENDPOINTS.replace("web}", f"web, {metadata}}}")
    objects = validate(load([("m.yaml", text + "subsets: [{addresses: [{ip: 10.0.0.1}]}]\n")]))
    assert objects.items == ()
    assert "Endpoints without a mirror has no part" in str(objects.notes[0])
    assert "ip is 'x'" in refusal(text + "subsets: [{addresses: [{ip: x}]}]\n")


def test_endpoints_become_a_slice_a_subset_and_family() -> None:
    text = ENDPOINTS + (
        "subsets:\n"
        "- addresses: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]\n"
        "  notReadyAddresses: [{ip: 10.0.0.2}]\n"
        "  ports: [{name: http, port: 80}]\n"
        "- addresses: [{ip: 10.0.0.3, hostname: a, nodeName: n1}]\n"
    )
    slices = [found for found in read(text) if isinstance(found, EndpointSlice)]
    assert [(s.name, s.family, s.service) for s in slices] == [
        ("web/0/4", 4, "web"),
        ("web/0/6", 6, "web"),
        ("web/1/4", 4, "web"),
    ]
    assert [endpoint.state.ready for endpoint in slices[0].endpoints] == [True, False]


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.0.1", "'fe80::1'", "x"])
def test_what_endpoints_may_not_hold(ip: str) -> None:
    assert "subsets[0].addresses[0].ip" in refusal(
        ENDPOINTS + f"subsets: [{{addresses: [{{ip: {ip}}}]}}]\n"
    )


def test_an_address_pool() -> None:
    (found,) = read(POOL + "spec: {addresses: [192.0.2.0/30, 198.51.100.7-198.51.100.9]}\n")
    first, last = parse_ip("192.0.2.0")[1], parse_ip("198.51.100.7")[1]
    ranges = ((4, first, first + 3), (4, last, last + 2))
    assert found == AddressPool("p", "default", ranges, auto_assign=True)


@pytest.mark.parametrize("addresses", ["[]", "[x]", "[10.0.0.9-10.0.0.1]", "['10.0.0.1-fd00::1']"])
def test_what_an_address_pool_may_not_hold(addresses: str) -> None:
    assert "spec.addresses" in refusal(POOL + f"spec: {{addresses: {addresses}}}\n")
