"""Controllers that select each other's pods: each would count and adopt those of the other."""

from bisect import bisect_right
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
    for number, workload in enumerate(index.workloads):
        if (other := index.partner(number)) is not None:
            yield _finding(workload, other, "select each other's pods", origins)


class _Index:
    """Places in `workloads` by the labels that pods have, by the keys of these, by namespace."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self.workloads = workloads
        self.pairs: dict[tuple[str, tuple[str, str]], list[int]] = {}
        self.keys: dict[tuple[str, str], list[int]] = {}
        self.namespaces: dict[str, list[int]] = {}
        for number, workload in enumerate(workloads):
            for pair in workload.template.labels:
                self.pairs.setdefault((workload.namespace, pair), []).append(number)
        if any(workload.selector.requirements for workload in workloads):
            self._index_more()

    def _index_more(self) -> None:
        for number, workload in enumerate(self.workloads):
            self.namespaces.setdefault(workload.namespace, []).append(number)
            for key, _ in workload.template.labels:
                self.keys.setdefault((workload.namespace, key), []).append(number)

    def partner(self, number: int) -> Workload | None:
        """The first one behind it that it shares pods with, each selecting the other's."""
        workload = self.workloads[number]
        candidates = self._candidates(workload)
        for place in range(bisect_right(candidates, number), len(candidates)):
            other = self.workloads[candidates[place]]
            if matches(workload.selector, other.template.labels) and matches(
                other.selector, workload.template.labels
            ):
                return other
        return None

    def _candidates(self, workload: Workload) -> Sequence[int]:
        """The fewest that one condition of the selector leaves."""
        namespace, selector = workload.namespace, workload.selector
        lists: list[Sequence[int]] = [
            self.pairs.get((namespace, pair), ()) for pair in selector.labels
        ]
        for each in selector.requirements:
            if each.operator == "In":
                by_value = (self.pairs.get((namespace, (each.key, v)), ()) for v in each.values)
                lists.append(sorted(found for part in by_value for found in part))
            elif each.operator == "Exists":
                lists.append(self.keys.get((namespace, each.key), ()))
        return min(lists, key=len) if lists else self.namespaces.get(namespace, ())


def _finding(
    workload: Workload, other: Workload, what: str, origins: Mapping[Key, Origin]
) -> Finding:
    message = f"{workload.key} and {other.key} ({locate(origins[other.key], _SELECTOR)}) {what}"
    return Finding(Code.OVERLAPPING_CONTROLLERS, origins[workload.key], _SELECTOR, message, _HINT)
