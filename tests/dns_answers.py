"""Our own facts about answers: tests/data/dns, a file a cluster of tests/dns_cluster.py.

A file's names without a dot at the end are in cluster.local. Here each cluster has a domain of its
own, so that one name server has them all.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dns_cluster import CLUSTERS
from dns_model import Answer
from kcompile.ir import Zone
from kcompile.lower.zones import lower_zones

_FOLDER = Path(__file__).parent / "data" / "dns"


@dataclass(frozen=True, slots=True)
class Question:
    cluster: str
    name: str
    kind: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


def questions() -> list[Question]:
    return [question for cluster in CLUSTERS for question in _questions(cluster)]


@cache
def zones_of(cluster: str) -> tuple[Zone, ...]:
    return lower_zones(CLUSTERS[cluster](f"{cluster}.test"))


def own_zones() -> list[Zone]:
    """The zones of all clusters; of the reverse zones only those that are asked."""
    asked = {question.cluster for question in questions() if question.name.endswith(".arpa.")}
    return [
        zone
        for cluster in CLUSTERS
        for zone in zones_of(cluster)
        if cluster in asked or not zone.origin.endswith(".arpa.")
    ]


def shown(answer: Answer) -> str:
    """The data of an answer as a file has it."""
    if answer.rcode != "NOERROR":
        return answer.rcode
    data = [record.split(" ", 3)[3] for record in answer.records]
    return ", ".join(sorted(data, key=_by_number)) or "NODATA"


def _questions(cluster: str) -> list[Question]:
    found = []
    for line in (_FOLDER / f"{cluster}.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            question, _, expected = line.partition(" = ")
            name, kind = question.split()
            name = name if name.endswith(".") else f"{name}.cluster.local."
            found.append(Question(cluster, _own(name, cluster), kind, _own(expected, cluster)))
    return found


def _own(text: str, cluster: str) -> str:
    return text.replace("cluster.local.", f"{cluster}.test.")


def _by_number(data: str) -> list[tuple[int, str]]:
    return [(int(word), "") if word.isdigit() else (-1, word) for word in data.split()]
