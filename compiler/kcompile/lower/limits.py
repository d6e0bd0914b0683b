"""What DNS cannot hold of a plan: names too long, or no name at all."""

from collections.abc import Iterator

from kcompile.address import Cidr, Family, format_ip
from kcompile.lower.external import external_service_lines
from kcompile.lower.names import (
    MAX_LABEL,
    alias,
    endpoint_label,
    name_service,
    own_label,
    ready,
)
from kcompile.lower.records import service_lines
from kcompile.lower.reverse import cut, reverse_origin
from kcompile.lower.zonal import ZoneOf, zones_of
from kcompile.model import Key, Namespace
from kcompile.planned import Plan, PlannedPod, PlannedService
from kcompile.problems import Code, Finding, printable
from kcompile.source import Path

_MAX_NAME = 253  # characters without the last dot: 255 octets in a message (RFC 1035, 2.3.4)
_LONGEST_BELOW = MAX_LABEL + len(".prefer._zone.")  # what a Service's name is the end of
_LONGEST_ADDRESS = len("ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff.")
_LONGEST_FIXED = "dns-version"  # of the names right below the cluster domain

_CLUSTER = Key("ClusterConfiguration", "", "")


def check_names(plan: Plan) -> tuple[Finding, ...]:
    """All that is wrong with names, in the order of domain, ranges, namespaces, Services."""
    domain = plan.settings.cluster_domain
    wrong = _too_long(f"{_LONGEST_FIXED}.{domain}")
    if wrong:
        # Every other name would be too long for the same reason.
        return (_finding(plan, _CLUSTER, ("networking", "dnsDomain"), wrong),)
    findings = [*_ranges(plan), *_odd_names(plan)]
    findings += [
        _of_namespace(plan, namespace, wrong)
        for namespace in plan.namespaces
        if (wrong := _too_long(_longest_of_namespace(plan, namespace)))
    ]
    zones = zones_of(plan) if plan.settings.dns.zonal else None
    for service in plan.services:
        findings += _service(plan, service, zones)
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
        if message := _strangers(cidr):
            yield _finding(plan, _CLUSTER, ("networking", field), message, Code.NO_DNS_RECORD)
    for cidr in settings.dns.reverse_ranges:
        if message := _strangers(cidr):
            yield Finding(Code.NO_DNS_RECORD, None, (), message, label="--dns-reverse-zone")


def _strangers(cidr: Cidr) -> str:
    zone = cut(cidr)[0]
    if zone.prefix >= cidr.prefix:
        return ""
    origin = reverse_origin(zone)
    return f"the reverse zone {origin} for {cidr} has no names for the rest of {zone}"


def _odd_names(plan: Plan) -> Iterator[Finding]:
    """Addresses at names that are no host names (RFC 952), which BIND refuses unless told."""
    hint = "the bundle's named.conf has check-names primary ignore; one of your own needs it too"
    if plan.settings.dns.zonal:
        message = "names below _zone are no host names, and BIND loads no zone with their addresses"
        yield Finding(Code.BIND_OPTION, None, (), message, hint, label="--dns-zonal")
    odd = [(service.key, ip) for service in plan.services for ip in _unnamed6(plan, service)]
    if plan.settings.dns.pod_records:
        odd += [(pod.workload.key, pod.ipv6) for pod in plan.pods if pod.ipv6]
    # An address that is written with "::" in front has two groups of zeros there.
    labels = ((key, endpoint_label(6, format_ip(6, ip))) for key, ip in odd if not ip >> 96)
    for key, label in dict(each for each in labels if each[1].startswith("-")).items():
        message = f"{key}: {label} in a DNS name starts with a dash, and BIND loads no such zone"
        yield Finding(Code.BIND_OPTION, plan.origins.get(key), ("spec",), message, hint)


def _unnamed6(plan: Plan, service: PlannedService) -> Iterator[int]:
    """IPv6 addresses that are names of endpoints."""
    for group in (service.portless6, *(port.endpoints6 for port in service.ports)):
        for endpoint in ready(group):
            if not own_label(endpoint, plan.settings.dns):
                yield endpoint.ip


def _longest_of_namespace(plan: Plan, namespace: Namespace) -> str:
    """The longest of the names that are there without a Service."""
    dns, own = plan.settings.dns, f"{namespace.name}.svc.{plan.settings.cluster_domain}"
    names = [f"_ent.{own}"]
    if dns.external_zone:
        names.append(f"_ent.{namespace.name}.{dns.external_zone}")
    if dns.pod_records and len(own) + _LONGEST_ADDRESS > _MAX_NAME:
        addresses = (
            (f, ip) for p in plan.pods for f, ip in _ips(p) if p.namespace == namespace.name
        )
        names += [f"{endpoint_label(f, format_ip(f, ip))}.{own}" for f, ip in addresses]
    return max(names, key=len)


def _ips(pod: PlannedPod) -> Iterator[tuple[Family, int]]:
    if pod.ipv4:
        yield 4, pod.ipv4
    if pod.ipv6:
        yield 6, pod.ipv6


def _service(plan: Plan, service: PlannedService, zones: ZoneOf | None) -> Iterator[Finding]:
    name = f"{service.name}.{service.namespace}.svc.{plan.settings.cluster_domain}"
    if service.type == "ExternalName":
        yield from _external(plan, service, name)
        return
    if wrong := _too_long(_longest(plan, service, name, zones)):
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


def _longest(plan: Plan, service: PlannedService, name: str, zones: ZoneOf | None) -> str:
    """The longest of a Service's names, but for ports whose label alone is too long; itself where
    no name below it can be too long."""
    dns = plan.settings.dns
    outside = f"{service.name}.{service.namespace}.{dns.external_zone}"
    lines: list[str] = []
    if len(name) + _LONGEST_BELOW > _MAX_NAME:
        named = name_service(service, f"svc.{plan.settings.cluster_domain}", dns)
        lines += service_lines(named, dns, zones)
    if dns.external_zone and len(outside) + _LONGEST_BELOW > _MAX_NAME:
        lines += external_service_lines(service, dns)
    owners = [line.partition(". ")[0] for line in "".join(lines).splitlines()]
    return max((name, *owners), key=len)
