"""Which workloads and which slices belong to a Service."""

from collections.abc import Iterator, Mapping, Sequence

from kcompile.labels import Labels, is_for_another_proxy
from kcompile.model import Cluster, EndpointSlice, EndpointState, Service, SliceEndpoint, Workload
from kcompile.plan.endpoints import Selected
from kcompile.planned import PlannedPod
from kcompile.problems import Code, Finding

ServiceName = tuple[str, str]
"""Namespace and name."""

_POD_NAME = "statefulset.kubernetes.io/pod-name"
_POD_INDEX = "apps.kubernetes.io/pod-index"
_JOB_INDEX = "batch.kubernetes.io/job-completion-index"
_OF_ONE_POD = frozenset({_POD_NAME, _POD_INDEX, _JOB_INDEX})
"""Labels that controllers give each pod its own value of."""


class Backends:
    """Finds the workloads that a Service selects, by an index on namespace and label."""

    def __init__(self, workloads: Sequence[Workload], pods: Sequence[PlannedPod]) -> None:
        self.pods: dict[int, list[PlannedPod]] = {}
        for pod in pods:
            self.pods.setdefault(id(pod.workload), []).append(pod)
        self.labels = [frozenset(workload.template.labels) for workload in workloads]
        self.workloads = workloads
        self.by_own_label: dict[tuple[str, tuple[str, str]], list[PlannedPod]] = {}
        self.by_label: dict[tuple[str, tuple[str, str]], list[int]] = {}
        for index, workload in enumerate(workloads):
            for label in workload.template.labels:
                self.by_label.setdefault((workload.namespace, label), []).append(index)

    def of(self, service: Service) -> Selected:
        """The selected workloads that have pods, in the order of the cluster."""
        if not _OF_ONE_POD.isdisjoint(key for key, _ in service.selector):
            return self._of_single_pods(service)
        return [
            (self.workloads[index], self.pods[id(self.workloads[index])])
            for index in self._selected(service.namespace, service.selector)
            if id(self.workloads[index]) in self.pods
        ]

    def _of_single_pods(self, service: Service) -> Selected:
        """For a selector that tells pods of one workload apart."""
        found = {
            id(workload): [*self.pods.get(id(workload), ())]
            for workload in (
                self.workloads[index]
                for index in self._selected(service.namespace, service.selector)
            )
            # Where a controller adds them, it replaces what the template says.
            if workload.kind != "StatefulSet" and not workload.indexed
        }
        wanted = frozenset(service.selector)
        first = next(label for label in service.selector if label[0] in _OF_ONE_POD)
        for pod in self._by_own_label().get((service.namespace, first), ()):
            if wanted <= {*pod.workload.template.labels, *_own_labels(pod)}:
                found.setdefault(id(pod.workload), []).append(pod)
        return [(pods[0].workload, pods) for pods in found.values() if pods]

    def _by_own_label(self) -> Mapping[tuple[str, tuple[str, str]], Sequence[PlannedPod]]:
        """Made when it is first asked for: few clusters do."""
        if not self.by_own_label:
            for pods in self.pods.values():
                for pod in pods:
                    for label in _own_labels(pod):
                        self.by_own_label.setdefault((pod.namespace, label), []).append(pod)
        return self.by_own_label

    def _selected(self, namespace: str, selector: Labels) -> Sequence[int]:
        if not selector:
            return ()
        lists = [self.by_label.get((namespace, label), ()) for label in selector]
        rarest = min(lists, key=len)
        if len(selector) == 1:
            return rarest
        wanted = frozenset(selector)
        return [index for index in rarest if wanted <= self.labels[index]]


def _own_labels(pod: PlannedPod) -> tuple[tuple[str, str], ...]:
    workload = pod.workload
    if workload.kind == "StatefulSet":
        return (_POD_NAME, pod.name), (_POD_INDEX, str(pod.ordinal))
    return ((_JOB_INDEX, str(pod.ordinal)),) if workload.indexed else ()


class Slices:
    """The slices of each Service, as kube-proxy merges them whoever made them: but what the
    controllers made of a selector is left out, because the selector is resolved here.

    `ignored` are those, `orphans` those of no Service that could have endpoints, `foreign` those
    that another proxy is to use for a Service of ours.
    """

    def __init__(self, cluster: Cluster) -> None:
        services = {(s.namespace, s.name): s for s in cluster.services if s.type != "ExternalName"}
        self.by_service: dict[ServiceName, list[EndpointSlice]] = {}
        self.ignored: list[EndpointSlice] = []
        self.orphans: list[EndpointSlice] = []
        self.foreign: list[EndpointSlice] = []
        self.states: dict[EndpointState, EndpointState] = {}
        for each in cluster.slices:
            name = (each.namespace, each.service)
            service = services.get(name)
            if service is None:
                self.orphans.append(each)
            elif service.selector and (each.managed or each.kind == "Endpoints"):
                self.ignored.append(each)
            elif each.for_another_proxy and not _is_for_names_or_others(service):
                self.foreign.append(each)
            else:
                if service.publish_not_ready:
                    each = self._published(each)  # noqa: PLW2901 - the same slice, all ready
                self.by_service.setdefault(name, []).append(each)

    def of(self, service: Service) -> Sequence[EndpointSlice]:
        return self.by_service.get((service.namespace, service.name), ())

    def _published(self, slice_: EndpointSlice) -> EndpointSlice:
        return EndpointSlice(
            slice_.kind,
            slice_.namespace,
            slice_.name,
            slice_.service,
            slice_.family,
            tuple(
                SliceEndpoint(e.address, e.node, e.zone, e.hostname, e.target, self._ready(e.state))
                for e in slice_.endpoints
            ),
            slice_.ports,
            slice_.managed,
            slice_.for_another_proxy,
        )

    def _ready(self, state: EndpointState) -> EndpointState:
        if state.ready:
            return state
        ready = EndpointState(
            serving=state.serving,
            terminating=state.terminating,
            hint_zones=state.hint_zones,
            hint_nodes=state.hint_nodes,
        )
        return self.states.setdefault(state, ready)

    def notes(self, cluster: Cluster) -> Iterator[Finding]:
        """One note a reason, however many slices a cluster's export has."""
        reasons = (
            (self.ignored, "endpoints of a Service with a selector follow from the pods here"),
            (self.orphans, "there is no such Service that could have endpoints"),
            (self.foreign, "they are labelled for another proxy, and the Service is not"),
        )
        for slices, reason in reasons:
            if slices:
                first = slices[0]
                more = f" and {len(slices) - 1} more" if len(slices) > 1 else ""
                message = (
                    f"{first.key} of Service {first.namespace}/{first.service}{more} left out:"
                    f" {reason}"
                )
                yield Finding(Code.SLICE_IGNORED, cluster.origins.get(first.key), (), message)


def _is_for_names_or_others(service: Service) -> bool:
    """Whether no rules come of a Service's endpoints."""
    return service.headless or is_for_another_proxy(service.labels)
