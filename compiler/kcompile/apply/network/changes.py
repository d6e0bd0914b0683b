"""What is to be done about links, addresses and routes, as lines for `ip -batch`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kcompile.apply.difference import Difference
from kcompile.apply.network.kernel import Kernel
from kcompile.apply.network.originals import Originals
from kcompile.apply.network.wanted import Route, Wanted, family

PART = "network"


class Change(NamedTuple):
    difference: Difference
    commands: tuple[str, ...]


class Conflict(NamedTuple):
    """Something of somebody else's is in the way. What kcompile had not set before is refused;
    what it had set, and somebody took since, is left to them and reported."""

    difference: Difference
    new: bool


def additions(
    kernel: Kernel, before: Wanted, after: Wanted, originals: Originals
) -> Iterator[Change | Conflict]:
    """What `after` has and the kernel has not; in this order, as routes need the rest."""
    for link in after.links:
        yield from _link(kernel, link, link not in before.links)
    for address in after.addresses:
        ours = address in before.addresses or originals.addresses.get(address) is False
        yield from _address(kernel, address, ours)
    known = {route.destination: route for route in before.routes}
    for route in after.routes:
        yield from _route(kernel, route, known.get(route.destination))


def removals(
    kernel: Kernel, before: Wanted, after: Wanted, originals: Originals
) -> Iterator[Change]:
    """What only `before` had; what was there before kcompile is as it was then."""
    kept = {route.destination for route in after.routes}
    first = {
        words.split(" ", 1)[0]: words for words, existed in originals.routes.items() if existed
    }
    for route in before.routes:
        if route.destination not in kept:
            yield from _route_removal(kernel, route, first.get(route.destination, ""))
    for address in before.addresses:
        if (
            address in kernel.addresses
            and address not in after.addresses
            and not originals.addresses.get(address)
        ):
            yield _change("remove", f"address {address}", "on lo", f"addr del {address} dev lo")
    for link in before.links:
        if link not in after.links:
            yield from _link_removal(kernel, link, originals.links.get(link, "absent"))


def _link(kernel: Kernel, link: str, new: bool) -> Iterator[Change | Conflict]:
    found = kernel.links.get(link)
    what = f"link {link}"
    if found is None:
        yield _change("add", what, "an empty bridge", f"link add dev {link} up type bridge")
    elif not found.bridge:
        detail = "is not the bridge that kcompile makes: rename or remove it"
        yield Conflict(Difference(PART, "change", what, detail), new)
    elif not found.up:
        yield _change("change", what, "is down", f"link set dev {link} up")


def _address(kernel: Kernel, address: str, ours: bool) -> Iterator[Change | Conflict]:
    what = f"address {address}"
    manner = "scope host" if family(address) == 4 else "preferred_lft 0"
    command = f"addr replace {address} dev lo {manner}"
    right = kernel.addresses.get(address)
    other = kernel.elsewhere.get(address.split("/", 1)[0], "")
    if right is None and other:
        # NodeLocal DNSCache has the same address, on a link of its own.
        detail = f"is on {other} already, and has to be on lo: what uses it there must go first"
        yield Conflict(Difference(PART, "change", what, detail), not ours)
    elif right is None:
        yield _change("add", what, "on lo", command)
    elif not right and ours:
        # Of an IPv4 address that is there, the scope cannot be changed.
        yield _change("change", what, f"is not {manner}", f"addr del {address} dev lo", command)
    elif not right:
        detail = f"is on lo already, but not as kcompile sets it ({manner}): remove it first"
        yield Conflict(Difference(PART, "change", what, detail), new=True)


def _route(kernel: Kernel, route: Route, known: Route | None) -> Iterator[Change | Conflict]:
    found = kernel.routes.get(route.destination, ())
    what = f"route {route.destination}"
    if any(each.is_as(route) for each in found):
        return
    foreign = [each for each in found if not (known and each.is_put_as(known))]
    if foreign:
        detail = (
            f"should be {route.words}, but the node has {foreign[0].words}, which kcompile did not "
            "set: find out who did, and remove one of them"
        )
        yield Conflict(Difference(PART, "change", what, detail), known != route)
    elif found:
        detail = f"is {found[0].words}, should be {route.words}"
        yield _change("change", what, detail, f"route replace {route.words}")
    else:
        yield _change("add", what, route.words, f"route add {route.words}")


def _route_removal(kernel: Kernel, route: Route, first: str) -> Iterator[Change]:
    what = f"route {route.destination}"
    if first == route.words:
        return
    if any(each.is_put_as(route) for each in kernel.routes.get(route.destination, ())):
        if first:
            detail = f"back to {first}, as it was before kcompile"
            yield _change("change", what, detail, f"route replace {first}")
        else:
            yield _change("remove", what, route.words, f"route del {route.words} proto boot")


def _link_removal(kernel: Kernel, link: str, first: str) -> Iterator[Change]:
    found = kernel.links.get(link)
    what = f"link {link}"
    if found is None or not found.bridge:
        return
    if first == "absent":
        yield _change("remove", what, "an empty bridge", f"link del dev {link}")
    elif first == "down" and found.up:
        yield _change("change", what, "down, as before kcompile", f"link set dev {link} down")


def _change(action: str, what: str, detail: str, *commands: str) -> Change:
    return Change(Difference(PART, action, what, detail), commands)
