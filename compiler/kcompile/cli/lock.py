"""`kcompile lock`: what shows, checks and edits kcompile.lock."""

from pathlib import Path

import click

from kcompile.cli import lock_pin, lock_show, lock_verify
from kcompile.cli.lock_file import (
    held_lock,
    lock_option,
    lock_text,
    lock_timeout_option,
    not_in_lock,
    write_lock,
)
from kcompile.plan.lock import ALGORITHM, FORMAT, format_lock
from kcompile.plan.lock_edit import node_renamed, pruned
from kcompile.plan.lock_text import is_node_name, parse_lock, read_lock
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position, shown_name


@click.group(name="lock")
def command() -> None:
    """Show, check and edit kcompile.lock.

    What edits it prints the entries that differ: - as they were, + as they are.
    """


command.add_command(lock_show.command)
command.add_command(lock_verify.command)
command.add_command(lock_pin.command)


@command.command()
@click.option("--base", required=True, metavar="REF", help="The branch on which nothing moves.")
@lock_option
@lock_timeout_option
def resolve(path: Path, base: str, lock_timeout: float) -> None:
    """Settle what two merged branches have both given out.

    Of two entries that hold one address, port or name, the one that is not on REF loses it, and
    the next build chooses another. Nothing that is on REF moves. A merge conflict within the lock
    is settled too.
    """
    from kcompile.cli.lock_base import text_on  # noqa: PLC0415 - only where it is needed
    from kcompile.plan.lock_resolve import resolve as resolved  # noqa: PLC0415 - the same

    with held_lock(path, lock_timeout):
        old = lock_text(path)
        there = read_lock(f"{path} on {base}", text_on(base, path))
        lock, moves = resolved(str(path), old, there)
        for move in moves:
            click.echo(move.sentence(base), err=True)
        write_lock(path, old, lock)


@command.command()
@click.option(
    "--older-than",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Keep what the last N builds have freed that freed something.",
)
@lock_option
@lock_timeout_option
def prune(path: Path, older_than: int, lock_timeout: float) -> None:
    """Forget what is freed.

    Its owners get other addresses if they return, and other objects may get theirs at once.
    """
    with held_lock(path, lock_timeout):
        old = lock_text(path)
        write_lock(path, old, pruned(parse_lock(str(path), old), older_than))


@command.command(name="rename-node")
@click.argument("old_name", metavar="OLD")
@click.argument("new_name", metavar="NEW")
@lock_option
@lock_timeout_option
def rename_node(path: Path, old_name: str, new_name: str, lock_timeout: float) -> None:
    """Give a node's CIDRs and pods to its successor.

    Nothing else moves, and no pod is renamed. Rename the Node in the manifests too, then build.
    """
    if not is_node_name(new_name):
        raise click.UsageError(f"{printable(new_name)} cannot be the name of a node")
    with held_lock(path, lock_timeout):
        old = lock_text(path)
        lock = parse_lock(str(path), old)
        if old_name not in lock.nodes:
            hint = "a build with the new name has freed it; rename it in the lock of before"
            message = f"node {printable(old_name)} is not in the lock"
            raise not_in_lock(path, message, hint if old_name in lock.freed_nodes else "")
        if new_name in lock.nodes:
            message = f"node {new_name} is in the lock already"
            position = Position(str(path), read_lock(str(path), old).holders["key", new_name], 1)
            raise InputError([Problem(Code.LOCK_CONFLICT, position, message)])
        write_lock(path, old, node_renamed(lock, old_name, new_name))


@command.command()
@lock_option
@lock_timeout_option
def upgrade(path: Path, lock_timeout: float) -> None:
    """Bring a lock to the newest form and algorithm.

    Nothing moves: an algorithm is about what is chosen later.
    """
    with held_lock(path, lock_timeout):
        old = lock_text(path)
        lock = parse_lock(str(path), old)
        if format_lock(lock) == old:
            click.echo(
                f"{shown_name(str(path))}: nothing to do, this is form {FORMAT} and algorithm"
                f" {ALGORITHM}, the newest",
                err=True,
            )
        else:
            write_lock(path, old, lock)
            click.echo(f"{shown_name(str(path))}: form {FORMAT}, algorithm {ALGORITHM}", err=True)
