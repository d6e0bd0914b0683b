"""What Kubernetes says must become of a probe, and how sure a test can be of it."""

import math
from collections import Counter
from collections.abc import Iterable

from lab.cluster import Result
from lab.describe import INTERNET, NEIGHBOUR, Family, Lab, LabPod, Probe, family_of

# How unlikely counts must be before a test says that the odds are wrong. The suite compares less
# than 500 times, so it is wrong itself less than once in a million runs.
NEVER = 1e-9
# Connections a client makes: with three backends, one of them is missed by chance with a
# probability of 3 * (2/3)^60 = 8e-11.
ENOUGH = 60


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
    """Refused, and by the first packet: none was sent again."""
    assert result.failures == {"ECONNREFUSED": probe.count}, f"{probe}: {result}"
    assert result.resent == 0, f"{probe}: refused only when asked again"


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
