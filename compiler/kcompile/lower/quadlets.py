"""Pods as podman runs them: a Pod for `podman kube play`, and the network that it joins.

The plan has decided what the manifest leaves open: names, addresses, resolvers, fields of the pod
in its environment. podman has no namespaces: what has one here bears it in its name, behind which
stands an underscore, which is in no name of Kubernetes.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from kcompile.address import Cidr, Family, format_ip
from kcompile.ir import NodeQuadlets, QuadletPod, ResolvConf
from kcompile.lower.resolv import plain_confs, pod_conf
from kcompile.lower.runtime import POD_BRIDGE
from kcompile.model import Key
from kcompile.planned import Plan, PlannedNode, PlannedPod
from kcompile.running import Fields, RunContainer, Running, Variable

_LONGEST_FILE = 200  # with a suffix, and podman's names behind it, less than 255
_LONGEST_HOST_NAME = 63  # the kubelet's; Linux has 64
_DEFAULT_MODE = "Always"

ConfigMaps = Mapping[tuple[str, str], Fields]


def lower_quadlets(
    plan: Plan, running: Mapping[Key, Running], config_maps: ConfigMaps
) -> tuple[NodeQuadlets, ...]:
    """Each node's pods, in the plan's order."""
    confs = plain_confs(plan)
    pods: dict[str, list[QuadletPod]] = {node.name: [] for node in plan.nodes}
    nodes = {node.name: node for node in plan.nodes}
    for pod in plan.pods:
        conf = pod_conf(pod.workload.template, confs.get(pod.namespace))
        runs = running[pod.workload.key]
        pods[pod.node].append(_pod(pod, nodes[pod.node], runs, conf, config_maps))
    return tuple(
        NodeQuadlets(
            node.name, POD_BRIDGE, _mac(node), tuple(_ranges(node)), tuple(pods[node.name])
        )
        for node in plan.nodes
    )


def _ranges(node: PlannedNode) -> Iterator[tuple[Cidr, int]]:
    for cidr in node.pod_cidrs:
        yield cidr, cidr.base + 1


def _mac(node: PlannedNode) -> str:
    """Stated, as a bridge without takes the lowest of its ports' and changes it as pods come and
    go, which their neighbour tables do not see."""
    base = node.pod_cidrs[0].base + 1 if node.pod_cidrs else 1
    octets = (base & 0xFFFFFFFF).to_bytes(4, "big")
    return ":".join(f"{octet:02x}" for octet in (0x0A, 0x58, *octets))


def _pod(
    pod: PlannedPod,
    node: PlannedNode,
    running: Running,
    conf: ResolvConf | None,
    config_maps: ConfigMaps,
) -> QuadletPod:
    template = pod.workload.template
    file = _file(pod.namespace, pod.name)
    spec: dict[str, object] = {"restartPolicy": _DEFAULT_MODE, **running.fields}
    if not template.host_network:
        own = pod.own_name or template.hostname or pod.name
        spec["hostname"] = own[:_LONGEST_HOST_NAME].rstrip("-.")
    if conf is not None:
        spec["dnsConfig"] = _dns(conf)
    volumes = [*_volumes(pod, running)]
    if volumes:
        spec["volumes"] = volumes
    facts = _facts(pod, node)
    if running.init_containers:
        spec["initContainers"] = [_container(each, pod, facts) for each in running.init_containers]
    spec["containers"] = [_container(each, pod, facts) for each in running.containers]
    metadata = {"name": file, "labels": dict(template.labels)}
    documents = _config_maps(pod, running, config_maps)
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    addresses = () if template.host_network else _addresses(pod)
    at_boot = pod.workload.kind != "Job"
    return QuadletPod(
        file, pod.namespace, pod.name, (*documents, manifest), addresses, at_boot, running.missing
    )


def _config_maps(pod: PlannedPod, running: Running, config_maps: ConfigMaps) -> Iterator[Fields]:
    """One a name for variables, and one a volume, which podman calls like the ConfigMap."""
    file = _file(pod.namespace, pod.name)
    named = [(name, name) for name in running.config_maps]
    for volume in running.volumes:
        match volume:
            case {"name": str(own), "configMap": {"name": str(name)}}:
                named.append((f"{file}_{own}", name))
    for own, name in named:
        found = config_maps.get((pod.namespace, name))
        if found is not None:
            yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": own}, **found}


def _file(namespace: str, name: str) -> str:
    whole = f"{namespace}_{name}"
    if len(whole) <= _LONGEST_FILE:
        return whole
    digest = sha256(whole.encode()).hexdigest()[:16]
    return f"{whole[: _LONGEST_FILE - len(digest) - 1]}_{digest}"


def _addresses(pod: PlannedPod) -> tuple[tuple[Family, int], ...]:
    both: tuple[tuple[Family, int], ...] = ((4, pod.ipv4), (6, pod.ipv6))
    return tuple((family, address) for family, address in both if address)


def _dns(conf: ResolvConf) -> Fields:
    """podman adds the node's own search domains unless there are others; "." is none."""
    options = [
        {"name": name, "value": value} if value else {"name": name} for name, value in conf.options
    ]
    return {
        "nameservers": list(conf.nameservers),
        "searches": list(conf.searches) or ["."],
        **({"options": options} if options else {}),
    }


