"""How large packets between pods may be, by `--mtu`."""

import re
from collections.abc import Collection, Iterable

from kcompile.problems import Code, Finding, printable

_FLAG = re.compile(r"(?:([^=]+)=)?([0-9]{1,5})")
# RFC 8200: every link of IPv6 carries 1,280 bytes. The longest Ethernet bridges of Linux: 65,535.
_SMALLEST, _LARGEST = 1280, 65535


def resolve_mtus(
    texts: Iterable[str], nodes: Collection[str]
) -> tuple[tuple[tuple[str, int], ...], tuple[Finding, ...]]:
    """Bytes by name of the node, sorted; "" stands for every other node."""
    mtus: dict[str, int] = {}
    findings = []
    for text in texts:
        match = _FLAG.fullmatch(text)
        node, mtu = (match[1] or "", int(match[2])) if match else ("", 0)
        if not _SMALLEST <= mtu <= _LARGEST:
            findings.append(_finding(f"{printable(text)}: [NODE=]BYTES is allowed, 1280 to 65535"))
        elif node and node not in nodes:
            findings.append(_finding(f"{printable(text)}: there is no node {printable(node)}"))
        elif mtus.setdefault(node, mtu) != mtu:
            whose = f"node {node}" if node else "every node"
            findings.append(_finding(f"{mtu} and {mtus[node]} for {whose}: say one"))
    return tuple(sorted(mtus.items())), tuple(findings)


def _finding(message: str) -> Finding:
    return Finding(Code.SETTING_INVALID, None, (), message, label="--mtu")
