"""Names for real: a name server of the bundle on every node, and clients that use it by the
resolv.conf files of the bundle."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import describe, names, needs, resolving
from lab.cluster import Cluster, Done
from lab.describe import Family, Variant, from_bundle

LINK_LOCAL: dict[Family, str] = {4: "169.254.20.10", 6: "fd6b:636f:6d70::53"}
VARIANTS = [
    (4, Variant("nft", "DROP", default_route=True), "named"),
    (4, Variant("legacy", "ACCEPT", default_route=False), "named"),
    (6, Variant("legacy", "DROP", default_route=True), "named"),
    (6, Variant("nft", "ACCEPT", default_route=False), "named"),
    (4, Variant("legacy", "DROP", default_route=True), "unbound"),
    (6, Variant("nft", "ACCEPT", default_route=True), "unbound"),
]


@dataclass(frozen=True, slots=True)
class Named:
    """A running cluster whose nodes have name servers; their process numbers by node."""

    cluster: Cluster
    family: Family
    bundle: Path
    folder: Path
    program: str
    servers: dict[str, int]

    def pod(self, workload: str) -> str:
        (pod,) = self.cluster.lab.pods_of(workload)
        return pod.name

    @property
    def clients(self) -> tuple[str, ...]:
        """In pods and in the host's network, on a node with several addresses and on another."""
        return tuple(map(self.pod, ("client-1", "client-2", "host-1", "host-2")))

    @property
    def dns_ip(self) -> str:
        return "10.96.0.10" if self.family == 4 else "fd00:96::a"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where servers that are not root may read."""
    path = Path(tempfile.mkdtemp(prefix="kcompile-lab-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class Bundles:
    """Each built once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.built: dict[tuple[str, str], Path] = {}

    def of(self, family: str, more: str = "") -> Path:
        if (family, more) not in self.built:
            place = self.folder / f"bundle-{len(self.built)}"
            self.built[family, more] = resolving.build(place, family, more)
        return self.built[family, more]


@pytest.fixture(scope="module")
def bundles(folder: Path) -> Bundles:
    return Bundles(folder)


@pytest.fixture(
    scope="module", params=VARIANTS, ids=[f"ipv{f}-{v}-{program}" for f, v, program in VARIANTS]
)
def named(request: pytest.FixtureRequest, folder: Path, bundles: Bundles) -> Iterator[Named]:
    family, variant, program = request.param
    needs.requires("named", "dig", "getent", "curl", program)
    needs.requires_flavour(variant.flavour, family)
    needs.requires_bridge_netfilter()
    if family == 6:
        needs.requires_ipv6()
    place = folder / f"{family}-{variant}-{program}"
    place.mkdir()
    bundle = bundles.of(f"ipv{family}")
    with Cluster(from_bundle(bundle, resolving.SERVE, variant)) as cluster:
        names.start_world(cluster, place)
        servers = {
            node.name: names.start_server(cluster, node.name, program, bundle, place)
            for node in cluster.lab.nodes
        }
        yield Named(cluster, family, bundle, place, program, servers)


@pytest.mark.parametrize("program", ["named", "unbound"])
def test_forwarders_and_stub_domains(folder: Path, bundles: Bundles, program: str) -> None:
    """As the ConfigMap kube-dns states them: the internet host for all, the neighbour for one."""
    needs.requires("named", "dig", program)
    needs.requires_flavour("nft")
    needs.requires_bridge_netfilter()
    place = folder / f"forwarding-{program}"
    place.mkdir()
    bundle = bundles.of("ipv4", resolving.FORWARDING)
    with Cluster(from_bundle(bundle, resolving.SERVE)) as cluster:
        names.start_world(cluster, place)
        names.start_server(cluster, "n1", program, bundle, place)
        (client,) = cluster.lab.pods_of("client-1")
        for name, address in (
            (names.WORLD, describe.INTERNET_HOSTS[4]),
            (names.COMPANY, "192.0.2.80"),
            ("away.default.svc.cluster.local", describe.INTERNET_HOSTS[4]),
            ("kube-dns.kube-system.svc.cluster.local", "10.96.0.10"),
        ):
            done = cluster.run(client.name, ["dig", "+short", name, "A"])
            assert done.out.split()[-1:] == [address], (name, done)
        done = cluster.run(client.name, ["dig", "+short", "-x", "10.96.0.10"])
        assert done.out.split() == ["kube-dns.kube-system.svc.cluster.local."]


