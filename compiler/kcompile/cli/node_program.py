"""`kcompile node-program`."""

from pathlib import Path

import click

from kcompile.apply.package import MODE, PROGRAM, build_program
from kcompile.apply.state import write_bytes
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position, shown_name


@click.command(name="node-program")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(PROGRAM),
    show_default=True,
    help="The file to write.",
)
def command(output: Path) -> None:
    """Write the program that nodes run: one file, the same bytes wherever it is written.

    A node needs Python 3.9 or later and nothing of Python's packages:
    python3 -I -S kcompile.pyz apply BUNDLE

    Exit codes: 0 done, 1 the file cannot be written, 2 wrong usage.
    """
    program = build_program()
    try:
        write_bytes(output, program, MODE)
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        problem = Problem(Code.NOT_WRITABLE, Position(str(output), 1, 1), message)
        raise InputError([problem]) from None
    click.echo(f"{shown_name(str(output))}: {len(program)} bytes", err=True)
