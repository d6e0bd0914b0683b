"""The engine of the legacy flavour: one restore per family, which replaces changed tables whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from kcompile.apply.failures import CommandError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour
from kcompile.apply.rules.change import FamilyChange, Lines, TableChange
from kcompile.apply.rules.text import NOTHING, Tables, target, words

_LOCK_WAIT = 30  # seconds, for the lock that all legacy programs share
_TIMEOUT = 180.0  # seconds; a first install of 215,000 rules takes 3
_LOCK_HELD = 4  # exit status RESOURCE_PROBLEM


def verify(host: Host, change: FamilyChange) -> None:
    """Let the kernel look at all new rules where nobody uses them: in a network namespace of
    their own, with empty chains for what is jumped to and does not change."""
    lines = [line for table in change.tables for line in _trial(table)]
    if lines:
        _restore(host, change.family, lines, ("unshare", "--net"))


def restore(host: Host, change: FamilyChange, seen: Tables) -> None:
    """Make it so; each table in one step, filter first: what it accepts is harmless before nat
    sends it. On removal the other way round."""
    tables = change.tables
    if not any(table.replace for table in tables):
        tables = tables[::-1]
    lines = [
        line for table in tables for line in _change(table, seen.get(table.table, NOTHING).built_in)
    ]
    _restore(host, change.family, lines)


def _trial(table: TableChange) -> Iterator[str]:
    rules = [
        *(line for lines in table.replace.values() for line in lines),
        *(line for lines in table.jumps.values() for line in lines),
    ]
    if not (rules or table.replace):
        return
    yield f"*{table.table}"
    stubs = sorted({target(line) for line in rules if "-" in target(line)} - set(table.replace))
    yield from (f":{chain} - [0:0]" for chain in (*table.replace, *stubs))
    yield from rules
    yield "COMMIT"


def _change(table: TableChange, have: Mapping[str, Lines]) -> Iterator[str]:
    yield f"*{table.table}"
    # A declaration also flushes; what shall go must be empty first, and jumped to by nobody.
    yield from (f":{chain} - [0:0]" for chain in (*table.replace, *table.remove))
    for lines in table.no_jumps.values():
        yield from (f"-D{line[2:]}" for line in lines)
    for chain, block in table.jumps.items():
        ours = set(map(words, block))
        yield from (f"-D{line[2:]}" for line in have.get(chain, ()) if words(line) in ours)
        for place, line in enumerate(block, 1):
            yield f"-I {chain} {place} {line[len(chain) + 4 :]}"
    for lines in table.replace.values():
        yield from lines
    yield from (f"-X {chain}" for chain in table.remove)
    yield "COMMIT"


def _restore(host: Host, family: int, lines: Sequence[str], within: tuple[str, ...] = ()) -> None:
    program = flavour.program(host, "legacy", family, "-restore")
    argv = [*within, program, "--noflush", "-w", str(_LOCK_WAIT)]
    done = host.ask(argv, "\n".join([*lines, ""]), timeout=_TIMEOUT)
    if done.status == _LOCK_HELD and "lock" in done.err:
        raise CommandError(
            f"another program held iptables' lock (/run/xtables.lock) for {_LOCK_WAIT} seconds;"
            " nothing was changed; try again when it is done"
        )
    if done.status:
        said = f"{done.err.strip()}{_line(done.err, lines)}"
        raise CommandError(f"{' '.join(argv)} failed with exit status {done.status}: {said}")


def _line(said: str, lines: Sequence[str]) -> str:
    """The line of the input that a message gives the number of."""
    found = re.search(r"line:? ([0-9]{1,9})", said)
    number = int(found[1]) if found else 0
    return f" ({lines[number - 1]})" if 0 < number <= len(lines) else ""
