"""Records as tables, at length, and as objects."""

from collections.abc import Iterable, Iterator, Sequence

from kcompile.explain.object_pieces import Object
from kcompile.explain.records import Record, RecordSet
from kcompile.explain.records_causes import Cause, Index, causes
from kcompile.explain.table import DESCRIBE_PADDING, table
from kcompile.explain.words import NONE, join

_HEADER = ("NAME", "TTL", "TYPE", "DATA")
_WIDE_HEADER = (*_HEADER, "ZONE", "OBJECTS", "POSITIONS")


def records_table(sets: Sequence[RecordSet]) -> str:
    """A record a line, in the words of the zone file; "" if there are none."""
    rows = [_row(record) for each in sets for record in each.records]
    return table([_HEADER, *rows]) if rows else ""


def wide_records_table(sets: Sequence[RecordSet], index: Index) -> str:
    rows = [
        (
            *_row(record),
            each.zone.origin,
            *_objects_and_positions(causes(record, each.zone.origin, index)),
        )
        for each in sets
        for record in each.records
    ]
    return table([_WIDE_HEADER, *rows]) if rows else ""


def record_names(sets: Iterable[RecordSet]) -> str:
    return "".join(f"record/{owner}\n" for owner in dict.fromkeys(each.owner for each in sets))


def record_object(each: RecordSet, index: Index) -> Object:
    """In the form of a Kubernetes object, though the API has no such kind."""
    first = each.records[0]
    namespace: Object = {"namespace": each.namespace} if each.namespace else {}
    return {
        "apiVersion": "kcompile/v1",
        "kind": "RecordSet",
        "metadata": {"name": each.owner, **namespace},
        "spec": {
            "zone": each.zone.origin,
            "type": first.type,
            "ttl": first.ttl,
            "records": [_data(record, each.zone.origin, index) for record in each.records],
        },
    }


def describe_name(sets: Sequence[RecordSet], index: Index) -> str:
    """All records of one name, with what caused each."""
    first = sets[0]
    fields = [
        ("Name:", first.owner),
        ("Namespace:", first.namespace or NONE),
        ("Zone:", first.zone.origin),
        ("Zone File:", first.zone.file),
    ]
    text = table(fields, DESCRIBE_PADDING) + "Records:\n"
    for each in sets:
        for record in each.records:
            text += f"  {record.type} {record.data} (TTL {record.ttl})\n"
            rows = table(
                map(_cause_row, causes(record, each.zone.origin, index)), DESCRIBE_PADDING, "    "
            )
            text += "".join(f"{row.rstrip()}\n" for row in rows.splitlines())
    return text


def by_name(sets: Iterable[RecordSet]) -> Iterator[tuple[RecordSet, ...]]:
    """The sets of each name together."""
    names: dict[str, list[RecordSet]] = {}
    for each in sets:
        names.setdefault(each.owner, []).append(each)
    yield from map(tuple, names.values())


def _row(record: Record) -> tuple[str, ...]:
    return record.owner, str(record.ttl), record.type, record.data


def _objects_and_positions(found: Sequence[Cause]) -> tuple[str, str]:
    """Workloads and slices behind a Service may be many pods of one; each is named once."""
    places = dict.fromkeys((each.object, each.position) for each in found if each.object)
    return (
        join(name.replace(" ", "/", 1) for name, _ in places),
        join(position or NONE for _, position in places),
    )


def _data(record: Record, zone: str, index: Index) -> Object:
    found = [
        {
            key: value
            for key, value in (
                ("object", each.object),
                ("field", each.field),
                ("position", each.position),
                ("note", each.note),
            )
            if value
        }
        for each in causes(record, zone, index)
    ]
    return {"data": record.data, "causes": found}


def _cause_row(cause: Cause) -> tuple[str, ...]:
    where = cause.position or NONE
    what = " ".join(filter(None, (cause.object, cause.field))) or NONE
    return where, what, f"({cause.note})" if cause.note else ""
