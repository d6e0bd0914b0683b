"""`kcompile get`: objects of a bundle in kubectl's tables, or as Kubernetes objects."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, assert_never

import click
from click.core import ParameterSource

from kcompile.cli.reading import read_for_this_run
from kcompile.cli.records import Scope, get_records, wanted_records
from kcompile.explain.columns import get_names, get_table
from kcompile.explain.contents import Contents
from kcompile.explain.json_text import json_list, json_object
from kcompile.explain.kinds import CLUSTER_WIDE, Request, WordingError, requests
from kcompile.explain.missing import missing
from kcompile.explain.object_pieces import Object
from kcompile.explain.objects import kubernetes_object
from kcompile.explain.select import Selection, select
from kcompile.problems import InputError

Output = Literal["table", "wide", "json", "yaml", "name"]


@click.command(name="get")
@click.argument("what", nargs=-1, required=True, metavar="TYPE[,TYPE...] [NAME...] | TYPE/NAME...")
@click.option("-n", "--namespace", default="default", show_default=True, help="Look in this one.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in every namespace.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["wide", "json", "yaml", "name"]),
    default=None,
    help="More columns, Kubernetes objects, or names only.",
)
@click.option("--zone", metavar="ZONE", help="Of records: those of this zone, whatever namespace.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=Path("bundle"),
    show_default=True,
    help="The directory that `kcompile build` wrote.",
)
def command(  # noqa: PLR0913 - one argument an option
    *,
    what: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    output: Literal["wide", "json", "yaml", "name"] | None,
    zone: str | None,
    bundle: Path,
) -> None:
    """Show objects of a bundle, as kubectl get does, or DNS records.

    Types are nodes, namespaces, pods, services, endpoints, deployments, statefulsets, daemonsets,
    replicasets, replicationcontrollers and jobs, or their short names; all stands for pods,
    services and what makes pods.

    A record's NAME is looked up as a pod of the namespace would; it may be an address.
    """
    names = wanted_records(what)
    if names is not None:
        if names and all_namespaces:
            raise click.UsageError("a name is looked up from one namespace (-n)")
        listed = None if all_namespaces or (zone is not None and not _is_given()) else namespace
        get_records(names, Scope(bundle, namespace, listed, zone), output or "table")
        return
    if zone is not None:
        raise click.UsageError("--zone is for records")
    wanted = _requests(what, all_namespaces=all_namespaces)
    contents = read_for_this_run(bundle)
    scope = None if all_namespaces else namespace
    selections = [select(contents, request, scope) for request in wanted]
    problems = tuple(missing(contents, selections, namespace, bundle))
    text = _text(selections, contents, output or "table", with_namespace=all_namespaces)
    click.echo(text, nl=False)
    if problems:
        raise InputError(problems)
    if not text and output in {None, "wide"}:
        click.echo(_nothing_found(selections, scope), err=True)


def _is_given() -> bool:
    """Whether the namespace is, rather than the default."""
    source = click.get_current_context().get_parameter_source("namespace")
    return source is not ParameterSource.DEFAULT


def _requests(what: Sequence[str], *, all_namespaces: bool) -> tuple[Request, ...]:
    try:
        wanted = requests(what)
    except WordingError as error:
        raise click.UsageError(str(error)) from None
    if all_namespaces and any(each.names and each.kind not in CLUSTER_WIDE for each in wanted):
        raise click.UsageError("a name says which object only within one namespace (-n)")
    return wanted


def _text(
    selections: Sequence[Selection],
    contents: Contents,
    output: Output,
    *,
    with_namespace: bool,
) -> str:
    match output:
        case "table" | "wide":
            tables = (
                get_table(
                    selection,
                    wide=output == "wide",
                    with_namespace=with_namespace,
                    with_kind=len(selections) > 1,
                )
                for selection in selections
            )
            return "\n".join(filter(None, tables))
        case "name":
            return "".join(map(get_names, selections))
        case "json":
            return _objects(selections, contents, json_object, json_list)
        case "yaml":
            from kcompile.explain import yaml_text  # noqa: PLC0415 - tables need no yaml

            return _objects(selections, contents, yaml_text.yaml_object, yaml_text.yaml_list)
        case _:
            assert_never(output)


def _objects(
    selections: Sequence[Selection],
    contents: Contents,
    one: Callable[[Object], str],
    many: Callable[[Iterable[Object]], str],
) -> str:
    """A List, but the object by itself where a single name was asked for."""
    items = (kubernetes_object(item, contents) for each in selections for item in each.items)
    match selections:
        case [Selection(names=[_])]:
            return "".join(map(one, items))
        case _:
            return many(items)


def _nothing_found(selections: Sequence[Selection], namespace: str | None) -> str:
    cluster_wide = all(selection.kind in CLUSTER_WIDE for selection in selections)
    where = "" if cluster_wide or namespace is None else f" in {namespace} namespace."
    return f"No resources found{where}"
