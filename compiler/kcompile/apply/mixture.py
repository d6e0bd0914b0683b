"""What clients see while some nodes have a new generation and others still the old one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kcompile.apply.slices import Slice

_RULES = ("iptables.rules", "ip6tables.rules")
_FRONT = re.compile(
    r'^-A KUBE-(?:SERVICES|NODEPORTS|EXTERNAL-SERVICES|PROXY-FIREWALL) .*?--comment "'
    r"([a-z0-9-]+/[a-z0-9-]+:[a-z0-9-]*)[^\"]*\".*$",
    re.MULTILINE,
)
_WAY_IN = re.compile(r"-d \S+|-p \S+|--dport \S+")
_ENDPOINT = re.compile(
    r'^-A KUBE-SV[CL]-\S+ .*--comment "([a-z0-9-]+/[a-z0-9-]+:[a-z0-9-]*) -> (\S+)"', re.MULTILINE
)
_SHOWN = 20  # Services


def mixtures(before: Slice, after: Slice) -> tuple[str, ...]:
    """A sentence for each Service port that not all nodes treat alike during a rollout."""
    old_fronts, old_ends = _services(before)
    new_fronts, new_ends = _services(after)
    said = []
    for name in sorted(old_fronts.keys() | new_fronts.keys()):
        old = old_fronts.get(name, frozenset()), old_ends.get(name, frozenset())
        new = new_fronts.get(name, frozenset()), new_ends.get(name, frozenset())
        said += [f"while nodes differ, {name} {each}" for each in _sentences(old, new)]
    if len(said) > _SHOWN:
        return (*said[:_SHOWN], f"and {len(said) - _SHOWN} Services more differ between nodes")
    return tuple(said)


_Service = tuple[frozenset[str], frozenset[str]]


def _sentences(old: _Service, new: _Service) -> Iterator[str]:
    (old_front, old_ends), (new_front, new_ends) = old, new
    if not old_front:
        yield "answers only by way of nodes that have this generation"
        return
    if not new_front:
        yield "is still answered by nodes that have the old generation"
        return
    if old_front != new_front:
        yield "is reached at its old addresses and ports on some nodes, at its new ones on others"
    gone, come = sorted(old_ends - new_ends), sorted(new_ends - old_ends)
    if gone and not new_ends:
        yield "is refused on nodes that have this generation: no endpoint is left"
    elif gone:
        yield f"is still sent to {_few(gone)} by nodes that have the old generation"
    if come:
        yield f"is sent to {_few(come)} only by nodes that have this generation"


def _few(endpoints: list[str]) -> str:
    more = f" and {len(endpoints) - 3} more" if len(endpoints) > 3 else ""
    return ", ".join(endpoints[:3]) + more


def _services(slice_: Slice) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """Of each Service port its addresses and ports, and its endpoints."""
    fronts: dict[str, set[str]] = {}
    ends: dict[str, set[str]] = {}
    for name in _RULES:
        text = slice_.own(name)
        for match in _FRONT.finditer(text):
            fronts.setdefault(match[1], set()).add(" ".join(_WAY_IN.findall(match[0])))
        for match in _ENDPOINT.finditer(text):
            ends.setdefault(match[1], set()).add(match[2])
    return (
        {key: frozenset(value) for key, value in fronts.items()},
        {key: frozenset(value) for key, value in ends.items()},
    )
