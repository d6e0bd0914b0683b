"""Which objects caused a record, and where in the manifests they say so."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.explain.contents import Contents, Endpoint, Pod, Service
from kcompile.explain.records import Record, ZoneFile, is_external
from kcompile.explain.sources import Place

_ADDRESSES = frozenset({"A", "AAAA"})
_CLUSTER, _NETWORKING = "ClusterConfiguration", "networking"


@dataclass(frozen=True, slots=True)
class Cause:
    """An object, and the field of it that counts ("" for the whole). `position` is "" for what no
    manifest says; `note` then tells why it is there, or names a pod."""

    object: str
    field: str
    position: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """What records are about, by the names and addresses in them."""

    domain: str
    places: Mapping[str, Place]
    slices: Mapping[tuple[str, str], Sequence[str]]
    services: Mapping[tuple[str, str], Service]
    endpoints: Mapping[tuple[str, str, str], Sequence[tuple[int, Endpoint]]]
    pods: Mapping[tuple[str, str], Pod]
    pods_by_ip: Mapping[tuple[str, str], Sequence[Pod]]
    addresses: Mapping[str, Sequence[str]]


def index_of(contents: Contents, zones: Iterable[ZoneFile], places: Mapping[str, Place]) -> Index:
    """`endpoints` are by namespace and name of the Service and by address, each with the number of
    its port in the Service (-1 where that has none)."""
    endpoints: defaultdict[tuple[str, str, str], list[tuple[int, Endpoint]]] = defaultdict(list)
    for service in contents.services:
        for number, endpoint in _endpoints(service):
            endpoints[service.namespace, service.name, endpoint.ip].append((number, endpoint))
    by_ip: defaultdict[tuple[str, str], list[Pod]] = defaultdict(list)
    for pod in contents.pods:
        for ip in pod.ips:
            by_ip[pod.namespace, ip].append(pod)
    addresses: defaultdict[str, list[str]] = defaultdict(list)
    for zone in zones:
        for record in zone.records:
            if record.type in _ADDRESSES:
                addresses[record.owner].append(record.data)
    slices: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for key, place in places.items():
        if place.service:
            namespace = key.partition(" ")[2].partition("/")[0]
            slices[namespace, place.service].append(key)
    return Index(
        domain=contents.settings.cluster_domain,
        places=places,
        slices=slices,
        services={(each.namespace, each.name): each for each in contents.services},
        endpoints=endpoints,
        pods={(pod.namespace, pod.name): pod for pod in contents.pods},
        pods_by_ip=by_ip,
        addresses=addresses,
    )


def causes(record: Record, zone: str, index: Index) -> tuple[Cause, ...]:
    """Of a record in the zone of this origin: the Service first, then what is behind it."""
    return tuple(dict.fromkeys(_causes(record, zone, index)))


def _causes(record: Record, zone: str, index: Index) -> Iterator[Cause]:
    owner, services, pods = record.owner, f".svc.{index.domain}.", f".pod.{index.domain}."
    if record.type == "PTR":
        for address in index.addresses.get(record.data, ()):
            if f"{ipaddress.ip_address(address).reverse_pointer}." == owner:
                forward = Record(record.data, record.ttl, "A", address)
                yield from _causes(forward, index.domain, index)
    elif owner == f"{zone}.":
        yield _zone(zone, index)
    elif is_external(zone, index.domain):
        yield from _below_services(record, owner.removesuffix(f".{zone}.").split("."), index)
    elif owner.endswith(services):
        yield from _below_services(record, owner.removesuffix(services).split("."), index)
    elif owner.endswith(pods):
        yield from _below_pods(record, owner.removesuffix(pods).split("."), index)
    elif record.type in _ADDRESSES and ("kube-system", "kube-dns") in index.services:
        yield _service(index.services["kube-system", "kube-dns"], "", index)
    else:
        yield _zone(zone, index)


def _zone(zone: str, index: Index) -> Cause:
    """What a record belongs to that is about no object; ClusterConfiguration may say it."""
    if is_external(zone, index.domain):
        return Cause("", "", "", f"the external zone {zone}")
    ranges = "a range of Services or pods, or --dns-reverse-zone"
    note = f"the cluster domain {zone}" if zone == index.domain else ranges
    place = index.places.get(_CLUSTER)
    if place is None or _NETWORKING not in place.fields:
        return Cause("", "", "", note)
    return Cause(_CLUSTER, _NETWORKING, place.fields[_NETWORKING], note)


def _below_services(record: Record, labels: list[str], index: Index) -> Iterator[Cause]:
    match labels:
        case ["_ent"]:
            yield _zone(index.domain, index)
        case ["_ent", namespace]:
            yield _namespace(namespace, index)
        case [*below, name, namespace] if (namespace, name) in index.services:
            service = index.services[namespace, name]
            if record.type == "SRV":
                yield from _location(record, below, service, index)
            elif record.type == "CNAME":
                yield _service(service, "spec.externalName", index)
            else:
                yield _service(service, "", index)
                if below or _is_headless(service):
                    yield from _behind(service, record.data, None, index)


def _below_pods(record: Record, labels: list[str], index: Index) -> Iterator[Cause]:
    match labels:
        case [_, namespace] if record.type in _ADDRESSES:
            for pod in index.pods_by_ip.get((namespace, record.data), ()):
                yield _pod(pod, None, index)
        case ["_ent", namespace]:
            yield _namespace(namespace, index)
        case _:
            yield _zone(index.domain, index)


def _location(record: Record, below: list[str], service: Service, index: Index) -> Iterator[Cause]:
    """Of a SRV record: the Service's port, and the endpoints to which it leads there."""
    number, target = record.data.split(" ")[2:]
    named = below if len(below) == 2 else None
    ports = [
        position
        for position, port in enumerate(service.ports)
        if named in (None, [f"_{port.name}", f"_{port.protocol.lower()}"])
    ]
    if not _is_headless(service) and (not below or named):
        for position in ports:
            if str(service.ports[position].port) == number:
                yield _service(service, f"spec.ports[{position}]", index)
        return
    found = [
        (position, endpoint)
        for address in index.addresses.get(target, ())
        for position, endpoint in _at(service, address, index)
        if position in ports and str(endpoint.port) == number
    ]
    for position in sorted({position for position, _ in found}):
        yield _service(service, f"spec.ports[{position}]", index)
    for position, endpoint in found:
        yield from _endpoint(service, endpoint, service.ports[position].protocol, index)


