"""What a slice wants of a node's network, read strictly.

The files are our own build's, but what is in a slice is run as root: only the lines that a build
writes are accepted (kcompile.render.node), and nothing is run but what is made from their values.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from kcompile.apply.failures import RefusedError
from kcompile.apply.slices import Slice

SYSCTLS = frozenset(
    {
        "net.bridge.bridge-nf-call-ip6tables",
        "net.bridge.bridge-nf-call-iptables",
        "net.ipv4.conf.all.route_localnet",
        "net.ipv4.ip_forward",
        "net.ipv6.conf.all.forwarding",
    }
)
RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"
MODULES = frozenset({"br_netfilter"})
BITS = {4: 32, 6: 128}
LEAST_MTU, MOST_MTU = 1280, 65535

_LINK = re.compile(r"link (?:add (kcompile[0-9]{1,4}) type bridge|set (kcompile[0-9]{1,4}) up)")
_ADDRESS = re.compile(
    r"addr replace ([0-9a-f.:]{2,45})/(?:32 dev lo scope host|128 dev lo preferred_lft 0)"
)
_ROUTE = re.compile(
    r"route replace ([0-9a-f.:]{2,45}/[0-9]{1,3})(?: via ([0-9a-f.:]{2,45}))?"
    r"(?: dev (kcompile[0-9]{1,4}))?(?: src ([0-9a-f.:]{2,45}))?"
    r"(?: mtu ([1-9][0-9]{3,4}))?"
)
_SYSCTL = re.compile(r"([a-z0-9._-]{1,80}) = ([0-9,-]{1,4000})")
_PORTS = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?(?:,[0-9]{1,5}(?:-[0-9]{1,5})?)*")
_COMMENT = re.compile(r"(?:#[ -~]*)?")  # or nothing
_SHOWN = 120  # characters of a refused line

_T = TypeVar("_T")


class Route(NamedTuple):
    """`via`, `device`, `source` and `mtu` are "" where the kernel chooses."""

    destination: str
    via: str
    device: str
    source: str
    mtu: str = ""

    @property
    def family(self) -> int:
        return family(self.destination)

    @property
    def words(self) -> str:
        named = (("via", self.via), ("dev", self.device), ("src", self.source), ("mtu", self.mtu))
        return " ".join([self.destination, *(f"{name} {value}" for name, value in named if value)])


class Wanted(NamedTuple):
    """Bridges, addresses of the loopback interface (`IP/32`), routes, sysctls and modules; the
    texts are those that the system reads at boot."""

    links: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    modules: tuple[str, ...] = ()
    sysctl_text: str = ""
    modules_text: str = ""


def read_wanted(slice_: Slice | None) -> Wanted:
    """Raises RefusedError at a line that no build writes."""
    if slice_ is None:
        return Wanted()
    links = _links(slice_)
    return Wanted(
        links,
        _once("network/addresses.batch", _addresses(slice_)),
        _routes(slice_, links),
        _once("sysctl.d/90-kcompile.conf", _sysctls(slice_)),
        _once("modules-load.d/kcompile.conf", _modules(slice_)),
        slice_.own("sysctl.d/90-kcompile.conf"),
        slice_.own("modules-load.d/kcompile.conf"),
    )


def family(address: str) -> int:
    return 6 if ":" in address else 4


def _links(slice_: Slice) -> tuple[str, ...]:
    name = "network/links.batch"
    added: list[str] = []
    raised: list[str] = []
    for line in _lines(slice_, name):
        match = _LINK.fullmatch(line)
        if match is None:
            raise _refused(name, line)
        (added if match[1] else raised).append(match[1] or match[2])
    if added != raised:
        raise RefusedError(f"{name} of the slice does not set up every link that it adds")
    return _once(name, iter(added))


def _addresses(slice_: Slice) -> Iterator[str]:
    name = "network/addresses.batch"
    for line in _lines(slice_, name):
        match = _ADDRESS.fullmatch(line)
        bits = "128" if line.endswith("preferred_lft 0") else "32"
        if match is None or not _is_address(match[1]) or BITS[family(match[1])] != int(bits):
            raise _refused(name, line)
        yield f"{match[1]}/{bits}"


def _routes(slice_: Slice, links: tuple[str, ...]) -> tuple[Route, ...]:
    name = "network/routes.batch"
    routes = []
    for line in _lines(slice_, name):
        match = _ROUTE.fullmatch(line)
        if match is None:
            raise _refused(name, line)
        route = Route(match[1], *(word or "" for word in match.groups()[1:]))
        if not _is_sound(route) or (route.device and route.device not in links):
            raise _refused(name, line)
        routes.append(route)
    _once(name, (route.destination for route in routes))
    return tuple(routes)


def _is_sound(route: Route) -> bool:
    try:
        destination = str(ipaddress.ip_network(route.destination))
    except ValueError:
        return False
    return (
        destination == route.destination
        and not destination.endswith("/0")
        and bool(route.via or route.device)
        and (not route.mtu or LEAST_MTU <= int(route.mtu) <= MOST_MTU)
        and all(
            _is_address(address) and family(address) == route.family
            for address in (route.via, route.source)
            if address
        )
    )


def _is_address(text: str) -> bool:
    """Whether it is an address, written as the kernel's tools write it."""
    try:
        return str(ipaddress.ip_address(text)) == text
    except ValueError:
        return False


def _sysctls(slice_: Slice) -> Iterator[tuple[str, str]]:
    name = "sysctl.d/90-kcompile.conf"
    for line in _lines(slice_, name):
        match = _SYSCTL.fullmatch(line)
        if match is None or not _is_ours(match[1], match[2]):
            raise _refused(name, line)
        yield match[1], match[2]


def _is_ours(key: str, value: str) -> bool:
    if key == RESERVED_PORTS:
        return _PORTS.fullmatch(value) is not None
    return key in SYSCTLS and value == "1"


def _modules(slice_: Slice) -> Iterator[str]:
    name = "modules-load.d/kcompile.conf"
    for line in _lines(slice_, name):
        if line not in MODULES:
            raise _refused(name, line)
        yield line


def _lines(slice_: Slice, name: str) -> Iterator[str]:
    """Lines but comments. These are plain text: systemd ends a line at a carriage return, too, so
    that what looks like a comment could be a setting."""
    try:
        text = slice_.own(name)
    except UnicodeDecodeError:
        raise RefusedError(f"{name} of the slice is no text") from None
    for line in text.split("\n"):
        if _COMMENT.fullmatch(line) is None:
            yield line


def _once(name: str, values: Iterator[_T]) -> tuple[_T, ...]:
    found = tuple(values)
    if len(set(found)) != len(found):
        raise RefusedError(f"{name} of the slice says the same thing twice")
    return found


def _refused(name: str, line: str) -> RefusedError:
    return RefusedError(
        f"{name} of the slice has a line that this kcompile does not write, {line[:_SHOWN]!a}: was "
        "the bundle built by a newer kcompile? Then bring its program onto the node, too"
    )
