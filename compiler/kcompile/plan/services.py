"""Each Service's cluster addresses: stated, locked, or chosen."""

from collections.abc import Mapping
from dataclasses import replace

from kcompile.address import BITS, Cidr, Family, format_ip
from kcompile.model import Cluster, Key, Service
from kcompile.plan.choice import Band, Pool, digest, static_band_size
from kcompile.plan.families import ServiceFamilies
from kcompile.plan.lock import Lock, service_sections
from kcompile.plan.shortage import shortage
from kcompile.problems import Code, Finding
from kcompile.resolve.ranges import SERVICE_HOST_BITS
from kcompile.resolve.services import DNS, KUBERNETES, reserved_address
from kcompile.source import Path

ClusterIps = tuple[tuple[Family, int], ...]


def plan_cluster_ips(
    cluster: Cluster, families: Mapping[Key, ServiceFamilies], lock: Lock
) -> tuple[Mapping[Key, ClusterIps], tuple[Finding, ...]]:
    """The addresses of every Service that has some, in the order of its families.

    Stated ones are taken before any locked one, locked ones before any is chosen.
    """
    wanted = [
        (service, key, families[key].families)
        for service in cluster.services
        if not service.headless and (key := service.key) in families
    ]
    given: dict[Family, Mapping[Key, int]] = {}
    findings: list[Finding] = []
    for index, cidr in enumerate(cluster.settings.service_cidrs):
        services = [(service, key) for service, key, own in wanted if cidr.family in own]
        range_ = _Range(cluster, lock, cidr, primary=index == 0)
        range_.plan(services)
        given[cidr.family] = range_.given
        findings += range_.findings
    return {
        key: tuple((family, given[family][key]) for family in own if key in given[family])
        for _, key, own in wanted
    }, tuple(findings)


class _Range:
    """The addresses of one service range. kubeadm keeps two of the primary one for itself."""

    def __init__(self, cluster: Cluster, lock: Lock, cidr: Cidr, *, primary: bool) -> None:
        self.cluster = cluster
        self.lock = lock
        self.cidr = cidr
        self.primary = primary
        self.pool = Pool(service_bands(cidr))
        self.given: dict[Key, int] = {}
        self.findings: list[Finding] = []
        for entry, number in lock.once_services():
            for family, address in entry.cluster_ips:
                if family == cidr.family:
                    self.pool.freed[address] = number

    def plan(self, services: list[tuple[Service, Key]]) -> None:
        self._reserve(KUBERNETES)
        waiting = [(service, key) for service, key in services if not self._stated(service)]
        # Any Service may state the tenth address and be the cluster's DNS Service.
        self._reserve(DNS)
        without: list[Key] = []
        for service, key in self._without_locked(waiting):
            # What is hashed has no family, so a second family moves nothing.
            hashed = digest(f"service/{service.namespace}/{service.name}")
            address = self.pool.choose(hashed, str(key))
            if address is None:
                without.append(key)
            else:
                self.given[key] = address
        if without:
            self._exhausted(without)

    def _stated(self, service: Service) -> bool:
        """Take the address that a Service states for this family, if it states one."""
        for index, (family, address) in enumerate(service.cluster_ips):
            if family == self.cidr.family:
                path: Path = ("spec", "clusterIPs", index) if index else ("spec", "clusterIP")
                self._take(service, address, path)
                return True
        return False

    def _take(self, service: Service, address: int, path: Path) -> None:
        text = format_ip(self.cidr.family, address)
        holder = self.pool.take(address, str(service.key))
        first_usable, size = usable(self.cidr)
        if not first_usable <= address < first_usable + size:
            message = f"clusterIP {text} is not in the valid range {self.cidr}"
            if address in self.cidr:
                message += ", whose first and last address are not for Services"
            self._report(service, Code.ADDRESS_OUT_OF_RANGE, path, message)
        elif holder:
            message = f"clusterIP {text} is already allocated to {self._who(holder)}"
            self._report(service, Code.ADDRESS_TAKEN, path, message)
        self.given[service.key] = address

    def _who(self, holder: str) -> str:
        return f"{holder}, for which it is reserved" if holder == str(KUBERNETES) else holder

    def _report(self, service: Service, code: Code, path: Path, message: str) -> None:
        origin = self.cluster.origins.get(service.key)
        self.findings.append(Finding(code, origin, path, message))

    def _reserve(self, key: Key) -> None:
        if self.primary and (address := reserved_address(self.cidr, key)):
            self.pool.take(address, str(key))

    def _without_locked(self, services: list[tuple[Service, Key]]) -> list[tuple[Service, Key]]:
        """Give the Services what the lock holds for them; the rest is left."""
        for entries, live in service_sections(self.lock):
            left = []
            for service, key in services:
                entry = entries.get((service.namespace, service.name))
                held = dict(entry.cluster_ips).get(self.cidr.family) if entry else None
                if held is None or not self._held(service, key, held, live=live):
                    left.append((service, key))
            services = left
        return services

    def _held(self, service: Service, key: Key, held: int, *, live: bool) -> bool:
        first_usable, size = usable(self.cidr)
        inside = first_usable <= held < first_usable + size
        if inside and not self.pool.take(held, str(key)):
            self.given[key] = held
            return True
        if live:
            self._moved(service, held)
        return False

    def _moved(self, service: Service, held: int) -> None:
        text = format_ip(self.cidr.family, held)
        holder = self.pool.taken.get(held, "")
        reason = f"{holder} has it now" if holder else f"the service range is {self.cidr}"
        message = f"{service.key} loses its address {text}: {reason}"
        self._report(service, Code.ADDRESS_MOVED, (), message)

    def _exhausted(self, without: list[Key]) -> None:
        size, wider = usable(self.cidr)[1], self.cidr
        while wider.prefix and usable(wider)[1] < size + len(without):
            wider = replace(wider, prefix=wider.prefix - 1)
        what = f"the service range {self.cidr}"
        is_possible = wider.prefix >= BITS[wider.family] - SERVICE_HOST_BITS
        enough = f"--service-cidr with a /{wider.prefix} or a wider one has enough"
        hint = enough if is_possible else ""
        message = shortage(what, "address", size, without)
        origin = self.cluster.origins.get(without[0])
        self.findings.append(Finding(Code.RANGE_EXHAUSTED, origin, (), message, hint))


def usable(cidr: Cidr) -> tuple[int, int]:
    """First address and number of addresses for Services.

    Kubernetes leaves out the network address and, in IPv4, the broadcast address
    (registry/core/service/ipallocator).
    """
    return cidr.base + 1, max(0, cidr.size - (2 if cidr.family == 4 else 1))


def service_bands(cidr: Cidr) -> tuple[Band, ...]:
    """The dynamic band, then the static one."""
    first, size = usable(cidr)
    static = min(static_band_size(cidr.size, 16, 256), size)
    return Band(first + static, size - static), Band(first, static)
