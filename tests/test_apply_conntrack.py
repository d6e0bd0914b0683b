"""UDP flows to endpoints that went away, and those that must stay, with real traffic."""

import errno
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from apply_network import ip, slice_of
from kcompile.apply import conntrack
from kcompile.apply.conntrack import converge, differences, notices
from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.netlink import Message, Netfilter, NetlinkError, attributes
from kcompile.apply.slices import Slice
from kcompile.apply.ways import read_ways
from lab.describe import PROGRAMS, Family, Flavour
from lab.kernel import OWN_NETNS, enter, new_netns
from lab.needs import requires_flavour, requires_ipv6

GOLDEN = Path(__file__).parent.parent / "golden/services"
NODE: dict[Family, str] = {4: "192.0.2.1", 6: "fd00::1"}
SERVICES: dict[Family, tuple[str, str]] = {
    4: ("10.96.0.7", "10.96.0.8"),
    6: ("fd00:96::7", "fd00:96::8"),
}
PODS: dict[Family, tuple[str, str]] = {
    4: ("10.244.0.2", "10.244.0.3"),
    6: ("fd00:244::2", "fd00:244::3"),
}
HOSTS = {4: 32, 6: 128}

Rules = dict[str, list[str]]
"""Endpoints by way in: `IP port`, or a node port."""


def place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def rules(family: Family, services: Rules, foreign: str = "") -> str:
    """One endpoint is chosen always, the first: so a test knows where a flow goes."""
    lines = ["*nat", ":KUBE-SERVICES -", ":KUBE-NODEPORTS -"]
    body = ["-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES", *foreign.splitlines()]
    for number, (way, endpoints) in enumerate(services.items()):
        chain, hook = f"KUBE-SVC-{number}", "KUBE-SERVICES"
        address, _, port = way.rpartition(" ")
        match = f"-d {address}/{HOSTS[family]} " if address else ""
        if not address:
            hook = "KUBE-NODEPORTS"
        lines.append(f":{chain} -")
        for kind in ("udp", "tcp"):
            comment = '-m comment --comment "default/web:dns cluster IP"'
            body.append(f"-A {hook} {match}-p {kind} {comment} -m {kind} --dport {port} -j {chain}")
        for place_ in endpoints:
            sep = f"KUBE-SEP-{number}-{len(lines)}"
            lines.append(f":{sep} -")
            body.append(f"-A {chain} -j {sep}")
            body += [
                f"-A {sep} -p {kind} -m {kind} -j DNAT --to-destination {place_}"
                for kind in ("udp", "tcp")
            ]
    body.append("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")
    return "\n".join([*lines, *body, "COMMIT"]) + "\n"


class Node:
    """A network namespace with two pods' addresses, an echo on each, and clients."""

    def __init__(self, family: Family, flavour: Flavour, folder: Path, stack: ExitStack) -> None:
        self.family, self.folder = family, folder
        self.program = f"{PROGRAMS[family]}-{flavour}-restore"
        self.host = Host(folder / "root")
        self.stack = stack
        self.kind = socket.AF_INET if family == 4 else socket.AF_INET6
        bits = HOSTS[family]
        nodad = " nodad" if family == 6 else ""
        ip(
            "link set lo up",
            "link add kcompile0 type bridge",
            "link set kcompile0 up",
            *(f"addr add {pod}/{bits} dev lo{nodad}" for pod in (NODE[family], *PODS[family])),
            f"route add {SERVICES[family][0].rsplit('7', 1)[0] + '0'}/{bits - 8} dev kcompile0",
        )
        self.servers = {pod: self._server(pod) for pod in PODS[family]}

    def _server(self, pod: str) -> socket.socket:
        server = self.stack.enter_context(socket.socket(self.kind, socket.SOCK_DGRAM))
        server.settimeout(5)
        server.bind((pod, 53))
        return server

    def client(self, address: str, port: int) -> socket.socket:
        client = self.stack.enter_context(socket.socket(self.kind, socket.SOCK_DGRAM))
        client.bind((NODE[self.family], 0))
        client.settimeout(5)
        client.connect((address, port))
        return client

    def asks(self, client: socket.socket, pod: str) -> None:
        """A question and its answer, which that pod gives."""
        client.send(b"?")
        question, sender = self.servers[pod].recvfrom(9)
        self.servers[pod].sendto(question, sender)
        assert client.recv(9) == b"?"

    def loads(self, services: Rules, foreign: str = "") -> Slice:
        text = rules(self.family, services, foreign)
        subprocess.run([self.program], input=text, text=True, check=True, timeout=30)
        name = "iptables.rules" if self.family == 4 else "ip6tables.rules"
        folder = self.folder / str(len(list(self.folder.iterdir())))
        return slice_of(folder, {name: rules(self.family, services)})

    def entries(self) -> list[str]:
        """`udp DESTINATION:PORT -> who answers`, sorted."""
        with closing(Netfilter()) as kernel:
            return sorted(filter(None, map(self._entry, kernel.dump(0x101, self.kind))))

    def _entry(self, message: tuple[bytes, int, int]) -> str:
        found = dict(_nested(*message))
        sides = []
        for number, end in ((1, "destination"), (2, "source")):
            tuple_ = dict(_nested(found[number], 0, len(found[number])))
            places = dict(_nested(tuple_[1], 0, len(tuple_[1])))
            ports = dict(_nested(tuple_[2], 0, len(tuple_[2])))
            kinds = sorted(places)
            if ports[1][0] not in {6, 17}:
                return ""  # the kernel's own, of multicast
            address = socket.inet_ntop(self.kind, places[kinds[1 if end == "destination" else 0]])
            port = int.from_bytes(ports[3 if end == "destination" else 2], "big")
            sides.append(place(address, port))
            protocol = {6: "tcp", 17: "udp"}[ports[1][0]]
        return f"{protocol} {sides[0]} -> {sides[1]}"


