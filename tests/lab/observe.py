"""What becomes of packets on a running cluster, as sets that a prediction can be held against."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.cluster import Cluster, Result
from lab.describe import Probe


@dataclass(frozen=True, slots=True)
class Landed:
    """A server answered: its address and port, and the source that it saw."""

    address: str
    port: int
    source: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The client was told that the port is unreachable."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing came back, or word that the way leads nowhere."""


End = Landed | Refused | Lost
REFUSED, LOST = Refused(), Lost()

_LOST = frozenset({"ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"})


def observe(cluster: Cluster, probes: Iterable[Probe]) -> dict[Probe, frozenset[End]]:
    """Everything that became of each probe's connections, all probes asked at once."""
    asked = list(dict.fromkeys(probes))
    return {
        probe: frozenset(_ends(result))
        for probe, result in zip(asked, cluster.probe(asked), strict=True)
    }


def _ends(result: Result) -> Iterator[End]:
    for answer in result.answers:
        yield Landed(answer.address, answer.port, answer.source)
    for failure in result.failures:
        if failure == "ECONNREFUSED":
            yield REFUSED
        elif failure in _LOST:
            yield LOST
        else:
            raise AssertionError(f"a connection failed with {failure}")
