"""Whom the nodes' name servers ask for names of others, as both ConfigMaps say it together."""

from collections.abc import Iterable

from kcompile.address import format_ip
from kcompile.load.locate import locate
from kcompile.model import DnsConfigMap
from kcompile.problems import Code, Finding
from kcompile.settings import Forwarding, NameServer
from kcompile.source import Origin

Servers = tuple[NameServer, ...]


def resolve_forwarding(
    stated: Iterable[tuple[DnsConfigMap, Origin]],
) -> tuple[Forwarding, tuple[Finding, ...]]:
    """The forwarding, and where two ConfigMaps disagree."""
    by_domain: dict[str, tuple[Servers, Origin]] = {}
    findings = []
    for config_map, origin in stated:
        for domain, servers in (
            ("", config_map.forwarding.upstreams),
            *config_map.forwarding.stubs,
        ):
            if not servers:
                continue
            before, first = by_domain.setdefault(domain, (servers, origin))
            if before != servers:
                message = (
                    f"{domain or 'everything else'} is asked of {_shown(servers)}, but of"
                    f" {_shown(before)} at {locate(first, ('data',))}"
                )
                findings.append(Finding(Code.SETTINGS_CONFLICT, origin, ("data",), message))
    upstreams, _ = by_domain.pop("", ((), None))
    stubs = tuple(sorted((domain, servers) for domain, (servers, _) in by_domain.items()))
    return Forwarding(upstreams, stubs), tuple(findings)


def _shown(servers: Servers) -> str:
    return ", ".join(f"{format_ip(each.family, each.address)} port {each.port}" for each in servers)
