"""What Kubernetes' allocators decide: bands, ranges, ports and families. Facts, not text, of
registry/core/service: ipallocator, portallocator and storage/alloc.go."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster_objects import DUAL, DUAL_IPV6_FIRST, IPV6, balanced, decided, service
from kcompile.address import format_ip, parse_cidr, parse_ip
from kcompile.load import load
from kcompile.model import Service
from kcompile.plan.choice import Band, Pool, static_band_size
from kcompile.plan.node_ports import node_port_bands
from kcompile.plan.services import service_bands, usable
from kcompile.problems import Code, InputError
from kcompile.resolve.flags import Flags
from kcompile.validate import validate

_FILE = Path(__file__).parents[2] / "shared" / "cases" / "allocator.yaml"
_SHARED: dict[str, Any] = yaml.safe_load(_FILE.read_text()) if _FILE.exists() else {}
_NOT_HERE = "needs ../shared/cases/allocator.yaml, which is not here"

CLUSTERS: Mapping[str, Flags] = {
    "4": Flags(),
    "6": IPV6,
    "46": DUAL,
    "64": DUAL_IPV6_FIRST,
}
"""By families, the primary one first."""


def shared(section: str) -> list[Any]:
    cases = _SHARED.get(section) or []
    if not cases:
        return [pytest.param({}, marks=pytest.mark.skip(reason=_NOT_HERE))]
    return [pytest.param(case, id=case["id"]) for case in cases]


# ---- bands and ranges


@pytest.mark.parametrize(
    ("addresses", "static"),
    [
        (1, 0),
        (16, 0),
        (17, 16),
        (32, 16),
        (256, 16),
        (272, 17),
        (1024, 64),
        (4096, 256),
        (2**64, 256),
    ],
)
def test_addresses_kept_for_those_who_state_one(addresses: int, static: int) -> None:
    assert static_band_size(addresses, 16, 256) == static


@pytest.mark.parametrize(
    ("ports", "static"),
    [(1, 0), (16, 0), (17, 16), (128, 16), (512, 16), (2768, 86), (4096, 128), (65535, 128)],
)
def test_ports_kept_for_those_who_state_one(ports: int, static: int) -> None:
    assert static_band_size(ports, 32, 128) == static


@pytest.mark.parametrize(
    ("cidr", "first", "last"),
    [
        ("192.0.2.0/30", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.0/24", "192.0.2.1", "192.0.2.254"),
        ("fd00::/126", "fd00::1", "fd00::3"),
        ("fd00::/108", "fd00::1", "fd00::f:ffff"),
    ],
)
def test_ends_of_a_range_that_services_do_not_get(cidr: str, first: str, last: str) -> None:
    low, size = usable(parse_cidr(cidr))
    assert [parse_ip(first)[1], parse_ip(last)[1]] == [low, low + size - 1]


@pytest.mark.parametrize("cidr", ["192.0.2.0/32", "fd00::/128"])
def test_a_range_of_one_address_has_none(cidr: str) -> None:
    assert usable(parse_cidr(cidr))[1] == 0
    assert all(band.size <= 0 for band in service_bands(parse_cidr(cidr)))


def test_the_dynamic_band_is_used_up_first_and_what_is_freed_comes_back() -> None:
    dynamic, static = service_bands(parse_cidr("192.168.1.0/25"))
    pool = Pool((dynamic, static))
    taken = [pool.choose(str(i).encode() * 8, "x") for i in range(126)]
    assert {*taken[: dynamic.size]} == set(range(dynamic.first, dynamic.first + dynamic.size))
    assert {*taken[dynamic.size :]} == set(range(static.first, static.first + static.size))
    assert pool.choose(b"12345678", "x") is None
    freed = Pool(
        (dynamic, static), {place: "x" for place in taken if place != taken[7]}, {taken[7]: 1}
    )
    assert freed.choose(b"12345678", "x") == taken[7]


@pytest.mark.parametrize("case", shared("ip_band"))
def test_shared_address_bands(case: dict[str, Any]) -> None:
    cidr = parse_cidr(case["cidr"])
    static = case["static_band_size"]
    assert static_band_size(cidr.size, 16, 256) == static
    dynamic_band, static_band = service_bands(cidr)
    assert max(0, static_band.size) == (static if cidr.size > 1 else 0)
    expected = {
        "static_first": static_band.first,
        "static_last": static_band.first + static_band.size - 1,
        "dynamic_first": dynamic_band.first,
        "dynamic_last": dynamic_band.first + dynamic_band.size - 1,
    }
    for key, value in expected.items():
        assert case.get(key) in (None, format_ip(cidr.family, value))


@pytest.mark.parametrize("case", shared("ip_range"))
def test_shared_address_ranges(case: dict[str, Any]) -> None:
    cidr = parse_cidr(case["cidr"])
    first, size = usable(cidr)
    inside = range(first, first + size)
    if "allocatable" in case:
        assert size == case["allocatable"]
        assert parse_ip(case["allocatable_example"])[1] in inside
        assert not any(parse_ip(ip)[1] in inside for ip in case["refused_as_out_of_range"])
    if "automatic" in case:
        pool = Pool(service_bands(cidr))
        taken = [pool.choose(str(i).encode() * 8, "x") or 0 for i in range(case["automatic"])]
        ends = [parse_ip(case["all_in"][key])[1] for key in ("first", "last")]
        assert sorted(taken) == list(range(ends[0], ends[1] + 1))
        assert size - len(taken) == case["left"]
    if "given" in case:
        released = parse_ip(case["given"]["released"])[1]
        others = {place: "x" for place in inside if place != released}
        pool = Pool(service_bands(cidr), others, {released: 1})
        assert pool.choose(b"12345678", "y") == parse_ip(case["next_automatic"])[1]


@pytest.mark.parametrize("case", shared("port_band"))
def test_shared_port_bands(case: dict[str, Any]) -> None:
    size, static = case["range_size"], case["static_band_size"]
    assert node_port_bands(1, size) == (Band(1 + static, size - static), Band(1, static))


@pytest.mark.parametrize("case", shared("port_range"))
def test_shared_port_ranges(case: dict[str, Any]) -> None:
    flags = Flags(service_node_port_range=case["range"])
    if "allocatable" in case:
        first, last = map(int, case["range"].split("-"))
        assert sum(band.size for band in node_port_bands(first, last)) == case["allocatable"]
    if "request" in case:
        (message,) = errors(service("a", f"80@{case['request']}", type="NodePort"), flags=flags)
        assert case["error"] in message


def errors(*services: Service, flags: Flags | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        decided(*services, flags=flags)
    return [str(problem) for problem in caught.value.problems if problem.severity.value == "error"]


# ---- stated addresses


@pytest.mark.parametrize("case", shared("ip_static"))
def test_shared_stated_addresses(case: dict[str, Any]) -> None:
    flags = Flags(service_cidr=case["cidr"])
    services = [dict(each) for each in case["services"]]
    stated = [each for each in services if each.get("clusterIP", "").startswith("<")]
    for each in stated:
        alone = decided(service("auto"), flags=flags)
        each["clusterIP"] = alone.cluster_ips("auto")[0]
    values = [
        service(
            each["name"],
            ips=each.get("clusterIP", ""),
            external_ips=tuple(map(parse_ip, each.get("externalIPs", ()))),
        )
        for each in services
    ]
    if "error" not in case:
        assert len(decided(*values, flags=flags).plan.services) >= len(values)
        return
    (message,) = errors(*values, flags=flags)
    assert case["error"].partition(",")[0] in message
    assert all(part in message for part in case.get("message_contains", ()))


# ---- node ports


@pytest.mark.parametrize("case", shared("node_ports"))
def test_shared_node_ports(case: dict[str, Any]) -> None:
    if case.get("error", "").startswith("validation"):
        manifest = _manifest(case["services"][0])
        assert _refused_by_validate(manifest)
        return
    values = [_with_ports(each) for each in case["services"]]
    if "error" in case:
        (message,) = errors(*values)
        assert all(part in message for part in case["message_contains"])
        return
    found = decided(*values)
    match case["expect"]:
        case dict() as expected:
            assert {name: found.node_ports(name) for name in expected} == expected
        case "two distinct numbers":
            assert len({*found.node_ports("a")} - {0}) == 2


def _with_ports(each: dict[str, Any]) -> Service:
    ports = [
        f"p{i}:{port['port']}/{port.get('protocol', 'TCP')}@{port.get('nodePort', 0)}"
        for i, port in enumerate(each["ports"])
    ]
    if each.get("type") == "LoadBalancer":
        allocate = each.get("allocateLoadBalancerNodePorts", True)
        return balanced(each["name"], *ports, allocate_node_ports=allocate)
    return service(each["name"], *ports, type=each.get("type", "ClusterIP"))


def test_no_automatic_ports_for_a_load_balancer_that_wants_none_but_stated_ones() -> None:
    found = decided(balanced("a", "x:80", "y:81@30081", allocate_node_ports=False))
    assert found.node_ports("a") == [0, 30081]


# ---- health checks


def test_a_health_check_port_is_chosen_beside_the_node_ports() -> None:
    found = decided(balanced("a", "x:80", "y:81", external_policy="Local"))
    number = found.service("a").health_check_node_port
    assert 30086 <= number <= 32767
    assert number not in found.node_ports("a")
    assert f"healthCheckNodePort: {number}}}" in found.lock


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_only_local_load_balancers_have_health_checks(policy: str) -> None:
    found = decided(
        balanced("a", external_policy=policy), service("b", type="NodePort", external_policy=policy)
    )
    assert bool(found.service("a").health_check_node_port) == (policy == "Local")
    assert found.service("b").health_check_node_port == 0


def test_a_stated_health_check_port() -> None:
    stated = balanced("a", external_policy="Local", health_check_node_port=31234)
    found = decided(stated)
    assert found.service("a").health_check_node_port == 31234
    again = decided(balanced("a", external_policy="Local"), lock=found.lock)
    assert again.service("a").health_check_node_port == 31234
    (message,) = errors(stated, service("b", "80/UDP@31234", type="NodePort"))
    assert "healthCheckNodePort 31234 is already allocated to Service default/b" in message or (
        "nodePort 31234 is already allocated to the health checks of Service default/a" in message
    )


@pytest.mark.parametrize("case", shared("health_check"))
def test_shared_health_checks(case: dict[str, Any]) -> None:
    stated = case["service"]
    ports = [f"{port['port']}@{port['nodePort']}" for port in stated.get("ports", ())]
    number = stated.get("healthCheckNodePort", 0)
    own = balanced("a", *ports, external_policy="Local", health_check_node_port=number)
    others = [service("b", f"80/UDP@{number}", type="NodePort")] if "given" in case else []
    if "error" in case:
        (message,) = errors(own, *others)
        assert case["error"].partition(" (")[0] in message
    else:
        found = decided(own, *others)
        assert found.service("a").health_check_node_port not in (0, *found.node_ports("a"))


# ---- families


FAMILIES = """
# cluster  policy  families  addresses  ->  policy families, or the field that is wrong
  4   -        -   -     ->  SingleStack 4
  4   Prefer   -   -     ->  PreferDualStack 4
  4   Require  -   -     ->  spec.ipFamilyPolicy
  4   Single   6   -     ->  spec.ipFamilies[0]
  4   Prefer   46  -     ->  spec.ipFamilies[1]
  4   -        -   v6    ->  spec.clusterIPs[0]
  4   Prefer   4   v4,v6 ->  spec.clusterIPs[1]
  4   -        -   none  ->  SingleStack 4
  4   Require  -   none  ->  spec.ipFamilyPolicy
  4   -        -   free  ->  RequireDualStack 46
  4   Single   -   free  ->  SingleStack 4
  4   Single   6   free  ->  SingleStack 6
  4   Prefer   -   free  ->  PreferDualStack 46
  4   Require  64  free  ->  RequireDualStack 64
  6   -        -   -     ->  SingleStack 6
  6   Prefer   6   -     ->  PreferDualStack 6
  6   Single   4   -     ->  spec.ipFamilies[0]
  6   -        -   v4    ->  spec.clusterIPs[0]
  6   -        -   free  ->  RequireDualStack 64
  6   Single   -   free  ->  SingleStack 6
  46  -        -   -     ->  SingleStack 4
  46  -        4   -     ->  SingleStack 4
  46  Single   6   -     ->  SingleStack 6
  46  Prefer   -   -     ->  PreferDualStack 46
  46  Prefer   4   -     ->  PreferDualStack 46
  46  Prefer   64  -     ->  PreferDualStack 64
  46  Require  -   -     ->  RequireDualStack 46
  46  Require  6   -     ->  RequireDualStack 64
  46  -        -   v6    ->  SingleStack 6
  46  Require  -   v6    ->  RequireDualStack 64
  46  Require  -   v6,v4 ->  RequireDualStack 64
  46  Prefer   64  v6    ->  PreferDualStack 64
  46  -        6   none  ->  SingleStack 6
  46  Require  -   none  ->  RequireDualStack 46
  46  -        -   free  ->  RequireDualStack 46
  46  -        4   free  ->  RequireDualStack 46
  64  -        -   -     ->  SingleStack 6
  64  Single   4   -     ->  SingleStack 4
  64  Prefer   6   v6    ->  PreferDualStack 64
  64  Require  4   v4    ->  RequireDualStack 46
  64  -        -   none  ->  SingleStack 6
  64  -        4   free  ->  RequireDualStack 46
