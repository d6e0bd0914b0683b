"""What an edit may move under a lock, written out the long way.

An edit **forces** a pod from its node only if, beside all pods that stayed where they were, the pod
cannot be there:

- the node is gone, or another one is its `nodeName`;
- the node has a NoExecute taint that it does not tolerate;
- `nodeSelector` or required node affinity do not hold there (the template or the node's labels
  have changed);
- there is no room: addresses, allocatable resources, ports (requests or the node have changed);
- a pod that stayed and it exclude each other by required anti-affinity;
- its required affinity asks for pods of which none is there any more (who asks for its like is
  near itself).

A pod that stays on its node keeps its addresses, unless it goes into the host's network or leaves
it. Names of pods never change. An address or a port of a Service, and a node's pod CIDR, are
forced away only by somebody who states them; the edits of `generated_edits` state none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from kcompile.address import Family
from kcompile.load import load
from kcompile.model import Key, Node, Workload
from kcompile.pipeline import Planned
from kcompile.plan.lock import Lock
from kcompile.planned import Ordinal, Plan, PlannedPod
from kcompile.resolve import resolve
from kcompile.resolve.flags import Flags
from kcompile.validate import validate
from placement_oracle import Pod, World, node_fits, tolerates

PodKey = tuple[str, str, str, Ordinal]


def pods_of(plan: Plan) -> dict[PodKey, PlannedPod]:
    return {
        (pod.namespace, pod.workload.kind, pod.workload.name, pod.ordinal): pod for pod in plan.pods
    }


def nodes_of(files: Sequence[tuple[str, str]], flags: Flags) -> tuple[Node, ...]:
    return resolve(validate(load(files)), flags).nodes


def services_of(plan: Plan) -> dict[tuple[object, ...], object]:
    """Each address and port that a Service has, and each CIDR of a node, by what it is for."""
    found: dict[tuple[object, ...], object] = {}
    for node in plan.nodes:
        found |= {("CIDR", node.name, cidr.family): cidr for cidr in node.pod_cidrs}
    for each in plan.services:
        name = each.namespace, each.name
        found |= {("address", *name, family): ip for family, ip in each.cluster_ips}
        found |= {("balancer", *name, family): ip for family, ip, _ in each.load_balancer_ips}
        for port in each.ports:
            if port.node_port:
                found["port", *name, port.spec.port, port.spec.protocol] = port.node_port
        if each.health_check_node_port:
            found["health check", *name] = each.health_check_node_port
    return found


def changed(before: Mapping[tuple[object, ...], object], after: Plan) -> dict[object, object]:
    """What Services and nodes had and have, but another one now."""
    now = services_of(after)
    return {key: (old, now[key]) for key, old in before.items() if now.get(key, old) != old}


def owners(plan: Plan) -> Iterator[tuple[object, object]]:
    """Each address, port and CIDR, and who has it."""
    for node in plan.nodes:
        yield from (((cidr.family, cidr.base), node.name) for cidr in node.pod_cidrs)
    for key, pod in pods_of(plan).items():
        if not pod.workload.template.host_network:
            yield from ((address, key) for address in _families(pod))
    for each in plan.services:
        if not each.synthesised:
            addresses = [*each.cluster_ips, *((f, ip) for f, ip, _ in each.load_balancer_ips)]
            yield from ((address, each.key) for address in addresses)
            ports = [port.node_port for port in each.ports] + [each.health_check_node_port]
            yield from ((number, each.key) for number in ports if number)


def once_owners(lock: Lock) -> Iterator[tuple[object, object]]:
    """Who had what by a lock, live or freed."""
    freed_nodes = {name: cidrs for name, (cidrs, _) in lock.freed_nodes.items()}
    for name, cidrs in (*lock.nodes.items(), *freed_nodes.items()):
        yield from (((cidr.family, cidr.base), name) for cidr in cidrs)
    freed_pods = {key: entry for key, (entry, _) in lock.freed_pods.items()}
    for key, pod in (*lock.pods.items(), *freed_pods.items()):
        yield from ((ip, key) for ip in pod.ips)
    freed_services = {key: entry for key, (entry, _) in lock.freed_services.items()}
    for own, entry in (*lock.services.items(), *freed_services.items()):
        owner = Key("Service", *own)
        yield from ((ip, owner) for ip in (*entry.cluster_ips, *entry.load_balancer_ips))
        yield from ((number, owner) for _, number in entry.node_ports)
        yield entry.health_check_node_port, owner


def taken_over(lock: Lock, plan: Plan) -> list[str]:
    """What somebody has that was somebody else's, though there is enough for all."""
    once: dict[object, set[object]] = {}
    for what, owner in once_owners(lock):
        once.setdefault(what, set()).add(owner)
    return [
        f"{owner} has {what}, which was {once[what]}'s"
        for what, owner in owners(plan)
        if what in once and owner not in once[what]
    ]


