"""`kcompile build`."""

import gc
import sys
from pathlib import Path
from typing import Any

import click

from kcompile.cli.beside import beside
from kcompile.cli.compile import Compiled, compile_inputs, compile_options, counted, summary
from kcompile.source import shown_name

EXIT_DIFFERENCES = 3


@click.command(name="build")
@compile_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("bundle"),
    show_default=True,
    help="The bundle's folder.",
)
@click.option(
    "--no-prove", is_flag=True, help="Do not read the rules back to compare them with the plan."
)
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if the bundle would change.")
def command(output: Path, *, check: bool, no_prove: bool, **options: Any) -> None:
    """Compile manifests (files, folders, - for stdin) into a bundle.

    All problems are reported together, and nothing is written unless everything is right.
    """
    # Millions of values that live to the end: collecting among them only costs time.
    gc.disable()
    compiled = compile_inputs(start=beside, proved=not no_prove, **options)
    if check:
        _check(compiled, output)
    else:
        _write(compiled, output)


def _check(compiled: Compiled, output: Path) -> None:
    from kcompile.bundle.write import check_bundle  # noqa: PLC0415 - only where it is needed
    from kcompile.pipeline import make_files  # noqa: PLC0415 - imports jinja2

    differing = check_bundle(output, make_files(compiled.planned))
    for path in (*compiled.lock_changes, *differing):
        click.echo(path)
    if differing or compiled.lock_changes:
        sys.exit(EXIT_DIFFERENCES)


def _write(compiled: Compiled, output: Path) -> None:
    from kcompile.bundle.write import write_bundle  # noqa: PLC0415 - only where it is needed
    from kcompile.pipeline import make_files  # noqa: PLC0415 - imports jinja2

    files = make_files(compiled.planned)
    path = compiled.lock_path
    lock = (path, compiled.planned.lock.encode()) if path else None
    report = write_bundle(output, files, lock=lock)
    state = counted(report.files, "file") if report.written else "unchanged"
    click.echo(f"{shown_name(str(output))}: {summary(compiled)}: {state}", err=True)
    if path and compiled.lock_changes:
        changed = counted(len(compiled.lock_changes), "changed entry", "changed entries")
        click.echo(f"{shown_name(str(path))}: {changed}", err=True)
