"""Zones as master files (RFC 1035, section 5)."""

from kcompile.ir import Zone
from kcompile.render.environment import template


def zone_text(zone: Zone) -> str:
    """One record a line, names absolute: a line means the same wherever it stands."""
    soa = zone.soa
    return template("zone.j2").render(
        origin=zone.origin,
        soa_ttl=soa.ttl,
        primary=soa.primary,
        mailbox=soa.mailbox,
        serial=soa.serial,
        rising=zone.rising,
        refresh=soa.refresh,
        retry=soa.retry,
        expire=soa.expire,
        negative_ttl=soa.negative_ttl,
        lines=zone.lines,
    )
