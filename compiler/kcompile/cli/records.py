"""`kcompile get records` and `describe record`: the DNS of a bundle."""

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import click

from kcompile.cli.reading import read_for_this_run
from kcompile.explain.contents import Contents
from kcompile.explain.json_text import json_list, json_object
from kcompile.explain.object_pieces import Object
from kcompile.explain.records import WORDS, RecordSet, ZoneFile, in_scope, named, record_sets
from kcompile.explain.records_causes import Index, index_of
from kcompile.explain.records_read import read_zones
from kcompile.explain.records_show import (
    by_name,
    describe_name,
    record_names,
    record_object,
    records_table,
    wide_records_table,
)
from kcompile.explain.sources import read_places
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

Output = Literal["table", "wide", "json", "yaml", "name"]


def wanted_records(what: Sequence[str]) -> tuple[str, ...] | None:
    """The names of records that are asked for (none: all); None where something else is."""
    word, *names = what
    if word.lower() in WORDS:
        return tuple(dict.fromkeys(names))
    pairs = [argument.partition("/") for argument in what]
    if all(word.lower() in WORDS and name for word, _, name in pairs):
        return tuple(dict.fromkeys(name for _, _, name in pairs))
    return None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where records are looked for: `namespace` is where names are looked up, `listed` the one
    whose records are listed (None: all); `zone` None stands for all zones."""

    bundle: Path
    namespace: str
    listed: str | None
    zone: str | None


def get_records(names: tuple[str, ...], scope: Scope, output: Output) -> None:
    found = _find(names, scope)
    text = _text(found, output, single=len(names) == 1)
    click.echo(text, nl=False)
    _complain(found, scope)
    if not text and output in {"table", "wide"}:
        where = "" if scope.listed is None else f" in {scope.listed} namespace."
        click.echo(f"No resources found{where}", err=True)


def describe_records(names: tuple[str, ...], scope: Scope) -> None:
    found = _find(names, scope)
    index = found.index() if found.sets else None
    if index:
        click.echo("\n".join(describe_name(each, index) for each in by_name(found.sets)), nl=False)
    _complain(found, scope)
    if not found.sets:
        click.echo(f"No resources found in {scope.namespace} namespace.", err=True)


@dataclass(frozen=True, slots=True)
class _Found:
    bundle: Path
    contents: Contents
    zones: tuple[ZoneFile, ...]
    sets: tuple[RecordSet, ...]
    missing: tuple[str, ...]

    def index(self) -> Index:
        return index_of(self.contents, self.zones, read_places(self.bundle))


def _find(names: tuple[str, ...], scope: Scope) -> _Found:
    contents = read_for_this_run(scope.bundle)
    # Records pile up and live to the end, as the plan does.
    gc.disable()
    zones = read_zones(scope.bundle)
    domain = contents.settings.cluster_domain
    _refuse_unknown(zones, scope)
    sets = in_scope(record_sets(zones, domain), None if names else scope.listed, scope.zone)
    missing: tuple[str, ...] = ()
    if names:
        sets, missing = named(sets, names, scope.namespace, domain)
    return _Found(scope.bundle, contents, zones, sets, missing)


def _refuse_unknown(zones: Iterable[ZoneFile], scope: Scope) -> None:
    origins = [zone.origin for zone in zones]
    if scope.zone is not None and scope.zone.lower().rstrip(".") not in origins:
        message = f"zone {printable(scope.zone)} not found"
        raise InputError([_not_there(scope, message, f"there are {_some(origins)}")])


def _some(origins: Sequence[str]) -> str:
    more = f" and {len(origins) - 5} more" if len(origins) > 5 else ""
    return f"{', '.join(origins[:5])}{more}"


def _complain(found: _Found, scope: Scope) -> None:
    if found.missing:
        where = f"in namespace {printable(scope.namespace)}"
        hint = (
            "a name is looked up as a pod of the namespace would; one that ends in a dot, as it is"
        )
        raise InputError(
            _not_there(scope, f"record {printable(name)} not found {where}", hint)
            for name in found.missing
        )


def _not_there(scope: Scope, message: str, hint: str) -> Problem:
    return Problem(Code.NOT_IN_BUNDLE, Position(str(scope.bundle / "dns"), 1, 1), message, hint)


def _text(found: _Found, output: Output, *, single: bool) -> str:
    match output:
        case "table":
            return records_table(found.sets)
        case "wide":
            return wide_records_table(found.sets, found.index())
        case "name":
            return record_names(found.sets)
        case "json":
            return _objects(found, json_object, json_list, single=single)
        case "yaml":
            from kcompile.explain import yaml_text  # noqa: PLC0415 - tables need no yaml

            return _objects(found, yaml_text.yaml_object, yaml_text.yaml_list, single=single)
        case _:
            assert_never(output)


def _objects(
    found: _Found,
    one: Callable[[Object], str],
    many: Callable[[Iterable[Object]], str],
    *,
    single: bool,
) -> str:
    """A List, but the object by itself where a single name has a single set of records."""
    index = found.index()
    items = [record_object(each, index) for each in found.sets]
    return one(items[0]) if single and len(items) == 1 else many(items)
