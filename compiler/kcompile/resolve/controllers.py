"""Controllers that select each other's pods: each would count and adopt those of the other."""

from collections.abc import Iterator, Mapping, Sequence

from kcompile.labels import Labels, Requirement, matches
from kcompile.load.locate import locate
from kcompile.model import Key, Workload
from kcompile.problems import Code, Finding
from kcompile.source import Origin, Path

_SELECTOR: Path = ("spec", "selector")
_HINT = "give each a label of its own in selector and template"


def find_overlaps(
    workloads: Sequence[Workload], origins: Mapping[Key, Origin]
) -> Iterator[Finding]:
    """A warning for those of one selector together, and for each other pair that overlaps."""
    alike: dict[tuple[str, Labels, tuple[Requirement, ...]], list[Workload]] = {}
    for workload in workloads:
        if workload.kind != "Pod":
            selector = workload.selector
            key = (workload.namespace, selector.labels, selector.requirements)
            alike.setdefault(key, []).append(workload)
    for first, *others in alike.values():
        if others:
            more = f", as have {len(others) - 1} more" if len(others) > 1 else ""
            yield _finding(first, others[0], f"have one selector{more}", origins)
    index = _Index([first for first, *_ in alike.values()])
    for workload in index.workloads:
        candidates = index.candidates(workload)
        if len(candidates) > 1 and (other := _partner(workload, candidates)):
            yield _finding(workload, other, "select each other's pods", origins)


class _Index:
    """Workloads by the labels and the keys of the labels that their pods have."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self.workloads = workloads
        self.pairs: dict[tuple[str, tuple[str, str]], list[Workload]] = {}
        self.keys: dict[tuple[str, str], list[Workload]] = {}
        for workload in workloads:
            for pair in workload.template.labels:
                self.pairs.setdefault((workload.namespace, pair), []).append(workload)
        if any(workload.selector.requirements for workload in workloads):
            self._index_keys()

    def _index_keys(self) -> None:
        for workload in self.workloads:
            for key, _ in workload.template.labels:
                self.keys.setdefault((workload.namespace, key), []).append(workload)

    def candidates(self, workload: Workload) -> Sequence[Workload]:
        """The fewest that one condition of the selector leaves."""
        namespace, selector = workload.namespace, workload.selector
        lists: list[Sequence[Workload]] = [
            self.pairs.get((namespace, pair), ()) for pair in selector.labels
        ]
        for each in selector.requirements:
            if each.operator == "In":
                by_value = (self.pairs.get((namespace, (each.key, v)), ()) for v in each.values)
                lists.append([found for part in by_value for found in part])
            elif each.operator == "Exists":
                lists.append(self.keys.get((namespace, each.key), ()))
        if lists:
            return min(lists, key=len)
        return [each for each in self.workloads if each.namespace == namespace]


def _partner(workload: Workload, candidates: Sequence[Workload]) -> Workload | None:
    """The first one behind it that it shares pods with, each selecting the other's."""
    return next(
        (
            other
            for other in candidates
            if other.key > workload.key
            and matches(workload.selector, other.template.labels)
            and matches(other.selector, workload.template.labels)
        ),
        None,
    )


def _finding(
    workload: Workload, other: Workload, what: str, origins: Mapping[Key, Origin]
) -> Finding:
    message = f"{workload.key} and {other.key} ({locate(origins[other.key], _SELECTOR)}) {what}"
    return Finding(Code.OVERLAPPING_CONTROLLERS, origins[workload.key], _SELECTOR, message, _HINT)
