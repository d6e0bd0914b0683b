"""Public manifests, judged by Kubernetes' schemas and by kcompile.

`python tests/corpus_oracle.py ../shared/corpus` prints the table.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.model import Key
from kcompile.pipeline import make_files, make_plan
from kcompile.plan.lock import Lock
from kcompile.problems import Code, InputError, Problem, Severity
from kcompile.resolve.flags import Flags
from kubernetes_oracle import refusal

SUFFIXES = (".yaml", ".yml", ".json", ".golden")

# What manifests may ask for without saying so: both families, and a node with addresses. It has
# none of the labels that pods ask for, which is no matter of whether a manifest is right.
CLUSTER = Flags(
    service_cidr="10.96.0.0/12,fd00:10:96::/112",
    pod_network_cidr="10.244.0.0/16,fd00:10:244::/56",
    nodes=("node-1=192.0.2.1,2001:db8::1",),
    pending="warn",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`errors` is empty where a bundle was made; `kubernetes` is why Kubernetes refuses, or ""."""

    file: str
    kubernetes: str
    errors: tuple[Problem, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """What is not implemented, if that is all that is wrong."""
        if any(each.code is not Code.NOT_IMPLEMENTED for each in self.errors):
            return ()
        return tuple(sorted({_feature(each) for each in self.errors}))


def corpus_files(corpus: Path) -> list[Path]:
    return sorted(path for path in corpus.rglob("*") if path.suffix in SUFFIXES)


def build(inputs: Sequence[tuple[str, bytes]]) -> tuple[Problem, ...]:
    """Makes a bundle in memory; what was wrong, or nothing."""
    try:
        make_files(make_plan(inputs, CLUSTER, Lock()))
    except InputError as error:
        return tuple(each for each in error.problems if each.severity is Severity.ERROR)
    return ()


def objects(name: str, content: bytes) -> frozenset[Key]:
    """What a file that builds declares."""
    return frozenset(make_plan([(name, content)], CLUSTER, Lock()).plan.origins)


def judge(corpus: Path) -> list[Verdict]:
    """Every file by itself."""
    return [
        Verdict(name, refusal(content), build([(name, content)]))
        for path in corpus_files(corpus)
        for name, content in [(path.relative_to(corpus).as_posix(), path.read_bytes())]
    ]


def table(verdicts: Sequence[Verdict]) -> str:
    built = [each for each in verdicts if not each.errors]
    later = [each for each in verdicts if each.features]
    refused = [each for each in verdicts if each.errors and not each.features]
    features = Counter(feature for each in later for feature in each.features)
    lines = [f"{len(verdicts)} files", "", "| Kubernetes | built | not implemented | refused |"]
    lines.append("|---|---|---|---|")
    for title, accepted in (("accepts", True), ("refuses", False)):
        counts = (sum((not v.kubernetes) == accepted for v in g) for g in (built, later, refused))
        lines.append(f"| {title} | {' | '.join(map(str, counts))} |")
    lines += ["", "Not implemented, by feature (a file may need several):"]
    lines += [f"{count:5} {feature}" for feature, count in features.most_common()]
    lines += ["", "Accepted by Kubernetes, refused otherwise:"]
    lines += [f"      {each.errors[0]}" for each in refused if not each.kubernetes]
    lines += ["", "Refused by Kubernetes, built:"]
    lines += [f"      {each.file}: {each.kubernetes}" for each in built if each.kubernetes]
    lines += ["", "Refused by both:"]
    lines += [
        f"      {each.errors[0]}\n          Kubernetes: {each.kubernetes}"
        for each in refused
        if each.kubernetes
    ]
    return "\n".join(lines)


def _feature(problem: Problem) -> str:
    found = re.search(r"([^:]+) is not implemented", problem.message)
    assert found, problem
    return found[1].strip()


if __name__ == "__main__":
    print(table(judge(Path(sys.argv[1]))))
