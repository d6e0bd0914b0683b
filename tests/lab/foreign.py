"""Rules of others on a node: put there, and read back without ours."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.cluster import Cluster, LabError
from lab.describe import PROGRAMS, Family

FOLDER = Path(__file__).parents[1] / "data" / "foreign"
BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
SUFFIXES: dict[Family, str] = {4: "iptables", 6: "ip6tables"}
_COUNTERS = re.compile(r" ?\[[0-9]+:[0-9]+\]")
_EMPTY_TABLE = re.compile(r"\*[a-z]+(\n:[A-Z]+ ACCEPT)*\nCOMMIT\n")
_NFT_COUNTERS = re.compile(r"packets [0-9]+ bytes [0-9]+")


@dataclass(frozen=True, slots=True)
class Foreign:
    """What some other program puts on a node: a file for each family's iptables-restore, and one
    for nft."""

    name: str

    def __str__(self) -> str:
        return self.name

    def path(self, suffix: str) -> Path:
        return FOLDER / f"{self.name}.{suffix}"

    def chains(self, family: Family) -> frozenset[str]:
        path = self.path(SUFFIXES[family])
        return _declared(path.read_text()) if path.exists() else frozenset()

    def put(self, cluster: Cluster, node: str) -> None:
        flavour = cluster.lab.variant.flavour
        for family in cluster.lab.families:
            argv = [f"{PROGRAMS[family]}-{flavour}-restore", "--noflush"]
            _put(cluster, node, argv, self.path(SUFFIXES[family]))
        _put(cluster, node, ["nft", "-f", "-"], self.path("nft"))


def names() -> tuple[str, ...]:
    """Of all rule sets."""
    return tuple(sorted({path.stem for path in FOLDER.iterdir()}))


def read(cluster: Cluster, node: str, ours: Mapping[Family, Collection[str]]) -> str:
    """Everything in the node's tables of both flavours' programs and nft's, without counters,
    without our chains and the jumps to them, without tables that hold nothing and let all by."""
    flavour = cluster.lab.variant.flavour
    texts = []
    for family in cluster.lab.families:
        text = _ask(cluster, node, [f"{PROGRAMS[family]}-{flavour}-save"])
        texts.append(f"# IPv{family}\n" + _EMPTY_TABLE.sub("", _foreign_lines(text, ours[family])))
    tables = _ask(cluster, node, ["nft", "list", "tables"]).splitlines()
    for table in sorted(tables):
        if table.split()[1] in {"inet", "bridge", "arp", "netdev"}:
            text = _ask(cluster, node, ["nft", "list", *table.split()])
            texts.append(_NFT_COUNTERS.sub("", text))
    return "".join(texts)


def our_chains(bundles: Iterable[Path], node: str) -> dict[Family, frozenset[str]]:
    """The chains that these bundles put on the node."""
    return {
        family: frozenset[str]().union(
            *(
                _declared((bundle / "nodes" / node / f"{suffix}.rules").read_text())
                for bundle in bundles
            )
        )
        for family, suffix in SUFFIXES.items()
    }


NOTHING: Mapping[Family, Collection[str]] = {4: (), 6: ()}


def _declared(text: str) -> frozenset[str]:
    return (
        frozenset(line[1:].split()[0] for line in text.splitlines() if line[:1] == ":") - BUILT_IN
    )


def _foreign_lines(save: str, ours: Collection[str]) -> str:
    lines = []
    for line in save.splitlines():
        words = _COUNTERS.sub("", line).split()
        if not words or line.startswith("#"):
            continue
        chain = words[0][1:] if line.startswith(":") else words[1] if words[0] == "-A" else ""
        target = words[words.index("-j") + 1] if "-j" in words else ""
        if chain not in ours and target not in ours:
            lines.append(_COUNTERS.sub("", line) + "\n")
    return "".join(lines)


def _put(cluster: Cluster, node: str, argv: list[str], path: Path) -> None:
    if path.exists():
        done = cluster.on_host(node, argv, path.read_text())
        if done.status:
            raise LabError(f"{path}: {done.err}")


def _ask(cluster: Cluster, node: str, argv: list[str]) -> str:
    done = cluster.on_host(node, argv)
    if done.status:
        raise LabError(f"{' '.join(argv)}: {done.err}")
    return done.out