def _facts(pod: PlannedPod, node: PlannedNode) -> Mapping[str, str]:
    """What a variable of a fieldRef gets."""
    host_ips = [format_ip(family, address) for family, address in node.addresses]
    pod_ips = [format_ip(family, address) for family, address in _addresses(pod)]
    labels = {f"metadata.labels['{key}']": value for key, value in pod.workload.template.labels}
    return {
        **labels,
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "spec.nodeName": pod.node,
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }


def _container(container: RunContainer, pod: PlannedPod, facts: Mapping[str, str]) -> Fields:
    fields = dict(container.fields)
    if container.mounts:
        file = _file(pod.namespace, pod.name)
        fields["volumeMounts"] = [
            {**mount, "name": f"{file}_{mount['name']}"} for mount in container.mounts
        ]
    if container.sources:
        fields["envFrom"] = [_named(source, pod.namespace) for source in container.sources]
    if container.environment:
        fields["env"] = [_variable(each, pod.namespace, facts) for each in container.environment]
    return fields


def _variable(variable: Variable, namespace: str, facts: Mapping[str, str]) -> Fields:
    if variable.source is not None:
        return {"name": variable.name, "valueFrom": _named(variable.source, namespace)}
    # A label that the pod has not is an empty value.
    value = facts.get(variable.field, "") if variable.field else variable.value
    return {"name": variable.name, "value": value}


def _named(source: Fields, namespace: str) -> Fields:
    """The source of a variable; podman's store of secrets has no namespaces."""
    return {
        kind: {**value, "name": f"{namespace}_{value['name']}"}
        if kind in {"secretRef", "secretKeyRef"} and isinstance(value, dict) and "name" in value
        else value
        for kind, value in source.items()
    }


def _volumes(pod: PlannedPod, running: Running) -> Iterator[Fields]:
    """Volumes by names that no other pod's have: podman makes a volume of each emptyDir, ConfigMap,
    Secret and claim, called like it, and pods of the node share what is called alike."""
    file = _file(pod.namespace, pod.name)
    for volume in running.volumes:
        own = f"{file}_{volume['name']}"
        match volume:
            case {"secret": {"secretName": str(name), **others}}:
                named = {**others, "secretName": f"{pod.namespace}_{name}"}
                yield {"name": own, "secret": named}
            case {"configMap": {"name": str(), **others}}:
                yield {"name": own, "configMap": {**others, "name": own}}
            case {"persistentVolumeClaim": {"claimName": str(name), **others}}:
                named = {**others, "claimName": _claim(pod, name)}
                yield {"name": own, "persistentVolumeClaim": named}
            case _:
                yield {**volume, "name": own}
    for claim in running.claims:
        name = _claim(pod, f"{claim}-{pod.name}")
        yield {"name": f"{file}_{claim}", "persistentVolumeClaim": {"claimName": name}}


def _claim(pod: PlannedPod, name: str) -> str:
    """podman's name of a volume; that of one with a Secret, which podman makes, is the Secret's."""
    return f"claim.{pod.namespace}_{name}"
