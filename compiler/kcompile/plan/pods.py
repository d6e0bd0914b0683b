"""Each pod's name and addresses."""

from collections.abc import Mapping, Sequence

from kcompile.address import Cidr, Family
from kcompile.model import Cluster, Key, Node, Workload
from kcompile.plan.choice import Pool, digest
from kcompile.plan.lock import Addresses, Lock, PodEntry, PodKey
from kcompile.plan.placement import Placement, pod_band
from kcompile.planned import PlannedPod
from kcompile.problems import Code, Finding, OurBugError

# apimachinery's SafeEncodeString: no vowels and no look-alikes, so that no word comes about.
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_PAIRS = tuple(first + second for second in _SAFE for first in _SAFE)
_HASH_LENGTH = 10
_SUFFIX_LENGTH = 5
# apiserver's name generator: a pod's name has at most 63 characters.
_NAME_LENGTH = 63


def plan_pods(
    cluster: Cluster,
    placements: Sequence[Placement],
    pod_cidrs: Mapping[str, tuple[Cidr, ...]],
    lock: Lock,
) -> tuple[tuple[PlannedPod, ...], tuple[Finding, ...]]:
    """All pods, in the order of the workloads and ordinals."""
    addresses = _Addresses(cluster.nodes, pod_cidrs, lock)
    names = _Names(lock)
    node_names = [node.name for node in cluster.nodes]
    keys = [
        (workload, ordinal, node_names[node])
        for workload, placement in zip(cluster.workloads, placements, strict=True)
        for ordinal, node in enumerate(placement)
    ]
    addresses.keep(keys)
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
    return tuple(pods), tuple(addresses.moved(cluster))


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

    def keep(self, keys: Sequence[tuple[Workload, int, str]]) -> None:
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
                f"{len(keys)} pods keep neither node {node} nor their address there,"
                f" the first of them {'/'.join(map(str, keys[0]))}",
            )
            for node, keys in sorted(by_node.items())
        ]


class _Names:
    """`NAME-HASH-SUFFIX`, the hash from the workload's key and the suffix from the pod's, so that
    no change of a template renames a pod."""

    def __init__(self, lock: Lock) -> None:
        freed = {key: entry.name for key, (entry, _) in lock.freed_pods.items() if entry.name}
        live = {key: entry.name for key, entry in lock.pods.items() if entry.name}
        taken = {(key[0], name) for key, name in live.items()}
        back = {key: name for key, name in freed.items() if (key[0], name) not in taken}
        self.pinned = back | live
        self.taken = {(key[0], name) for key, name in self.pinned.items()}
        self.workload: Workload | None = None
        self.prefix = ""

    def of(self, workload: Workload, key: PodKey, key_digest: bytes) -> str:
        if self.pinned and (name := self.pinned.get(key)):
            return name
        if workload is not self.workload:
            self.workload = workload
            self.prefix = _prefix(workload)
        number = int.from_bytes(key_digest[8:16], "big")
        while True:
            name = self.prefix + _safe(number, _SUFFIX_LENGTH)
            if (workload.namespace, name) not in self.taken:
                self.taken.add((workload.namespace, name))
                return name
            number += 1


def _prefix(workload: Workload) -> str:
    key_digest = digest(f"{workload.kind}/{workload.namespace}/{workload.name}")
    room = _NAME_LENGTH - _HASH_LENGTH - _SUFFIX_LENGTH - 2
    # A label of a DNS name ends with neither "-" nor ".".
    name = workload.name[:room].rstrip("-.")
    return f"{name}-{_safe(int.from_bytes(key_digest[:16], 'big'), _HASH_LENGTH)}-"


def _safe(number: int, length: int) -> str:
    """The last `length` digits of a number, in base 27, as SafeEncodeString's letters."""
    text = ""
    while len(text) < length:
        number, index = divmod(number, len(_PAIRS))
        text += _PAIRS[index]
    return text[:length]
