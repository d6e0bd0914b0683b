"""`kcompile lock verify`: a lock against the manifests."""

import sys
from typing import Any

import click

from kcompile.cli.compile import compile_inputs, compile_options, counted
from kcompile.cli.lock_file import differing_lines, lock_text
from kcompile.source import shown_name

EXIT_DIFFERENCES = 3


@click.command(name="verify")
@compile_options
def command(**options: Any) -> None:
    """Check a lock against manifests, with the options of build.

    Says what the next build would change in the lock, and warns of what it would move.

    Exit codes: 0 nothing would change, 1 lock or manifests are wrong, 3 a build would change it.
    """
    compiled = compile_inputs(**options)
    path = compiled.lock_path
    if path is None:
        raise click.UsageError("--no-lock leaves nothing to verify")
    shown = shown_name(str(path))
    if not compiled.lock_differs:
        click.echo(f"{shown}: nothing would change", err=True)
        return
    old = lock_text(path) if path.exists() else ""
    for line in differing_lines(old, compiled.planned.lock):
        click.echo(line)
    changed = counted(len(compiled.lock_changes), "entry", "entries")
    click.echo(f"{shown}: a build would change {changed}", err=True)
    sys.exit(EXIT_DIFFERENCES)
