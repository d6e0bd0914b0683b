"""The article's cluster for real: namespaces set up from a bundle, real clients and servers."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import article, describe, names, needs
from lab.article import Article
from lab.describe import LabPod, Probe, Variant
from lab.expect import (
    ENOUGH,
    assert_answered,
    assert_even,
    assert_refused,
    assert_sources,
)

VARIANTS = [
    Variant(flavour, policy, default_route)
    for flavour in ("nft", "legacy")
    for policy in ("ACCEPT", "DROP")
    for default_route in (True, False)
]
VARIANTS += [Variant("nft", "DROP", cni="ips"), Variant("legacy", "DROP", cni="args")]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return article.build(tmp_path_factory.mktemp("article") / "bundle")


@pytest.fixture(scope="module", params=VARIANTS, ids=str)
def real(request: pytest.FixtureRequest, bundle: Path) -> Iterator[Article]:
    variant: Variant = request.param
    needs.requires_flavour(variant.flavour)
    needs.requires_bridge_netfilter()
    if variant.cni:
        needs.requires_cni()
    running = article.start(bundle, variant)
    with running.cluster:
        yield running


@pytest.fixture(scope="module")
def named(real: Article, tmp_path_factory: pytest.TempPathFactory) -> Article:
    """With name servers in the pods of the DNS Service, of different makes where installed."""
    needs.requires("curl", "dig", "getent")
    servers = needs.requires_dns_server()
    folder = tmp_path_factory.mktemp("dns")
    for index, pod in enumerate(real.lab.pods_of("kube-dns")):
        server = servers[index % len(servers)]
        names.start_server(real.cluster, pod.name, server, real.bundle, folder / str(index))
    return real


def check(
    real: Article, probes: list[tuple[Probe, str | None]], backends: tuple[LabPod, ...]
) -> None:
    """Each probe, with the node that masquerades it, meets the backends fairly and as itself."""
    counts: Counter[str] = Counter()
    results = real.cluster.probe([probe for probe, _ in probes])
    for (probe, masquerader), result in zip(probes, results, strict=True):
        assert_answered(probe, result)
        assert_sources(real.lab, probe, result, masquerader)
        if probe.count >= ENOUGH:
            assert_even(result.by_pod, backends)
        counts += result.by_pod
    assert_even(counts, backends)


def test_a_pod_answers_at_its_own_address(real: Article) -> None:
    clients = [*real.nodes, *(pod.name for pod in real.clients)]
    for backend in (*real.lab.pods_of("httpd"), *real.lab.pods_of("myhttpd")):
        probes = [(Probe(client, backend.address(), 80, count=2), None) for client in clients]
        check(real, probes, (backend,))


@pytest.mark.parametrize(
    ("workload", "cluster_ip"),
    [("httpd", article.HTTPD_IP), ("myhttpd", article.MYHTTPD_IP)],
)
def test_a_cluster_ip_leads_from_pods_and_nodes_to_every_backend(
    real: Article, workload: str, cluster_ip: str
) -> None:
    backends = real.lab.pods_of(workload)
    # The backends are clients too: a pod may meet itself through its own Service.
    clients = [*real.nodes, *(pod.name for pod in (*real.clients, *backends))]
    probes = [(Probe(client, cluster_ip, article.PORT, count=ENOUGH), None) for client in clients]
    check(real, probes, backends)


def test_a_node_port_leads_from_everywhere_through_every_node(real: Article) -> None:
    clients = [*real.nodes, *(pod.name for pod in real.clients), describe.NEIGHBOUR]
    if real.lab.variant.default_route:  # else a node cannot answer there
        clients.append(describe.INTERNET)
    probes = [
        (Probe(client, node.address(), article.NODE_PORT, count=ENOUGH), node.name)
        for client in clients
        for node in real.lab.nodes
    ]
    check(real, probes, real.lab.pods_of("myhttpd"))


def test_a_node_port_answers_on_a_nodes_loopback_address(real: Article) -> None:
    probes = [
        (Probe(node, "127.0.0.1", article.NODE_PORT, count=ENOUGH), node) for node in real.nodes
    ]
    check(real, probes, real.lab.pods_of("myhttpd"))


def test_udp_goes_the_same_ways(real: Article) -> None:
    pods = tuple(pod.name for pod in real.clients)
    to_service = [
        (Probe(client, article.ECHO_IP, article.ECHO_PORT, "UDP", 100), None)
        for client in (*real.nodes, *pods)
    ]
    to_node_port = [
        (Probe(client, node.address(), article.ECHO_NODE_PORT, "UDP", 100), node.name)
        for client in (*real.nodes, *pods, describe.NEIGHBOUR)
        for node in real.lab.nodes
    ]
    check(real, to_service + to_node_port, real.lab.pods_of("client"))


def test_pods_reach_the_internet_as_their_node(real: Article) -> None:
    clients = {pod.name: pod.node for pod in real.clients} | {node: node for node in real.nodes}
    probes = [
        Probe(client, describe.INTERNET_HOSTS[4], describe.INTERNET_PORT, count=2)
        for client in clients
    ]
    for probe, result in zip(probes, real.cluster.probe(probes), strict=True):
        if real.lab.variant.default_route:
            assert_answered(probe, result)
            seen = real.lab.node(clients[probe.client]).address()
            assert result.by_pod == {describe.INTERNET: 2}
            assert result.sources == {seen}
        else:
            assert set(result.failures) <= {"ENETUNREACH", "EHOSTUNREACH"}, probe


def test_the_world_outside_cannot_reach_cluster_ips_and_pods(real: Article) -> None:
    """As the article says; only who has a route to a node for them can."""
    targets = [
        (article.HTTPD_IP, article.PORT),
        *((pod.address(), 80) for pod in real.lab.pods_of("httpd")),
    ]
    probes = [
        Probe(client, address, port, timeout=0.5)
        for client in (describe.NEIGHBOUR, describe.INTERNET)
        for address, port in targets
    ]
    for probe, result in zip(probes, real.cluster.probe(probes), strict=True):
        assert not result.answers, probe


def test_who_has_a_route_to_a_node_reaches_cluster_ips_and_its_pods(real: Article) -> None:
    """The node hides who asks for a ClusterIP from outside, but not who asks for its pods."""
    backends = real.lab.pods_of("httpd")
    local = backends[0]
    node = real.lab.node(local.node)
    ranges = ("10.96.0.0/12", node.pod_cidrs[0])
    try:
        for cidr in ranges:
            route(real, "add", cidr, node.address())
        to_pod = Probe(describe.NEIGHBOUR, local.address(), 80, count=2)
        check(real, [(to_pod, None)], (local,))
        to_service = Probe(describe.NEIGHBOUR, article.HTTPD_IP, article.PORT, count=ENOUGH)
        check(real, [(to_service, node.name)], backends)
    finally:
        for cidr in ranges:
            route(real, "del", cidr, node.address())


def route(real: Article, verb: str, cidr: str, via: str) -> None:
    done = real.cluster.run(describe.NEIGHBOUR, ["ip", "route", verb, cidr, "via", via])
    assert done.status == 0, done.err


def test_a_service_without_endpoints_refuses_at_once(real: Article) -> None:
    inside = (*real.nodes, *(pod.name for pod in real.clients))
    probes = [
        Probe(client, article.EMPTY_IP, article.EMPTY_PORT, protocol, 3, timeout=2)
        for client in inside
        for protocol in ("TCP", "UDP")
    ]
    probes += [
        Probe(client, node.address(), article.EMPTY_NODE_PORT, protocol, 3, timeout=2)
        for client in (*inside, describe.NEIGHBOUR)
        for node in real.lab.nodes
        for protocol in ("TCP", "UDP")
    ]
    for probe, result in zip(probes, real.cluster.probe(probes), strict=True):
        assert_refused(probe, result)


def curl(real: Article, pod: LabPod, url: str) -> str:
    """Who answered."""
    done = real.cluster.run(pod.name, ["curl", "-sS", "--noproxy", "*", "--max-time", "8", url])
    assert done.status == 0, f"{pod.name}: curl {url}: {done.err}"
    return str(json.loads(done.out)["pod"])


@pytest.mark.parametrize(
    "url",
    [
        "http://httpd-svc.default:8080",
        "http://httpd-svc:8080",
        "http://httpd-svc.default.svc.cluster.local:8080",
        "http://httpd-headless:80",
    ],
)
def test_a_service_answers_by_name(named: Article, url: str) -> None:
    backends = {pod.name for pod in named.lab.pods_of("httpd")}
    for pod in named.clients:
        assert curl(named, pod, url) in backends


def test_an_address_has_its_services_name(named: Article) -> None:
    """As `nslookup` shows in the article."""
    for pod in named.clients:
        done = named.cluster.run(pod.name, ["getent", "hosts", article.HTTPD_IP])
        assert done.out.split() == [article.HTTPD_IP, "httpd-svc.default.svc.cluster.local"]


def test_a_headless_service_has_the_addresses_of_its_pods(named: Article) -> None:
    pod = named.clients[0]
    done = named.cluster.run(pod.name, ["getent", "ahostsv4", "httpd-headless"])
    found = {line.split()[0] for line in done.out.splitlines()}
    assert found == {pod.address() for pod in named.lab.pods_of("httpd")}


def test_every_name_server_behind_the_dns_service_answers(named: Article) -> None:
    """Over UDP and TCP, from nodes too: with 40 questions, each is asked but for one in 10^12."""
    question = ["+short", "+time=2", "+tries=1", "@10.96.0.10", "-f", "-"]
    lines = "\n".join(["httpd-svc.default.svc.cluster.local A"] * 40)
    for client in (named.nodes[0], named.clients[0].name):
        for transport in ("+notcp", "+tcp"):
            shell = f"echo '{lines}' | dig {' '.join(question)} {transport}"
            done = named.cluster.run(client, ["sh", "-c", shell])
            assert done.out.split() == [article.HTTPD_IP] * 40, (client, transport, done)