def _nested(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    for kind, begin, stop in attributes(data, start, end):
        yield kind, data[begin:stop]


CASES: tuple[tuple[Family, Flavour], ...] = ((4, "nft"), (4, "legacy"), (6, "nft"))


@pytest.fixture(params=CASES, ids=str)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    family, flavour = request.param
    if family == 6:
        requires_ipv6()
    requires_flavour(flavour, family)
    home = os.open(OWN_NETNS, os.O_RDONLY)
    try:
        os.close(new_netns())
        with ExitStack() as stack:
            yield Node(family, flavour, tmp_path, stack)
    finally:
        enter(home)
        os.close(home)


def test_flows_to_an_endpoint_that_went_away(node: Node) -> None:
    service, other = SERVICES[node.family]
    first, second = PODS[node.family]
    ways = {
        f"{service} 53": [place(first, 53), place(second, 53)],
        "30053": [place(first, 53)],
        f"{other} 53": [place(second, 53)],
    }
    before = node.loads(ways)
    clients = [
        node.client(*to) for to in ((service, 53), (service, 53), (NODE[node.family], 30053))
    ]
    bystander = node.client(other, 53)
    for client in clients:
        node.asks(client, first)
    node.asks(bystander, second)
    after = node.loads(
        {
            f"{service} 53": [place(second, 53)],
            "30053": [place(second, 53)],
            f"{other} 53": [place(second, 53)],
        }
    )
    node.asks(clients[0], first)  # to the dead: what this is about
    found = differences(node.host, before, after)
    assert [(each.action, each.what, each.detail) for each in found] == [
        (
            "remove",
            f"UDP {place(service, 53)}",
            f"2 flows to {place(first, 53)}, which is no longer behind it",
        ),
        (
            "remove",
            "UDP node port 30053",
            f"1 flow to {place(first, 53)}, which is no longer behind it",
        ),
    ]
    converge(node.host, before, after)
    assert node.entries() == [f"udp {place(other, 53)} -> {place(second, 53)}"]
    for client in (*clients, bystander):
        node.asks(client, second)
    assert differences(node.host, before, after) == ()
    assert differences(node.host, after, after) == ()
    assert notices(node.host, before, after) == ()


def test_an_endpoint_that_is_still_behind_another_service(node: Node) -> None:
    """Also where the port of that Service is the number of a node port that lost it."""
    service, other = SERVICES[node.family]
    first, second = PODS[node.family]
    ways = {
        f"{service} 53": [place(first, 53)],
        "30053": [place(first, 53)],
        f"{other} 30053": [place(first, 53)],
    }
    before = node.loads(ways)
    for to in ((service, 53), (other, 30053), (NODE[node.family], 30053)):
        node.asks(node.client(*to), first)
    after = node.loads({**ways, f"{service} 53": [place(second, 53)], "30053": [place(second, 53)]})
    converge(node.host, before, after)
    assert node.entries() == [f"udp {place(other, 30053)} -> {place(first, 53)}"]


def test_what_is_not_ours_stays(node: Node) -> None:
    service, _ = SERVICES[node.family]
    first, second = PODS[node.family]
    docker = f"-A OUTPUT -p udp -m udp --dport 5353 -j DNAT --to-destination {place(first, 53)}"
    node.loads({}, docker)  # without any NAT, the kernel would track nothing
    early = node.client(NODE[node.family], 30053)
    early.send(b"?")  # nobody answers yet
    ways = {f"{service} 53": [place(first, 53)], "30053": [place(first, 53)]}
    before = node.loads(ways, docker)
    node.asks(node.client(NODE[node.family], 5353), first)
    node.asks(node.client(first, 53), first)
    with socket.socket(node.kind) as listener, socket.socket(node.kind) as client:
        listener.bind((first, 53))
        listener.listen()
        client.connect((service, 53))
        stay = node.entries()
        node.asks(node.client(service, 53), first)
        after = node.loads({f"{service} 53": [place(second, 53)]}, docker)
        converge(node.host, before, after)
        assert node.entries() == stay
    assert [entry.split(" -> ")[0] for entry in stay] == [
        f"tcp {place(service, 53)}",
        *sorted(
            [
                f"udp {place(first, 53)}",
                f"udp {place(NODE[node.family], 30053)}",
                f"udp {place(NODE[node.family], 5353)}",
            ]
        ),
    ]


def test_removal_ends_all_of_ours_and_install_none(node: Node) -> None:
    service, _ = SERVICES[node.family]
    first, _ = PODS[node.family]
    before = node.loads({f"{service} 53": [place(first, 53)]})
    node.asks(node.client(service, 53), first)
    converge(node.host, None, before)
    converge(node.host, before, before)
    assert len(node.entries()) == 1
    assert differences(Host(node.folder, live=False), before, None) == ()
    converge(node.host, before, None)
    assert node.entries() == []


def test_a_newer_flow_between_the_same_ports_stays(node: Node) -> None:
    """The entry ended between list and deletion, and the client's next packet made another."""
    service, _ = SERVICES[node.family]
    first, second = PODS[node.family]
    before = node.loads({f"{service} 53": [place(first, 53)]})
    client = node.client(service, 53)
    node.asks(client, first)
    after = node.loads({f"{service} 53": [place(second, 53)]})
    ((family, lost),) = conntrack._lost(node.host, before, after)
    with closing(Netfilter()) as kernel:
        listed = conntrack._stale(kernel, family, lost)
        assert len(listed) == 1
        conntrack._delete(kernel, family, listed)
        node.asks(client, second)
        conntrack._delete(kernel, family, listed)
    assert node.entries() == [f"udp {place(service, 53)} -> {place(second, 53)}"]


@pytest.mark.parametrize(
    "zone",
    [
        "-A OUTPUT -j CT --zone 7\n-A PREROUTING -j CT --zone 7",
        "-A OUTPUT -s {} -j CT --zone-orig 7",
    ],
)
def test_a_zone_of_somebody_else(node: Node, zone: str) -> None:
    """Where a network plugin sorts flows into zones, our rules work in them."""
    zone = f"*raw\n{zone.format(NODE[node.family])}\nCOMMIT\n"
    loaded = subprocess.run(
        [node.program], input=zone, text=True, check=False, capture_output=True, timeout=30
    )
    if loaded.returncode:
        pytest.skip(f"the kernel has no zones: {loaded.stderr.strip()}")
    service, _ = SERVICES[node.family]
    first, second = PODS[node.family]
    before = node.loads({f"{service} 53": [place(first, 53)]})
    client = node.client(service, 53)
    node.asks(client, first)
    after = node.loads({f"{service} 53": [place(second, 53)]})
    converge(node.host, before, after)
    node.asks(client, second)


def test_ways_of_a_built_node() -> None:
    text = (
        GOLDEN / "node-port-udp-and-tcp/expected/bundle/nodes/node-1/iptables.rules"
    ).read_text()
    found = {
        conntrack._shown(socket.AF_INET, way): [
            conntrack._shown(socket.AF_INET, each) for each in sorted(endpoints)
        ]
        for way, endpoints in read_ways(text).items()
    }
    assert found == {
        "10.96.0.10:53": ["169.254.20.10:53"],
        "10.96.0.242:53": ["10.244.0.113:53"],
        "node port 30166": ["10.244.0.113:53"],
    }


def test_every_target_of_a_built_node_has_a_way() -> None:
    files = sorted(GOLDEN.glob("*/expected/bundle/nodes/*/ip*tables.rules"))
    assert len(files) > 20
    for file in files:
        text = file.read_text()
        targets = {
            line.split()[-1]
            for line in text.splitlines()
            if " -p udp " in line and " -j DNAT " in line
        }
        family = socket.AF_INET6 if file.name.startswith("ip6") else socket.AF_INET
        reached = {
            conntrack._shown(family, each) for all_ in read_ways(text).values() for each in all_
        }
        assert reached == targets, file


def test_rules_without_udp_or_with_loops() -> None:
    assert read_ways("*nat\n-A A -p tcp -m tcp --dport 1 -j B\nCOMMIT\n") == {}
    loop = "-A A -p udp -m udp --dport 1 -j B\n-A B -j C\n-A C -j B\n-A C -p udp -m udp -j DNAT --to-destination 192.0.2.1:2\n"
    assert read_ways(loop) == {b"\0\1": {b"\xc0\0\2\1\0\2"}}


class Refusing(Netfilter):
    """A kernel that answers so."""

    def __init__(self, number: int) -> None:
        self.number = number

    def get(self, *_: object) -> Message:
        raise NetlinkError(self.number)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_kernel_without_ctnetlink_is_no_failure(number: int) -> None:
    assert not conntrack._answers(Refusing(number))


def test_a_kernel_that_refuses_is_one() -> None:
    with pytest.raises(
        NodeError, match="does not tell about its connections: Operation not permitted"
    ):
        conntrack._answers(Refusing(errno.EPERM))
