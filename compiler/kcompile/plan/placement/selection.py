"""Which workloads' pods a selector matches, by an index on namespace and label."""

from collections.abc import Iterable, Sequence

from kcompile.labels import Selector, matches
from kcompile.model import Cluster
from kcompile.scheduling import PodTerm

# Every namespace has it (KEP-2161).
_NAME_LABEL = "kubernetes.io/metadata.name"


class Selection:
    """Answers are the indices of workloads, ascending."""

    def __init__(self, cluster: Cluster) -> None:
        self.workloads = cluster.workloads
        self.namespaces = [
            (each.name, (*each.labels, (_NAME_LABEL, each.name))) for each in cluster.namespaces
        ]
        self.by_namespace: dict[str, list[int]] = {}
        self.by_label: dict[tuple[str, str, str], list[int]] = {}
        for index, workload in enumerate(cluster.workloads):
            self.by_namespace.setdefault(workload.namespace, []).append(index)
            for key, value in workload.template.labels:
                self.by_label.setdefault((workload.namespace, key, value), []).append(index)

    def of_term(self, term: PodTerm) -> Sequence[int]:
        named = set(term.namespaces)
        if term.namespace_selector is not None:
            selector = term.namespace_selector
            named |= {name for name, labels in self.namespaces if matches(selector, labels)}
        return self.of(term.selector, sorted(named))

    def of(self, selector: Selector | None, namespaces: Iterable[str]) -> Sequence[int]:
        if selector is None:
            return ()
        return sorted(
            index
            for namespace in namespaces
            for index in self._candidates(selector, namespace)
            if matches(selector, self.workloads[index].template.labels)
        )

    def _candidates(self, selector: Selector, namespace: str) -> Iterable[int]:
        wanted = [[pair] for pair in selector.labels]
        wanted += [
            [(each.key, value) for value in each.values]
            for each in selector.requirements
            if each.operator == "In"
        ]
        if not wanted:
            return self.by_namespace.get(namespace, ())
        found = [
            {
                index
                for key, value in pairs
                for index in self.by_label.get((namespace, key, value), ())
            }
            for pairs in wanted
        ]
        return min(found, key=len)
