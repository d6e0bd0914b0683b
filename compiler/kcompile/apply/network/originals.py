"""What was on the node before kcompile, kept to leave it so again."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, TypeVar

from kcompile.apply.host import Host
from kcompile.apply.state import damaged, drop_state, read_state, write_state

_NAME = "originals/network.json"

_T = TypeVar("_T")


class Originals(NamedTuple):
    """By the name of what kcompile sets, how it was before: links are "absent", "down" or "up";
    addresses and routes (their words) were there or not; sysctls and files have their value or
    text, None where there was none. `beside` has, by a sysctl, what changes along with it."""

    links: dict[str, str]
    addresses: dict[str, bool]
    routes: dict[str, bool]
    sysctls: dict[str, str | None]
    beside: dict[str, dict[str, str]]
    files: dict[str, str | None]


def nothing() -> Originals:
    return Originals({}, {}, {}, {}, {}, {})


def read_originals(host: Host) -> Originals:
    known = read_state(host, _NAME)
    found = {field: known.get(field, {}) for field in Originals._fields}
    if not all(isinstance(each, dict) for each in found.values()):
        raise damaged(host, _NAME)
    return Originals(**found)


def remember(host: Host, known: Originals, seen: Originals) -> Originals:
    """Add what is seen of things that are not known yet; on the disk before this returns."""
    merged = Originals(
        {**seen.links, **known.links},
        {**seen.addresses, **known.addresses},
        {**seen.routes, **known.routes},
        {**seen.sysctls, **known.sysctls},
        {**seen.beside, **known.beside},
        {**seen.files, **known.files},
    )
    if merged != known:
        write_state(host, _NAME, merged._asdict())
    return merged


def forget(host: Host, known: Originals, kept: Originals) -> None:
    """Keep only the things that `kept` has."""
    left = Originals(
        _only(known.links, kept.links),
        _only(known.addresses, kept.addresses),
        _only(known.routes, kept.routes),
        _only(known.sysctls, kept.sysctls),
        _only(known.beside, kept.beside),
        _only(known.files, kept.files),
    )
    if left == nothing():
        drop_state(host, _NAME)
    elif left != known:
        write_state(host, _NAME, left._asdict())


def _only(known: dict[str, _T], kept: Collection[str]) -> dict[str, _T]:
    return {name: value for name, value in known.items() if name in kept}
