"""A pod template to model.PodTemplate, by the rules of ValidatePodTemplateSpec."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kcompile.labels import Labels
from kcompile.model import DnsConfig, DnsPolicy, PodTemplate, Toleration
from kcompile.problems import Code
from kcompile.source import Path
from kcompile.validate.addresses import read_ip
from kcompile.validate.container import read_containers, read_init_containers
from kcompile.validate.metadata import check_annotations, read_labels
from kcompile.validate.names import (
    DNS_LABEL,
    DNS_SEARCH,
    DNS_SUBDOMAIN,
    LABEL_VALUE,
    QUALIFIED_NAME,
    NameRule,
)
from kcompile.validate.ports import check_host_ports, has_host_ports, refuse_host_ports
from kcompile.validate.review import Review
from kcompile.validate.volumes import read_volume_names

_TEMPLATE: Path = ("spec", "template")
_POD: Path = ("spec", "template", "spec")
_PLAIN = frozenset({"containers", "restartPolicy", "terminationGracePeriodSeconds"})
"""Fields that `read_template` handles itself, or that ask for nothing."""
_IGNORED = (
    "affinity",
    "hostAliases",
    "nodeSelector",
    "schedulerName",
    "schedulingGates",
    "topologySpreadConstraints",
)
"""They steer placement (hostAliases: /etc/hosts in the pod alone), which is not compiled yet."""
_NOT_IMPLEMENTED = ("hostname", "subdomain", "setHostnameAsFQDN")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NO_DNS = DnsConfig()
_NAMESERVERS, _SEARCHES, _SEARCH_CHARACTERS = 3, 32, 2048
"""What the API server lets a dnsConfig hold."""


def read_template(template: Mapping[str, Any], review: Review) -> PodTemplate:
    metadata = template.get("metadata") or {}
    labels = read_labels(metadata.get("labels"), review, (*_TEMPLATE, "metadata", "labels"))
    if metadata.get("annotations"):
        check_annotations(metadata["annotations"], review, (*_TEMPLATE, "metadata", "annotations"))
    spec = template.get("spec") or {}
    if (spec.get("restartPolicy") or "Always") != "Always":
        allowed = "must be Always in a Deployment"
        review.invalid((*_POD, "restartPolicy"), spec["restartPolicy"], allowed)
    if spec.keys() <= _PLAIN and not has_host_ports(spec):
        containers = read_containers(spec.get("containers") or (), frozenset(), review)
        return PodTemplate(labels, containers, (), (), "", "ClusterFirst", _NO_DNS)
    return _read_spec(labels, spec, review)


def _read_spec(labels: Labels, spec: Mapping[str, Any], review: Review) -> PodTemplate:
    volumes = read_volume_names(spec.get("volumes") or (), review, (*_POD, "volumes"))
    containers = read_containers(spec.get("containers") or (), volumes, review)
    names = {container.name for container in containers}
    sidecars = read_init_containers(spec.get("initContainers") or (), names, volumes, review)
    _check_names(spec, review)
    _check_unsupported(spec, review)
    node_name = spec.get("nodeName") or ""
    if node_name:
        review.name((*_POD, "nodeName"), node_name, DNS_SUBDOMAIN)
    policy: DnsPolicy = spec.get("dnsPolicy") or "ClusterFirst"
    review.one_of((*_POD, "dnsPolicy"), policy, _DNS_POLICIES)
    dns_config = _read_dns_config(spec.get("dnsConfig") or {}, policy, review)
    tolerations = tuple(
        _read_toleration(toleration, review, (*_POD, "tolerations", index))
        for index, toleration in enumerate(spec.get("tolerations") or ())
    )
    host_network = bool(spec.get("hostNetwork"))
    return PodTemplate(
        labels, containers, sidecars, tolerations, node_name, policy, dns_config, host_network
    )


def _check_names(spec: Mapping[str, Any], review: Review) -> None:
    rules: tuple[tuple[str, NameRule], ...] = (
        ("serviceAccountName", DNS_SUBDOMAIN),
        ("priorityClassName", DNS_SUBDOMAIN),
        ("runtimeClassName", DNS_SUBDOMAIN),
        ("hostname", DNS_LABEL),
        ("subdomain", DNS_LABEL),
    )
    for key, rule in rules:
        if spec.get(key):
            review.name((*_POD, key), spec[key], rule)
    for key, text in (spec.get("nodeSelector") or {}).items():
        path = (*_POD, "nodeSelector", key)
        review.name(path, key, QUALIFIED_NAME)
        review.name(path, text or "", LABEL_VALUE)


def _check_unsupported(spec: Mapping[str, Any], review: Review) -> None:
    if spec.get("activeDeadlineSeconds") is not None:
        review.forbidden((*_POD, "activeDeadlineSeconds"), "must not be set in a Deployment")
    if spec.get("ephemeralContainers"):
        review.forbidden((*_POD, "ephemeralContainers"), "must not be set in a pod template")
    check_host_ports(spec, review, _POD)
    refuse_host_ports(spec, review, _POD)
    for key in _NOT_IMPLEMENTED:
        if spec.get(key):
            review.not_implemented((*_POD, key), key)
    for key in _IGNORED:
        if spec.get(key):
            review.ignored((*_POD, key))


def _read_dns_config(config: Mapping[str, Any], policy: str, review: Review) -> DnsConfig:
    path = (*_POD, "dnsConfig")
    nameservers: Sequence[str] = config.get("nameservers") or ()
    if policy == "None" and not nameservers:
        why = "dnsPolicy None needs at least one name server"
        review.required((*path, "nameservers"), why)
    if not config:
        return _NO_DNS
    if len(nameservers) > _NAMESERVERS:
        review.invalid((*path, "nameservers"), nameservers, f"must hold at most {_NAMESERVERS}")
    for index, text in enumerate(nameservers):
        read_ip(text or "", review, (*path, "nameservers", index))
    options = tuple(
        _read_dns_option(option, review, (*path, "options", index))
        for index, option in enumerate(config.get("options") or ())
    )
    return DnsConfig(tuple(nameservers), _read_searches(config, review, path), options)


def _read_searches(config: Mapping[str, Any], review: Review, path: Path) -> tuple[str, ...]:
    searches: tuple[str, ...] = tuple(text or "" for text in config.get("searches") or ())
    path = (*path, "searches")
    if len(searches) > _SEARCHES or len(" ".join(searches)) > _SEARCH_CHARACTERS:
        allowed = f"must hold at most {_SEARCHES} domains, {_SEARCH_CHARACTERS} characters in all"
        review.invalid(path, searches, allowed)
    for index, text in enumerate(searches):
        review.name((*path, index), text, DNS_SEARCH)
    return searches


def _read_dns_option(option: Mapping[str, Any], review: Review, path: Path) -> tuple[str, str]:
    name, text = option.get("name") or "", option.get("value") or ""
    if not name:
        review.required((*path, "name"))
    for key, word in (("name", name), ("value", text)):
        # Kubernetes takes any text; what would break the lines of a resolv.conf stops here.
        if not (word.isascii() and word.isprintable()) or " " in word:
            message = f"a resolver option's {key} must be printable ASCII without spaces"
            review.error(Code.NOT_SUPPORTED, (*path, key), message)
    return name, text


def _read_toleration(toleration: Mapping[str, Any], review: Review, path: Path) -> Toleration:
    key = toleration.get("key") or ""
    operator: Literal["Exists", "Equal"] = toleration.get("operator") or "Equal"
    text = toleration.get("value") or ""
    effect = toleration.get("effect") or ""
    if key:
        review.name((*path, "key"), key, QUALIFIED_NAME)
    elif operator == "Equal":
        review.invalid((*path, "operator"), operator, "must be Exists where there is no key")
    if operator == "Exists" and text:
        review.invalid((*path, "value"), text, "must be empty for operator Exists")
    review.one_of((*path, "operator"), operator, ("Exists", "Equal"))
    review.name((*path, "value"), text, LABEL_VALUE)
    if effect:
        review.one_of((*path, "effect"), effect, _EFFECTS)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        allowed = "must be NoExecute where tolerationSeconds is set"
        review.invalid((*path, "effect"), effect, allowed)
    return Toleration(key, operator, text, effect)
