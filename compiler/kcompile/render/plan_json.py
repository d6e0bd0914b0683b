"""The plan as plan.json: one object, service port or endpoint a line, in the plan's order.

Lines are built directly: json.dumps alone takes twice as long, before it has values to write.
"""

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted

from kcompile import planned
from kcompile.address import Cidr, Family, format_ip
from kcompile.capacity import Banded, Capacity, Filling
from kcompile.labels import Labels, Selector
from kcompile.model import Container, Namespace, Workload
from kcompile.settings import DnsSettings, Settings

FORMAT_VERSION = 1
"""Rises when a key changes its meaning or goes away, not when one is added."""


def plan_json(plan: planned.Plan, capacity: Capacity) -> str:
    pieces = [f'{{\n  "version": {FORMAT_VERSION},\n  "settings": {{\n']
    pieces.append(
        ",\n".join(f'    "{key}": {value}' for key, value in settings_pairs(plan.settings))
    )
    pieces.append("\n  }")
    pieces.append(f',\n  "capacity": {_capacity(capacity)}')
    pieces += _section("namespaces", map(_namespace, plan.namespaces))
    pieces += _section("nodes", map(_node, plan.nodes))
    pieces += _section("workloads", map(_workload, plan.workloads))
    pieces += _section("pods", _pods(plan.pods))
    pieces += _section("services", map(_service, plan.services))
    pieces.append("\n}\n")
    return "".join(pieces)


def _section(name: str, items: Iterable[str]) -> Iterator[str]:
    yield f',\n  "{name}": ['
    separator = "\n    "
    for item in items:
        yield separator
        yield item
        separator = ",\n    "
    yield "\n  ]" if separator[0] == "," else "]"


def settings_pairs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Names and JSON values of the cluster's settings."""
    first, last = settings.node_ports
    yield "podCIDRs", _cidrs(settings.pod_cidrs)
    yield "serviceCIDRs", _cidrs(settings.service_cidrs)
    yield "nodeCIDRMaskSizeIPv4", _number_or_null(settings.node_masks.get(4, 0))
    yield "nodeCIDRMaskSizeIPv6", _number_or_null(settings.node_masks.get(6, 0))
    yield "clusterDomain", quoted(settings.cluster_domain)
    yield "nodePortRange", f'"{first}-{last}"'
    yield "detectLocal", _boolean(settings.detect_local)
    yield "masqueradeAll", _boolean(settings.masquerade_all)
    yield "masqueradeBit", str(settings.masquerade_bit)
    yield "localhostNodePorts", _boolean(settings.localhost_node_ports)
    yield "egressMasquerade", _boolean(settings.egress_masquerade)
    yield "forwardAccept", _boolean(settings.forward_accept)
    yield "nodePortAddresses", _cidrs(settings.node_port_addresses)
    yield "rejectUnmatchedServiceIPs", _boolean(settings.reject_unmatched)
    yield "nonMasqueradeCIDRs", _cidrs(settings.non_masquerade_cidrs)
    yield "nodeDNSAddress", _addresses(settings.node_dns)[1:-1] or "null"
    yield "dns", _dns(settings.dns)


def _dns(dns: DnsSettings) -> str:
    return (
        f'{{"ttl": {dns.ttl}, "pods": "{"verified" if dns.pod_records else "disabled"}", '
        f'"endpointPodNames": {_boolean(dns.endpoint_pod_names)}, "ptr": "{dns.ptr}", '
        f'"zonal": {_boolean(dns.zonal)}, "ignoreEmptyServices": {_boolean(dns.ignore_empty)}, '
        f'"externalZone": {quoted(dns.external_zone)}, '
        f'"reverseZones": {_cidrs(dns.reverse_ranges)}}}'
    )