def dig(named: Named, client: str, *words: str) -> list[str]:
    done = named.cluster.run(client, ["dig", "+short", "+time=2", "+tries=1", *words])
    assert done.status == 0, (client, words, done)
    return done.out.split()


def record(named: Named) -> str:
    return "A" if named.family == 4 else "AAAA"


def getent(named: Named, client: str, name: str) -> set[str]:
    done = named.cluster.run(client, ["getent", f"ahostsv{named.family}", name])
    return {line.split()[0] for line in done.out.splitlines()}


def curl(named: Named, client: str, url: str) -> Done:
    return named.cluster.run(client, ["curl", "-sS", "--noproxy", "*", "--max-time", "5", url])


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc.cluster.local"])
def test_a_service_answers_by_its_names(named: Named, name: str) -> None:
    for client in named.clients:
        done = curl(named, client, f"http://{name}")
        assert done.status == 0, (client, done)
        assert json.loads(done.out)["pod"] == named.pod("web")


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_the_search_domains_and_both_transports(named: Named, transport: str) -> None:
    plan = json.loads((named.bundle / "plan.json").read_text())
    (web,) = [s["clusterIPs"] for s in plan["services"] if s["name"] == "web"]
    for client in named.clients:
        assert dig(named, client, "+search", transport, "web", record(named)) == web
        pod = named.cluster.lab.pod(named.pod("web")).address(named.family)
        assert dig(named, client, "+search", transport, "each", record(named)) == [pod]


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_a_node_itself_may_ask_by_either_address(named: Named, transport: str) -> None:
    name = "dns-version.cluster.local"
    for node in named.servers:
        for server in (named.dns_ip, LINK_LOCAL[named.family]):
            assert dig(named, node, transport, f"@{server}", name, "TXT") == ['"1.1.0"']


def test_names_of_addresses(named: Named) -> None:
    plan = json.loads((named.bundle / "plan.json").read_text())
    (ip,) = next(s["clusterIPs"] for s in plan["services"] if s["name"] == "web")
    for client in named.clients:
        done = named.cluster.run(client, ["getent", "hosts", ip])
        assert done.out.split() == [ip, "web.default.svc.cluster.local"], (client, done)


def test_the_world_outside_by_name(named: Named) -> None:
    """Also by the name of an ExternalName Service, which leads there."""
    if not named.cluster.lab.variant.default_route:
        pytest.skip("a node without a default route reaches no world")
    world = describe.INTERNET_HOSTS[named.family]
    for client in named.clients:
        assert getent(named, client, names.WORLD) == {world}
        assert getent(named, client, "away") == {world}
    done = curl(named, named.clients[0], f"http://{names.WORLD}")
    assert done.status == 0, done
    assert json.loads(done.out)["pod"] == describe.INTERNET


def test_what_is_not_there_is_not_there_at_once(named: Named) -> None:
    for client in named.clients:
        found = named.cluster.run(client, ["dig", "+search", "+time=2", "+tries=1", "nothing.svc"])
        assert "status: NXDOMAIN" in found.out or not named.cluster.lab.variant.default_route
        found = named.cluster.run(client, ["dig", "nothing.default.svc.cluster.local"])
        assert "status: NXDOMAIN" in found.out


def test_strangers_get_no_answer(named: Named) -> None:
    """Who is on the nodes' wire can send packets to an address that each node has."""
    node = named.cluster.lab.nodes[0].address(named.family)
    server = LINK_LOCAL[named.family]
    family = f"-{named.family}"
    route = ["ip", family, "route", "replace", server, "via", node]
    assert named.cluster.run(describe.NEIGHBOUR, route).status == 0
    question = ["dig", "+time=1", "+tries=1", f"@{server}", "cluster.local", "SOA"]
    done = named.cluster.run(describe.NEIGHBOUR, question)
    assert "status: REFUSED" in done.out or "no servers could be reached" in done.out, done
    assert "hostmaster" not in done.out


def test_nothing_listens_elsewhere(named: Named) -> None:
    own = LINK_LOCAL[named.family]
    for node in named.servers:
        done = named.cluster.run(node, ["ss", "-Hlntu", "sport", "=", "53"])
        listening = {line.split()[4] for line in done.out.splitlines()}
        assert listening == {f"{own}:53" if named.family == 4 else f"[{own}]:53"}, done


