"""DNS records of a bundle, and which of them a name or a namespace means."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

WORDS = frozenset({"record", "records", "rr"})
"""How the command line asks for records."""


class Record(NamedTuple):
    """As a zone file has it: names absolute, in lower case; `data` of a SOA in one line."""

    owner: str
    ttl: int
    type: str
    data: str


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """`origin` has no dot at its end; `file` is the path within the bundle."""

    origin: str
    file: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one owner and type. `namespace` is "" for what belongs to the zone itself."""

    zone: ZoneFile
    namespace: str
    records: tuple[Record, ...]

    @property
    def owner(self) -> str:
        return self.records[0].owner

    @property
    def type(self) -> str:
        return self.records[0].type


def record_sets(zones: Iterable[ZoneFile], domain: str) -> Iterator[RecordSet]:
    """All of them, in the order of the files."""
    for zone in zones:
        by_name = groupby(zone.records, key=lambda record: (record.owner, record.type))
        for _, group in by_name:
            records = tuple(group)
            yield RecordSet(zone, _namespace(records[0], zone, domain), records)


def in_scope(
    sets: Iterable[RecordSet], namespace: str | None, zone: str | None
) -> tuple[RecordSet, ...]:
    """Those of a namespace and a zone; None means all."""
    origin = zone.lower().rstrip(".") if zone is not None else None
    return tuple(
        each
        for each in sets
        if namespace in {None, each.namespace} and origin in {None, each.zone.origin}
    )


def named(
    sets: Iterable[RecordSet], names: Sequence[str], namespace: str, domain: str
) -> tuple[tuple[RecordSet, ...], tuple[str, ...]]:
    """The sets of these names, in their order, and the names that nothing has.

    A name is looked up as a pod of the namespace would, by its search domains; an address is one
    of a reverse zone.
    """
    by_owner: dict[str, list[RecordSet]] = {}
    for each in sets:
        by_owner.setdefault(each.owner, []).append(each)
    found: list[RecordSet] = []
    missing = []
    for name in names:
        owner = next(filter(by_owner.__contains__, _candidates(name, namespace, domain)), None)
        if owner is None:
            missing.append(name)
        else:
            found += by_owner[owner]
    return tuple(found), tuple(missing)


def _candidates(name: str, namespace: str, domain: str) -> Iterator[str]:
    try:
        yield f"{ipaddress.ip_address(name).reverse_pointer}."
    except ValueError:
        name = name.lower()
        if name.endswith("."):
            yield name
            return
        services = f"svc.{domain}"
        for suffix in (f"{namespace}.{services}", services, domain):
            yield f"{name}.{suffix}."
        yield f"{name}."


def is_external(zone: str, domain: str) -> bool:
    """Whether a zone, by its origin, is that of the addresses outside the cluster."""
    return zone != domain and not zone.endswith(".arpa")


def _namespace(record: Record, zone: ZoneFile, domain: str) -> str:
    """Where the object stands that a record is about."""
    name = record.data if record.type == "PTR" else record.owner
    inside = (f".svc.{domain}.", f".pod.{domain}.")
    for parent in (f".{zone.origin}.",) if is_external(zone.origin, domain) else inside:
        if name.endswith(parent):
            label = name.removesuffix(parent).rpartition(".")[2]
            return "" if label == "_ent" else label
    return ""
