"""The lock as a file: held while it is read and written, and what an edit changed in it."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from kcompile.bundle.hold import held
from kcompile.plan.lock import Lock, format_lock
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position, shown_name

F = TypeVar("F", bound=Callable[..., Any])

lock_timeout_option = click.option(
    "--lock-timeout",
    type=click.FloatRange(0, 86400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another kcompile that has the lock.",
)


def lock_option(command: F) -> F:
    option = click.option(
        "--lock",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("kcompile.lock"),
        show_default=True,
        help="The lock file.",
    )
    return option(command)


@contextmanager
def held_files(paths: Iterable[Path], seconds: float) -> Iterator[None]:
    """Holds each folder of these files once, always in the same order: two builds that need two
    folders never wait for each other."""
    folders = {os.path.realpath(path.parent): path for path in paths}
    with ExitStack() as stack:
        for folder in sorted(folders):
            stack.enter_context(held_lock(folders[folder], seconds))
        yield


def held_lock(path: Path, seconds: float) -> AbstractContextManager[None]:
    """One kcompile at a time; whoever waits says so."""
    waiting = f"{shown_name(str(path))}: another kcompile has this lock; waiting for it"
    return held(path, seconds, lambda: click.echo(waiting, err=True))


def lock_text(path: Path) -> str:
    """What a lock that must be there holds."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        message, hint = "there is no lock here", "--lock FILE names another; a build writes one"
    except OSError as error:
        message, hint = f"the lock cannot be read: {error.strerror}", ""
    except UnicodeDecodeError:
        message, hint = "the lock cannot be read: it is not UTF-8", ""
    raise InputError([Problem(Code.LOCK_SYNTAX, Position(str(path), 1, 1), message, hint)])


def write_lock(path: Path, old: str, lock: Lock) -> None:
    """Replace the lock, and print the entries that differ."""
    from kcompile.bundle.replace import replace_file  # noqa: PLC0415 - only where it is needed

    new = format_lock(lock)
    try:
        replace_file(path, new.encode())
    except OSError as error:
        message = f"the lock cannot be written: {error.strerror}"
        raise InputError(
            [Problem(Code.NOT_WRITABLE, Position(str(path), 1, 1), message)]
        ) from error
    lines = differing_lines(old, new)
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo(f"{shown_name(str(path))}: no entry changes", err=True)


def not_in_lock(path: Path, message: str, hint: str = "") -> InputError:
    hint = hint or "kcompile lock show lists what is"
    return InputError([Problem(Code.NOT_IN_LOCK, Position(str(path), 1, 1), message, hint)])


def differing_lines(old: str, new: str) -> tuple[str, ...]:
    """The entries that differ between two locks' texts, by key: - as they were, + as they are."""
    before, after = set(old.splitlines()), set(new.splitlines())
    differing = [("-", line) for line in before - after] + [("+", line) for line in after - before]
    entries = [(line.partition(": {"), sign) for sign, line in differing if ": {" in line]
    entries.sort(key=lambda entry: (entry[0][0], entry[1] == "+"))
    return tuple(f"{sign}{key}{colon}{rest}" for (key, colon, rest), sign in entries)