def _capacity(capacity: Capacity) -> str:
    """A range a line."""
    nodes = (
        f'{{"node": {quoted(each.node)}, "cidr": "{each.cidr}", {_filling(each.pods)}}}'
        for each in capacity.nodes
    )
    services = (f'{{"cidr": "{cidr}", {_banded(own)}}}' for cidr, own in capacity.services)
    pools = (
        f'{{"namespace": {quoted(each.namespace)}, "name": {quoted(each.name)}, '
        f'"family": "IPv{each.family}", {_filling(each.addresses)}}}'
        for each in capacity.pools
    )
    return (
        f'{{\n    "podCIDRs": {_lines(nodes, 6)},\n    "serviceCIDRs": {_lines(services, 6)},\n'
        f'    "nodePorts": {{{_banded(capacity.node_ports)}}},\n'
        f'    "loadBalancerPools": {_lines(pools, 6)}\n  }}'
    )


def _banded(range_: Banded) -> str:
    return (
        f'{_filling(range_.whole)}, "static": {{{_filling(range_.static)}}}, '
        f'"dynamic": {{{_filling(range_.dynamic)}}}'
    )


def _filling(filling: Filling) -> str:
    return f'"size": {filling.size}, "used": {filling.used}'


def _namespace(namespace: Namespace) -> str:
    return f'{{"name": {quoted(namespace.name)}, "labels": {_labels(namespace.labels)}}}'


def _node(node: planned.PlannedNode) -> str:
    return (
        f'{{"name": {quoted(node.name)}, "addresses": {_addresses(node.addresses)}, '
        f'"podCIDRs": {_cidrs(node.pod_cidrs)}, "labels": {_labels(node.labels)}}}'
    )


def _workload(workload: Workload) -> str:
    template = workload.template
    return (
        f'{{"namespace": {quoted(workload.namespace)}, "kind": {quoted(workload.kind)}, '
        f'"name": {quoted(workload.name)}, "labels": {_labels(workload.labels)}, '
        f'"replicas": {workload.replicas}, "selector": {_selector(workload.selector)}, '
        f'"podLabels": {_labels(template.labels)}, '
        f'"containers": {_list(map(_container, template.containers))}, '
        f'"sidecars": {_list(map(_container, template.sidecars))}}}'
    )


def _selector(selector: Selector) -> str:
    requirements = (
        f'{{"key": {quoted(requirement.key)}, "operator": {quoted(requirement.operator)}, '
        f'"values": {_list(map(quoted, requirement.values))}}}'
        for requirement in selector.requirements
    )
    return (
        f'{{"matchLabels": {_labels(selector.labels)}, "matchExpressions": {_list(requirements)}}}'
    )


def _container(container: Container) -> str:
    ports = (
        f'{{"name": {quoted(port.name)}, "containerPort": {port.port}, '
        f'"protocol": {quoted(port.protocol)}}}'
        for port in container.ports
    )
    return (
        f'{{"name": {quoted(container.name)}, "image": {quoted(container.image)}, '
        f'"ports": {_list(ports)}}}'
    )


def _pods(pods: Iterable[planned.PlannedPod]) -> Iterator[str]:
    """What the pods of a workload have in common is written once: they stand together."""
    workload: Workload | None = None
    for pod in pods:
        if pod.workload is not workload:
            workload = pod.workload
            head = f'{{"namespace": {quoted(workload.namespace)}, "name": '
            owner = (
                f', "workload": {{"kind": {quoted(workload.kind)}, '
                f'"name": {quoted(workload.name)}}}, "ordinal": '
            )
            tail = f'], "labels": {_labels(workload.template.labels)}}}'
        ips = f'"{format_ip(4, pod.ipv4)}"' if pod.ipv4 else ""
        if pod.ipv6:
            ips += f'{", " if ips else ""}"{format_ip(6, pod.ipv6)}"'
        yield (
            f'{head}{quoted(pod.name)}{owner}{_ordinal(pod.ordinal)}, "node": {quoted(pod.node)}, '
            f'"ips": [{ips}{tail}'
        )


