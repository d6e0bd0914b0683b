"""`kcompile init`."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from kcompile.cli.inputs import STDIN, read_files
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position, shown_name

_VARIABLE_FOLDERS = ("group_vars", "host_vars")


@click.command(name="init")
@click.argument("hosts", nargs=-1, metavar="[NAME=IP[,IP]|NAME|-]...")
@click.option(
    "--inventory",
    "inventories",
    multiple=True,
    metavar="FILE",
    help="An Ansible inventory (INI, YAML), or a file with a host a line; repeatable.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="Take the hosts of this group only; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, not to standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--cluster-configuration", is_flag=True, help="Write a ClusterConfiguration document too."
)
@click.option("--pod-network-cidr", metavar="CIDR", help="Its range of pods' addresses.")
@click.option("--service-cidr", metavar="CIDR", help="Its range of Services' addresses.")
@click.option("--service-dns-domain", metavar="DOMAIN", help="Its DNS domain.")
def command(
    *,
    hosts: tuple[str, ...],
    inventories: tuple[str, ...],
    output: Path | None,
    force: bool,
    cluster_configuration: bool,
    **options: Any,
) -> None:
    """Write commented Node documents from a list of hosts or an Ansible inventory.

    Nothing is looked up and nothing is run: a host without an address gets a place to write it.
    """
    files = (*inventories, *(STDIN for host in hosts if host == STDIN))
    words = tuple(host for host in hosts if host != STDIN)
    _check_usage(words, files, cluster_configuration=cluster_configuration, options=options)
    _refuse_existing(output, force=force)
    from kcompile.inventory import Wanted, draft  # noqa: PLC0415 - imports yaml and jinja2

    wanted = Wanted(hosts=words, cluster_configuration=cluster_configuration, **options)
    drafted = draft(read_files(files), wanted)
    for note in (*drafted.notes, *_variable_folders(inventories)):
        click.echo(note, err=True)
    if output is None:
        click.echo(drafted.text, nl=False)
    else:
        _write(output, drafted.text, force=force)
    lacking = f", {drafted.without_address} without an address" if drafted.without_address else ""
    place = shown_name(str(output)) if output else "init"
    count = f"{drafted.nodes} node{'' if drafted.nodes == 1 else 's'}"
    click.echo(f"{place}: {count}{lacking}", err=True)


def _check_usage(
    words: tuple[str, ...],
    files: tuple[str, ...],
    *,
    cluster_configuration: bool,
    options: dict[str, Any],
) -> None:
    if not words and not files:
        raise click.UsageError("name hosts, or a file that lists them with --inventory")
    if options["groups"] and not files:
        raise click.UsageError("--group goes with --inventory")
    for name in ("pod_network_cidr", "service_cidr", "service_dns_domain"):
        if options[name] is not None and not cluster_configuration:
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} goes with --cluster-configuration")


def _variable_folders(inventories: tuple[str, ...]) -> list[Problem]:
    """Ansible would read these too; that they are passed over must not go unsaid."""
    folders = [
        Path(inventory).parent / name
        for inventory in inventories
        if inventory != STDIN
        for name in _VARIABLE_FOLDERS
    ]
    hint = "ansible-inventory -i FILE --list --yaml prints them with the rest; give that"
    return [
        Problem(Code.INVENTORY_IGNORED, Position(str(folder), 1, 1), "is not read", hint)
        for folder in dict.fromkeys(folders)
        if folder.is_dir()
    ]


def _refuse_existing(output: Path | None, *, force: bool) -> None:
    if output is not None and not force and os.path.lexists(output):
        raise _exists(output)


def _exists(output: Path) -> InputError:
    message = "the file exists, and init replaces none"
    position = Position(str(output), 1, 1)
    return InputError([Problem(Code.OUTPUT_EXISTS, position, message, "--force replaces it")])


def _write(output: Path, text: str, *, force: bool) -> None:
    """All or nothing, and without --force never over a file that came meanwhile."""
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=output.parent, prefix=".init-", delete=False
        ) as file:
            file.write(text)
        temporary = Path(file.name)
        try:
            temporary.chmod(0o666 & ~_umask())
            _put(temporary, output, force=force)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise _exists(output) from None
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        problem = Problem(Code.NOT_WRITABLE, Position(str(output), 1, 1), message)
        raise InputError([problem]) from None


def _put(temporary: Path, output: Path, *, force: bool) -> None:
    if not force:
        try:
            # Unlike a rename, a link never replaces what is there.
            os.link(temporary, output)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links (vfat).
            _refuse_existing(output, force=force)
        else:
            return
    temporary.replace(output)


def _umask() -> int:
    """The only way to ask is to set it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
