"""Which pods are behind each service port."""

from collections.abc import Iterator, Sequence

from kcompile.address import Family
from kcompile.model import Cluster, Labels, PodTemplate, Service, ServicePort, Workload
from kcompile.planned import Endpoint, PlannedPod
from kcompile.problems import Code, Finding

Pods = Sequence[PlannedPod]


class Backends:
    """Finds the workloads that a Service selects, by an index on namespace and label."""

    def __init__(self, workloads: Sequence[Workload], pods: Sequence[PlannedPod]) -> None:
        self.pods: dict[int, list[PlannedPod]] = {}
        for pod in pods:
            self.pods.setdefault(id(pod.workload), []).append(pod)
        self.labels = [frozenset(workload.template.labels) for workload in workloads]
        self.workloads = workloads
        self.by_label: dict[tuple[str, tuple[str, str]], list[int]] = {}
        for index, workload in enumerate(workloads):
            for label in workload.template.labels:
                self.by_label.setdefault((workload.namespace, label), []).append(index)

    def of(self, service: Service) -> list[tuple[Workload, Pods]]:
        """The selected workloads that have pods, in the order of the cluster."""
        return [
            (self.workloads[index], self.pods[id(self.workloads[index])])
            for index in self._selected(service.namespace, service.selector)
            if id(self.workloads[index]) in self.pods
        ]

    def _selected(self, namespace: str, selector: Labels) -> Sequence[int]:
        if not selector:
            return ()
        lists = [self.by_label.get((namespace, label), ()) for label in selector]
        rarest = min(lists, key=len)
        if len(selector) == 1:
            return rarest
        wanted = frozenset(selector)
        return [index for index in rarest if wanted <= self.labels[index]]


def endpoints_of(
    port: ServicePort | None, backends: Sequence[tuple[Workload, Pods]], families: Sequence[Family]
) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """The IPv4 and the IPv6 endpoints of a service port, sorted by address and port.

    No port (a headless Service without ports) gives endpoints with port 0.
    """
    return (
        _endpoints(port, backends, 4) if 4 in families else (),
        _endpoints(port, backends, 6) if 6 in families else (),
    )


def _endpoints(
    port: ServicePort | None, backends: Sequence[tuple[Workload, Pods]], family: Family
) -> tuple[Endpoint, ...]:
    found = []
    for workload, pods in backends:
        number = target_port(port, workload.template) if port else 0
        if number is None:
            continue
        if family == 4:
            found += [Endpoint(pod.ipv4, number, pod.node, pod.name) for pod in pods]
        else:
            found += [Endpoint(pod.ipv6, number, pod.node, pod.name) for pod in pods]
    found.sort(key=_address_and_port)
    return tuple(found)


def _address_and_port(endpoint: Endpoint) -> tuple[int, int]:
    return endpoint.ip, endpoint.port


def target_port(port: ServicePort, template: PodTemplate) -> int | None:
    """The number behind a service port in pods of a template, None if they lack the named port.

    Kubernetes looks through the containers, then the restartable init containers
    (k8s.io/kubernetes/pkg/api/v1/pod FindPort).
    """
    if isinstance(port.target_port, int):
        return port.target_port
    for container in (*template.containers, *template.sidecars):
        for candidate in container.ports:
            if candidate.name == port.target_port and candidate.protocol == port.protocol:
                return candidate.port
    return None


def notes_on(
    service: Service, backends: Sequence[tuple[Workload, Pods]], cluster: Cluster
) -> Iterator[Finding]:
    """What a user would want to know about a Service's endpoints."""
    origin = cluster.origins.get(service.key)
    if service.selector and not backends:
        selector = ",".join(f"{key}={value}" for key, value in service.selector)
        message = f"selector {selector} of {service.key} matches no pod"
        yield Finding(Code.NO_PODS_SELECTED, origin, ("spec", "selector"), message)
    for index, port in enumerate(service.ports):
        lacking = [w for w, _ in backends if target_port(port, w.template) is None]
        if lacking:
            message = (
                f"pods of {lacking[0].key} have no {port.protocol} container port named"
                f" {port.target_port!r}, so they are no endpoints of this port of {service.key}"
            )
            path = ("spec", "ports", index, "targetPort")
            yield Finding(Code.NO_SUCH_TARGET_PORT, origin, path, message)
