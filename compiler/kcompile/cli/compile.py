"""What build and validate share: options, reading inputs and lock, planning, showing problems."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kcompile.cli.beside import is_worth_it
from kcompile.cli.inputs import default_lock, read_inputs
from kcompile.later import Start, when_asked
from kcompile.plan.lock import FORMAT, Lock, changes
from kcompile.plan.lock_text import parse_lock, version_of
from kcompile.problems import Code, InputError, Problem, Severity
from kcompile.resolve.flags import Flags
from kcompile.source import Position

if TYPE_CHECKING:
    from kcompile.pipeline import Planned

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("inputs", nargs=-1, required=True, metavar="{FILE|FOLDER|-}..."),
    click.option("--strict", is_flag=True, help="Make warnings, and ignored kinds, errors."),
    click.option("--deny-external-ips", is_flag=True, help="Make externalIPs of Services errors."),
    click.option(
        "--lock",
        "lock_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The lock file.  [default: kcompile.lock in the deepest folder of all inputs]",
    ),
    click.option("--locked", is_flag=True, help="Fail if the lock would change."),
    click.option("--no-lock", is_flag=True, help="Neither read nor write a lock."),
    click.option(
        "--service-cidr",
        metavar="CIDR[,CIDR]",
        help="The range of Services' addresses; with two, IPv4 and IPv6, a dual-stack cluster.",
    ),
    click.option(
        "--pod-network-cidr",
        metavar="CIDR[,CIDR]",
        help="The range of pods' addresses; one for each family.",
    ),
    click.option(
        "--node-cidr-mask-size", metavar="BITS", help="The prefix length of each node's pod range."
    ),
    click.option(
        "--node-cidr-mask-size-ipv4", metavar="BITS", help="The same for IPv4, beside IPv6."
    ),
    click.option(
        "--node-cidr-mask-size-ipv6", metavar="BITS", help="The same for IPv6, beside IPv4."
    ),
    click.option(
        "--load-balancer-pool",
        "load_balancer_pools",
        multiple=True,
        metavar="CIDR|FIRST-LAST",
        help="Addresses for Services of type LoadBalancer; repeatable.",
    ),
    click.option("--service-dns-domain", metavar="DOMAIN", help="The cluster's DNS domain."),
    click.option(
        "--service-node-port-range", metavar="FIRST-LAST", help="The range of node ports."
    ),
    click.option(
        "--node",
        "nodes",
        multiple=True,
        metavar="NAME=IP[,IP]",
        help="A node, or a node's address; repeatable.",
    ),
    click.option(
        "--pending",
        type=click.Choice(["error", "warn"]),
        default="error",
        show_default=True,
        help="What pods are that fit on no node; with warn they are left out.",
    ),
    click.option(
        "--detect-local",
        type=click.Choice(["cluster-cidr", "none"]),
        default="cluster-cidr",
        show_default=True,
        help="How rules tell the packets of pods.",
    ),
    click.option(
        "--egress-masquerade/--no-egress-masquerade",
        default=True,
        help="Pods reach the world by the node's address.  [default: on]",
    ),
    click.option(
        "--non-masquerade-cidr",
        "non_masquerade_cidrs",
        multiple=True,
        metavar="CIDR",
        help="Keep the pod's address towards this range; repeatable.",
    ),
    click.option(
        "--forward-accept/--no-forward-accept",
        default=True,
        help="Accept forwarded packets of pods.  [default: on]",
    ),
    click.option(
        "--mtu",
        "mtus",
        multiple=True,
        metavar="[NODE=]BYTES",
        help="The largest packet of pods, where links between nodes carry less; repeatable.",
    ),
    click.option(
        "--node-dns-address",
        metavar="IP|none",
        help="Each node's address for its own DNS server, 169.254.20.10 if nothing is said.",
    ),
    click.option(
        "--reject-unmatched-service-ips",
        is_flag=True,
        help="Refuse packets to unused service addresses and ports.",
    ),
    click.option("--dns-ttl", metavar="SECONDS", help="The TTL of DNS records; 30 if not given."),
    click.option(
        "--dns-pods",
        type=click.Choice(["disabled", "verified"]),
        default="disabled",
        show_default=True,
        help="Whether pods have DNS records by their addresses.",
    ),
    click.option(
        "--dns-endpoint-pod-names",
        is_flag=True,
        help="Name endpoints in DNS after their pods, not their addresses.",
    ),
    click.option(
        "--dns-ptr",
        type=click.Choice(["all", "canonical"]),
        default="all",
        show_default=True,
        help="Whether an address leads back to all its names, or to the first.",
    ),
    click.option(
        "--dns-zonal", is_flag=True, help="Add the names of headless Services in each zone."
    ),
    click.option(
        "--dns-ignore-empty-services",
        is_flag=True,
        help="Leave Services without a ready endpoint out of DNS.",
    ),
    click.option(
        "--dns-external-zone",
        metavar="ZONE",
        help="A DNS zone of the addresses that Services have outside the cluster.",
    ),
    click.option(
        "--dns-reverse-zone",
        "dns_reverse_zones",
        multiple=True,
        metavar="CIDR",
        help="A range with reverse DNS besides those of Services and pods; repeatable.",
    ),
)


def compile_options(command: F) -> F:
    """Add the arguments and options that `compile_inputs` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def place_of_lock(
    *, inputs: tuple[str, ...], lock_path: Path | None, locked: bool, no_lock: bool, **_others: Any
) -> Path | None:
    """Where the options say that the lock lies, None if they want none."""
    if no_lock and (locked or lock_path):
        raise click.UsageError("--no-lock goes with neither --lock nor --locked")
    return None if no_lock else lock_path or default_lock(inputs)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan, and what changes in the lock; no path where there is no lock.

    `lock_changes` are entries that live; the file may differ in freed ones or in order only.
    """

    planned: "Planned"
    lock_path: Path | None
    lock_differs: bool
    lock_changes: tuple[str, ...]


def compile_inputs(  # noqa: PLR0913 - one argument an option
    *,
    start: Start | None = None,
    proved: bool = False,
    quadlets: bool = False,
    inputs: tuple[str, ...],
    strict: bool,
    deny_external_ips: bool,
    lock_path: Path | None,
    locked: bool,
    no_lock: bool,
    detect_local: str,
    **flags: Any,
) -> Compiled:
    """Read what the options name and plan it. Raises InputError; shows warnings and notes.

    `start` begins work for the files, if there are to be any, beside the rest of a large build.
    """
    from kcompile.pipeline import make_plan  # noqa: PLC0415 - imports jsonschema and jinja2

    path = place_of_lock(inputs=inputs, lock_path=lock_path, locked=locked, no_lock=no_lock)
    read = read_inputs(inputs)
    old, lock = _read_lock(path)
    planned = make_plan(
        read.texts,
        Flags(detect_local=detect_local != "none", **flags),
        lock,
        start if start and is_worth_it(read.texts) else when_asked,
        proved=proved,
        quadlets=quadlets,
    )
    notes = (*read.notes, *planned.notes)
    _be_strict(notes, strict=strict, deny_external_ips=deny_external_ips)
    show((*_old_form(path, old), *notes))
    differs = path is not None and old != planned.lock
    changed = changes(old, planned.lock) if differs else ()
    if locked and differs:
        raise InputError([_stale(path, changed)])
    return Compiled(planned, path, differs, changed)


def show(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.echo(problem, err=True)


def summary(compiled: Compiled) -> str:
    """How large the plan is, for a person."""
    plan = compiled.planned.plan
    nodes, pods = counted(len(plan.nodes), "node"), counted(len(plan.pods), "pod")
    pending = f", {counted(plan.pending, 'pod')} pending" if plan.pending else ""
    return f"{nodes}, {pods}, {counted(len(plan.services), 'service')}{pending}"


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _read_lock(path: Path | None) -> tuple[str, Lock]:
    if path is None:
        return "", Lock()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return "", Lock()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problem = Problem(
            Code.LOCK_SYNTAX, Position(str(path), 1, 1), f"the lock cannot be read: {reason}"
        )
        raise InputError([problem]) from error
    return text, parse_lock(str(path), text)


def _old_form(path: Path | None, text: str) -> Iterator[Problem]:
    if text and (version := version_of(text)) != FORMAT:
        message = f"the lock has form {version}; a build writes it anew in form {FORMAT}"
        hint = "nothing in it changes by that; commit it"
        yield Problem(Code.LOCK_OLD, Position(str(path), 1, 1), message, hint)


def _be_strict(notes: tuple[Problem, ...], *, strict: bool, deny_external_ips: bool) -> None:
    """Raise InputError with the warnings and notes that an option makes errors."""
    option = "--strict" if strict else "--deny-external-ips"
    wrong = [
        note
        for note in notes
        if (strict and (note.severity is Severity.WARNING or note.code is Code.IGNORED_KIND))
        or (deny_external_ips and note.code is Code.EXTERNAL_IP)
    ]
    if wrong:
        click.echo(f"{option} makes these errors:", err=True)
        raise InputError(wrong)


def _stale(path: Path | None, changed: tuple[str, ...]) -> Problem:
    message = "--locked, but freed entries, the order of lines or the form would change"
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        message = f"--locked, but these entries would change: {', '.join(changed[:5])}{more}"
    position = Position(str(path), 1, 1)
    hint = "build without --locked and commit the lock"
    return Problem(Code.LOCK_STALE, position, message, hint)
