"""Configurations of name servers, ready to be run in the folder of the zones."""

from collections.abc import Mapping, Sequence

from kcompile.address import Family, format_ip
from kcompile.ir import NameServers
from kcompile.render.environment import template
from kcompile.settings import NameServer

_ALWAYS = ("named.zones.conf", "nsd.zones.conf", "knot.zones.conf")
"""Only the zones, to be included."""

_COMPLETE = ("named.conf", "unbound.conf", "nsd.conf", "knot.conf", "Corefile")
_BIND_DEFAULT = 100
"""Records of one owner and type that BIND takes by itself since 9.18.28."""


def server_texts(servers: NameServers) -> Mapping[str, str]:
    """The files by name. Where no address to listen on is known, only the zones to be included."""
    upstreams = servers.forwarding.upstreams
    values = {
        "zones": servers.zones,
        "listen": [(family, format_ip(family, ip)) for family, ip in servers.listen],
        "clients": list(map(str, servers.clients)),
        "largest_set": servers.largest_set if servers.largest_set > _BIND_DEFAULT else 0,
        "odd_names": servers.odd_names,
        "upstreams": _pairs(upstreams),
        "stubs": [(domain, _pairs(of_domain)) for domain, of_domain in servers.forwarding.stubs],
    }
    names = (*_ALWAYS, *(_COMPLETE if servers.listen else ()))
    return {name: template(f"{name}.j2").render(values) for name in names}


def _pairs(servers: Sequence[NameServer]) -> list[tuple[Family, str, int]]:
    return [(each.family, format_ip(each.family, each.address), each.port) for each in servers]
