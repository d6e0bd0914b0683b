"""What Kubernetes says must become of a probe, and how sure a test can be of it."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.cluster import Cluster, Result
from lab.describe import INTERNET, NEIGHBOUR, Family, Lab, LabPod, Probe, family_of

# How unlikely counts must be before a test says that the odds are wrong. The suite compares less
# than 500 times, so it is wrong itself less than once in a million runs.
NEVER = 1e-9
# Connections a client makes: with three backends, one of them is missed by chance with a
# probability of 3 * (2/3)^60 = 8e-11.
ENOUGH = 60
PATIENCE = 0.3  # seconds that a probe waits for an answer that must not come


def chi_square_tail(value: float, freedom: int) -> float:
    """The probability that chi-square with so many degrees of freedom exceeds the value.

    Exact: erfc for one degree, exp for two, and two degrees more at a time by the recurrence of
    the incomplete gamma function.
    """
    half = value / 2
    tail = math.erfc(math.sqrt(half)) if freedom % 2 else math.exp(-half)
    for k in range(1 if freedom % 2 else 2, freedom, 2):
        tail += math.exp(k / 2 * math.log(half) - half - math.lgamma(k / 2 + 1)) if half else 0.0
    return tail


def assert_even(counts: Counter[str], backends: Iterable[LabPod]) -> None:
    """Every backend answered, none else, and the shares are those of a fair choice."""
    names = sorted(pod.name for pod in backends)
    assert sorted(counts) == names
    mean = counts.total() / len(names)
    value = sum((counts[name] - mean) ** 2 / mean for name in names)
    if len(names) > 1:
        assert chi_square_tail(value, len(names) - 1) > NEVER, f"uneven: {dict(counts)}"


def assert_answered(probe: Probe, result: Result) -> None:
    assert not result.failures, f"{probe}: {result.failures}"
    assert result.by_pod.total() == probe.count, probe


def assert_sources(lab: Lab, probe: Probe, result: Result, masquerader: str | None) -> None:
    """Each backend saw the client itself, or the node that masquerades it."""
    family = family_of(probe.to)
    for answer in result.answers:
        meant = source(lab, probe.client, answer.pod, masquerader, family)
        assert answer.source == meant, (probe, answer)


def assert_refused(probe: Probe, result: Result) -> None:
    """Refused, and by the first packet: none was sent again.

    Over IPv6 each may be sent twice: wires have no length here, so the refusal comes while
    connect() still holds its socket, and the kernel takes no more than a note of it
    (LockDroppedIcmps). That note ends an IPv4 connection, but not an IPv6 one.
    """
    assert result.failures == {"ECONNREFUSED": probe.count}, f"{probe}: {result}"
    again = probe.count if family_of(probe.to) == 6 else 0
    assert result.resent <= again, f"{probe}: refused only when asked again"


def source(lab: Lab, client: str, backend: str, masquerader: str | None, family: Family = 4) -> str:
    """The address of `client` that `backend` sees when `masquerader` (a node) hides it or not.

    A masqueraded or a node's own packet has the address of the interface that it leaves by: that
    of the pods' bridge where the backend is on the same node. A pod that meets itself through a
    Service is masqueraded too, or its answer would not pass by the node (hairpin).
    """
    pods = {pod.name: pod for pod in lab.pods}
    if masquerader is None and client == backend:
        masquerader = pods[client].node
    if masquerader is None and (client in pods or client in (NEIGHBOUR, INTERNET)):
        return lab.address(client, family)
    node = lab.node(masquerader or client)
    here = pods[backend].node == node.name
    return node.gateway(family) if here else node.address(family)


@dataclass(frozen=True, slots=True)
class Reaches:
    """Every one of the pods fairly and none else, which see the client itself, or the node that
    masquerades it."""

    pods: tuple[LabPod, ...]
    hidden_by: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """At once: the port is unreachable."""


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer at all."""


Outcome = Reaches | Refused | Silent
REFUSED, SILENT = Refused(), Silent()


@dataclass(frozen=True, slots=True)
class Case:
    client: str
    to: str
    port: int
    outcome: Outcome
    protocol: Literal["TCP", "UDP"] = "TCP"


def assert_outcomes(cluster: Cluster, cases: Sequence[Case]) -> None:
    """What becomes of each case, all of them asked at once."""
    assert cases
    probes = [_probe(case) for case in cases]
    for case, probe, result in zip(cases, probes, cluster.probe(probes), strict=True):
        match case.outcome:
            case Reaches(pods, hidden_by):
                assert_answered(probe, result)
                assert_sources(cluster.lab, probe, result, hidden_by)
                assert_even(result.by_pod, pods)
            case Refused():
                assert_refused(probe, result)
            case Silent():
                assert result.failures == {"ETIMEDOUT": probe.count}, f"{probe}: {result}"


def _probe(case: Case) -> Probe:
    match case.outcome:
        case Reaches(pods):
            count = ENOUGH if len(pods) > 1 else 2
            return Probe(case.client, case.to, case.port, case.protocol, count)
        case Refused():
            return Probe(case.client, case.to, case.port, case.protocol, 2)
        case Silent():
            return Probe(case.client, case.to, case.port, case.protocol, timeout=PATIENCE)
