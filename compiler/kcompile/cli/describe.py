"""`kcompile describe`: objects of a bundle at length, in the lines of kubectl describe."""

from pathlib import Path

import click

from kcompile.cli.reading import read_for_this_run
from kcompile.cli.records import Scope, describe_records, wanted_records
from kcompile.explain.describe import describe
from kcompile.explain.kinds import WordingError, requests
from kcompile.explain.missing import missing
from kcompile.explain.select import select
from kcompile.problems import InputError


@click.command(name="describe")
@click.argument("what", nargs=-1, required=True, metavar="TYPE [NAME...] | TYPE/NAME...")
@click.option("-n", "--namespace", default="default", show_default=True, help="Look in this one.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=Path("bundle"),
    show_default=True,
    help="The directory that `kcompile build` wrote.",
)
def command(what: tuple[str, ...], namespace: str, bundle: Path) -> None:
    """Show objects of a bundle or DNS records at length.

    Types are those of kcompile get. Without NAME, all of that type in the namespace. Of each record
    it is shown which objects caused it, and where they stand in the manifests.
    """
    names = wanted_records(what)
    if names is not None:
        describe_records(names, Scope(bundle, namespace, namespace, None))
        return
    try:
        wanted = requests(what)
    except WordingError as error:
        raise click.UsageError(str(error)) from None
    contents = read_for_this_run(bundle)
    selections = [select(contents, request, namespace) for request in wanted]
    items = [item for selection in selections for item in selection.items]
    click.echo("\n\n".join(describe(item, contents) for item in items), nl=False)
    problems = tuple(missing(contents, selections, namespace, bundle))
    if problems:
        raise InputError(problems)
    if not items:
        click.echo(f"No resources found in {namespace} namespace.", err=True)
