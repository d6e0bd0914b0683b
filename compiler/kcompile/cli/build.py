"""`kcompile build`."""

import gc
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from kcompile.cli.beside import beside
from kcompile.cli.compile import (
    Compiled,
    compile_inputs,
    compile_options,
    counted,
    place_of_lock,
    summary,
)
from kcompile.cli.lock_file import held_lock, lock_timeout_option
from kcompile.source import shown_name

EXIT_DIFFERENCES = 3


@click.command(name="build")
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
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; list the files that would change and exit 3 if there are any.",
)
@lock_timeout_option
@compile_options
def command(
    output: Path, *, check: bool, no_prove: bool, lock_timeout: float, **options: Any
) -> None:
    """Compile manifests (files, folders, - for stdin) into a bundle.

    All problems are reported together, and nothing is written unless everything is right. What the
    options do not say comes from ClusterConfiguration and KubeProxyConfiguration documents.

    Exit codes: 0 done, 1 the input is wrong, 2 wrong usage, 3 --check found differences, 70 a bug
    in kcompile.
    """
    # Millions of values that live to the end: collecting among them only costs time.
    gc.disable()
    path = place_of_lock(**options)
    writes = not check and not options["locked"]
    with held_lock(path, lock_timeout) if path and writes else nullcontext():
        compiled = compile_inputs(start=beside, proved=not no_prove, **options)
        _refuse_lock_inside(compiled.lock_path, output)
        if check:
            _check(compiled, output)
        else:
            _write(compiled, output)


def _refuse_lock_inside(lock_path: Path | None, output: Path) -> None:
    """A build puts a new folder in the old one's place, and the lock would go with the old one."""
    if lock_path and Path(os.path.realpath(lock_path)).is_relative_to(os.path.realpath(output)):
        lock, bundle = shown_name(str(lock_path)), shown_name(str(output))
        raise click.UsageError(
            f"the lock {lock} lies in the bundle's folder {bundle}, which a build replaces;"
            " name another place with --lock or -o"
        )


def _check(compiled: Compiled, output: Path) -> None:
    from kcompile.bundle.write import check_bundle  # noqa: PLC0415 - only where it is needed
    from kcompile.pipeline import make_files  # noqa: PLC0415 - imports jinja2

    differing = check_bundle(output, make_files(compiled.planned))
    lock = (str(compiled.lock_path),) if compiled.lock_differs else ()
    for path in (*lock, *differing):
        click.echo(shown_name(path))
    if lock or differing:
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
