"""The resolv.conf files of pods, as the kubelet makes them from dnsPolicy and dnsConfig.

A pod whose file would be its node's own gets none: with the policy Default, and where the cluster
has no DNS Service (the kubelet then falls back to Default too). What the kubelet adds from the
node's own file (its search domains) is not known here and left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import assert_never

from kcompile.address import format_ip
from kcompile.ir import ResolvConf
from kcompile.lower.dns_service import dns_addresses
from kcompile.model import DnsConfig, PodTemplate
from kcompile.planned import Plan, PlannedPod
from kcompile.problems import Code, Finding

ResolvFiles = tuple[tuple[str, ResolvConf], ...]
"""Files of a node: path in the node's folder and content, sorted by path."""

_EMPTY = DnsConfig()
_NOTHING = ResolvConf((), (), ())
_OPTIONS = (("ndots", "5"),)  # the kubelet's, for pods that ask the cluster's DNS
_MAX_NAMESERVERS = 3  # resolv.conf(5): MAXNS
_MAX_SEARCHES = 32  # Kubernetes since 1.28 (KEP-2595)
_MAX_SEARCH_CHARACTERS = 2048  # of all search domains with the spaces between (KEP-2595)
_MAX_SEARCH_NAME = 253  # characters; longer ones abort glibc 2.28


def lower_resolv_all(plan: Plan) -> Mapping[str, ResolvFiles]:
    """The files of every node, by its name.

    A namespace's pods on a node share `resolv/<namespace>.conf`; a pod that differs has
    `resolv/<namespace>/<pod>.conf` besides.
    """
    files: dict[str, dict[str, ResolvConf]] = {node.name: {} for node in plan.nodes}
    for pod, path, conf in resolvers(plan):
        if conf is not None:
            files[pod.node][path] = conf
    return {node: tuple(sorted(files[node].items())) for node in sorted(files)}


def resolvers(plan: Plan) -> Iterator[tuple[PlannedPod, str, ResolvConf | None]]:
    """Every pod in the plan's order, and its file: path in its node's folder and content. A pod
    with its node's resolv.conf has "" and None."""
    plain = plain_confs(plan)
    # Pods of a workload stand together and share one value.
    for _, group in groupby(plan.pods, key=lambda pod: id(pod.workload)):
        pods = tuple(group)
        namespace = pods[0].namespace
        conf = pod_conf(pods[0].workload.template, plain.get(namespace))
        shared = conf == plain.get(namespace)
        path = "" if conf is None else f"resolv/{namespace}.conf"
        for pod in pods:
            yield pod, path if shared or not path else f"resolv/{namespace}/{pod.name}.conf", conf


def check_resolv(plan: Plan) -> tuple[Finding, ...]:
    """Workloads whose dnsConfig would be added to the node's own file, which is not known here."""
    plain = plain_confs(plan)
    return tuple(
        Finding(
            Code.IGNORED_FIELD,
            plan.origins.get(workload.key),
            ("spec", "template", "spec", "dnsConfig"),
            f"{workload.key}: dnsConfig is ignored, as it adds to the resolv.conf of the node",
            "with dnsPolicy None, dnsConfig is all that a pod has",
        )
        for workload in plan.workloads
        if workload.template.dns_config != _EMPTY
        and pod_conf(workload.template, plain.get(workload.namespace)) is None
    )


def plain_confs(plan: Plan) -> Mapping[str, ResolvConf]:
    """What ClusterFirst gives in each namespace; nothing in any if there is no DNS Service."""
    nameservers = tuple(format_ip(*address) for address in dns_addresses(plan))
    if not nameservers:
        return {}
    domain = plan.settings.cluster_domain
    return {
        namespace.name: _within_limits(
            nameservers, (f"{namespace.name}.svc.{domain}", f"svc.{domain}", domain), _OPTIONS
        )
        for namespace in plan.namespaces
    }


def pod_conf(template: PodTemplate, plain: ResolvConf | None) -> ResolvConf | None:
    """What a pod has of its own; None where it has its node's."""
    policy = template.dns_policy
    if template.host_network and policy == "ClusterFirst":
        # Pods in the host's network have its resolver unless they ask for the cluster's by name.
        policy = "Default"
    match policy:
        case "ClusterFirst" | "ClusterFirstWithHostNet":
            return None if plain is None else _extended(plain, template.dns_config)
        case "None":
            return _extended(_NOTHING, template.dns_config)
        case "Default":
            return None
    assert_never(template.dns_policy)


def _extended(conf: ResolvConf, config: DnsConfig) -> ResolvConf:
    """dnsConfig comes after what the policy gives; its options win by name."""
    if config == _EMPTY:
        return conf
    options = {**dict(conf.options), **dict(config.options)}
    return _within_limits(
        (*conf.nameservers, *config.nameservers),
        (*conf.searches, *config.searches),
        tuple(options.items()),
    )


def _within_limits(
    nameservers: Iterable[str], searches: Iterable[str], options: tuple[tuple[str, str], ...]
) -> ResolvConf:
    """Equal entries become one; what is beyond a limit is cut off, as the kubelet does."""
    distinct = tuple(dict.fromkeys(searches))[:_MAX_SEARCHES]
    usable = tuple(search for search in distinct if len(search) <= _MAX_SEARCH_NAME)
    while len(" ".join(usable)) > _MAX_SEARCH_CHARACTERS:
        usable = usable[:-1]
    return ResolvConf(tuple(dict.fromkeys(nameservers))[:_MAX_NAMESERVERS], usable, options)
