"""Who states what somebody else holds gets it; the holder moves, is named in a warning, and nobody
else moves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from generated_hundreds import Cluster, Node, clusters
from kcompile.address import format_ip
from kcompile.pipeline import Planned, make_plan
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from kcompile.problems import Code
from notation import deployment, service
from stability_oracle import changed, pods_of, services_of

numbers = st.integers(0, 1000)


def build(cluster: Cluster, more: str = "", lock: str = "") -> Planned:
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    inputs = [*cluster.files(), ("more.yaml", more)]
    return make_plan(inputs, cluster.flags, old, proved=False)


def warnings(of: Planned) -> list[str]:
    return [str(problem) for problem in of.notes if problem.code is Code.ADDRESS_MOVED]


def placed(of: Planned) -> dict[object, tuple[str, str]]:
    return {key: (pod.name, pod.node) for key, pod in pods_of(of.plan).items()}


def addressed(of: Planned) -> dict[object, tuple[int, int]]:
    return {key: (pod.ipv4, pod.ipv6) for key, pod in pods_of(of.plan).items()}


@settings(max_examples=20, deadline=None)
@given(clusters, numbers)
def test_a_cluster_ip(cluster: Cluster, number: int) -> None:
    before = build(cluster)
    holders = [each for each in before.plan.services if each.cluster_ips and not each.synthesised]
    if not holders:
        return
    holder = holders[number % len(holders)]
    family, address = holder.cluster_ips[0]
    new = service("new", spec=f'clusterIP: "{format_ip(family, address)}"')
    after = build(cluster, new, before.lock)
    key = ("address", holder.namespace, holder.name, family)
    assert [*changed(services_of(before.plan), after.plan)] == [key]
    (warning,) = warnings(after)
    assert f"{holder.key} loses its address" in warning
    assert "Service default/new has it now" in warning
    assert (placed(after), addressed(after)) == (placed(before), addressed(before))


@settings(max_examples=20, deadline=None)
@given(clusters, numbers)
def test_a_node_port(cluster: Cluster, number: int) -> None:
    """Of a service port's two protocols, which share a number, both move."""
    before = build(cluster)
    held = [(each, port) for each in before.plan.services for port in each.ports if port.node_port]
    if not held:
        return
    holder, port = held[number % len(held)]
    new = service("new", ports=f"[{{port: 80, nodePort: {port.node_port}}}]", spec="type: NodePort")
    after = build(cluster, new, before.lock)
    assert {*changed(services_of(before.plan), after.plan)} == {
        ("port", holder.namespace, holder.name, each.spec.port, each.spec.protocol)
        for each in holder.ports
        if each.node_port == port.node_port
    }
    assert all(f"{holder.key} loses its nodePort" in each for each in warnings(after))
    assert warnings(after)
    assert (placed(after), addressed(after)) == (placed(before), addressed(before))


@settings(max_examples=20, deadline=None)
@given(clusters, numbers)
def test_a_pod_cidr(cluster: Cluster, number: int) -> None:
    """The pods stay on their node, with addresses of its new CIDR."""
    before = build(cluster)
    holder = before.plan.nodes[number % len(before.plan.nodes)]
    cidr = str(holder.pod_cidrs[0])
    new = Node(250, "new", {}, cordoned=True, dual=cluster.dual, cidr=cidr)
    after = build(cluster, new.text(), before.lock)
    assert [*changed(services_of(before.plan), after.plan)] == [("CIDR", holder.name, 4)]
    assert any(f"node {holder.name} loses its pod CIDR" in each for each in warnings(after))
    old, now = pods_of(before.plan), pods_of(after.plan)
    assert {key: now[key].node for key in old} == {key: pod.node for key, pod in old.items()}
    for key, pod in old.items():
        is_there = pod.node == holder.name and not pod.workload.template.host_network
        assert (now[key].ipv4 != pod.ipv4) == is_there
        assert now[key].ipv6 == pod.ipv6


@settings(max_examples=20, deadline=None)
@given(clusters, numbers)
def test_a_node_without_room(cluster: Cluster, number: int) -> None:
    """A pod with a nodeName gets an address beside all that are there."""
    before = build(cluster)
    name = before.plan.nodes[number % len(before.plan.nodes)].name
    new = deployment("new", 2, spec=f"nodeName: {name}, tolerations: [{{operator: Exists}}]")
    after = build(cluster, new, before.lock)
    assert changed(services_of(before.plan), after.plan) == {}
    assert addressed(before).items() <= addressed(after).items()
    assert placed(before).items() <= placed(after).items()
