"""What the kernel has of links, addresses and routes, asked of `ip`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kcompile.apply.host import Host
from kcompile.apply.network.wanted import BITS, Route, Wanted, family

# What `ip route replace` gives, and does not print, where nothing else is said.
_METRIC = {4: 0, 6: 1024}
_PROTOCOL = "boot"


class Link(NamedTuple):
    bridge: bool
    up: bool


class FoundRoute(NamedTuple):
    """`plain` routes are as `ip route replace` makes them; the others have a metric, type or
    more than one hop, as no route of kcompile has. `words` are for people."""

    via: str
    device: str
    source: str
    protocol: str
    plain: bool
    words: str
    mtu: str = ""

    def is_as(self, wanted: Route) -> bool:
        return (
            self.plain
            and self.via == wanted.via
            and self.device == (wanted.device or self.device)
            and self.source == wanted.source
            and self.mtu == wanted.mtu
        )

    def is_put_as(self, wanted: Route) -> bool:
        """Whether it may be kcompile's own: other programs' routes carry their protocol."""
        return self.protocol == _PROTOCOL and self.is_as(wanted)


class Kernel(NamedTuple):
    """Links by name; addresses of the loopback interface, with whether the node sends nothing
    elsewhere from it; the links that have other addresses; routes of the main table by
    destination."""

    links: Mapping[str, Link]
    addresses: Mapping[str, bool]
    elsewhere: Mapping[str, str]
    routes: Mapping[str, Sequence[FoundRoute]]


def look(host: Host, *wanted: Wanted) -> Kernel:
    """Ask for no more than what is wanted can be compared with; an image has no kernel."""
    if not host.live:
        return Kernel({}, {}, {}, {})
    families = sorted({route.family for each in wanted for route in each.routes})
    return Kernel(
        _links(host) if any(each.links for each in wanted) else {},
        *(_addresses(host) if any(each.addresses for each in wanted) else ({}, {})),
        _routes(host, families),
    )


def _links(host: Host) -> dict[str, Link]:
    return {
        link["ifname"]: Link(
            link.get("linkinfo", {}).get("info_kind") == "bridge", "UP" in link.get("flags", ())
        )
        for link in _ask(host, "-d", "link", "show")
        if "ifname" in link
    }


def _addresses(host: Host) -> tuple[dict[str, bool], dict[str, str]]:
    own: dict[str, bool] = {}
    elsewhere: dict[str, str] = {}
    for link in _ask(host, "addr", "show"):
        for found in link.get("addr_info", ()):
            if "local" not in found:
                continue
            if link["ifname"] == "lo":
                own[f"{found['local']}/{found['prefixlen']}"] = _stays_here(found)
            else:
                elsewhere[found["local"]] = link["ifname"]
    return own, elsewhere


def _stays_here(found: Mapping[str, Any]) -> bool:
    if found["family"] == "inet":
        return bool(found["scope"] == "host")
    return bool(found.get("preferred_life_time") == 0)


def _routes(host: Host, families: Iterable[int]) -> dict[str, list[FoundRoute]]:
    routes: dict[str, list[FoundRoute]] = {}
    for number in families:
        for found in _ask(host, f"-{number}", "route", "show", "table", "main"):
            destination = found["dst"]
            if "/" not in destination:
                destination += f"/{BITS[number]}"
            routes.setdefault(destination, []).append(_route(destination, found))
    return routes


def _route(destination: str, found: Mapping[str, Any]) -> FoundRoute:
    metric = found.get("metric", 0)
    metrics: list[dict[str, Any]] = found.get("metrics", [])
    mtu = "".join(str(each["mtu"]) for each in metrics if "mtu" in each)
    via, device, source = (found.get(name, "") for name in ("gateway", "dev", "prefsrc"))
    plain = (
        metric == _METRIC[family(destination)]
        and found.get("type", "unicast") == "unicast"
        and not {"nexthops", "via", "tos", "encap"} & found.keys()
        and not {name for each in metrics for name in each} - {"mtu"}
    )
    protocol = found.get("protocol", _PROTOCOL)
    named = (
        ("", found.get("type", "")),
        ("", destination),
        ("via ", via or found.get("via", {}).get("host", "")),
        ("dev ", device),
        ("src ", source),
        ("proto ", protocol),
        ("metric ", str(metric or "")),
        ("mtu ", mtu),
    )
    words = " ".join(name + value for name, value in named if value)
    return FoundRoute(via, device, source, protocol, plain, words, mtu)


def _ask(host: Host, *words: str) -> list[dict[str, Any]]:
    # Without a route, older releases of ip print nothing at all.
    found: list[dict[str, Any]] = json.loads(host.run(["ip", "-j", *words]).strip() or "[]")
    return found
