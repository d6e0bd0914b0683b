"""`kcompile build`."""

import gc
import os
import sys
from collections.abc import Sequence
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
from kcompile.cli.inputs import SUFFIXES
from kcompile.cli.lock_file import held_files, lock_timeout_option
from kcompile.cli.serial_file import Numbered, number_zones, refuse_unwritable, serial_options
from kcompile.cli.slice_options import ForNodes, slice_options
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
@click.option(
    "--quadlets", is_flag=True, help="Add units with which podman runs the pods of each node."
)
@serial_options
@slice_options
@lock_timeout_option
@compile_options
def command(  # noqa: PLR0913 - one argument an option
    output: Path,
    *,
    check: bool,
    no_prove: bool,
    quadlets: bool,
    lock_timeout: float,
    serial_path: Path | None,
    serial: int | None,
    generation: int | None,
    key: Path | None,
    **options: Any,
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
    _refuse_places(
        path, serial_path, serial, output, lock_is_stated=options["lock_path"] is not None
    )
    _refuse_manifest(serial_path, options["inputs"])
    for_nodes = ForNodes(generation, key)
    for_nodes.refuse_unusable()
    written = () if check else (None if options["locked"] else path, serial_path)
    with held_files(filter(None, written), lock_timeout):
        compiled = compile_inputs(start=beside, proved=not no_prove, quadlets=quadlets, **options)
        numbered = _number(compiled, serial_path, serial)
        if check:
            _check(compiled, numbered, for_nodes, output)
        else:
            _write(compiled, numbered, for_nodes, output)


def _refuse_places(
    lock_path: Path | None,
    serial_path: Path | None,
    serial: int | None,
    output: Path,
    *,
    lock_is_stated: bool,
) -> None:
    if serial is not None and serial_path is None:
        raise click.UsageError("--serial needs --zone-serial, which keeps it")
    if lock_path and serial_path and os.path.realpath(lock_path) == os.path.realpath(serial_path):
        raise click.UsageError("--zone-serial and the lock are one file; name another")
    if lock_is_stated:
        # The default place is where the inputs are: they must not be in a bundle themselves.
        _refuse_inside(lock_path, "lock", "--lock", output)
    _refuse_inside(serial_path, "file of serials", "--zone-serial", output)


def _refuse_manifest(serial_path: Path | None, inputs: Sequence[str]) -> None:
    """The next build would read it among the manifests."""
    if serial_path and serial_path.suffix in SUFFIXES:
        place = Path(os.path.realpath(serial_path))
        if any(place.is_relative_to(os.path.realpath(each)) for each in inputs):
            raise click.UsageError(
                f"{shown_name(str(serial_path))} would be read as a manifest; name the file of"
                " --zone-serial otherwise, as zones.serials"
            )


def _refuse_inside(path: Path | None, what: str, option: str, output: Path) -> None:
    """A build puts a new folder in the old one's place, and the file would go with the old one."""
    if path and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(output)):
        file, bundle = shown_name(str(path)), shown_name(str(output))
        raise click.UsageError(
            f"the {what} {file} lies in the bundle's folder {bundle}, which a build replaces;"
            f" name another place with {option} or -o"
        )


def _number(compiled: Compiled, path: Path | None, chosen: int | None) -> Numbered | None:
    if path is None:
        return None
    from kcompile.pipeline import make_zones  # noqa: PLC0415 - imports jinja2

    return number_zones(make_zones(compiled.planned), path, chosen)


def _check(
    compiled: Compiled, numbered: Numbered | None, for_nodes: ForNodes, output: Path
) -> None:
    from kcompile.bundle.write import check_bundle  # noqa: PLC0415 - only where it is needed
    from kcompile.pipeline import make_files  # noqa: PLC0415 - imports jinja2

    zones = numbered.zones if numbered else None
    made = make_files(compiled.planned, zones, for_nodes.generation)
    files = for_nodes.finish_to_compare(made, output)
    lock = (str(compiled.lock_path),) if compiled.lock_differs else ()
    serials = (str(numbered.path),) if numbered and numbered.differs else ()
    differing = (*lock, *serials, *check_bundle(output, files))
    for path in differing:
        click.echo(shown_name(path))
    if differing:
        sys.exit(EXIT_DIFFERENCES)


def _write(
    compiled: Compiled, numbered: Numbered | None, for_nodes: ForNodes, output: Path
) -> None:
    from kcompile.bundle.write import write_bundle  # noqa: PLC0415 - only where it is needed
    from kcompile.pipeline import make_files  # noqa: PLC0415 - imports jinja2

    if numbered:
        refuse_unwritable(numbered)
    zones = numbered.zones if numbered else None
    made = make_files(compiled.planned, zones, for_nodes.generation)
    files = for_nodes.finish(made, output)
    path = compiled.lock_path
    lock = (path, compiled.planned.lock.encode()) if path else None
    serials = (numbered.path, numbered.after.encode()) if numbered else None
    report = write_bundle(output, files, lock=lock, serials=serials)
    state = counted(report.files, "file") if report.written else "unchanged"
    click.echo(f"{shown_name(str(output))}: {summary(compiled)}: {state}", err=True)
    if path and compiled.lock_changes:
        changed = counted(len(compiled.lock_changes), "changed entry", "changed entries")
        click.echo(f"{shown_name(str(path))}: {changed}", err=True)
    if numbered and numbered.raised:
        raised = counted(numbered.raised, "new serial")
        click.echo(f"{shown_name(str(numbered.path))}: {raised}", err=True)
