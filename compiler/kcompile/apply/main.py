"""The command line of a node: apply, listen, status, remove."""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from kcompile import __version__
from kcompile.apply import command, listen
from kcompile.apply.confirm import expired
from kcompile.apply.failures import CommandError, NodeError, RefusedError
from kcompile.apply.host import Host
from kcompile.apply.lock import locked
from kcompile.apply.show import print_answer, tell
from kcompile.apply.steps import Choices
from kcompile.apply.transaction import NotRolledBackError, RolledBackError

EXIT_REFUSED = 1
EXIT_ROLLED_BACK = 4
EXIT_NOT_ROLLED_BACK = 5
EXIT_OUR_BUG = 70
EXIT_INTERRUPTED = 130

_SERVERS = ("auto", "bind", "unbound", "nsd", "knot", "coredns", "none")
_SECONDS = re.compile(r"([0-9]{1,5})(s|m|)", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. What goes wrong ends with a sentence, not a traceback."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence against a traceback
        code, said = _failure(error)
        for line in said:
            tell(line)
        if getattr(options, "json", False):
            print_answer({"error": said[0].partition(": ")[2], "exit": code}, "", as_json=True)
    return code


def _failure(error: Exception) -> tuple[int, tuple[str, ...]]:
    """The exit code, and what is said."""
    said = f"kcompile: {error}"
    if isinstance(error, RolledBackError):
        return EXIT_ROLLED_BACK, (said, "kcompile: everything is as it was before")
    if isinstance(error, NotRolledBackError):
        return EXIT_NOT_ROLLED_BACK, (said,)
    if isinstance(error, CommandError):
        # A change that has begun goes back, and says so: this came before any.
        return EXIT_REFUSED, (said, "kcompile: nothing was changed")
    if isinstance(error, NodeError):
        return EXIT_REFUSED, (said,)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return EXIT_REFUSED, (f"kcompile: {place}{error.strerror or error}",)
    said = f"kcompile: internal error: {type(error).__name__}: {error}"
    return EXIT_OUR_BUG, (said, "This is a bug in kcompile.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kcompile", description="Install a bundle's slice on this node.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"kcompile {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_apply(
        commands.add_parser("apply", help="install a node's slice of a bundle", allow_abbrev=False)
    )
    _add_status(
        commands.add_parser("status", help="say what differs on the node", allow_abbrev=False)
    )
    _add_remove(commands.add_parser("remove", help="leave the node as it was", allow_abbrev=False))
    listener = commands.add_parser("listen", help="hold the node ports", allow_abbrev=False)
    listen.add_arguments(listener)
    listener.set_defaults(run=listen.run)
    return parser


def _add_apply(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say what would change on this node; with --yes, change it. Exit codes: 0 done, 1 refused"
        " (nothing was touched), 2 wrong usage, 3 --exit-code found differences, 4 failed and"
        " rolled back, 5 failed and not rolled back."
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="the bundle, or a copy of its slice")
    parser.add_argument("--node", help="the node's name (default: this host's)")
    _add_acting(parser)
    parser.add_argument(
        "--force", action="store_true", help="also an older generation, another node's slice"
    )
    parser.add_argument("--adopt", action="store_true", help="take over the chains of a kube-proxy")
    parser.add_argument(
        "--dns", choices=_SERVERS, default="auto", help="the name server (default: auto)"
    )
    parser.add_argument(
        "--require-signature",
        type=Path,
        metavar="ALLOWED_SIGNERS",
        help="refuse a slice that none of these signed (ssh-keygen(1), ALLOWED SIGNERS)",
    )
    parser.add_argument(
        "--confirm-within",
        type=_seconds,
        metavar="SECONDS",
        help="go back unless --confirm comes within this time",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--confirm", action="store_true", help="keep what --confirm-within installed"
    )
    instead.add_argument(
        "--rollback",
        nargs="?",
        type=_number,
        const=0,
        metavar="N",
        help="install a generation that is kept (default: the one before)",
    )
    instead.add_argument(
        "--restore", action="store_true", help="bring back what is installed, as the boot unit does"
    )
    instead.add_argument("--watch", type=_number, help=argparse.SUPPRESS)
    parser.set_defaults(run=_apply, parser=parser)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compare the node with what is installed. Exit codes: 0 as it should be, 3 it differs."
    )
    parser.add_argument("--node", help="refuse unless the node is this one")
    _add_common(parser)
    parser.set_defaults(run=_status)


def _add_remove(parser: argparse.ArgumentParser) -> None:
    parser.description = "Say what would be removed; with --yes, remove all of it."
    parser.add_argument("--node", help="refuse unless the node is this one")
    _add_acting(parser)
    parser.set_defaults(run=_remove)


def _add_acting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument(
        "--exit-code", action="store_true", help="exit with 3 if something would change"
    )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="work on the image in DIR: its files only, nothing that runs",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="with --root: DIR is of what runs here (a container, a network namespace)",
    )


def _apply(options: argparse.Namespace) -> int:
    host = _host(options)
    choices = Choices(options.adopt, options.dns)
    acts = command.Options(
        options.yes,
        options.exit_code,
        options.json,
        options.force,
        options.require_signature,
        options.confirm_within,
    )
    if options.watch is not None:
        if not expired(host, options.watch):
            return 0
        with locked(host, changes=True, patience=float("inf")):
            return command.leave(host, options.watch, choices)
    instead = options.confirm or options.restore or options.rollback is not None
    if bool(options.bundle) == bool(instead):
        options.parser.error("either a bundle, or one of --confirm, --rollback, --restore")
    if options.confirm_within and not host.live:
        options.parser.error("--confirm-within is for a node that runs, not for an image")
    with locked(host, changes=options.yes or options.confirm or options.restore):
        if options.confirm:
            return command.keep(host)
        if options.restore:
            return command.restore(host, choices)
        if options.rollback is not None:
            return command.roll_back(host, options.rollback or None, choices, acts)
        return command.apply(host, options.bundle, _node(options.node), choices, acts)


def _status(options: argparse.Namespace) -> int:
    host = _host(options)
    with locked(host, changes=False):
        return command.status(host, options.node, Choices(), as_json=options.json)


def _remove(options: argparse.Namespace) -> int:
    host = _host(options)
    acts = command.Options(options.yes, options.exit_code, options.json)
    with locked(host, changes=options.yes):
        return command.remove(host, options.node, Choices(), acts)


def _host(options: argparse.Namespace) -> Host:
    root: Path = options.root.resolve()
    if not root.is_dir():
        raise RefusedError(f"--root {root} is not a folder")
    live = root == Path("/") or options.live
    if live and os.geteuid() != 0:
        raise RefusedError(
            "only root can read and change this node's rules, routes and sockets; run it as root"
        )
    return Host(root, live)


def _node(stated: str | None) -> str:
    return stated or socket.gethostname().lower()


def _seconds(text: str) -> float:
    match = _SECONDS.fullmatch(text)
    seconds = int(match[1]) * (60 if match[2] == "m" else 1) if match else 0
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 60s or 5m")
    return float(seconds)


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a generation")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
