"""Generated plans: small clusters in which addresses meet where they can."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from kcompile.address import Cidr, Family, parse_cidr, parse_ip
from kcompile.model import EndpointState, ServicePort
from kcompile.planned import Endpoint, Plan, PlannedNode, PlannedPort, PlannedService
from kcompile.settings import Settings
from plan_builder import plan, settings

ZONES = ("", "east", "west")
NODES = ("n1", "n2", "n3")
EVERYWHERE = ("169.254.20.10", "fd00::53")
# Those of pods, of nodes (pods in the host's network), of a server elsewhere, and one that each
# node has for itself.
ENDPOINTS: dict[Family, tuple[str, ...]] = {
    4: (
        "10.244.1.2",
        "10.244.1.3",
        "10.244.2.2",
        "192.0.2.1",
        "192.0.2.2",
        "198.51.100.9",
        EVERYWHERE[0],
    ),
    6: ("fd00:244::1:2", "fd00:244::2:2", "2001:db8::1", "2001:db8:9::9", EVERYWHERE[1]),
}
OUTSIDE = (
    "203.0.113.5",
    "203.0.113.6",
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8:5::5",
    "2001:db8::1",
)
RANGES = ("203.0.113.0/25", "192.0.2.0/30", "10.244.1.0/24", "2001:db8::/64", "fd00:244::/72")
PROTOCOLS = ("TCP", "UDP", "SCTP")
CONDITIONS = (
    EndpointState(),
    EndpointState(),
    EndpointState(ready=False, terminating=True),
    EndpointState(ready=False, serving=False),
)


@st.composite
def settings_of(draw: st.DrawFn) -> Settings:
    base = settings(("10.244.0.0/16", "fd00:244::/64"), ("10.96.0.0/24", "fd00:96::/112"))
    return replace(
        base,
        detect_local=draw(st.booleans()),
        masquerade_all=draw(st.booleans()),
        masquerade_bit=draw(st.sampled_from((14, 0, 31))),
        localhost_node_ports=draw(st.booleans()),
        egress_masquerade=draw(st.booleans()),
        forward_accept=draw(st.booleans()),
        reject_unmatched=draw(st.booleans()),
        non_masquerade_cidrs=_cidrs(draw, ("198.51.100.0/24", "2001:db8:9::/64")),
        node_port_addresses=_cidrs(
            draw, ("192.0.2.0/31", "127.0.0.0/8", "0.0.0.0/0", "2001:db8::/128")
        ),
    )


def _cidrs(draw: st.DrawFn, texts: Iterable[str]) -> tuple[Cidr, ...]:
    return tuple(parse_cidr(text) for text in texts if draw(st.integers(0, 3)) == 0)


@st.composite
def ports(draw: st.DrawFn, number: int) -> PlannedPort:
    target = draw(st.sampled_from((80, 8080)))
    spec = ServicePort(f"p{number}", draw(st.sampled_from(PROTOCOLS)), number, target, 0)
    found: dict[Family, tuple[Endpoint, ...]] = {}
    for family, addresses in ENDPOINTS.items():
        taken = draw(st.lists(st.sampled_from(addresses), max_size=4, unique=True))
        endpoints = [draw(endpoint(address, target)) for address in taken]
        found[family] = tuple(sorted(endpoints, key=lambda each: (each.ip, each.port)))
    return PlannedPort(spec, 0, found[4], found[6])


@st.composite
def endpoint(draw: st.DrawFn, address: str, port: int) -> Endpoint:
    state = draw(st.sampled_from(CONDITIONS))
    if draw(st.booleans()):
        state = replace(
            state,
            hint_zones=draw(st.sampled_from(((), ("east",), ("east", "west")))),
            hint_nodes=draw(st.sampled_from(((), ("n1",), ("n2", "n3")))),
        )
    on = draw(st.sampled_from(("", *NODES)))
    ip = parse_ip(address)[1]
    return Endpoint(ip, port, on, "", state=state, everywhere=address in EVERYWHERE)


@st.composite
def services(draw: st.DrawFn, index: int) -> PlannedService:
    kind = draw(st.sampled_from(("ClusterIP", "NodePort", "LoadBalancer")))
    numbers = draw(st.lists(st.sampled_from((80, 443)), min_size=1, max_size=2, unique=True))
    found = [draw(ports(number)) for number in numbers]
    exposed = kind != "ClusterIP"
    external = draw(st.booleans())
    local = draw(st.sampled_from(("Cluster", "Local"))) if exposed or external else "Cluster"
    families = draw(st.sampled_from(((4,), (6,), (4, 6))))
    checked = kind == "LoadBalancer" and local == "Local"
    return PlannedService(
        namespace="a",
        name=f"s{index}",
        labels=(),
        type=kind,  # type: ignore[arg-type] - one of the names above
        selector=(),
        cluster_ips=tuple(
            parse_ip(f"10.96.0.{index + 1}" if family == 4 else f"fd00:96::{index + 1}")
            for family in families
        ),
        headless=False,
        external_name="",
        ports=tuple(
            replace(each, node_port=30000 + 10 * index + n if exposed else 0)
            for n, each in enumerate(found)
        ),
        external_ips=_addresses(draw) if external else (),
        load_balancer_ips=tuple(
            (*address, draw(st.sampled_from(("VIP", "VIP", "Proxy"))))
            for address in (_addresses(draw) if kind == "LoadBalancer" else ())
        ),
        source_ranges=_cidrs(draw, RANGES) if kind == "LoadBalancer" else (),
        external_policy=local,  # type: ignore[arg-type] - one of the names above
        internal_policy=draw(st.sampled_from(("Cluster", "Local"))),
        affinity_seconds=draw(st.sampled_from((0, 10800))),
        health_check_node_port=31000 + index if checked else 0,
        hints=draw(st.booleans()),
    )


def _addresses(draw: st.DrawFn) -> tuple[tuple[Family, int], ...]:
    texts = draw(st.lists(st.sampled_from(OUTSIDE), max_size=2, unique=True))
    return tuple(map(parse_ip, texts))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    zones = draw(st.tuples(*[st.sampled_from(ZONES)] * 3))
    nodes = [
        PlannedNode(
            name,
            (("topology.kubernetes.io/zone", zone),) if zone else (),
            tuple(map(parse_ip, (f"192.0.2.{i}", f"2001:db8::{i}"))),
            (parse_cidr(f"10.244.{i}.0/24"), parse_cidr(f"fd00:244::{i}:0/112")),
        )
        for i, (name, zone) in enumerate(zip(NODES, zones, strict=True), 1)
    ]
    count = draw(st.integers(0, 3))
    return replace(
        plan(),
        settings=draw(settings_of()),
        nodes=tuple(nodes[: draw(st.integers(1, 3))]),
        services=tuple(draw(services(index)) for index in range(count)),
    )
