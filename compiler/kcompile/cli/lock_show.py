"""`kcompile lock show`: the entries of a lock as a table, as JSON or as YAML."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import click

from kcompile.cli.lock_file import lock_option, lock_text
from kcompile.explain.table import table
from kcompile.plan.lock import format_lock
from kcompile.plan.lock_text import parse_lock

_TYPES = {
    **dict.fromkeys(("node", "nodes", "no"), "node"),
    **dict.fromkeys(("pod", "pods", "po"), "pod"),
    **dict.fromkeys(("service", "services", "svc"), "service"),
}
Entries = Mapping[str, Mapping[str, Any]]
"""Fields by key, as the lock has them."""


@click.command(name="show")
@click.argument("what", nargs=-1, metavar="[TYPE | TYPE/NAME]...")
@click.option("--freed", is_flag=True, help="Only what is freed.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "yaml"]),
    default=None,
    help="The lock's fields by key, instead of a table.",
)
@lock_option
def command(
    what: tuple[str, ...], *, freed: bool, output: Literal["json", "yaml"] | None, path: Path
) -> None:
    """Show what a lock holds.

    TYPE is node, pod or service. NAME is a part of a key, or several in their order: service/web,
    pod/default/Deployment/httpd.
    """
    wanted = [_wanted(each) for each in what]
    lines = [
        line
        for line in format_lock(parse_lock(str(path), lock_text(path))).splitlines()
        if "/" in (key := line.partition(": {")[0])
        and key[0] != "#"
        and (", freed: " in line or not freed)
        and (not wanted or any(_matches(key, each) for each in wanted))
    ]
    match output:
        case "yaml":
            click.echo("\n".join(lines) if lines else "{}")
        case "json":
            click.echo(json.dumps(_entries(lines), indent=4))
        case None if lines:
            click.echo(table(_rows(_entries(lines))), nl=False)
        case None:
            click.echo("The lock has no such entry.", err=True)


def _wanted(word: str) -> list[str]:
    kind, *names = word.split("/")
    if kind not in _TYPES:
        raise click.UsageError(f"a lock knows no {kind!a}, but node, pod and service")
    return [_TYPES[kind], *names]


def _matches(key: str, wanted: list[str]) -> bool:
    kind, *parts = key.split("/")
    own, *names = wanted
    starts = range(len(parts) - len(names) + 1)
    return kind == own and any(parts[i : i + len(names)] == names for i in starts)


def _entries(lines: list[str]) -> Entries:
    import yaml  # noqa: PLC0415 - takes 15 ms

    # All texts, also a node called "on"; numbers are made here.
    read = yaml.load("\n".join(lines), yaml.CBaseLoader) or {}  # noqa: S506 - it makes texts only
    for fields in read.values():
        for name in ("freed", "healthCheckNodePort"):
            if name in fields:
                fields[name] = int(fields[name])
        if "nodePorts" in fields:
            fields["nodePorts"] = {port: int(own) for port, own in fields["nodePorts"].items()}
    entries: Entries = read
    return entries


def _rows(entries: Entries) -> Iterator[tuple[str, ...]]:
    yield "KEY", "NODE", "ADDRESSES", "NODE PORTS", "FREED"
    for key, fields in entries.items():
        lists = ("podCIDRs", "ips", "clusterIPs", "loadBalancerIPs")
        ports = [f"{port}={number}" for port, number in fields.get("nodePorts", {}).items()]
        if health := fields.get("healthCheckNodePort"):
            ports.append(f"healthCheck={health}")
        yield (
            key.removesuffix("/freed") if "freed" in fields else key,
            fields.get("node", "<none>"),
            ",".join(each for name in lists for each in fields.get(name, ())) or "<none>",
            ",".join(ports) or "<none>",
            str(fields.get("freed", "<none>")),
        )
