"""What DNS cannot hold of a plan: names too long, too many records at a name, no name at all."""

from collections.abc import Iterator
from itertools import groupby

from kcompile.address import Cidr
from kcompile.ir import Record, read_record
from kcompile.lower.names import MAX_LABEL, alias, name_service
from kcompile.lower.records import service_lines
from kcompile.lower.reverse import cut, reverse_origin
from kcompile.model import Key, Namespace
from kcompile.planned import Plan, PlannedService
from kcompile.problems import Code, Finding, printable
from kcompile.source import Path

_MAX_NAME = 253  # characters without the last dot: 255 octets in a message (RFC 1035, 2.3.4)
_MAX_MESSAGE = 65535  # octets; what TCP carries at once (RFC 1035, 4.2.2)
_HEADER = 12  # octets; RFC 1035, 4.1.1
_RECORD_HEAD = 12  # octets; compressed owner, type, class, TTL, length of the data
_SAFE_COUNT = 200  # records of the longest names still fit a message
_LONGEST_ENDPOINT = MAX_LABEL + 1  # characters of a host name, and a dot
_LONGEST_FIXED = "dns-version"  # of the names right below the cluster domain

_CLUSTER = Key("ClusterConfiguration", "", "")


def check_names(plan: Plan) -> tuple[Finding, ...]:
    """All that is wrong with names, in the order of domain, ranges, namespaces, Services."""
    domain = plan.settings.cluster_domain
    wrong = _too_long(f"{_LONGEST_FIXED}.{domain}")
    if wrong:
        # Every other name would be too long for the same reason.
        return (_finding(plan, _CLUSTER, ("networking", "dnsDomain"), wrong),)
    findings = [*_ranges(plan)]
    findings += [
        _of_namespace(plan, namespace, wrong)
        for namespace in plan.namespaces
        if (wrong := _too_long(f"_ent.{namespace.name}.svc.{domain}"))
    ]
    for service in plan.services:
        findings += _service(plan, service, f"{service.name}.{service.namespace}.svc.{domain}")
    return tuple(findings)


def _finding(
    plan: Plan, key: Key, path: Path, message: str, code: Code = Code.NAME_TOO_LONG
) -> Finding:
    return Finding(code, plan.origins.get(key), path, f"{key}: {message}")


def _of_namespace(plan: Plan, namespace: Namespace, message: str) -> Finding:
    """Where it is declared, or where the first object that uses it names it."""
    if namespace.key in plan.origins:
        return _finding(plan, namespace.key, ("metadata", "name"), message)
    users = (key for key in plan.origins if key.namespace == namespace.name)
    user = min(users, default=namespace.key)
    origin = plan.origins.get(user)
    path: Path = ("metadata", "namespace") if origin else ()
    return Finding(Code.NAME_TOO_LONG, origin, path, f"{namespace.key}: {message}")


def _too_long(name: str) -> str:
    """What is wrong with the length of a name, "" if nothing."""
    if len(name) > _MAX_NAME:
        return f"the DNS name {printable(name)} has {len(name)} characters; {_MAX_NAME} is the most"
    if len(name) > MAX_LABEL:
        for label in name.split("."):
            if len(label) > MAX_LABEL:
                return (
                    f"{printable(label)} in a DNS name has {len(label)} characters; "
                    f"{MAX_LABEL} is the most"
                )
    return ""


def _ranges(plan: Plan) -> Iterator[Finding]:
    settings = plan.settings
    ranges = [("serviceSubnet", cidr) for cidr in settings.service_cidrs]
    ranges += [("podSubnet", cidr) for cidr in settings.pod_cidrs]
    for field, cidr in ranges:
        zone = cut(cidr)[0]
        if zone.prefix < cidr.prefix:
            yield _finding(
                plan, _CLUSTER, ("networking", field), _strangers(cidr, zone), Code.NO_DNS_RECORD
            )


def _strangers(cidr: Cidr, zone: Cidr) -> str:
    origin = reverse_origin(zone)
    return f"the reverse zone {origin} for {cidr} has no names for the rest of {zone}"


def _service(plan: Plan, service: PlannedService, name: str) -> Iterator[Finding]:
    if service.type == "ExternalName":
        yield from _external(plan, service, name)
        return
    if wrong := _too_long(_longest(service, name)):
        yield _finding(plan, service.key, ("metadata", "name"), wrong)
        return
    for index, port in enumerate(service.ports):
        label = f"_{port.spec.name}"
        if len(label) > MAX_LABEL:
            message = (
                f"port {printable(port.spec.name)} gets no SRV record by its name, as "
                f"{printable(label)} would have {len(label)} characters; {MAX_LABEL} is the most"
            )
            path: Path = ("spec", "ports", index, "name")
            yield _finding(plan, service.key, path, message, Code.NO_DNS_RECORD)
    yield from _crowds(plan, service)


def _external(plan: Plan, service: PlannedService, name: str) -> Iterator[Finding]:
    path: Path = ("spec", "externalName")
    if not alias(service, f"{name}."):
        message = (
            f"{printable(service.external_name)} gets no DNS record: an externalName is the "
            "DNS name of something else, not an address and not the Service itself"
        )
        yield _finding(plan, service.key, path, message, Code.NO_DNS_RECORD)
    if wrong := _too_long(service.external_name):
        yield _finding(plan, service.key, path, wrong)
    if wrong := _too_long(name):
        yield _finding(plan, service.key, ("metadata", "name"), wrong)


def _longest(service: PlannedService, name: str) -> str:
    """The longest of a Service's names, but for ports whose label alone is too long."""
    names = [name]
    for port in service.ports:
        spec = port.spec
        if spec.name and len(spec.name) < MAX_LABEL:
            names.append(f"_{spec.name}._{spec.protocol.lower()}.{name}")
    if len(name) + _LONGEST_ENDPOINT > _MAX_NAME:
        names += [f"{host[0]}.{name}" for host in name_service(service, "").hosts]
    return max(names, key=len)


def _crowds(plan: Plan, service: PlannedService) -> Iterator[Finding]:
    """Records of one name and type that no message can hold: BIND then refuses the whole zone."""
    entries = len(service.portless4) + len(service.portless6)
    entries += sum(len(port.endpoints4) + len(port.endpoints6) for port in service.ports)
    if not service.headless or entries < _SAFE_COUNT:
        return
    settings = plan.settings
    named = name_service(service, f"svc.{settings.cluster_domain}", settings.dns)
    lines = "".join(service_lines(named, settings.dns)).splitlines()
    records = map(read_record, lines)
    for (owner, kind), group in groupby(records, key=lambda record: (record.owner, record.type)):
        same = tuple(group)
        size = _HEADER + len(owner) + 5 + sum(map(_size, same))
        if size > _MAX_MESSAGE:
            message = (
                f"{len(same)} {kind} records at {printable(owner)} need {size} octets; "
                f"a DNS message has at most {_MAX_MESSAGE}"
            )
            yield _finding(plan, service.key, ("spec",), message, Code.TOO_MANY_RECORDS)


def _size(record: Record) -> int:
    """Octets of a record in a message that compresses nothing but the owner."""
    match record.type:
        case "A":
            return _RECORD_HEAD + 4
        case "AAAA":
            return _RECORD_HEAD + 16
        case _:
            return _RECORD_HEAD + 6 + len(record.data.rpartition(" ")[2]) + 1
