"""Each node's share of the pod ranges: stated, locked, or chosen."""

from collections.abc import Iterator, Mapping

from kcompile.address import BITS, Cidr
from kcompile.model import Cluster, Key, Node
from kcompile.plan.choice import Band, Pool, digest
from kcompile.plan.lock import Lock
from kcompile.plan.shortage import shortage
from kcompile.problems import Code, Finding
from kcompile.resolve.ranges import longest_node_mask


def plan_nodes(
    cluster: Cluster, lock: Lock
) -> tuple[Mapping[str, tuple[Cidr, ...]], tuple[Finding, ...]]:
    """Pod CIDRs by node name, one a family in the order of the pod ranges."""
    ranges = [_PodRange(cluster, lock, pods) for pods in cluster.settings.pod_cidrs]
    for pod_range in ranges:
        pod_range.plan()
    shares = {
        node.name: tuple(cidr for r in ranges for cidr in r.given.get(node.name, ()))
        for node in cluster.nodes
    }
    return shares, tuple(finding for r in ranges for finding in r.findings)


class _PodRange:
    """One pod range, cut into equal shares that are counted from 0.

    What nodes state may be wider or narrower than a share; it takes all that it touches.
    """

    def __init__(self, cluster: Cluster, lock: Lock, pods: Cidr) -> None:
        self.cluster = cluster
        self.lock = lock
        self.pods = pods
        self.mask = cluster.settings.node_masks[pods.family]
        self.pool = Pool((Band(0, 1 << self.mask - pods.prefix),))
        self.given: dict[str, list[Cidr]] = {}
        self.findings: list[Finding] = []
        for cidrs, number in lock.once_nodes():
            for cidr in self._within(cidrs):
                self.pool.freed |= dict.fromkeys(self._numbers(cidr), number)

    def plan(self) -> None:
        waiting = [node for node in self.cluster.nodes if not self._stated(node)]
        waiting = [node for node in waiting if not self._locked(node)]
        without: list[Key] = []
        for node in waiting:
            # The key has no family for the first range, so that dual stack moves nothing.
            key = f"node/{node.name}" if self.pods.family == 4 else f"node/{node.name}/6"
            number = self.pool.choose(digest(key), node.name)
            if number is None:
                without.append(node.key)
            else:
                base = self.pods.base + (number << BITS[self.pods.family] - self.mask)
                self.given[node.name] = [Cidr(self.pods.family, base, self.mask)]
        if without:
            self._exhausted(without)

    def _stated(self, node: Node) -> bool:
        return self._give(node, [c for c in node.pod_cidrs if c.family == self.pods.family])

    def _locked(self, node: Node) -> bool:
        live = self.lock.nodes.get(node.name, ())
        freed, _ = self.lock.freed_nodes.get(node.name, ((), 0))
        held = self._within(live) or self._within(freed)
        taken = any(n in self.pool.taken for cidr in held for n in self._numbers(cidr))
        if not taken and self._give(node, held):
            return True
        if lost := [cidr for cidr in live if cidr.family == self.pods.family]:
            message = (
                f"node {node.name} loses its pod CIDR {lost[0]}: it lies outside the pod range"
                f" {self.pods} or is stated for another node"
            )
            self._report(node, Code.ADDRESS_MOVED, message)
        return False

    def _give(self, node: Node, cidrs: list[Cidr]) -> bool:
        for cidr in cidrs:
            for number in self._numbers(cidr):
                self.pool.take(number, node.name)
        if cidrs:
            self.given[node.name] = cidrs
        return bool(cidrs)

    def _within(self, cidrs: tuple[Cidr, ...]) -> list[Cidr]:
        return [cidr for cidr in cidrs if self.pods.covers(cidr)]

    def _numbers(self, cidr: Cidr) -> range:
        shift = BITS[self.pods.family] - self.mask
        first, last = cidr.base - self.pods.base >> shift, cidr.last - self.pods.base >> shift
        return range(first, last + 1)

    def _exhausted(self, without: list[Key]) -> None:
        size = self.pool.bands[0].size
        bits = (size + len(without) - 1).bit_length() - (size.bit_length() - 1)
        what = f"the pod range {self.pods}, in shares of /{self.mask},"
        hint = " or ".join(self._enough(bits))
        hint += " has enough" if hint else ""
        message = shortage(what, "share", size, without)
        origin = self.cluster.origins.get(without[0])
        self.findings.append(Finding(Code.RANGE_EXHAUSTED, origin, (), message, hint))

    def _enough(self, bits: int) -> Iterator[str]:
        """The flags that give 2^bits times the shares, where such a cluster is possible."""
        wider = Cidr(self.pods.family, 0, max(0, self.pods.prefix - bits))
        if wider.prefix > 0 and self.mask <= longest_node_mask(wider):
            yield f"--pod-network-cidr with a /{wider.prefix}"
        if self.mask + bits <= longest_node_mask(self.pods):
            both = len(self.cluster.settings.pod_cidrs) > 1
            family = f"-ipv{self.pods.family}" if both else ""
            yield f"--node-cidr-mask-size{family} {self.mask + bits}"

    def _report(self, node: Node, code: Code, message: str) -> None:
        self.findings.append(Finding(code, self.cluster.origins.get(node.key), (), message))
