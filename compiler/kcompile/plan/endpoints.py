"""What is behind each service port: pods that its Service selects, and slices that say so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.address import Family
from kcompile.model import (
    READY,
    Cluster,
    EndpointSlice,
    EndpointState,
    PodTemplate,
    Service,
    ServicePort,
    Workload,
)
from kcompile.planned import Endpoint, PlannedPod
from kcompile.problems import Code, Finding

Pods = Sequence[PlannedPod]
Selected = Sequence[tuple[Workload, Pods]]
EndpointPair = tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]
"""IPv4 and IPv6 endpoints, sorted by address and port."""


@dataclass(frozen=True, slots=True)
class Behind:
    """All that is behind a Service.

    `name` is the Service's. Pods count in its `families`, slices in their own. `states` are those
    of pods by node; None where every pod is simply ready. `on_every_node` are addresses that each
    node has for itself; there is nothing else behind a Service that has some.
    """

    name: str
    selected: Selected
    slices: Sequence[EndpointSlice]
    families: Sequence[Family]
    states: Mapping[str, EndpointState] | None
    on_every_node: Sequence[tuple[Family, int]] = ()

    @property
    def may_repeat(self) -> bool:
        """Whether two endpoints may have one address: pods in the host's network, slices."""
        return bool(self.slices) or any(w.template.host_network for w, _ in self.selected)


def endpoints_of(port: ServicePort, behind: Behind) -> EndpointPair:
    """The endpoints of a service port, unready ones as well."""
    if behind.on_every_node:
        return _on_every_node(port, behind, 4), _on_every_node(port, behind, 6)
    return _endpoints(port, behind, 4), _endpoints(port, behind, 6)


def _on_every_node(port: ServicePort, behind: Behind, family: Family) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(ip, port.port, "", "", everywhere=True)
        for own, ip in behind.on_every_node
        if own == family
    )


def portless_of(ports: Sequence[ServicePort], behind: Behind) -> EndpointPair:
    """Endpoints that none of a headless Service's ports leads to: they have names all the same."""
    rest = Behind(
        behind.name,
        [
            (workload, pods)
            for workload, pods in behind.selected
            if all(target_port(port, workload.template) is None for port in ports)
        ],
        [each for each in behind.slices if not any(_numbers(port, each) for port in ports)],
        behind.families,
        behind.states,
    )
    if not (rest.selected or rest.slices):
        return (), ()
    return _portless(ports, behind, rest, 4), _portless(ports, behind, rest, 6)


def _portless(
    ports: Sequence[ServicePort], behind: Behind, rest: Behind, family: Family
) -> tuple[Endpoint, ...]:
    named = {endpoint.ip for port in ports for endpoint in _endpoints(port, behind, family)}
    found = []
    for _, pods in rest.selected if family in rest.families else ():
        found += _of_pods(pods, 0, family, rest)
    for each in rest.slices:
        if each.family == family:
            found += _of_slice(each, 0)
    return _merged([endpoint for endpoint in found if endpoint.ip not in named])


def _endpoints(port: ServicePort, behind: Behind, family: Family) -> tuple[Endpoint, ...]:
    found = []
    for workload, pods in behind.selected if family in behind.families else ():
        number = target_port(port, workload.template)
        if number is not None:
            found += _of_pods(pods, number, family, behind)
    for each in behind.slices:
        if each.family == family:
            for number in _numbers(port, each):
                found += _of_slice(each, number)
    if behind.may_repeat:
        return _merged(found)
    found.sort(key=_address_and_port)
    return tuple(found)


def _of_pods(pods: Pods, number: int, family: Family, behind: Behind) -> list[Endpoint]:
    """A pod in the network of a node without an address of the family has none."""
    states = behind.states
    named = pods[0].workload.template.subdomain == behind.name
    if states is not None or named:
        addresses = ((pod.ipv4 if family == 4 else pod.ipv6, pod) for pod in pods)
        return [
            Endpoint(
                ip,
                number,
                pod.node,
                pod.name,
                pod.own_name if named else "",
                READY if states is None else states[pod.node],
            )
            for ip, pod in addresses
            if ip
        ]
    if family == 4:
        return [Endpoint(pod.ipv4, number, pod.node, pod.name) for pod in pods if pod.ipv4]
    return [Endpoint(pod.ipv6, number, pod.node, pod.name) for pod in pods if pod.ipv6]


def _of_slice(slice_: EndpointSlice, number: int) -> Iterator[Endpoint]:
    for each in slice_.endpoints:
        yield Endpoint(
            each.address,
            number,
            each.node,
            each.target,
            each.hostname,
            each.state,
            zone=each.zone,
        )


def _numbers(port: ServicePort, slice_: EndpointSlice) -> list[int]:
    """The numbers that a slice gives for a service port: of ports with its name and protocol."""
    return [
        each.port
        for each in slice_.ports
        if each.name == port.name and each.protocol == port.protocol
    ]


def _merged(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Sorted by address and port, one of each. Slices may overlap while an endpoint moves from
    one to another; the one that is ready tells the truth, then the one that serves, then the one
    that says on which node it is (kube-proxy prefers the local one)."""
    endpoints.sort(key=_most_useful_first)
    merged: dict[tuple[int, int], Endpoint] = {}
    for endpoint in endpoints:
        merged.setdefault((endpoint.ip, endpoint.port), endpoint)
    return tuple(merged.values())


def _most_useful_first(endpoint: Endpoint) -> tuple[int, int, bool, bool, bool]:
    state = endpoint.state
    return endpoint.ip, endpoint.port, not state.ready, not state.serving, not endpoint.node


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


def notes_on(service: Service, selected: Selected, cluster: Cluster) -> Iterator[Finding]:
    """What a user would want to know about a Service's endpoints."""
    origin = cluster.origins.get(service.key)
    if service.selector and not selected:
        selector = ",".join(f"{key}={value}" for key, value in service.selector)
        message = f"selector {selector} of {service.key} matches no pod"
        yield Finding(Code.NO_PODS_SELECTED, origin, ("spec", "selector"), message)
    for index, port in enumerate(service.ports):
        lacking = [w for w, _ in selected if target_port(port, w.template) is None]
        if lacking:
            message = (
                f"pods of {lacking[0].key} have no {port.protocol} container port named"
                f" {port.target_port!r}, so they are no endpoints of this port of {service.key}"
            )
            path = ("spec", "ports", index, "targetPort")
            yield Finding(Code.NO_SUCH_TARGET_PORT, origin, path, message)
