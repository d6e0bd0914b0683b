"""Who may reach a Service from where: what its fields become, and what is said of them."""

import pytest

from kcompile.address import Cidr, parse_cidr, parse_ip
from kcompile.load import load
from kcompile.model import NO_LOAD_BALANCER, KubeProxyConfiguration, Service, Workload
from kcompile.validate import validate

SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
"""


def read(fields: str, annotation: str = "", status: str = "") -> tuple[Service, list[str]]:
    """A Service with these fields and annotation, and what is said of it."""
    annotations = f", annotations: {{{annotation}}}" if annotation else ""
    text = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: web{annotations}}}\n"
        f"spec: {{ports: [{{port: 80}}]{fields and ', '}{fields}}}\n"
    )
    if status:
        text += f"status: {{loadBalancer: {{ingress: [{status}]}}}}\n"
    objects = validate(load([("m.yaml", text)]))
    (service,) = objects.items
    assert isinstance(service, Service)
    return service, [f"{note.code.value}: {note.message}" for note in objects.notes]


def ranges(*texts: str) -> tuple[Cidr, ...]:
    return tuple(map(parse_cidr, texts))


def test_defaults() -> None:
    service, notes = read("type: NodePort")
    assert (service.external_policy, service.internal_policy) == ("Cluster", "Cluster")
    assert (service.affinity_seconds, service.distribution) == (0, "")
    assert (service.families, service.family_policy, service.cluster_ips) == ((), "", ())
    assert service.load_balancer == NO_LOAD_BALANCER
    assert (service.topology_hints, service.publish_not_ready) == (False, False)
    assert notes == []


def test_policies_affinity_and_distribution() -> None:
    service, _ = read(
        "type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local,"
        " sessionAffinity: ClientIP, trafficDistribution: PreferSameNode,"
        " publishNotReadyAddresses: true"
    )
    assert (service.external_policy, service.internal_policy) == ("Local", "Local")
    assert (service.affinity_seconds, service.distribution) == (10800, "PreferSameNode")
    assert service.publish_not_ready
    service, _ = read(
        "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 7}}"
    )
    assert service.affinity_seconds == 7


def test_families() -> None:
    service, _ = read(
        "clusterIP: 'fd00::10', clusterIPs: ['fd00::10', 10.96.0.9],"
        " ipFamilies: [IPv6, IPv4], ipFamilyPolicy: RequireDualStack"
    )
    assert service.cluster_ips == (parse_ip("fd00::10"), parse_ip("10.96.0.9"))
    assert (service.families, service.family_policy) == ((6, 4), "RequireDualStack")


def test_external_addresses_come_with_their_risk() -> None:
    service, notes = read("externalIPs: [198.51.100.7, '2001:db8::7', '::ffff:198.51.100.8']")
    assert service.external_ips == (
        parse_ip("198.51.100.7"),
        parse_ip("2001:db8::7"),
        parse_ip("198.51.100.8"),
    )
    risk = "KC228: spec.externalIPs can take over any address: every node answers for them"
    assert risk in notes


def test_a_load_balancer() -> None:
    service, notes = read(
        "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 30900,"
        " loadBalancerIP: 192.0.2.7, loadBalancerClass: example.com/fast,"
        " allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [' 192.0.2.9/24 ']",
        status="{ip: 192.0.2.8}, {ip: '2001:db8::8', ipMode: Proxy}",
    )
    balancer = service.load_balancer
    assert balancer.stated_ips == (parse_ip("192.0.2.7"),)
    assert balancer.ingress == (
        (*parse_ip("192.0.2.8"), "VIP"),
        (*parse_ip("2001:db8::8"), "Proxy"),
    )
    assert balancer.source_ranges == ranges("192.0.2.0/24")
    assert (balancer.class_name, balancer.allocate_node_ports) == ("example.com/fast", False)
    assert balancer.health_check_node_port == 30900
    assert all("it is read as 192.0.2.0/24" in note for note in notes)


@pytest.mark.parametrize(
    ("fields", "annotation", "wanted"),
    [
        ("", "192.0.2.0/24, 2001:db8::/32", ranges("192.0.2.0/24", "2001:db8::/32")),
        ("", " ", ()),
        ("loadBalancerSourceRanges: [10.0.0.0/8]", "192.0.2.0/24", ranges("10.0.0.0/8")),
        ("loadBalancerSourceRanges: ['::ffff:10.0.0.0/104']", "", ranges("10.0.0.0/8")),
    ],
)
def test_source_ranges_of_field_and_annotation(
    fields: str, annotation: str, wanted: tuple[Cidr, ...]
) -> None:
    """The field wins; the annotation is what came before it."""
    both = f"type: LoadBalancer{fields and ', '}{fields}"
    service, _ = read(both, f"{SOURCE_RANGES}: '{annotation}'" if annotation else "")
    assert service.load_balancer.source_ranges == wanted


def test_what_gives_no_address_is_said() -> None:
    service, notes = read(
        "type: LoadBalancer, loadBalancerIP: eip-1", status="{hostname: lb.example.com}, {}"
    )
    assert service.load_balancer.stated_ips == service.load_balancer.ingress == ()
    assert sorted(notes) == [
        "KC225: load balancer 'lb.example.com' has no address, so no rules",
        "KC225: load balancer has no address, so no rules",
        "KC225: spec.loadBalancerIP 'eip-1' is no address: not used",
    ]


@pytest.mark.parametrize("group", ["metallb.io", "metallb.universe.tf"])
@pytest.mark.parametrize("name", ["address-pool", "allow-shared-ip", "loadBalancerIPs"])
def test_what_would_choose_addresses_in_metallb_is_named_as_ignored(group: str, name: str) -> None:
    _, notes = read("type: LoadBalancer", f"{group}/{name}: x")
    shown = f"metadata.annotations['{group}/{name}']"
    assert notes == [f"KC224: {shown} is ignored in 1 object"]


@pytest.mark.parametrize(
    ("annotation", "hints"),
    [
        ("service.kubernetes.io/topology-mode: Auto", True),
        ("service.kubernetes.io/topology-aware-hints: auto", True),
        ("service.kubernetes.io/topology-mode: Disabled", False),
        ("service.kubernetes.io/topology-mode: ''", False),
        ("example.com/topology-mode: Auto", False),
    ],
)
def test_topology_modes(annotation: str, hints: bool) -> None:
    assert read("", annotation)[0].topology_hints == hints


def test_host_network() -> None:
    (deployment,) = validate(load([("m.yaml", DEPLOYMENT)])).items
    assert isinstance(deployment, Workload)
    assert deployment.template.host_network


def test_node_port_addresses() -> None:
    head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
    for fields, wanted in (
        ("nodePortAddresses: [127.0.0.0/8, '::/0']", ranges("127.0.0.0/8", "::/0")),
        ("nodePortAddresses: []", None),
    ):
        (found,) = validate(load([("m.yaml", f"{head}{fields}\n")])).items
        assert isinstance(found, KubeProxyConfiguration)
        assert found.node_port_addresses == wanted
