"""Records of one name and type that are too many for a message, or for BIND as it comes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from kcompile.address import Family, format_ip
from kcompile.ir import Record, read_record
from kcompile.lower.external import external_service_lines
from kcompile.lower.lines import MAX_MESSAGE, MESSAGE_HEAD, QUESTION, RECORD_HEAD
from kcompile.lower.names import NamedService, name_service
from kcompile.lower.records import service_lines
from kcompile.lower.reverse import zone_ranges
from kcompile.lower.zonal import zones_of
from kcompile.planned import Plan, PlannedService
from kcompile.problems import Code, Finding, printable

_BIND_LIMIT = 100  # records; max-records-per-type of BIND 9.18.28 and later, unless it is set
_FAMILIES: tuple[Family, ...] = (4, 6)


def check_crowds(plan: Plan) -> Iterator[Finding]:
    zones = zones_of(plan) if plan.settings.dns.zonal else None
    for service in plan.services:
        if _may_crowd(service):
            yield from _of_service(plan, service, zones)
    if plan.settings.dns.ptr == "all" and len(plan.services) > _BIND_LIMIT:
        yield from _of_addresses(plan)


def _may_crowd(service: PlannedService) -> bool:
    """Whether more than BIND's limit can be at a name: endpoints of a headless Service, ports of
    another, endpoints that share a host name."""
    if len(service.ports) > _BIND_LIMIT:
        return True
    count = len(service.portless4) + len(service.portless6)
    for port in service.ports:
        count += len(port.endpoints4) + len(port.endpoints6)
    if count <= _BIND_LIMIT:
        return False
    ports = service.ports
    return service.headless or any(
        endpoint.hostname
        for port in ports
        for family in _FAMILIES
        for endpoint in port.endpoints(family)
    )


def _of_service(
    plan: Plan, service: PlannedService, zones: Mapping[str, str] | None
) -> Iterator[Finding]:
    """Every set that no message holds; if there is none, the largest that BIND refuses. And the
    set that is left out because it is too large."""
    dns = plan.settings.dns
    named = name_service(service, f"svc.{plan.settings.cluster_domain}", dns)
    lines = service_lines(named, dns, zones)
    if dns.external_zone:
        lines += external_service_lines(service, dns)
    sets = _sets(lines)
    too_large = [each for each in sets if _size(each) > MAX_MESSAGE]
    for records in too_large:
        message = (
            f"{_said(records)} need {_size(records)} octets;"
            f" a DNS message has at most {MAX_MESSAGE}"
        )
        yield _finding(plan, service, Code.TOO_MANY_RECORDS, message)
    if _lacks_locations(named, sets):
        message = (
            f"the SRV records of all ports at {printable(named.name)} fit into no DNS message, and"
            " are left out; ports that have names are at these"
        )
        yield _finding(plan, service, Code.NO_DNS_RECORD, message)
    largest = max(sets, key=len, default=())
    if len(largest) > _BIND_LIMIT and not too_large:
        yield _for_bind(plan, service, _said(largest), len(largest))


def _lacks_locations(named: NamedService, sets: Sequence[tuple[Record, ...]]) -> bool:
    """Whether a Service's own name has addresses, and its ports are not there."""
    at_name = {records[0].type for records in sets if records[0].owner == named.name}
    return bool(named.service.ports and at_name) and "SRV" not in at_name


def _sets(lines: Iterable[str]) -> list[tuple[Record, ...]]:
    records = map(read_record, "".join(lines).splitlines())
    groups = groupby(records, key=lambda record: (record.owner, record.type))
    return [tuple(group) for _, group in groups]


def _said(records: tuple[Record, ...]) -> str:
    return f"{len(records)} {records[0].type} records at {printable(records[0].owner)}"


def _size(records: tuple[Record, ...]) -> int:
    """Octets of a message that compresses nothing but the owner."""
    question = len(records[0].owner) + QUESTION
    return MESSAGE_HEAD + question + sum(RECORD_HEAD + _data_size(record) for record in records)


def _data_size(record: Record) -> int:
    match record.type:
        case "A":
            return 4
        case "AAAA":
            return 16
        case _:
            # An SRV record: priority, weight, port, and the target with a length for its root.
            return 6 + len(record.data.rpartition(" ")[2]) + 1


def _of_addresses(plan: Plan) -> Iterator[Finding]:
    """Addresses that so many Services lead to that their way back has too many names."""
    for family in _FAMILIES:
        names = Counter(chain.from_iterable(_shown(each, family) for each in plan.services))
        crowded = sorted(ip for ip, count in names.items() if count > _BIND_LIMIT)
        ranges = zone_ranges(plan.settings) if crowded else ()
        for ip in crowded:
            if any(zone.family == family and ip in zone for zone in ranges):
                leading = [each for each in plan.services if ip in _shown(each, family)]
                said = f"{names[ip]} PTR records for {format_ip(family, ip)}"
                yield _for_bind(plan, leading[-1], said, names[ip])


def _shown(service: PlannedService, family: Family) -> set[int]:
    """The addresses of a Service's endpoints that have names."""
    groups = [service.portless4 if family == 4 else service.portless6]
    groups += [port.endpoints(family) for port in service.ports]
    return {each.ip for group in groups for each in group if each.state.ready}


def _for_bind(plan: Plan, service: PlannedService, said: str, count: int) -> Finding:
    message = f"{said}; BIND loads no zone with more than {_BIND_LIMIT} of a kind at a name"
    hint = f"the bundle's named.conf has max-records-per-type {count}; one of your own needs it too"
    return _finding(plan, service, Code.BIND_OPTION, message, hint)


def _finding(
    plan: Plan, service: PlannedService, code: Code, message: str, hint: str = ""
) -> Finding:
    origin = plan.origins.get(service.key)
    return Finding(code, origin, ("spec",), f"{service.key}: {message}", hint)