"""
ADDRESSES = {"v4": "10.96.0.44", "v6": "fd00:10:96::44"}


@pytest.mark.parametrize("row", [line for line in FAMILIES.splitlines() if line.startswith("  ")])
def test_families(row: str) -> None:
    asked, _, expected = row.partition("->")
    cluster, policy, families, addresses = asked.split()
    ips = "" if addresses in ("-", "none", "free") else addresses
    for name, ip in ADDRESSES.items():
        ips = ips.replace(name, ip)
    request = {
        "ipFamilyPolicy": ""
        if policy == "-"
        else f"{policy}DualStack".replace("SingleDual", "Single"),
        "ipFamilies": [] if families == "-" else [f"IPv{family}" for family in families],
        "clusterIPs": ["None"] if addresses in ("none", "free") else ips.split(",") if ips else [],
        "selector": addresses != "free",
    }
    outcome = allocated(CLUSTERS[cluster], request)
    if expected.strip().startswith("spec."):
        assert expected.strip() in outcome
    else:
        assert outcome.startswith(f"{expected.strip()} ")
        assert all(ip in outcome.split() for ip in ips.split(",") if ip)


def allocated(flags: Flags, request: dict[str, Any]) -> str:
    """POLICY FAMILIES ADDRESS..., or what is wrong."""
    wrong = _refused_by_validate(_family_manifest(request))
    if wrong:
        return wrong
    ips = [ip for ip in request.get("clusterIPs", ()) if ip != "None"]
    one = service(
        "a",
        ips=",".join(ips),
        headless="None" in request.get("clusterIPs", ()),
        selector="" if request["selector"] else "-",
        family_policy=request.get("ipFamilyPolicy") or "",
        families=tuple(int(family[-1]) for family in request.get("ipFamilies") or ()),
    )
    try:
        found = decided(one, flags=flags)
    except InputError as error:
        return _indexed(str(error))
    planned = found.service("a")
    families = "".join(map(str, planned.families))
    return " ".join([planned.family_policy, families, *(found.cluster_ips("a") or ["None"])])


def _family_manifest(request: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"ports": [{"port": 80}]}
    if request["selector"]:
        spec["selector"] = {"app": "a"}
    for key in ("ipFamilyPolicy", "ipFamilies", "clusterIPs"):
        if request.get(key):
            spec[key] = request[key]
    if request.get("clusterIPs"):
        spec["clusterIP"] = request["clusterIPs"][0]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec}


def _manifest(each: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in each.items() if key != "name"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": each["name"]}, "spec": spec}


def _refused_by_validate(manifest: dict[str, Any]) -> str:
    """What validate has against it, other than that a feature is still to come."""
    try:
        validate(load([("m.yaml", yaml.safe_dump(manifest))]))
    except InputError as error:
        wrong = [p for p in error.problems if p.severity.value == "error"]
        return _indexed("\n".join(str(p) for p in wrong if p.code is not Code.NOT_IMPLEMENTED))
    return ""


def _indexed(text: str) -> str:
    """clusterIP is the first of clusterIPs."""
    return re.sub(r"spec\.clusterIP\b", "spec.clusterIPs[0]", text)


@pytest.mark.parametrize("case", shared("dual_stack"))
def test_shared_families(case: dict[str, Any]) -> None:
    cluster = case["cluster"].removeprefix("single").removeprefix("dual")
    outcome = allocated(CLUSTERS[cluster], case["request"])
    expected = case["expect"]
    if isinstance(expected, str):
        assert expected.removeprefix("error: ") in outcome
        return
    families = "".join(family[-1] for family in expected["families"])
    policy, found, *addresses = outcome.split()
    assert (policy, found) == (expected["policy"], families)
    if expected["addresses"] == "None":
        assert addresses == ["None"]
        return
    for wanted, address in zip(expected["addresses"], addresses, strict=True):
        if wanted.startswith("auto"):
            range_ = {"4": "10.96.0.0/12", "6": "fd00:10:96::/108"}[wanted[-1]]
            assert parse_ip(address)[1] in parse_cidr(range_)
            assert parse_ip(address)[0] == int(wanted[-1])
        else:
            assert parse_ip(address) == parse_ip(wanted)
