"""The addresses of LoadBalancer Services: given in their status, stated, locked, or chosen."""

from collections.abc import Mapping

from kcompile.address import Family, format_ip
from kcompile.model import Cluster, IpMode, Key, Service
from kcompile.plan.choice import Band, Pool, digest
from kcompile.plan.families import ServiceFamilies
from kcompile.plan.lock import Lock, service_sections
from kcompile.plan.shortage import shortage
from kcompile.problems import Code, Finding
from kcompile.source import Path

LoadBalancerIps = tuple[tuple[Family, int, IpMode], ...]

_HINT = "--load-balancer-pool CIDR, an IPAddressPool or status.loadBalancer.ingress gives one"


def plan_load_balancers(
    cluster: Cluster, families: Mapping[Key, ServiceFamilies], lock: Lock
) -> tuple[Mapping[Key, LoadBalancerIps], tuple[Finding, ...]]:
    """The addresses of every LoadBalancer Service, in the order of its status or its families.

    A status wins. A Service with a loadBalancerClass is for another implementation.
    """
    balanced = [service for service in cluster.services if service.type == "LoadBalancer"]
    ours = [s for s in balanced if not (s.load_balancer.ingress or s.load_balancer.class_name)]
    pools: dict[Family, _Pools] = {}
    for family in (4, 6):
        own = [s for s in ours if s.key in families and family in families[s.key].families]
        if own and any(range_[0] == family for pool in cluster.pools for range_ in pool.ranges):
            pools[family] = _Pools(cluster, lock, family)
            pools[family].plan(own)
    findings = [finding for each in pools.values() for finding in each.findings]
    given: dict[Key, LoadBalancerIps] = {}
    for service in balanced:
        found = service.load_balancer.ingress or tuple(
            (family, pools[family].given[service.key], _VIP)
            for family in (families[service.key].families if service.key in families else ())
            if family in pools and service.key in pools[family].given
        )
        given[service.key] = found
        if not found:
            findings.append(_pending(service, cluster))
    return given, (*findings, *_outside_pools(ours, cluster, pools))


_VIP: IpMode = "VIP"


def _pending(service: Service, cluster: Cluster) -> Finding:
    class_name = service.load_balancer.class_name
    reason = (
        f"its loadBalancerClass {class_name} is another implementation's"
        if class_name
        else "no pool has one of its families"
    )
    message = f"{service.key} has no external address and shows as <pending>: {reason}"
    origin = cluster.origins.get(service.key)
    return Finding(Code.NO_EXTERNAL_ADDRESS, origin, ("spec", "type"), message, _HINT)


def _outside_pools(
    services: list[Service], cluster: Cluster, pools: Mapping[Family, "_Pools"]
) -> list[Finding]:
    """spec.loadBalancerIP is a wish: who does not know the address gives another."""
    return [
        Finding(
            Code.SUSPICIOUS,
            cluster.origins.get(service.key),
            ("spec", "loadBalancerIP"),
            f"spec.loadBalancerIP {format_ip(family, address)} of {service.key} is in no pool"
            " of the Service's families, so it is not used",
        )
        for service in services
        for family, address in service.load_balancer.stated_ips
        if family not in pools or pools[family].given.get(service.key) != address
    ]


class _Pools:
    """The pools' addresses of one family."""

    def __init__(self, cluster: Cluster, lock: Lock, family: Family) -> None:
        self.cluster = cluster
        self.lock = lock
        self.family = family
        self.given: dict[Key, int] = {}
        self.findings: list[Finding] = []
        self.ranges = [
            (first, last, pool.auto_assign)
            for pool in cluster.pools
            for own, first, last in pool.ranges
            if own == family
        ]
        self.pool = Pool(
            tuple(Band(first, last - first + 1) for first, last, auto in self.ranges if auto)
        )
        for entry, number in lock.once_services():
            for own, address in entry.load_balancer_ips:
                if own == family:
                    self.pool.freed[address] = number

    def plan(self, services: list[Service]) -> None:
        for node in self.cluster.nodes:
            self._occupy(node.addresses, str(node.key))
        waiting = [service for service in services if not self._stated(service)]
        for service in self.cluster.services:
            ingress = [(family, address) for family, address, _ in service.load_balancer.ingress]
            self._occupy((*service.external_ips, *ingress), str(service.key))
        without: list[Key] = []
        for service in self._without_locked(waiting):
            key = f"service/{service.namespace}/{service.name}/loadBalancer"
            address = self.pool.choose(digest(key), str(service.key))
            if address is not None:
                self.given[service.key] = address
            elif self.pool.bands:
                without.append(service.key)
        if without:
            self._exhausted(without)

    def _occupy(self, addresses: tuple[tuple[Family, int], ...], owner: str) -> None:
        for family, address in addresses:
            if family == self.family:
                self.pool.take(address, owner)

    def _contains(self, address: int) -> bool:
        return any(first <= address <= last for first, last, _ in self.ranges)

    def _stated(self, service: Service) -> bool:
        address = dict(service.load_balancer.stated_ips).get(self.family)
        if address is None or not self._contains(address):
            return False
        if holder := self.pool.take(address, str(service.key)):
            text = format_ip(self.family, address)
            message = f"loadBalancerIP {text} is already allocated to {holder}"
            self._report(service, Code.ADDRESS_TAKEN, ("spec", "loadBalancerIP"), message)
        self.given[service.key] = address
        return True

    def _without_locked(self, services: list[Service]) -> list[Service]:
        """Give the Services what the lock holds for them; the rest is left."""
        for entries, live in service_sections(self.lock):
            left = []
            for service in services:
                entry = entries.get((service.namespace, service.name))
                held = dict(entry.load_balancer_ips).get(self.family) if entry else None
                if held is None or not self._held(service, held, live=live):
                    left.append(service)
            services = left
        return services

    def _held(self, service: Service, held: int, *, live: bool) -> bool:
        inside = self._contains(held)
        if inside and not self.pool.take(held, str(service.key)):
            self.given[service.key] = held
            return True
        if live:
            text = format_ip(self.family, held)
            reason = f"{self.pool.taken[held]} has it now" if inside else "no pool has it any more"
            message = f"{service.key} loses its load balancer address {text}: {reason}"
            self._report(service, Code.ADDRESS_MOVED, (), message)
        return False

    def _exhausted(self, without: list[Key]) -> None:
        size = sum(band.size for band in self.pool.bands)
        what = f"the supply of IPv{self.family} load balancer addresses"
        hint = f"a --load-balancer-pool of {len(without)} more has enough"
        message = shortage(what, "address", size, without)
        origin = self.cluster.origins.get(without[0])
        self.findings.append(Finding(Code.RANGE_EXHAUSTED, origin, (), message, hint))

    def _report(self, service: Service, code: Code, path: Path, message: str) -> None:
        origin = self.cluster.origins.get(service.key)
        self.findings.append(Finding(code, origin, path, message))
