"""Kernel settings and the modules that have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kcompile.apply.difference import Difference
from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.network.changes import PART, Conflict
from kcompile.apply.network.originals import Originals
from kcompile.apply.network.wanted import Wanted

_MODULE_SYSCTLS = {"br_netfilter": "net.bridge."}
_FORWARDING = {
    "net.ipv4.ip_forward": "net.ipv4.conf",
    "net.ipv6.conf.all.forwarding": "net.ipv6.conf",
}
_FORWARDING6 = "net.ipv6.conf.all.forwarding"


class Load(NamedTuple):
    difference: Difference
    module: str


class Write(NamedTuple):
    difference: Difference
    key: str
    value: str


def loads(host: Host, wanted: Wanted) -> Iterator[Load]:
    """Modules that are not there and could be."""
    for module in wanted.modules:
        if not _is_there(host, module) and _is_loadable(host, module):
            yield Load(Difference(PART, "add", f"module {module}", "is not loaded"), module)


def lacking(host: Host, wanted: Wanted) -> tuple[str, ...]:
    """Modules that this kernel has not at all."""
    return tuple(
        module
        for module in wanted.modules
        if not _is_there(host, module) and not _is_loadable(host, module)
    )


def load(host: Host, module: str) -> None:
    host.run(["modprobe", module])


def writes(host: Host, before: Wanted, after: Wanted) -> Iterator[Write | Conflict]:
    """What `after` sets and is not so."""
    absent = lacking(host, after)
    for key, value in after.sysctls:
        new = (key, value) not in before.sysctls
        current = read(host, key)
        if current == value or (current is None and _module(key) in absent):
            continue
        difference = Difference(PART, "change", key, f"is {current}, should be {value}")
        if current is None and _module(key) not in after.modules:
            detail = "this kernel has no such setting" + (
                ": its IPv6 is turned off (ipv6.disable)" if key == _FORWARDING6 else ""
            )
            yield Conflict(Difference(PART, "add", key, detail), new)
        elif current is None:
            yield Write(Difference(PART, "add", key, f"should be {value}"), key, value)
        elif key == _FORWARDING6 and _learning(host):
            yield Conflict(Difference(PART, "change", key, _LEARNS.format(_learning(host))), new)
        else:
            yield Write(difference, key, value)


def restores(host: Host, before: Wanted, after: Wanted, originals: Originals) -> Iterator[Write]:
    """Values from before kcompile, of what only `before` set; not where somebody changed it."""
    kept = {key for key, _ in after.sysctls}
    for key, value in before.sysctls:
        current = read(host, key)
        if key in kept or current is None or key not in originals.sysctls:
            continue
        original = originals.sysctls[key]
        # A setting that came with its module: without the module, the kernel does as if it was 0.
        first = "0" if original is None else original
        if current == value != first:
            yield _back(key, current, first)
        if current in (value, first) and first != value:
            for name, other in originals.beside.get(key, {}).items():
                found = read(host, name)
                if found is not None and (found != other or current != first):
                    yield _back(name, found, other)


def _back(key: str, current: str, first: str) -> Write:
    detail = f"is {current}, was {first} before kcompile"
    return Write(Difference(PART, "change", key, detail), key, first)


def read(host: Host, key: str) -> str | None:
    try:
        return _path(host, key).read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NodeError(f"the kernel setting {key} cannot be read: {error.strerror}") from error


def write(host: Host, key: str, value: str) -> None:
    try:
        with _path(host, key).open("r+", encoding="utf-8") as file:
            # A list that is empty is written as a line that is.
            file.write(f"{value}\n")
    except FileNotFoundError:
        raise NodeError(
            f"this kernel has no setting {key}: the kernel module that has it does not work here"
        ) from None
    except OSError as error:
        raise NodeError(f"the kernel setting {key} cannot be set: {error.strerror}") from error


def beside(host: Host, key: str, value: str) -> dict[str, str]:
    """What the kernel changes along with a setting, with the values of now.

    A change of forwarding sets that of every interface, and IPv4's accept_redirects to its
    opposite (net/ipv4/devinet.c inet_forward_change, net/ipv6/addrconf.c).
    """
    current = read(host, key)
    if key not in _FORWARDING or current in (None, value):
        return {}
    prefix = _FORWARDING[key]
    names = sorted(path.name for path in _path(host, prefix).iterdir())
    keys = [f"{prefix}.{name.replace('.', '/')}.forwarding" for name in names if name != "all"]
    found = {name: read(host, name) for name in keys}
    kept = {name: text for name, text in found.items() if text is not None and text != current}
    if key == "net.ipv4.ip_forward":
        redirects = "net.ipv4.conf.all.accept_redirects"
        kept[redirects] = read(host, redirects) or "0"
    return kept


_LEARNS = (
    "the default route of {0} comes from router advertisements, which the kernel drops and "
    "ignores once it forwards IPv6: set net.ipv6.conf.{0}.accept_ra = 2 first"
)


def _learning(host: Host) -> str:
    """An interface that would lose its default route if the node forwarded; "" if none.

    Where networkd or NetworkManager read the advertisements, the kernel's accept_ra is 0, and it
    leaves their routes alone.
    """
    asked = host.run(["ip", "-j", "-6", "route", "show", "default"]).strip() or "[]"
    for route in json.loads(asked):
        for hop in (route, *route.get("nexthops", ())):
            device = str(hop.get("dev", ""))
            name = f"net.ipv6.conf.{device.replace('.', '/')}.accept_ra"
            if device and route.get("protocol") == "ra" and read(host, name) == "1":
                return device
    return ""


def _path(host: Host, key: str) -> Path:
    """As sysctl does: a dot in the name of an interface is written as a slash."""
    return host.path("/proc/sys/" + key.translate({ord("."): "/", ord("/"): "."}))


def _module(key: str) -> str:
    return next((name for name, keys in _MODULE_SYSCTLS.items() if key.startswith(keys)), "")


def _is_there(host: Host, module: str) -> bool:
    """Loaded or built in. A built-in one without parameters is not in /sys/module, but its
    settings show it."""
    settings = _MODULE_SYSCTLS[module].rstrip(".")
    return host.path(f"/sys/module/{module}").exists() or _path(host, settings).exists()


def _is_loadable(host: Host, module: str) -> bool:
    return (
        host.has("modprobe") and host.ask(["modprobe", "--dry-run", "--quiet", module]).status == 0
    )
