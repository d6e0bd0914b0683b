"""EndpointSlice discovery.k8s.io/v1 and Endpoints v1 to model.EndpointSlice."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

from kcompile.address import Family
from kcompile.labels import Labels, is_for_another_proxy
from kcompile.model import READY, EndpointSlice, EndpointState, SliceEndpoint, SlicePort
from kcompile.problems import Code, printable
from kcompile.source import Path
from kcompile.validate.addresses import is_special, read_ip
from kcompile.validate.metadata import read_labels, read_metadata
from kcompile.validate.names import DNS_LABEL, DNS_SUBDOMAIN, LABEL_VALUE
from kcompile.validate.review import Review

_SERVICE = "kubernetes.io/service-name"
_ZONE = "topology.kubernetes.io/zone"
_SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER = "endpointslice-controller.k8s.io"
# discovery validation's limits.
_MOST_ENDPOINTS = 1000
_MOST_ADDRESSES = 100
_MOST_PORTS = 20000
_MOST_HINTS = 8
_MOST_TOPOLOGY_LABELS = 16
_FAMILIES: dict[str, Family] = {"IPv4": 4, "IPv6": 6}
_NOT_READY = EndpointState(ready=False, serving=False)
_NOT_SPECIAL = "must not be unspecified, loopback or link-local"


def read_slice(value: Mapping[str, Any], review: Review) -> tuple[EndpointSlice, ...]:
    """The slice; none where its addresses are names, or where it belongs to no Service."""
    metadata = read_metadata(value, review, DNS_SUBDOMAIN)
    labels = dict(metadata.labels)
    address_type = value.get("addressType") or ""
    endpoints = value.get("endpoints") or ()
    ports = value.get("ports") or ()
    _at_most(_MOST_ENDPOINTS, endpoints, review, ("endpoints",))
    _at_most(_MOST_PORTS, ports, review, ("ports",))
    read_ports = _read_ports(ports, review, ("ports",))
    read = [
        found
        for index, endpoint in enumerate(endpoints)
        if (found := _read_endpoint(endpoint, address_type, review, ("endpoints", index)))
    ]
    if address_type == "FQDN":
        review.suspicious(("addressType",), "a slice of host names has no addresses, so no rules")
        return ()
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
            family=_FAMILIES.get(address_type, 4),
            endpoints=tuple(read),
            ports=read_ports,
            managed=labels.get(_MANAGED_BY) == _CONTROLLER,
            for_another_proxy=is_for_another_proxy(metadata.labels),
        ),
    )


def _at_most(most: int, items: Sized, review: Review, path: Path) -> None:
    if len(items) > most:
        review.invalid(path, len(items), f"must hold at most {most} items")


def _read_endpoint(
    endpoint: Mapping[str, Any], address_type: str, review: Review, path: Path
) -> SliceEndpoint | None:
    """The endpoint with the first of its addresses; None where that is none."""
    addresses: Sequence[str] = endpoint.get("addresses") or ()
    if not addresses:
        review.required((*path, "addresses"), "an endpoint has at least one address")
    _at_most(_MOST_ADDRESSES, addresses, review, (*path, "addresses"))
    read = [
        _read_address(text or "", address_type, review, (*path, "addresses", index))
        for index, text in enumerate(addresses)
    ]
    node = _read_node_name(endpoint, review, path)
    hostname: str | None = endpoint.get("hostname")
    if hostname is not None:
        review.name((*path, "hostname"), hostname, DNS_LABEL)
    zone = _read_zone(endpoint, review, path)
    state = _read_state(endpoint, review, path)
    if not read or read[0] is None:
        return None
    return SliceEndpoint(read[0], node, zone, hostname or "", _target(endpoint), state)


def _read_address(text: str, address_type: str, review: Review, path: Path) -> int | None:
    if address_type not in _FAMILIES:
        if address_type == "FQDN":
            _check_host_name(text, review, path)
        return None
    address = read_ip(text, review, path)
    if address is None:
        return None
    if address[0] != _FAMILIES[address_type]:
        review.invalid(path, text, f"must be an {address_type} address, as addressType says")
        return None
    if is_special(address):
        review.invalid(path, text, _NOT_SPECIAL)
    return address[1]


def _check_host_name(text: str, review: Review, path: Path) -> None:
    """IsFullyQualifiedDomainName: two labels or more, a dot at the end or none."""
    name = text.removesuffix(".")
    parts = name.split(".")
    short = len(name) <= DNS_SUBDOMAIN.longest
    if not (short and len(parts) > 1 and all(map(DNS_LABEL.accepts, parts))):
        allowed = f"must be a host name of two or more parts; each {DNS_LABEL.allowed}"
        review.invalid(path, text, allowed)


def _read_node_name(endpoint: Mapping[str, Any], review: Review, path: Path) -> str:
    """Kubernetes takes no empty name here: it is a pointer there, and "" is not nil."""
    node: str | None = endpoint.get("nodeName")
    if node is not None:
        review.name((*path, "nodeName"), node, DNS_SUBDOMAIN)
    return node or ""


def _read_zone(endpoint: Mapping[str, Any], review: Review, path: Path) -> str:
    """The zone, which Kubernetes takes unseen; no node's label can hold some texts."""
    topology = endpoint.get("deprecatedTopology") or {}
    below = (*path, "deprecatedTopology")
    _at_most(_MOST_TOPOLOGY_LABELS, topology, review, below)
    read_labels(topology, review, below)
    if _ZONE in topology:
        review.forbidden((*below, _ZONE), "must not be set: the field zone says it")
    zone: str = endpoint.get("zone") or ""
    if LABEL_VALUE.accepts(zone):
        return zone
    review.suspicious((*path, "zone"), f"no node can be in the zone {printable(zone)}")
    return ""


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
    seen: dict[str, int] = {}
    for index, hint in enumerate(hints):
        name: str = hint.get("name") or ""
        rule = LABEL_VALUE if path[-1] == "forZones" else DNS_SUBDOMAIN
        review.name((*path, index, "name"), name, rule)
        if seen.setdefault(name, index) != index:
            review.duplicate((*path, index, "name"), name, (*path, seen[name], "name"))
        yield name


