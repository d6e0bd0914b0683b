"""EndpointSlice discovery.k8s.io/v1 and Endpoints v1 to model.EndpointSlice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kcompile.address import Family
from kcompile.model import READY, EndpointSlice, EndpointState, SliceEndpoint, SlicePort
from kcompile.source import Path
from kcompile.validate.addresses import is_special, read_ip
from kcompile.validate.metadata import read_metadata
from kcompile.validate.names import DNS_LABEL, DNS_SUBDOMAIN, LABEL_VALUE
from kcompile.validate.review import Review

_SERVICE = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER = "endpointslice-controller.k8s.io"
# discovery validation's limits.
_MOST_ENDPOINTS = 1000
_MOST_ADDRESSES = 100
_MOST_PORTS = 20000
_MOST_HINTS = 8
_FAMILIES: dict[str, Family] = {"IPv4": 4, "IPv6": 6}
_NOT_READY = EndpointState(ready=False, serving=False)


def read_slice(value: Mapping[str, Any], review: Review) -> tuple[EndpointSlice, ...]:
    """The slice; none where its addresses are names, or where it belongs to no Service."""
    metadata = read_metadata(value, review, DNS_SUBDOMAIN)
    labels = dict(metadata.labels)
    family = _FAMILIES.get(value.get("addressType") or "")
    endpoints = value.get("endpoints") or ()
    ports = value.get("ports") or ()
    _at_most(_MOST_ENDPOINTS, endpoints, review, ("endpoints",))
    _at_most(_MOST_PORTS, ports, review, ("ports",))
    read_ports = _read_ports(ports, review, ("ports",))
    if family is None:
        review.suspicious(("addressType",), "a slice of host names has no addresses, so no rules")
        return ()
    read = [
        found
        for index, endpoint in enumerate(endpoints)
        if (found := _read_endpoint(endpoint, family, review, ("endpoints", index)))
    ]
    if not labels.get(_SERVICE):
        message = f"without the label {_SERVICE} the slice belongs to no Service"
        review.suspicious(("metadata",), message)
        return ()
    return (
        EndpointSlice(
            kind="EndpointSlice",
            namespace=metadata.namespace,
            name=metadata.name,
            service=labels[_SERVICE],
            family=family,
            endpoints=tuple(read),
            ports=read_ports,
            managed=labels.get(_MANAGED_BY) == _CONTROLLER,
        ),
    )


def _at_most(most: int, items: Sequence[object], review: Review, path: Path) -> None:
    if len(items) > most:
        review.invalid(path, len(items), f"must hold at most {most} items")


def _read_endpoint(
    endpoint: Mapping[str, Any], family: Family, review: Review, path: Path
) -> SliceEndpoint | None:
    addresses: Sequence[str] = endpoint.get("addresses") or ()
    if not addresses:
        review.required((*path, "addresses"), "an endpoint has at least one address")
    _at_most(_MOST_ADDRESSES, addresses, review, (*path, "addresses"))
    read = [
        _read_address(text or "", family, review, (*path, "addresses", index))
        for index, text in enumerate(addresses)
    ]
    node, zone = endpoint.get("nodeName") or "", endpoint.get("zone") or ""
    if node:
        review.name((*path, "nodeName"), node, DNS_SUBDOMAIN)
    review.name((*path, "zone"), zone, LABEL_VALUE)
    state = _read_state(endpoint, review, path)
    if not read or read[0] is None:
        return None
    hostname = _read_hostname(endpoint, review, path)
    return SliceEndpoint(read[0], node, zone, hostname, _target(endpoint), state)


def _read_address(text: str, family: Family, review: Review, path: Path) -> int | None:
    address = read_ip(text, review, path)
    if address is None:
        return None
    if address[0] != family:
        review.invalid(path, text, f"must be an IPv{family} address, as addressType says")
        return None
    if is_special(address):
        review.invalid(path, text, "must not be unspecified, loopback or link-local")
    return address[1]


def _read_hostname(endpoint: Mapping[str, Any], review: Review, path: Path) -> str:
    hostname: str = endpoint.get("hostname") or ""
    if hostname:
        review.name((*path, "hostname"), hostname, DNS_LABEL)
    return hostname


def _target(endpoint: Mapping[str, Any]) -> str:
    """The pod behind an endpoint, for people; "" where the name could be none."""
    target = endpoint.get("targetRef") or {}
    name: str = target.get("name") or ""
    return name if target.get("kind") == "Pod" and DNS_SUBDOMAIN.accepts(name) else ""


def _read_state(endpoint: Mapping[str, Any], review: Review, path: Path) -> EndpointState:
    """Absent conditions are ready, serving and not terminating (EndpointConditions)."""
    conditions = endpoint.get("conditions") or {}
    hints = endpoint.get("hints") or {}
    if not conditions and not hints:
        return READY
    ready = conditions.get("ready")
    serving = conditions.get("serving")
    zones, nodes = (
        tuple(_read_hints(hints.get(key) or (), review, (*path, "hints", key)))
        for key in ("forZones", "forNodes")
    )
    return EndpointState(
        ready=ready is not False,
        serving=serving is not False,
        terminating=bool(conditions.get("terminating")),
        hint_zones=zones,
        hint_nodes=nodes,
    )


def _read_hints(hints: Sequence[Mapping[str, Any]], review: Review, path: Path) -> Iterator[str]:
    _at_most(_MOST_HINTS, hints, review, path)
    seen = set()
    for index, hint in enumerate(hints):
        name: str = hint.get("name") or ""
        rule = LABEL_VALUE if path[-1] == "forZones" else DNS_SUBDOMAIN
        review.name((*path, index, "name"), name, rule)
        if not name:
            review.required((*path, index, "name"))
        if name in seen:
            review.duplicate((*path, index, "name"), name)
        seen.add(name)
        yield name


def _read_ports(
    ports: Sequence[Mapping[str, Any]], review: Review, path: Path
) -> tuple[SlicePort, ...]:
    """A port without a number means all ports, which kube-proxy cannot use and leaves out."""
    names: set[str] = set()
    read = []
    for index, port in enumerate(ports):
        name = port.get("name") or ""
        if name in names:
            review.duplicate((*path, index, "name"), name)
        names.add(name)
        if name:
            review.name((*path, index, "name"), name, DNS_LABEL)
        if port.get("port"):
            read.append(SlicePort(name, port.get("protocol") or "TCP", port["port"]))
    return tuple(read)


def read_endpoints(value: Mapping[str, Any], review: Review) -> tuple[EndpointSlice, ...]:
    """A slice for each subset and family, as the mirroring controller would make them."""
    metadata = read_metadata(value, review, DNS_SUBDOMAIN)
    slices = []
    for index, subset in enumerate(value.get("subsets") or ()):
        path: Path = ("subsets", index)
        ports = _read_ports(subset.get("ports") or (), review, (*path, "ports"))
        found: dict[Family, list[SliceEndpoint]] = {}
        for key, state in (("addresses", READY), ("notReadyAddresses", _NOT_READY)):
            for at, address in enumerate(subset.get(key) or ()):
                here = (*path, key, at)
                for family, endpoint in _read_subset_address(address, state, review, here):
                    found.setdefault(family, []).append(endpoint)
        slices += [
            EndpointSlice(
                kind="Endpoints",
                namespace=metadata.namespace,
                name=f"{metadata.name}/{index}/{family}",
                service=metadata.name,
                family=family,
                endpoints=tuple(endpoints),
                ports=ports,
                managed=False,
            )
            for family, endpoints in sorted(found.items())
        ]
    return tuple(slices)


def _read_subset_address(
    address: Mapping[str, Any], state: EndpointState, review: Review, path: Path
) -> Iterator[tuple[Family, SliceEndpoint]]:
    found = read_ip(address.get("ip") or "", review, (*path, "ip"))
    hostname = _read_hostname(address, review, path)
    node = address.get("nodeName") or ""
    if node:
        review.name((*path, "nodeName"), node, DNS_SUBDOMAIN)
    if found is None:
        return
    if is_special(found):
        allowed = "must not be unspecified, loopback or link-local"
        review.invalid((*path, "ip"), address["ip"], allowed)
    yield found[0], SliceEndpoint(found[1], node, "", hostname, _target(address), state)
