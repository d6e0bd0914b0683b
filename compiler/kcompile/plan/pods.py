"""Each pod's name and addresses."""

from collections.abc import Iterable, Mapping, Sequence

from kcompile.address import Cidr, Family
from kcompile.model import Cluster, Key, Node, Workload
from kcompile.plan.choice import Pool, digest
from kcompile.plan.lock import Addresses, Lock, PodEntry, PodKey
from kcompile.plan.placement import Placement, pod_band
from kcompile.plan.pod_names import PodNames, PodPlace
from kcompile.planned import Ordinal, PlannedPod
from kcompile.problems import Code, Finding, OurBugError


def plan_pods(
    cluster: Cluster,
    placements: Sequence[Placement],
    pod_cidrs: Mapping[str, tuple[Cidr, ...]],
    lock: Lock,
) -> tuple[tuple[PlannedPod, ...], tuple[Finding, ...]]:
    """All pods, in the order of the workloads and ordinals."""
    addresses = _Addresses(cluster.nodes, pod_cidrs, lock)
    node_names = [node.name for node in cluster.nodes]
    keys = [
        (workload, ordinal, node_names[node])
        for workload, placement in zip(cluster.workloads, placements, strict=True)
        for ordinal, node in _placed(workload, placement, node_names)
    ]
    addresses.keep(keys)
    names = PodNames(lock, cluster, keys)
    pods = []
    for workload, ordinal, node in keys:
        key = (workload.namespace, workload.kind, workload.name, ordinal)
        key_digest = digest(f"pod/{key[0]}/{key[1]}/{key[2]}/{ordinal}")
        if workload.template.host_network:
            ipv4, ipv6 = addresses.of_node(node)
        else:
            ipv4, ipv6 = addresses.of(key, node, key_digest)
        name = names.of(workload, key, key_digest)
        pods.append(PlannedPod(workload, ordinal, name, node, ipv4, ipv6))
    return tuple(pods), (*names.findings, *addresses.moved(cluster))


def _placed(
    workload: Workload, placement: Placement, node_names: Sequence[str]
) -> Iterable[tuple[Ordinal, int]]:
    """The ordinals of pods that have a node, and its index."""
    if workload.kind == "DaemonSet":
        return [(node_names[node], node) for node in placement if node >= 0]
    numbered = enumerate(placement, workload.first)
    return (
        numbered if min(placement, default=0) >= 0 else [each for each in numbered if each[1] >= 0]
    )


class _Addresses:
    """A pool a node and family; what the lock holds is taken before any is chosen."""

    def __init__(
        self, nodes: Sequence[Node], pod_cidrs: Mapping[str, tuple[Cidr, ...]], lock: Lock
    ) -> None:
        self.lock = lock
        self.nodes = {node.name: node for node in nodes}
        self.kept: dict[PodKey, Addresses] = {}
        self.pools: dict[tuple[str, Family], Pool] = {
            (node.name, cidr.family): Pool((pod_band(cidr),))
            for node in nodes
            for cidr in pod_cidrs[node.name]
        }
        self.has: dict[Family, bool] = {
            family: any(f == family for _, f in self.pools) for family in (4, 6)
        }
        for entry, number in lock.once_pods():
            for family, address in entry.ips:
                if pool := self.pools.get((entry.node, family)):
                    pool.freed[address] = number
        self.lost: list[tuple[PodKey, str]] = []

    def keep(self, keys: Sequence[PodPlace]) -> None:
        lock = self.lock
        if not lock.pods and not lock.freed_pods:
            return
        for section in (lock.pods, {k: entry for k, (entry, _) in lock.freed_pods.items()}):
            live = section is lock.pods
            if not section:
                continue
            for workload, ordinal, node in keys:
                key = (workload.namespace, workload.kind, workload.name, ordinal)
                entry = section.get(key)
                if entry is None:
                    continue
                if entry.node == node:
                    if not workload.template.host_network and not self._take(entry, key) and live:
                        self.lost.append((key, node))
                elif live:
                    self.lost.append((key, entry.node))

    def _take(self, entry: PodEntry, key: PodKey) -> bool:
        """Take those addresses of an entry that are free, in their node's band and of a family
        that the pod has none of yet; whether all were that the cluster has a range for."""
        kept = self.kept.get(key, ())
        all_free = True
        for family, address in entry.ips:
            pool = self.pools.get((entry.node, family))
            if pool is None or any(family == own for own, _ in kept):
                continue
            band = pool.bands[0]
            if address not in pool.taken and band.first <= address < band.first + band.size:
                pool.taken[address] = entry.node
                kept = (*kept, (family, address))
            else:
                all_free = False
        if kept:
            self.kept[key] = kept
        return all_free

    def of(self, key: PodKey, node: str, key_digest: bytes) -> tuple[int, int]:
        """The IPv4 and the IPv6 address, 0 where the cluster has no such family."""
        kept = dict(self.kept[key]) if key in self.kept else {}
        return self._one(4, kept, node, key_digest), self._one(6, kept, node, key_digest)

    def _one(self, family: Family, kept: Mapping[Family, int], node: str, key_digest: bytes) -> int:
        if not self.has[family]:
            return 0
        if family in kept:
            return kept[family]
        place = self.pools[node, family].choose(key_digest, node)
        if place is None:
            raise OurBugError(f"placement put more pods on node {node} than it has addresses")
        return place

    def of_node(self, node: str) -> tuple[int, int]:
        """What a pod in the host's network has: the node's first address of each family."""
        found = dict(reversed(self.nodes[node].addresses))
        return (
            found.get(4, 0) if self.has[4] else 0,
            found.get(6, 0) if self.has[6] else 0,
        )

    def moved(self, cluster: Cluster) -> list[Finding]:
        """A warning for each node that pods had to leave, or where they lost their address."""
        by_node: dict[str, list[PodKey]] = {}
        for key, node in self.lost:
            by_node.setdefault(node, []).append(key)
        return [
            Finding(
                Code.ADDRESS_MOVED,
                cluster.origins.get(Key(keys[0][1], keys[0][0], keys[0][2])),
                (),
                _who_leaves(keys, node),
            )
            for node, keys in sorted(by_node.items())
        ]


def _who_leaves(keys: Sequence[PodKey], node: str) -> str:
    first = "/".join(map(str, keys[0]))
    where = f"cannot stay on node {node} with the address that the lock has"
    return f"pod {first} {where}" if len(keys) == 1 else f"{len(keys)} pods, {first} first, {where}"
