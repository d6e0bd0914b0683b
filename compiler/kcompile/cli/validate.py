"""`kcompile validate`."""

from typing import Any

import click

from kcompile.cli.compile import compile_inputs, compile_options


@click.command(name="validate")
@compile_options
def command(**options: Any) -> None:
    """Check manifests as build does, and write nothing."""
    compiled = compile_inputs(**options)
    plan = compiled.planned.plan
    click.echo(
        f"valid: {len(plan.nodes)} nodes, {len(plan.pods)} pods, {len(plan.services)} services",
        err=True,
    )
