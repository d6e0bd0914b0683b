"""The pools that LoadBalancer Services get addresses from: those of documents and of flags."""

from collections.abc import Iterator, Mapping, Sequence

from kcompile.address import Family, format_ip, parse_cidr, parse_ip
from kcompile.load.locate import locate
from kcompile.model import AddressPool, Key
from kcompile.problems import Code, Finding, printable
from kcompile.resolve.flags import Flags
from kcompile.settings import Settings
from kcompile.source import Origin

_FLAG = "--load-balancer-pool"

Origins = Mapping[Key, Origin]
Range = tuple[Family, int, int]
"""Family, first and last address."""


def resolve_pools(
    declared: Sequence[AddressPool], flags: Flags, settings: Settings, origins: Origins
) -> tuple[tuple[AddressPool, ...], tuple[Finding, ...]]:
    """The pools, sorted by key, and what is wrong with them; the flags' ranges are one pool."""
    findings: list[Finding] = []
    stated: list[Range] = []
    for text in flags.load_balancer_pools:
        try:
            stated.append(_parse_range(text))
        except ValueError:
            message = f"{printable(text)}: CIDR or FIRST-LAST is allowed"
            findings.append(Finding(Code.SETTING_INVALID, None, (), message, label=_FLAG))
    pools = sorted(declared, key=lambda pool: pool.key)
    if stated:
        pools.insert(0, AddressPool(_FLAG, "", tuple(stated), auto_assign=True))
    findings += _check_cluster_ranges(pools, settings, origins)
    findings += _check_overlaps(pools, origins)
    return tuple(pools), tuple(findings)


def _parse_range(text: str) -> Range:
    first, dash, last = text.partition("-")
    if not dash:
        cidr = parse_cidr(text)
        return cidr.family, cidr.base, cidr.last
    (family, low), (other, high) = parse_ip(first), parse_ip(last)
    if family != other or low > high:
        raise ValueError(text)
    return family, low, high


def _check_cluster_ranges(
    pools: Sequence[AddressPool], settings: Settings, origins: Origins
) -> Iterator[Finding]:
    ranges = [("service range", cidr) for cidr in settings.service_cidrs]
    ranges += [("pod range", cidr) for cidr in settings.pod_cidrs]
    for pool in pools:
        for family, first, last in pool.ranges:
            for what, cidr in ranges:
                if cidr.family == family and first <= cidr.last and cidr.base <= last:
                    message = f"{_shown((family, first, last))} overlaps {what} {cidr}"
                    yield _finding(pool, origins, message)


def _check_overlaps(pools: Sequence[AddressPool], origins: Origins) -> Iterator[Finding]:
    """MetalLB refuses pools that share addresses. Sorted by first address, a range that overlaps
    an earlier one overlaps the one that reaches furthest so far."""
    stated = sorted((range_, index) for index, pool in enumerate(pools) for range_ in pool.ranges)
    furthest = stated[0] if stated else None
    for entry in stated[1:]:
        (family, first, last), index = entry
        if furthest is None or family != furthest[0][0]:
            furthest = entry
            continue
        if first <= furthest[0][2]:
            other = pools[furthest[1]]
            message = (
                f"{_shown(entry[0])} overlaps {_shown(furthest[0])} of {_name(other)}"
                f" ({_where(other, origins)})"
            )
            yield _finding(pools[index], origins, message)
        if last > furthest[0][2]:
            furthest = entry


def _shown(range_: Range) -> str:
    family, first, last = range_
    return f"{format_ip(family, first)}-{format_ip(family, last)}"


def _name(pool: AddressPool) -> str:
    return _FLAG if pool.name == _FLAG else str(pool.key)


def _where(pool: AddressPool, origins: Origins) -> str:
    origin = origins.get(pool.key)
    return str(locate(origin, ())) if origin else "command line"


def _finding(pool: AddressPool, origins: Origins, message: str) -> Finding:
    origin = origins.get(pool.key)
    path = ("spec", "addresses") if origin else ()
    return Finding(Code.SETTINGS_CONFLICT, origin, path, message, label=_FLAG)
