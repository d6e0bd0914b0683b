"""Each Service's cluster addresses and node ports: stated, locked, or chosen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kcompile.address import Cidr, Family, format_ip
from kcompile.model import Cluster, Key, Service, ServicePort
from kcompile.plan.choice import Band, Pool, digest, static_band_size
from kcompile.plan.lock import Lock, PortKey, ServiceEntry, ServiceKey
from kcompile.problems import Code, Finding
from kcompile.resolve.services import DNS, KUBERNETES, reserved_address
from kcompile.source import Path

ClusterIps = tuple[tuple[Family, int], ...]


@dataclass(slots=True)
class ServiceAddresses:
    """What plan_services gives: cluster addresses by Service, node ports by Service and port."""

    cluster_ips: dict[Key, ClusterIps] = field(default_factory=dict)
    node_ports: dict[tuple[Key, PortKey], int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def plan_services(cluster: Cluster, lock: Lock) -> ServiceAddresses:
    """Stated values are taken before any locked one, locked ones before any is chosen."""
    given = ServiceAddresses()
    for cidr in cluster.settings.service_cidrs:
        _ClusterIps(cluster, lock, cidr, given).plan()
    _NodePorts(cluster, lock, given).plan()
    return given


def _sections(lock: Lock) -> tuple[tuple[Mapping[ServiceKey, ServiceEntry], bool], ...]:
    """What the lock holds, live entries before freed ones, and whether they are live."""
    freed = {key: entry for key, (entry, _) in lock.freed_services.items()}
    return (lock.services, True), (freed, False)


class _ClusterIps:
    """The addresses of one service range."""

    def __init__(self, cluster: Cluster, lock: Lock, cidr: Cidr, given: ServiceAddresses) -> None:
        self.cluster = cluster
        self.lock = lock
        self.cidr = cidr
        self.given = given
        self.pool = Pool(service_bands(cidr))
        for entry, number in lock.once_services():
            for family, address in entry.cluster_ips:
                if family == cidr.family:
                    self.pool.freed[address] = number

    def plan(self) -> None:
        services = [s for s in self.cluster.services if s.type != "ExternalName"]
        self._reserve(KUBERNETES)
        waiting = [s for s in services if not s.headless and not self._stated(s)]
        # Any Service may state the tenth address and be the cluster's DNS Service.
        self._reserve(DNS)
        for service in self._without_locked(waiting):
            key = f"service/{service.namespace}/{service.name}"
            address = self.pool.choose(digest(key), str(service.key))
            if address is None:
                self._exhausted(service)
            else:
                self._give(service, address)

    def _give(self, service: Service, address: int) -> None:
        before = self.given.cluster_ips.get(service.key, ())
        self.given.cluster_ips[service.key] = (*before, (self.cidr.family, address))

    def _stated(self, service: Service) -> bool:
        """Take the address that a Service states for this family, if it states one."""
        stated = [value for family, value in service.cluster_ips if family == self.cidr.family]
        if not stated:
            return False
        address = stated[0]
        text = format_ip(self.cidr.family, address)
        path: Path = ("spec", "clusterIP")
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
        self._give(service, address)
        return True

    def _who(self, holder: str) -> str:
        return f"{holder}, for which it is reserved" if holder == str(KUBERNETES) else holder

    def _report(self, service: Service, code: Code, path: Path, message: str) -> None:
        origin = self.cluster.origins.get(service.key)
        self.given.findings.append(Finding(code, origin, path, message))

    def _reserve(self, key: Key) -> None:
        if address := reserved_address(self.cidr, key):
            self.pool.take(address, str(key))

    def _without_locked(self, services: list[Service]) -> list[Service]:
        """Give the Services what the lock holds for them; the rest is left."""
        for entries, live in _sections(self.lock):
            left = []
            for service in services:
                entry = entries.get((service.namespace, service.name))
                held = dict(entry.cluster_ips).get(self.cidr.family) if entry else None
                if held is None or not self._held(service, held, live=live):
                    left.append(service)
            services = left
        return services

    def _held(self, service: Service, held: int, *, live: bool) -> bool:
        first_usable, size = usable(self.cidr)
        inside = first_usable <= held < first_usable + size
        if inside and not self.pool.take(held, str(service.key)):
            self._give(service, held)
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

    def _exhausted(self, service: Service) -> None:
        message = (
            f"no address is left for {service.key}: all {usable(self.cidr)[1]} of {self.cidr}"
            " are taken; a wider --service-cidr has more"
        )
        self._report(service, Code.RANGE_EXHAUSTED, (), message)


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


def node_port_bands(first: int, last: int) -> tuple[Band, ...]:
    """The dynamic band, then the static one."""
    size = last - first + 1
    static = static_band_size(size, 32, 128)
    return Band(first + static, size - static), Band(first, static)


class _NodePorts:
    """One pool for the cluster: a number is given to one Service, which may use it for several
    protocols of one service port (registry/core/service/portallocator knows no protocol)."""

    def __init__(self, cluster: Cluster, lock: Lock, given: ServiceAddresses) -> None:
        self.cluster = cluster
        self.lock = lock
        self.given = given
        self.pool = Pool(node_port_bands(*cluster.settings.node_ports))
        for entry, number in lock.once_services():
            for _, node_port in entry.node_ports:
                self.pool.freed[node_port] = number

    def plan(self) -> None:
        waiting = [
            (service, index, port)
            for service in self.cluster.services
            if service.type in ("NodePort", "LoadBalancer")
            for index, port in enumerate(service.ports)
        ]
        waiting = [entry for entry in waiting if not self._stated(*entry)]
        for entries, live in _sections(self.lock):
            waiting = [entry for entry in waiting if not self._held(*entry, entries, live=live)]
        for service, index, port in waiting:
            self._choose(service, index, port)

    def _give(self, service: Service, port: ServicePort, node_port: int) -> None:
        self.given.node_ports[service.key, (port.port, port.protocol)] = node_port

    def _stated(self, service: Service, index: int, port: ServicePort) -> bool:
        if not port.node_port:
            return False
        first, last = self.cluster.settings.node_ports
        path = ("spec", "ports", index, "nodePort")
        holder = self.pool.take(port.node_port, str(service.key))
        if not first <= port.node_port <= last:
            message = f"nodePort {port.node_port} is not in the valid range {first}-{last}"
            self._report(service, Code.NODE_PORT_OUT_OF_RANGE, path, message)
        elif holder:
            message = f"nodePort {port.node_port} is already allocated to {holder}"
            self._report(service, Code.NODE_PORT_TAKEN, path, message)
        self._give(service, port, port.node_port)
        return True

    def _held(
        self,
        service: Service,
        index: int,
        port: ServicePort,
        entries: Mapping[ServiceKey, ServiceEntry],
        *,
        live: bool,
    ) -> bool:
        entry = entries.get((service.namespace, service.name))
        held = dict(entry.node_ports).get((port.port, port.protocol)) if entry else None
        if held is None:
            return False
        first, last = self.cluster.settings.node_ports
        if first <= held <= last and not self.pool.take(held, str(service.key)):
            self._give(service, port, held)
            return True
        if live:
            message = f"{service.key} loses its node port {held}, which is stated elsewhere now"
            self._report(service, Code.ADDRESS_MOVED, ("spec", "ports", index), message)
        return False

    def _choose(self, service: Service, index: int, port: ServicePort) -> None:
        shared = self._of_other_protocol(service, port)
        key = f"service/{service.namespace}/{service.name}/{port.port}/{port.protocol}"
        number = shared or self.pool.choose(digest(key), str(service.key))
        if number is None:
            first, last = self.cluster.settings.node_ports
            message = (
                f"no node port is left for {service.key}: all of {first}-{last} are taken;"
                " a wider --service-node-port-range has more"
            )
            self._report(service, Code.RANGE_EXHAUSTED, ("spec", "ports", index), message)
        else:
            self._give(service, port, number)

    def _of_other_protocol(self, service: Service, port: ServicePort) -> int:
        """The node port of the same service port with another protocol, as Kubernetes shares it
        (registry/core/service/storage/alloc.go)."""
        for other in service.ports:
            if other.port == port.port and other.protocol != port.protocol:
                number = self.given.node_ports.get((service.key, (other.port, other.protocol)), 0)
                if number and number not in self._numbers_of(service, port.protocol):
                    return number
        return 0

    def _numbers_of(self, service: Service, protocol: str) -> Iterator[int]:
        for other in service.ports:
            if other.protocol == protocol:
                yield self.given.node_ports.get((service.key, (other.port, other.protocol)), 0)

    def _report(self, service: Service, code: Code, path: Path, message: str) -> None:
        origin = self.cluster.origins.get(service.key)
        self.given.findings.append(Finding(code, origin, path, message))
