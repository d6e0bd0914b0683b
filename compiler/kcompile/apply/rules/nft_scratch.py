"""Rules as iptables' nft flavour puts them into a kernel: loaded into a network namespace that is
made for it and ends with it. What the kernel refuses is refused there."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterable
from typing import Callable, TypeVar

from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour
from kcompile.apply.rules.change import FamilyChange, TableChange

_CLONE_NEWNET = 0x40000000
_TIMEOUT = 600.0  # seconds; half a million rules take a minute
_TARGET = re.compile(r" -[jg] ([!-~]{1,64})")
_T = TypeVar("_T")


def in_scratch_netns(work: Callable[[], _T]) -> _T:
    """Sockets and programs of `work` belong to a new network namespace; it must not keep any."""
    given: list[_T] = []
    failed: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            _enter_new_netns()
            given.append(work())
        except BaseException as error:  # noqa: BLE001 # raised again in the thread that waits
            failed.append(error)

    # A namespace is a thread's own; the others stay where they are.
    thread = threading.Thread(target=enter_and_work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return given[0]


def restore(host: Host, change: FamilyChange, stubs: Iterable[tuple[str, str]]) -> None:
    """Load what changes into this thread's network namespace. Raises CommandError.

    `stubs`: chains that stay as they are, by table, for what jumps to them."""
    known = frozenset(stubs)
    text = "".join(
        text_of(table, sorted(chain for name, chain in known if name == table.table))
        for table in change.tables
    )
    program = flavour.program(host, "nft", change.family, "-restore")
    host.run([program], text, timeout=_TIMEOUT)


def text_of(change: TableChange, stubs: list[str]) -> str:
    """One table for iptables-restore; in built-in chains first the jumps that shall be there,
    then those that shall go."""
    lines = [f"*{change.table}"]
    lines += [f":{chain} - [0:0]" for chain in (*built_in(change), *change.replace, *stubs)]
    for rules in (change.replace, change.jumps, change.no_jumps):
        for chain in rules:
            lines += rules[chain]
    return "\n".join([*lines, "COMMIT\n"])


def built_in(change: TableChange) -> list[str]:
    """The built-in chains in which something is to change."""
    return sorted({*change.jumps, *change.no_jumps})


def targets(change: TableChange) -> set[str]:
    """Words that may be chains which rules jump to and which this change does not bring."""
    found: set[str] = set()
    for rules in (change.replace, change.jumps, change.no_jumps):
        for chain in rules:
            found.update(_TARGET.findall("\n".join(rules[chain])))
    return found - change.replace.keys()


def _enter_new_netns() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        reason = os.strerror(ctypes.get_errno())
        raise NodeError(f"rules cannot be tried in a network namespace of their own: {reason}")
