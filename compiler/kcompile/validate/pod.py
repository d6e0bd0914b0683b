"""A pod, or a pod's template, to model.PodTemplate, by the rules of ValidatePodSpec."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kcompile.labels import Labels
from kcompile.model import DnsPolicy, PodTemplate, WorkloadKind
from kcompile.source import Path
from kcompile.validate.container import read_containers, read_init_containers
from kcompile.validate.metadata import check_annotations, read_labels
from kcompile.validate.names import DNS_LABEL, DNS_SUBDOMAIN, NameRule
from kcompile.validate.pod_dns import NO_DNS, read_dns_config
from kcompile.validate.ports import check_host_ports, has_host_ports, refuse_host_ports
from kcompile.validate.review import Review
from kcompile.validate.scheduling import asks_nothing, read_scheduling
from kcompile.validate.tolerations import read_tolerations
from kcompile.validate.volumes import read_volume_names

_PLAIN = frozenset({"containers", "restartPolicy", "terminationGracePeriodSeconds"})
"""Fields that `read_template` handles itself, or that ask for nothing."""
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_FINITE: tuple[WorkloadKind, ...] = ("Job", "Pod")
"""Kinds whose pods may end."""
_NAMES: dict[str, NameRule] = {
    "serviceAccountName": DNS_SUBDOMAIN,
    "priorityClassName": DNS_SUBDOMAIN,
    "runtimeClassName": DNS_SUBDOMAIN,
    "nodeName": DNS_SUBDOMAIN,
    "hostname": DNS_LABEL,
    "subdomain": DNS_LABEL,
}


class Place(NamedTuple):
    """Whose pods these are, and where the object says so: `path` leads to what has metadata and
    spec. `claims` are volumes that a StatefulSet adds to its pods."""

    kind: WorkloadKind
    namespace: str
    path: Path
    claims: frozenset[str] = frozenset()


def read_template(template: Mapping[str, Any], place: Place, review: Review) -> PodTemplate:
    metadata = template.get("metadata") or {}
    labels_path = (*place.path, "metadata", "labels")
    labels = read_labels(metadata.get("labels"), review, labels_path)
    if metadata.get("annotations"):
        path = (*place.path, "metadata", "annotations")
        check_annotations(metadata["annotations"], review, path)
    return read_pod(template.get("spec") or {}, labels, place, review)


def read_pod(spec: Mapping[str, Any], labels: Labels, place: Place, review: Review) -> PodTemplate:
    pod: Path = (*place.path, "spec")
    policy = spec.get("restartPolicy") or "Always"
    if policy != "Always" or place.kind in _FINITE:
        _check_restart(policy, place, review)
    if spec.keys() <= _PLAIN and not has_host_ports(spec) and asks_nothing(spec):
        path = (*pod, "containers")
        containers = read_containers(spec.get("containers") or (), place.claims, review, path)
        return PodTemplate(labels, containers, (), (), "", "ClusterFirst", NO_DNS)
    return _read_spec(labels, spec, place, review)


def _check_restart(policy: str, place: Place, review: Review) -> None:
    path = (*place.path, "spec", "restartPolicy")
    match place.kind:
        case "Pod":
            review.one_of(path, policy, ("Always", "OnFailure", "Never"))
        case "Job":
            review.one_of(path, policy, ("OnFailure", "Never"))
        case kind:
            review.invalid(path, policy, f"must be Always in a {kind}")


def _read_spec(
    labels: Labels, spec: Mapping[str, Any], place: Place, review: Review
) -> PodTemplate:
    pod: Path = (*place.path, "spec")
    stated = read_volume_names(spec.get("volumes") or (), review, (*pod, "volumes"))
    volumes = stated | place.claims
    path = (*pod, "containers")
    containers = read_containers(spec.get("containers") or (), volumes, review, path)
    names = {container.name for container in containers}
    path = (*pod, "initContainers")
    sidecars = read_init_containers(spec.get("initContainers") or (), names, volumes, review, path)
    for key, rule in _NAMES.items():
        if spec.get(key):
            review.name((*pod, key), spec[key], rule)
    _check_times(spec, place, review)
    check_host_ports(spec, review, pod)
    refuse_host_ports(spec, review, pod)
    if spec.get("hostAliases"):
        # They are lines of /etc/hosts in the pod alone.
        review.ignored((*pod, "hostAliases"))
    dns_policy: DnsPolicy = spec.get("dnsPolicy") or "ClusterFirst"
    review.one_of((*pod, "dnsPolicy"), dns_policy, _DNS_POLICIES)
    return PodTemplate(
        labels,
        containers,
        sidecars,
        read_tolerations(spec.get("tolerations") or (), review, (*pod, "tolerations")),
        spec.get("nodeName") or "",
        dns_policy,
        read_dns_config(spec.get("dnsConfig") or {}, dns_policy, review, (*pod, "dnsConfig")),
        bool(spec.get("hostNetwork")),
        (),
        read_scheduling(spec, labels, place.namespace, review, pod),
        spec.get("hostname") or "",
        spec.get("subdomain") or "",
    )


def _check_times(spec: Mapping[str, Any], place: Place, review: Review) -> None:
    deadline = spec.get("activeDeadlineSeconds")
    path: Path = (*place.path, "spec", "activeDeadlineSeconds")
    if deadline is not None and place.kind not in _FINITE:
        review.forbidden(path, f"must not be set in a {place.kind}")
    elif deadline is not None:
        review.within(path, deadline, 1, 2**31 - 1)
    if spec.get("ephemeralContainers") and place.kind != "Pod":
        path = (*place.path, "spec", "ephemeralContainers")
        review.forbidden(path, "must not be set in a pod template")