def unsound(plan: Plan) -> Iterator[str]:
    """What is given out twice, lies outside its range, or is nobody's to have."""
    given = Counter(what for what, _ in set(owners(plan)))
    yield from (f"{what} is given out {n} times" for what, n in given.items() if n > 1)
    shares = {(node.name, cidr.family): cidr for node in plan.nodes for cidr in node.pod_cidrs}
    for key, pod in pods_of(plan).items():
        if pod.workload.template.host_network:
            continue
        for family, ip in _families(pod):
            cidr = shares[pod.node, family]
            # Network and gateway; broadcast, which IPv6 has none of.
            if not cidr.base + 2 <= ip <= cidr.last - (family == 4):
                yield f"{key}: {ip} is not for pods of {cidr}"
    ranges = {cidr.family: cidr for cidr in plan.settings.service_cidrs}
    primary = plan.settings.service_cidrs[0]
    reserved = {primary.base + 1, primary.base + 10}
    for each in plan.services:
        for family, ip in each.cluster_ips:
            cidr = ranges[family]
            if not cidr.base + 1 <= ip <= cidr.last - (family == 4):
                yield f"{each.key}: {ip} is not for Services of {cidr}"
            if ip in reserved and not each.synthesised:
                yield f"{each.key}: {ip} is reserved"
        first, last = plan.settings.node_ports
        for port in each.ports:
            if port.node_port and not first <= port.node_port <= last:
                yield f"{each.key}: node port {port.node_port}"


def _families(pod: PlannedPod) -> list[tuple[Family, int]]:
    found: list[tuple[Family, int]] = [(4, pod.ipv4), (6, pod.ipv6)]
    return [(family, ip) for family, ip in found if ip]


def unforced(before: Plan, after: Planned, nodes: Sequence[Node]) -> Iterator[str]:
    """The pods that moved though nothing forced them, those that lost an address in their place,
    and those that are called otherwise."""
    old, new = pods_of(before), pods_of(after.plan)
    stayed = {key for key in old.keys() & new.keys() if old[key].node == new[key].node}
    for key in sorted(stayed, key=str):
        yield from _kept(key, old[key], new[key])
    wanted = {each.key: each for each in after.plan.workloads}
    world = _Stayers(nodes, after.plan, stayed)
    for key, pod in old.items():
        workload = wanted.get(pod.workload.key)
        if key in stayed or workload is None or not _is_wanted(workload, key[3]):
            continue
        if key in new and new[key].name != pod.name:
            yield f"{key} is called {new[key].name}, was {pod.name}"
        if not any(world.reasons(workload, pod.node)):
            place = new[key].node if key in new else "nowhere"
            yield f"{key} moved from {pod.node} to {place}"


def _kept(key: PodKey, old: PlannedPod, new: PlannedPod) -> Iterator[str]:
    if new.name != old.name:
        yield f"{key} is called {new.name}, was {old.name}"
    if new.workload.template.host_network != old.workload.template.host_network:
        return
    for was, now in ((old.ipv4, new.ipv4), (old.ipv6, new.ipv6)):
        if was and now and was != now:
            yield f"{key} has another address on {new.node}"


def _is_wanted(workload: Workload, ordinal: Ordinal) -> bool:
    if isinstance(ordinal, str):
        return True
    return workload.first <= ordinal < workload.first + workload.replicas


class _Stayers:
    """Who stayed, and who is there now at all."""

    def __init__(self, nodes: Sequence[Node], plan: Plan, stayed: set[PodKey]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.everybody = World(nodes, plan)
        self.stayers = [
            pod
            for pod, key in zip(self.everybody.pods, pods_of(plan), strict=True)
            if key in stayed
        ]

    def reasons(self, workload: Workload, name: str) -> Iterator[str]:
        node = self.nodes.get(name)
        if node is None:
            yield "the node is gone"
            return
        if workload.template.node_name not in ("", name):
            yield "nodeName"
        for taint in node.taints:
            if taint.effect == "NoExecute" and not tolerates(workload, taint):
                yield "taint"
        if not node_fits(workload, node):
            yield "node affinity"
        yield from self.everybody.capacity_reasons(workload, node, self.stayers)
        yield from self.everybody.apart_reasons(workload, node, self.stayers)
        yield from self._far(workload, node)

    def _far(self, workload: Workload, node: Node) -> Iterator[str]:
        """Who asks for its like is near itself."""
        there = [*self.everybody.pods, Pod(workload, node)]
        return self.everybody.near_reasons(workload, node, there)
