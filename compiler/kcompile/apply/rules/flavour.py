"""Which of the kernel's two firewalls iptables talks to here, and what its programs are called."""

from __future__ import annotations

import re
from pathlib import Path

from kcompile.apply.host import Host

STEMS = {4: "iptables", 6: "ip6tables"}

# Made by whoever set up this node: kubelet, kube-proxy, Docker, kcompile.
_HINT = re.compile(r"^:(?:KUBE|DOCKER|KCOMPILE)\b", re.MULTILINE)

# The table names of this thread's network namespace; listing legacy tables by their own program
# would make them.
_LEGACY_TABLES = {
    4: Path("/proc/thread-self/net/ip_tables_names"),
    6: Path("/proc/thread-self/net/ip6_tables_names"),
}


def default_flavour(host: Host) -> str:
    """nft or legacy: what `iptables` itself is."""
    # Before 1.8 there was only one, and it did not name itself.
    return "nft" if "nf_tables" in host.run(["iptables", "--version"]) else "legacy"


def flavour_in_use(host: Host, default: str) -> str:
    """The default, unless others on this node use the other one: a container that brings its own
    iptables, or an alternative that was switched later."""
    other = "legacy" if default == "nft" else "nft"
    return other if _is_used(host, other) and not _is_used(host, default) else default


def program(host: Host, flavour: str, family: int, verb: str = "") -> str:
    """`iptables-nft-restore` and the like; without the flavour where no such name exists."""
    stem = STEMS[family]
    full = f"{stem}-{flavour}{verb}"
    plain = f"{stem}{verb}"
    if host.has(full) or not host.has(plain):
        return full
    is_nft = "nf_tables" in host.run([plain, "--version"])
    return plain if is_nft == (flavour == "nft") else full


def save(host: Host, flavour: str, family: int) -> str:
    """All tables of a family as iptables-save prints them, making none."""
    if flavour == "legacy" and not _has_legacy_tables(family):
        return ""
    return host.run([program(host, flavour, family, "-save")], timeout=SAVE_TIMEOUT)


SAVE_TIMEOUT = 180.0  # seconds; iptables-nft-save takes 23 for 215,000 rules


def _is_used(host: Host, flavour: str) -> bool:
    return any(
        host.has(program(host, flavour, family, "-save"))
        and _HINT.search(save(host, flavour, family))
        for family in STEMS
    )


def _has_legacy_tables(family: int) -> bool:
    try:
        return bool(_LEGACY_TABLES[family].read_text("ascii").strip())
    except OSError:  # the module is not loaded
        return False