def _read_ports(
    ports: Sequence[Mapping[str, Any]], review: Review, path: Path, *, named: bool = False
) -> tuple[SlicePort, ...]:
    """A port without a number means all ports, which kube-proxy cannot use and leaves out.

    `named` says that each port needs a name.
    """
    names: dict[str, int] = {}
    read = []
    for index, port in enumerate(ports):
        name = port.get("name") or ""
        if named and not name:
            why = "each port needs a name where there are several"
            review.required((*path, index, "name"), why)
        elif names.setdefault(name, index) != index:
            review.duplicate((*path, index, "name"), name, (*path, names[name], "name"))
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
        stated = subset.get("ports") or ()
        ports = _read_ports(stated, review, (*path, "ports"), named=len(stated) > 1)
        found = _read_subset(subset, review, path)
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
                for_another_proxy=is_for_another_proxy(metadata.labels),
            )
            for family, endpoints in sorted(found.items())
        ]
    if _is_mirrored(value, metadata.labels):
        return tuple(slices)
    review.remark(Code.IGNORED_KIND, "Endpoints without a mirror")
    return ()


def _is_mirrored(value: Mapping[str, Any], labels: Labels) -> bool:
    """Whether the controller makes slices of it; kube-proxy and DNS know nothing else."""
    annotations = value["metadata"].get("annotations") or {}
    return (_SKIP_MIRROR, "true") not in labels and _LEADER not in annotations


def _read_subset(
    subset: Mapping[str, Any], review: Review, path: Path
) -> dict[Family, list[SliceEndpoint]]:
    found: dict[Family, list[SliceEndpoint]] = {}
    if not (subset.get("addresses") or subset.get("notReadyAddresses")):
        review.required((*path, "addresses"), "a subset has them or notReadyAddresses")
    for key, state in (("addresses", READY), ("notReadyAddresses", _NOT_READY)):
        for at, address in enumerate(subset.get(key) or ()):
            here = (*path, key, at)
            for family, endpoint in _read_subset_address(address, state, review, here):
                found.setdefault(family, []).append(endpoint)
    return found


def _read_subset_address(
    address: Mapping[str, Any], state: EndpointState, review: Review, path: Path
) -> Iterator[tuple[Family, SliceEndpoint]]:
    found = read_ip(address.get("ip") or "", review, (*path, "ip"))
    hostname = address.get("hostname") or ""
    if hostname:
        review.name((*path, "hostname"), hostname, DNS_LABEL)
    node = _read_node_name(address, review, path)
    if found is None:
        return
    if is_special(found):
        review.invalid((*path, "ip"), address["ip"], _NOT_SPECIAL)
    yield found[0], SliceEndpoint(found[1], node, "", hostname, _target(address), state)
