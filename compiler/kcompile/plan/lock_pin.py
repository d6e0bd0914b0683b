"""Giving an object of the lock an address or a node port that its user chose."""

import re
from dataclasses import dataclass, replace

from kcompile.address import Family, format_ip, parse_ip
from kcompile.plan.lock import (
    Lock,
    PodEntry,
    PodKey,
    PortKey,
    ServiceEntry,
    ServiceKey,
    pod_key,
    service_key,
)
from kcompile.plan.lock_text import Reading, shown_value
from kcompile.plan.placement import pod_band
from kcompile.problems import Code

_NODE_PORT = re.compile(r"([1-9][0-9]{0,4})(?:/(TCP|UDP|SCTP))?=([1-9][0-9]{0,4})", re.ASCII)


class PinError(Exception):
    """Why something cannot be pinned; the line is that of the entry to blame, or 1."""

    def __init__(self, code: Code, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class NodePort:
    """A node port to be, of a service port."""

    port: PortKey
    number: int


Pin = tuple[Family, int] | NodePort


def parse_pin(text: str) -> Pin:
    """ADDRESS, or PORT/PROTOCOL=NODEPORT. Raises ValueError."""
    if match := _NODE_PORT.fullmatch(text):
        port, number = int(match[1]), int(match[3])
        if max(port, number) > 65535:
            raise ValueError(text)
        return NodePort((port, match[2] or "TCP"), number)
    return parse_ip(text)


def pin_service(reading: Reading, key: ServiceKey, pin: Pin) -> Lock:
    """Raises PinError."""
    lock = reading.lock
    entry = lock.services[key]
    match pin:
        case NodePort():
            _refuse_taken_port(reading, key, pin)
            changed = _with_node_port(key, entry, pin)
        case family, address:
            _refuse_taken(reading, service_key(key), (family, address))
            _refuse_pods_range(reading, family, address)
            changed = _with_cluster_ip(key, entry, family, address)
    return replace(lock, services={**lock.services, key: changed})


def pin_pod(reading: Reading, key: PodKey, family: Family, address: int) -> Lock:
    """Raises PinError."""
    lock = reading.lock
    entry = lock.pods[key]
    if family not in dict(entry.ips):
        message = f"{pod_key(key)} has no IPv{family} address of its own"
        raise PinError(Code.NOT_IN_LOCK, message, reading.holders["key", key])
    _refuse_taken(reading, pod_key(key), (family, address))
    _refuse_outside_node(reading, entry, family, address)
    ips = tuple((own, address if own == family else ip) for own, ip in entry.ips)
    return replace(lock, pods={**lock.pods, key: replace(entry, ips=ips)})


def _with_cluster_ip(
    key: ServiceKey, entry: ServiceEntry, family: Family, address: int
) -> ServiceEntry:
    if family not in dict(entry.cluster_ips):
        raise PinError(Code.NOT_IN_LOCK, f"{service_key(key)} has no IPv{family} address")
    ips = tuple((own, address if own == family else ip) for own, ip in entry.cluster_ips)
    return replace(entry, cluster_ips=ips)


def _with_node_port(key: ServiceKey, entry: ServiceEntry, pin: NodePort) -> ServiceEntry:
    ports = dict(entry.node_ports)
    shown = f"{pin.port[0]}/{pin.port[1]}"
    if pin.port not in ports:
        message = f"{service_key(key)} has no node port for {shown}"
        raise PinError(Code.NOT_IN_LOCK, message)
    ports[pin.port] = pin.number
    return replace(entry, node_ports=tuple(sorted(ports.items())))


def _refuse_taken(reading: Reading, key: str, value: object) -> None:
    line = reading.holders.get(value, 0)
    if line and (holder := reading.key_on(line)) != key:
        message = f"{shown_value(value)} is already allocated to {holder}"
        raise PinError(Code.ADDRESS_TAKEN, message, line)


def _refuse_taken_port(reading: Reading, key: ServiceKey, pin: NodePort) -> None:
    """A number serves one Service, there one service port, for several protocols."""
    line = reading.holders.get(("node port", pin.number), 0)
    if not line:
        return
    own = reading.lock.services[key]
    others = [port for port, number in own.node_ports if number == pin.number]
    holder = reading.key_on(line)
    if (
        holder != service_key(key)
        or not all(port[0] == pin.port[0] for port in others)
        or own.health_check_node_port == pin.number
    ):
        message = f"node port {pin.number} is already allocated to {holder}"
        raise PinError(Code.NODE_PORT_TAKEN, message, line)


def _refuse_pods_range(reading: Reading, family: Family, address: int) -> None:
    for name, cidrs in reading.lock.nodes.items():
        for cidr in cidrs:
            if cidr.family == family and address in cidr:
                text = format_ip(family, address)
                message = f"address {text} lies in {cidr}, the pod CIDR of node {name}"
                raise PinError(Code.ADDRESS_OUT_OF_RANGE, message, reading.holders[cidr])


def _refuse_outside_node(reading: Reading, entry: PodEntry, family: Family, address: int) -> None:
    cidrs = [c for c in reading.lock.nodes.get(entry.node, ()) if c.family == family]
    bands = [pod_band(cidr) for cidr in cidrs]
    if not any(band.first <= address < band.first + band.size for band in bands):
        text = format_ip(family, address)
        ranges = " and ".join(map(str, cidrs)) or "nothing"
        message = f"address {text} is not for pods of node {entry.node}, which has {ranges}"
        line = reading.holders.get(("key", entry.node), 1)
        raise PinError(Code.ADDRESS_OUT_OF_RANGE, message, line)
