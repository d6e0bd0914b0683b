"""`kcompile validate`."""

from typing import Any

import click

from kcompile.cli.compile import compile_inputs, compile_options, summary


@click.command(name="validate")
@compile_options
def command(**options: Any) -> None:
    """Check manifests as build does, and write nothing."""
    compiled = compile_inputs(**options)
    click.echo(f"valid: {summary(compiled)}", err=True)
