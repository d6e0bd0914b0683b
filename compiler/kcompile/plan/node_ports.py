"""Each Service's node ports, that of its health checks among them: stated, locked, or chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kcompile.model import Cluster, Key, Service, ServicePort
from kcompile.plan.choice import Band, Pool, digest, static_band_size
from kcompile.plan.lock import Lock, PortKey, ServiceEntry, ServiceKey, service_sections
from kcompile.plan.shortage import shortage
from kcompile.problems import Code, Finding
from kcompile.source import Path


@dataclass(slots=True)
class NodePorts:
    """Numbers by Service and service port, and those of health checks by Service."""

    by_port: dict[tuple[Key, PortKey], int] = field(default_factory=dict)
    health_checks: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Request:
    """A node port to be; `port` is None for that of health checks."""

    service: Service
    port: ServicePort | None
    path: Path
    stated: int

    @property
    def owner(self) -> str:
        """A Service may use one number for several protocols, but not for its health checks."""
        return str(self.service.key) if self.port else f"the health checks of {self.service.key}"

    @property
    def field(self) -> str:
        return str(self.path[-1])


def plan_node_ports(cluster: Cluster, lock: Lock) -> tuple[NodePorts, tuple[Finding, ...]]:
    """Stated numbers are taken before any locked one, locked ones before any is chosen."""
    allocator = _Allocator(cluster, lock)
    waiting = [
        request for service in cluster.services for request in _requests(service) if request.stated
    ]
    for request in waiting:
        allocator.state(request)
    waiting = [
        request
        for service in cluster.services
        for request in _requests(service)
        if not request.stated and _is_chosen(request)
    ]
    for entries, live in service_sections(lock):
        waiting = [each for each in waiting if not allocator.hold(each, entries, live=live)]
    without = [request.service.key for request in waiting if not allocator.choose(request)]
    if without:
        allocator.exhausted(without)
    return allocator.given, tuple(allocator.findings)


def _requests(service: Service) -> list[_Request]:
    if service.type not in ("NodePort", "LoadBalancer"):
        return []
    requests = [
        _Request(service, port, ("spec", "ports", index, "nodePort"), port.node_port)
        for index, port in enumerate(service.ports)
    ]
    if service.type == "LoadBalancer" and service.external_policy == "Local":
        number = service.load_balancer.health_check_node_port
        requests.append(_Request(service, None, ("spec", "healthCheckNodePort"), number))
    return requests


def _is_chosen(request: _Request) -> bool:
    """allocateLoadBalancerNodePorts is about the ports of a Service, not its health checks."""
    service = request.service
    return (
        request.port is None
        or service.type == "NodePort"
        or service.load_balancer.allocate_node_ports
    )


def node_port_bands(first: int, last: int) -> tuple[Band, ...]:
    """The dynamic band, then the static one."""
    size = last - first + 1
    static = static_band_size(size, 32, 128)
    return Band(first + static, size - static), Band(first, static)


class _Allocator:
    """One pool for the cluster: a number is given to one Service, which may use it for several
    protocols of one service port (registry/core/service/portallocator knows no protocol)."""

    def __init__(self, cluster: Cluster, lock: Lock) -> None:
        self.cluster = cluster
        self.given = NodePorts()
        self.findings: list[Finding] = []
        self.pool = Pool(node_port_bands(*cluster.settings.node_ports))
        for entry, number in lock.once_services():
            for _, node_port in entry.node_ports:
                self.pool.freed[node_port] = number
            if entry.health_check_node_port:
                self.pool.freed[entry.health_check_node_port] = number

    def state(self, request: _Request) -> None:
        first, last = self.cluster.settings.node_ports
        number = request.stated
        holder = self.pool.take(number, request.owner)
        if not first <= number <= last:
            message = f"{request.field} {number} is not in the valid range {first}-{last}"
            self._report(request, Code.NODE_PORT_OUT_OF_RANGE, request.path, message)
        elif holder:
            message = f"{request.field} {number} is already allocated to {holder}"
            self._report(request, Code.NODE_PORT_TAKEN, request.path, message)
        self._give(request, number)

    def hold(
        self, request: _Request, entries: Mapping[ServiceKey, ServiceEntry], *, live: bool
    ) -> bool:
        """Whether the lock has a number for the request that it can keep."""
        service, port = request.service, request.port
        entry = entries.get((service.namespace, service.name))
        if entry is None:
            return False
        held = (
            dict(entry.node_ports).get((port.port, port.protocol), 0)
            if port
            else entry.health_check_node_port
        )
        if not held:
            return False
        first, last = self.cluster.settings.node_ports
        if first <= held <= last and not self.pool.take(held, request.owner):
            self._give(request, held)
            return True
        if live:
            holder = self.pool.taken.get(held, "")
            reason = f"{holder} has it now" if holder else f"the range is {first}-{last}"
            message = f"{service.key} loses its {request.field} {held}: {reason}"
            self._report(request, Code.ADDRESS_MOVED, request.path[:-1], message)
        return False

    def choose(self, request: _Request) -> bool:
        """Whether a number is left for the request."""
        service, port = request.service, request.port
        name = f"{port.port}/{port.protocol}" if port else "healthCheck"
        key = f"service/{service.namespace}/{service.name}/{name}"
        shared = self._of_other_protocol(service, port) if port else 0
        number = shared or self.pool.choose(digest(key), request.owner)
        if number is not None:
            self._give(request, number)
        return number is not None

    def exhausted(self, without: list[Key]) -> None:
        first, last = self.cluster.settings.node_ports
        size = last - first + 1
        what = f"the node port range {first}-{last}"
        hint = f"--service-node-port-range with {size + len(without)} ports or more has enough"
        message = shortage(what, "port", size, without)
        origin = self.cluster.origins.get(without[0])
        self.findings.append(Finding(Code.RANGE_EXHAUSTED, origin, (), message, hint))

    def _give(self, request: _Request, number: int) -> None:
        key, port = request.service.key, request.port
        if port:
            self.given.by_port[key, (port.port, port.protocol)] = number
        else:
            self.given.health_checks[key] = number

    def _of_other_protocol(self, service: Service, port: ServicePort) -> int:
        """The node port of the same service port with another protocol, as Kubernetes shares it
        (registry/core/service/storage/alloc.go)."""
        given, key = self.given.by_port, service.key
        own = {
            given.get((key, (other.port, other.protocol)), 0)
            for other in service.ports
            if other.protocol == port.protocol
        }
        for other in service.ports:
            if other.port == port.port and other.protocol != port.protocol:
                number = given.get((key, (other.port, other.protocol)), 0)
                if number and number not in own:
                    return number
        return 0

    def _report(self, request: _Request, code: Code, path: Path, message: str) -> None:
        origin = self.cluster.origins.get(request.service.key)
        self.findings.append(Finding(code, origin, path, message))