def test_a_dead_server_refuses_and_a_new_one_answers(named: Named) -> None:
    """No time-outs: the client is told at once, as nothing listens there. The last test of a
    cluster's, as it kills the server of a node."""
    node, client = "n2", named.pod("client-2")
    # What comes while its sockets are being closed gets no answer: wait for that.
    script = 'kill -9 "$0" && while ss -Hlntu sport = 53 | grep -q .; do sleep 0.05; done'
    stopped = named.cluster.run(node, ["sh", "-c", script, str(named.servers[node])])
    assert stopped.status == 0, stopped
    question = ["dig", "+search", "+tries=1", "+time=5", "web", record(named)]
    done = named.cluster.run(client, question)
    assert done.status != 0
    assert "connection refused" in done.out, done
    assert dig(named, named.pod("client-1"), "+search", "web", record(named))
    names.start_server(named.cluster, node, named.program, named.bundle, named.folder)
    assert dig(named, client, "+search", "web", record(named))


@pytest.mark.parametrize(
    ("family", "variant"),
    [
        (4, Variant("nft", "DROP", default_route=False)),
        (6, Variant("legacy", "ACCEPT", default_route=True)),
    ],
    ids=str,
)
def test_a_dns_service_of_the_manifests_own(
    folder: Path, bundles: Bundles, family: Family, variant: Variant
) -> None:
    """Its server is in a pod, and asked from there and elsewhere."""
    needs.requires("named", "dig", "curl")
    needs.requires_flavour(variant.flavour, family)
    needs.requires_bridge_netfilter()
    if family == 6:
        needs.requires_ipv6()
    place = folder / f"declared-{family}"
    place.mkdir()
    bundle = bundles.of(f"ipv{family}", resolving.DECLARED)
    with Cluster(from_bundle(bundle, resolving.SERVE, variant)) as cluster:
        names.start_world(cluster, place)
        (server,) = cluster.lab.pods_of("dns")
        names.start_server(cluster, server.name, "named", bundle, place)
        named = Named(cluster, family, bundle, place, "named", {})
        plan = json.loads((bundle / "plan.json").read_text())
        (dns_ip,) = next(s["clusterIPs"] for s in plan["services"] if s["name"] == "kube-dns")
        for transport in ("+notcp", "+tcp"):
            for client in (*named.clients, server.name):
                assert dig(named, client, "+search", transport, "web.default", record(named))
            for node in ("n1", "n2"):
                name = "web.default.svc.cluster.local"
                assert dig(named, node, transport, f"@{dns_ip}", name, record(named))
        for client in named.clients:
            assert curl(named, client, "http://web").status == 0
            if variant.default_route:
                assert getent(named, client, names.WORLD) == {describe.INTERNET_HOSTS[family]}


@pytest.mark.parametrize(
    ("program", "family"),
    [(program, "ipv4") for program in names.SERVERS] + [("nsd", "ipv6"), ("knotd", "ipv6")],
)
def test_each_server_answers_a_pod_and_reads_again_at_sighup(
    folder: Path, bundles: Bundles, program: str, family: str
) -> None:
    """Also those that only serve zones. New files under the old ones' names are what a rollout
    brings."""
    needs.requires("dig", program)
    if family == "ipv6":
        needs.requires_ipv6()
    needs.requires_flavour("nft", 4 if family == "ipv4" else 6)
    needs.requires_bridge_netfilter()
    place = folder / f"again-{program}-{family}"
    place.mkdir()
    bundle, more = bundles.of(family), bundles.of(family, resolving.ONE_MORE)
    type_ = "A" if family == "ipv4" else "AAAA"
    with Cluster(from_bundle(bundle, resolving.SERVE)) as cluster:
        pid = names.start_server(cluster, "n1", program, bundle, place)
        (client,) = cluster.lab.pods_of("client-1")
        for transport in ("+notcp", "+tcp"):
            assert asked(cluster, client.name, transport, "web.default.svc.cluster.local", type_)
            assert not asked(cluster, client.name, transport, names.NEW, type_)
        shutil.copytree(more / "dns", place / "n1", dirs_exist_ok=True)
        assert cluster.run("n1", ["kill", "-HUP", str(pid)]).status == 0
        found = (asked(cluster, client.name, "+notcp", names.NEW, type_) for _ in range(50))
        assert any(answer or time.sleep(0.05) for answer in found)


def asked(cluster: Cluster, client: str, *words: str) -> str:
    done = cluster.run(client, ["dig", "+short", "+time=1", "+tries=1", *words])
    return done.out.strip() if done.status == 0 else ""