def _ordinal(ordinal: planned.Ordinal) -> str:
    return quoted(ordinal) if isinstance(ordinal, str) else str(ordinal)


def _service(service: planned.PlannedService) -> str:
    ips = '["None"]' if service.headless else _addresses(service.cluster_ips)
    return (
        f'{{"namespace": {quoted(service.namespace)}, "name": {quoted(service.name)}, '
        f'"type": {quoted(service.type)}, "clusterIPs": {ips}, '
        f'"familyPolicy": {quoted(service.family_policy)}, '
        f'"externalName": {_text_or_null(service.external_name)}, '
        f"{_exposure(service)}"
        f'"labels": {_labels(service.labels)}, "selector": {_labels(service.selector)}, '
        f'"synthesised": {_boolean(service.synthesised)}, '
        f'"ports": {_lines(map(_port, service.ports), 6)}, '
        f'"portlessEndpoints": {_endpoints(service.portless4, service.portless6, 6)}}}'
    )


def _exposure(service: planned.PlannedService) -> str:
    """Who may reach a Service from where, in the API's words."""
    balancers = [(family, value) for family, value, _ in service.load_balancer_ips]
    return (
        f'"externalIPs": {_addresses(service.external_ips)}, '
        f'"loadBalancerIPs": {_addresses(balancers)}, '
        f'"loadBalancerSourceRanges": {_cidrs(service.source_ranges)}, '
        f'"externalTrafficPolicy": "{service.external_policy}", '
        f'"internalTrafficPolicy": "{service.internal_policy}", '
        f'"affinitySeconds": {_number_or_null(service.affinity_seconds)}, '
        f'"healthCheckNodePort": {_number_or_null(service.health_check_node_port)}, '
        f'"publishNotReadyAddresses": {_boolean(service.publish_not_ready)}, '
    )


def _port(port: planned.PlannedPort) -> str:
    spec = port.spec
    target = spec.target_port
    return (
        f'{{"name": {quoted(spec.name)}, "protocol": {quoted(spec.protocol)}, '
        f'"port": {spec.port}, '
        f'"targetPort": {quoted(target) if isinstance(target, str) else target}, '
        f'"nodePort": {_number_or_null(port.node_port)}, '
        f'"endpoints": {_endpoints(port.endpoints4, port.endpoints6, 8)}}}'
    )


def _endpoints(
    ipv4: tuple[planned.Endpoint, ...], ipv6: tuple[planned.Endpoint, ...], indent: int
) -> str:
    lines = [_endpoint(4, endpoint) for endpoint in ipv4]
    lines += [_endpoint(6, endpoint) for endpoint in ipv6]
    return _lines(lines, indent)


def _endpoint(family: Family, endpoint: planned.Endpoint) -> str:
    return (
        f'{{"ip": "{format_ip(family, endpoint.ip)}", "port": {endpoint.port or "null"}, '
        f'"node": {quoted(endpoint.node) if endpoint.node else "null"}, '
        f'"pod": {quoted(endpoint.pod) if endpoint.pod else "null"}, '
        f'"ready": {_boolean(endpoint.state.ready)}}}'
    )


def _lines(items: Iterable[str], indent: int) -> str:
    margin = "\n" + " " * indent
    body = f",{margin}".join(items)
    return f"[{margin}{body}{margin[:-2]}]" if body else "[]"


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _labels(labels: Labels) -> str:
    return "{" + ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in labels) + "}"


def _addresses(addresses: Iterable[tuple[Family, int]]) -> str:
    return _list(f'"{format_ip(family, value)}"' for family, value in addresses)


def _cidrs(cidrs: Iterable[Cidr]) -> str:
    return _list(f'"{cidr}"' for cidr in cidrs)


def _number_or_null(number: int) -> str:
    return str(number) if number else "null"


def _text_or_null(text: str) -> str:
    return quoted(text) if text else "null"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
