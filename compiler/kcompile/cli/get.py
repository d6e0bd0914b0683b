"""`kcompile get`: objects of a bundle in kubectl's tables, or as Kubernetes objects."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, assert_never

import click

from kcompile.explain.bundle import read
from kcompile.explain.columns import get_names, get_table
from kcompile.explain.contents import Contents
from kcompile.explain.kinds import Request, WordingError, requests
from kcompile.explain.missing import missing
from kcompile.explain.objects import Object, kubernetes_list, kubernetes_object
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
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=Path("bundle"),
    show_default=True,
    help="The directory that `kcompile build` wrote.",
)
def command(
    what: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    output: Literal["wide", "json", "yaml", "name"] | None,
    bundle: Path,
) -> None:
    """Show nodes, pods, services, endpoints or deployments of a bundle, as kubectl get does."""
    wanted = _requests(what, all_namespaces=all_namespaces)
    contents = read(bundle)
    scope = None if all_namespaces else namespace
    selections = [select(contents, request, scope) for request in wanted]
    problems = tuple(missing(contents, selections, namespace, bundle))
    text = _text(selections, contents, output or "table", with_namespace=all_namespaces)
    click.echo(text, nl=False)
    if problems:
        raise InputError(problems)
    if not text and output in {None, "wide"}:
        click.echo(_nothing_found(selections, scope), err=True)


def _requests(what: Sequence[str], *, all_namespaces: bool) -> tuple[Request, ...]:
    try:
        wanted = requests(what)
    except WordingError as error:
        raise click.UsageError(str(error)) from None
    if all_namespaces and any(each.names and each.kind != "node" for each in wanted):
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
            return "".join(
                json.dumps(value, indent=4, sort_keys=True) + "\n"
                for value in _objects(selections, contents)
            )
        case "yaml":
            from kcompile.explain.yaml_text import yaml_text  # noqa: PLC0415 - others need no yaml

            return "".join(map(yaml_text, _objects(selections, contents)))
        case _:
            assert_never(output)


def _objects(selections: Sequence[Selection], contents: Contents) -> list[Object]:
    """One List, but the object by itself where a single name was asked for."""
    items = [kubernetes_object(item, contents) for each in selections for item in each.items]
    match selections:
        case [Selection(names=[_])]:
            return items
        case _:
            return [kubernetes_list(items)]


def _nothing_found(selections: Sequence[Selection], namespace: str | None) -> str:
    cluster_wide = all(selection.kind == "node" for selection in selections)
    where = "" if cluster_wide or namespace is None else f" in {namespace} namespace."
    return f"No resources found{where}"