def _behind(service: Service, address: str, protocol: str | None, index: Index) -> Iterator[Cause]:
    for _, endpoint in _at(service, address, index):
        yield from _endpoint(service, endpoint, protocol, index)


def _endpoint(
    service: Service, endpoint: Endpoint, protocol: str | None, index: Index
) -> Iterator[Cause]:
    """A pod, and so its workload; or the slices that state the address."""
    pod = index.pods.get((service.namespace, endpoint.pod or ""))
    if pod is not None:
        port = (endpoint.port, protocol) if endpoint.port and protocol else None
        yield _pod(pod, port, index)
        return
    for key in index.slices.get((service.namespace, service.name), ()):
        position = index.places[key].addresses.get(endpoint.ip)
        if position is not None:
            yield Cause(key, "", position, f"address {endpoint.ip}")


def _pod(pod: Pod, port: tuple[int, str] | None, index: Index) -> Cause:
    workload = pod.workload
    key = f"{workload.kind} {workload.namespace}/{workload.name}"
    place = index.places.get(key)
    field = _container_port(pod, port) if port else ""
    known = place.fields.get(field) if place else None
    note = f"pod {pod.name}"
    if known:
        return Cause(key, field, known, note)
    return Cause(key, "", place.position if place else "", note)


def _container_port(pod: Pod, port: tuple[int, str]) -> str:
    parent = "spec" if pod.workload.kind == "Pod" else "spec.template.spec"
    for position, container in enumerate(pod.workload.containers):
        for number, declared in enumerate(container.ports):
            if (declared.container_port, declared.protocol) == port:
                return f"{parent}.containers[{position}].ports[{number}]"
    return ""


def _service(service: Service, field: str, index: Index) -> Cause:
    key = f"Service {service.namespace}/{service.name}"
    place = index.places.get(key)
    if place is None:
        return Cause(key, field, "", "kcompile adds it, as every cluster has it")
    return Cause(key, field, place.fields.get(field, place.position))


def _namespace(name: str, index: Index) -> Cause:
    key = f"Namespace {name}"
    place = index.places.get(key)
    if place is None:
        return Cause(key, "", "", "not declared; used, or in every cluster")
    return Cause(key, "", place.position)


def _is_headless(service: Service) -> bool:
    return service.cluster_ips == ("None",)


def _at(service: Service, address: str, index: Index) -> Sequence[tuple[int, Endpoint]]:
    return index.endpoints.get((service.namespace, service.name, address), ())


def _endpoints(service: Service) -> Iterator[tuple[int, Endpoint]]:
    for number, port in enumerate(service.ports):
        for endpoint in port.endpoints:
            if endpoint.ready:
                yield number, endpoint
    for endpoint in service.portless_endpoints:
        if endpoint.ready:
            yield -1, endpoint
