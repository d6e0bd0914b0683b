"""From documents to objects: which kinds act, what is said about the others, and the models."""

import pytest

from kcompile.address import Cidr, parse_ip
from kcompile.labels import Requirement, Selector
from kcompile.model import (
    ClusterConfiguration,
    Container,
    ContainerPort,
    DnsConfig,
    KubeProxyConfiguration,
    Namespace,
    Node,
    PodTemplate,
    Service,
    ServicePort,
    Taint,
    Toleration,
    Workload,
)
from objects import DEPLOYMENT, SERVICE, notes_on, objects_of, only_object, problems_in


class TestService:
    def test_gets_the_defaults_of_kubernetes(self) -> None:
        assert only_object(SERVICE) == Service(
            namespace="default",
            name="shop",
            labels=(),
            type="ClusterIP",
            selector=(("app", "shop"),),
            ports=(ServicePort("", "TCP", 80, 80, 0),),
        )

    def test_keeps_what_is_stated(self) -> None:
        service = """\
        apiVersion: v1
        kind: Service
        metadata:
          name: shop
          namespace: prod
          labels: {tier: front, app: shop}
        spec:
          type: NodePort
          clusterIP: 10.96.0.40
          publishNotReadyAddresses: true
          selector: {tier: front, app: shop}
          ports:
          - {name: web, port: 80, targetPort: http, nodePort: 30080}
          - {name: dns, port: 53, protocol: UDP, targetPort: 5353}
        """
        assert only_object(service) == Service(
            namespace="prod",
            name="shop",
            labels=(("app", "shop"), ("tier", "front")),
            type="NodePort",
            selector=(("app", "shop"), ("tier", "front")),
            ports=(
                ServicePort("web", "TCP", 80, "http", 30080),
                ServicePort("dns", "UDP", 53, 5353, 0),
            ),
            cluster_ips=(parse_ip("10.96.0.40"),),
            publish_not_ready=True,
        )

    def test_headless(self) -> None:
        service = only_object(SERVICE + "  clusterIP: None\n")
        assert isinstance(service, Service)
        assert (service.headless, service.cluster_ips) == (True, ())

    def test_external_name_loses_its_dot(self) -> None:
        service = only_object(
            "{apiVersion: v1, kind: Service, metadata: {name: db},"
            " spec: {type: ExternalName, externalName: db.example.com.}}"
        )
        assert isinstance(service, Service)
        assert (service.external_name, service.ports) == ("db.example.com", ())

    def test_nulls_and_zeros_are_absent(self) -> None:
        plain = only_object(SERVICE)
        empty = """\
        apiVersion: v1
        kind: Service
        metadata: {name: shop, namespace: ~, labels: ~, annotations: {}}
        spec:
          type: ""
          clusterIP: ""
          clusterIPs: []
          externalIPs: ~
          externalName: ""
          sessionAffinity: ""
          externalTrafficPolicy: ""
          internalTrafficPolicy: ~
          ipFamilies: ~
          ipFamilyPolicy: ~
          loadBalancerIP: ""
          loadBalancerSourceRanges: []
          healthCheckNodePort: 0
          selector: {app: shop}
          ports: [{name: "", port: 80, protocol: "", targetPort: 0, nodePort: 0}]
        """
        assert only_object(empty) == plain

    def test_leading_zeros_are_read_as_decimal_with_a_warning(self) -> None:
        read = objects_of(SERVICE + "  clusterIP: 010.096.000.008\n")
        (service,) = read.items
        assert isinstance(service, Service)
        assert service.cluster_ips == (parse_ip("10.96.0.8"),)
        assert list(map(str, read.notes)) == [
            (
                "shop.yaml:7:14: KC225: warning: spec.clusterIP is '010.096.000.008';"
                " it is read as 10.96.0.8"
            )
        ]


class TestDeployment:
    def test_gets_the_defaults_of_kubernetes(self) -> None:
        labels = (("app", "shop"),)
        assert only_object(DEPLOYMENT) == Workload(
            kind="Deployment",
            namespace="default",
            name="shop",
            labels=(),
            replicas=1,
            selector=Selector(labels),
            template=PodTemplate(
                labels=labels,
                containers=(Container("web", "example.com/shop:1", ()),),
                sidecars=(),
                tolerations=(),
                node_name="",
                dns_policy="ClusterFirst",
                dns_config=DnsConfig(),
            ),
        )

    def test_keeps_what_is_stated(self) -> None:
        deployment = """\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: shop, namespace: prod}
        spec:
          replicas: 3
          selector:
            matchExpressions: [{key: app, operator: In, values: [shop, bank]}]
          template:
            metadata: {labels: {tier: front, app: shop}}
            spec:
              nodeName: node-2
              dnsPolicy: None
              dnsConfig:
                nameservers: [192.0.2.53]
                searches: [example.com]
                options: [{name: ndots, value: "2"}, {name: edns0}]
              tolerations:
              - {operator: Exists}
              - {key: gpu, value: a100, effect: NoSchedule}
              initContainers:
              - {name: setup, image: i}
              - name: mesh
                image: m
                restartPolicy: Always
                ports: [{name: mesh, containerPort: 15000}]
              containers:
              - name: web
                image: w
                ports: [{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP}]
        """
        workload = only_object(deployment)
        assert isinstance(workload, Workload)
        assert workload.replicas == 3
        assert workload.selector == Selector((), (Requirement("app", "In", ("shop", "bank")),))
        assert workload.template == PodTemplate(
            labels=(("app", "shop"), ("tier", "front")),
            containers=(
                Container(
                    "web", "w", (ContainerPort("http", 80, "TCP"), ContainerPort("", 53, "UDP"))
                ),
            ),
            sidecars=(Container("mesh", "m", (ContainerPort("mesh", 15000, "TCP"),)),),
            tolerations=(
                Toleration("", "Exists", "", ""),
                Toleration("gpu", "Equal", "a100", "NoSchedule"),
            ),
            node_name="node-2",
            dns_policy="None",
            dns_config=DnsConfig(
                ("192.0.2.53",), ("example.com",), (("ndots", "2"), ("edns0", ""))
            ),
        )

    def test_equal_labels_are_one_tuple(self) -> None:
        workload, service = objects_of(f"{DEPLOYMENT}---\n{SERVICE}").items
        assert isinstance(workload, Workload)
        assert isinstance(service, Service)
        assert workload.template.labels is service.selector is workload.selector.labels

    def test_an_old_version_takes_its_selector_from_the_template(self) -> None:
        old = """\
        apiVersion: extensions/v1beta1
        kind: Deployment
        metadata: {name: shop}
        spec:
          template:
            metadata: {labels: {app: shop}}
            spec: {containers: [{name: web, image: "example.com/shop:1"}]}
        """
        read = objects_of(old)
        assert read.items == (only_object(DEPLOYMENT),)
        assert list(map(str, read.notes)) == [
            (
                "shop.yaml:1:9: KC223: warning: Kubernetes 1.16 removed extensions/v1beta1;"
                " it is read as apps/v1 in 1 object (write apiVersion: apps/v1)"
            )
        ]

    def test_ignored_fields_are_told_once(self) -> None:
        steered = DEPLOYMENT + "      hostAliases: [{ip: 192.0.2.1}]\n      schedulerName: mine\n"
        assert notes_on(f"{steered}---\n{steered.replace('name: shop', 'name: bank')}") == [
            (
                "shop.yaml:10:20: KC224: warning: spec.template.spec.hostAliases is ignored"
                " in 2 objects"
            ),
            (
                "shop.yaml:11:22: KC224: warning: spec.template.spec.schedulerName is ignored"
                " in 2 objects (pods are placed as the default scheduler would)"
            ),
        ]


class TestNode:
    def test_reads_what_counts(self) -> None:
        node = """\
        apiVersion: v1
        kind: Node
        metadata: {name: node-1.example, labels: {zone: b, disk: ssd}}
        spec:
          podCIDR: 10.244.1.0/24
          podCIDRs: [10.244.1.0/24, "fd00:1::/64"]
          unschedulable: true
          taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]
        status:
          allocatable: {cpu: 4}
          addresses:
          - {type: Hostname, address: node-1}
          - {type: InternalIP, address: 192.0.2.11}
          - {type: ExternalIP, address: 198.51.100.1}
          - {type: InternalIP, address: "2001:db8::11"}
        """
        assert only_object(node) == Node(
            name="node-1.example",
            labels=(("disk", "ssd"), ("zone", "b")),
            taints=(Taint("node-role.kubernetes.io/control-plane", "", "NoSchedule"),),
            unschedulable=True,
            addresses=(parse_ip("192.0.2.11"), parse_ip("2001:db8::11")),
            pod_cidrs=(
                Cidr(4, parse_ip("10.244.1.0")[1], 24),
                Cidr(6, parse_ip("fd00:1::")[1], 64),
            ),
            allocatable=(("cpu", 4000),),
        )

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ("spec: {podCIDR: 10.0.0.0/40}", "spec.podCIDR is '10.0.0.0/40'"),
            ("spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.2.0.0/24]}", "must begin with"),
            ("spec: {podCIDRs: [10.1.0.0/24, 10.2.0.0/24]}", "one range of each family"),
            ("spec: {taints: [{key: a, effect: Never}]}", "spec.taints[0].effect"),
            (
                "spec: {taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]}",
                "spec.taints[1] 'a:NoSchedule' is there twice, first as spec.taints[0]",
            ),
            ("status: {addresses: [{type: InternalIP, address: x}]}", "addresses[0].address"),
        ],
    )
    def test_refuses(self, fields: str, message: str) -> None:
        (problem,) = problems_in(f"apiVersion: v1\nkind: Node\nmetadata: {{name: a}}\n{fields}\n")
        assert message in problem

    def test_namespace(self) -> None:
        assert only_object(
            "{apiVersion: v1, kind: Namespace, metadata: {name: prod, labels: {a: b}}}"
        ) == Namespace("prod", (("a", "b"),))


class TestConfigurations:
    @pytest.mark.parametrize(
        ("version", "arguments"),
        [
            ("v1beta3", "{service-node-port-range: 30000-30999}"),
            ("v1beta3", "{service-node-port-range: 30000+999}"),
            ("v1beta4", "[{name: service-node-port-range, value: 30000-30999}]"),
        ],
    )
    def test_cluster_configuration(self, version: str, arguments: str) -> None:
        masks = (
            "{node-cidr-mask-size: '25'}"
            if version == "v1beta3"
            else "[{name: node-cidr-mask-size, value: '25'}]"
        )
        text = f"""\
        apiVersion: kubeadm.k8s.io/{version}
        kind: ClusterConfiguration
        networking: {{podSubnet: 10.128.0.0/9, serviceSubnet: "10.96.0.0/12,fd00:2::/112",
          dnsDomain: corp.example}}
        apiServer: {{extraArgs: {arguments}}}
        controllerManager: {{extraArgs: {masks}}}
        """
        assert only_object(text) == ClusterConfiguration(
            pod_subnets=(Cidr(4, parse_ip("10.128.0.0")[1], 9),),
            service_subnets=(
                Cidr(4, parse_ip("10.96.0.0")[1], 12),
                Cidr(6, parse_ip("fd00:2::")[1], 112),
            ),
            dns_domain="corp.example",
            node_port_range=(30000, 30999),
            node_mask_ipv4=25,
            node_mask_ipv6=None,
        )

    def test_absent_settings_are_none(self) -> None:
        assert only_object(
            "{apiVersion: kubeadm.k8s.io/v1beta2, kind: ClusterConfiguration}"
        ) == ClusterConfiguration(None, None, None, None, None, None)
        assert only_object(
            "{apiVersion: kubeproxy.config.k8s.io/v1alpha1, kind: KubeProxyConfiguration}"
        ) == KubeProxyConfiguration(None, None, None, None)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ("networking: {podSubnet: 10.0.0.0/8 -j ACCEPT}", "networking.podSubnet"),
            ("networking: {serviceSubnet: '10.0.0.0/8,10.1.0.0/16'}", "an IPv4 and an IPv6"),
            ("networking: {dnsDomain: Corp}", "networking.dnsDomain"),
            ("apiServer: {extraArgs: {service-node-port-range: 9-1}}", "service-node-port-range"),
            ("apiServer: {extraArgs: {service-node-port-range: 1-70000}}", "range of ports"),
            ("controllerManager: {extraArgs: {node-cidr-mask-size-ipv4: '33'}}", "1 to 32"),
        ],
    )
    def test_cluster_configuration_refuses(self, fields: str, message: str) -> None:
        head = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
        (problem,) = problems_in(f"{head}{fields}\n")
        assert message in problem

    def test_kube_proxy_configuration(self) -> None:
        text = """\
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        kind: KubeProxyConfiguration
        mode: iptables
        detectLocalMode: ClusterCIDR
        clusterCIDR: 10.244.0.0/16
        iptables: {masqueradeAll: true, masqueradeBit: 15, localhostNodePorts: false}
        conntrack: {maxPerCore: ~, min: 131072}
        """
        read = objects_of(text)
        assert read.items == (
            KubeProxyConfiguration((Cidr(4, parse_ip("10.244.0.0")[1], 16),), True, 15, False),
        )
        assert [str(note) for note in read.notes] == [
            "shop.yaml:7:20: KC224: warning: conntrack is ignored in 1 object"
        ]

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ("mode: nftables", "KC210: mode: mode nftables is not implemented yet"),
            ("mode: ipvs", "KC207: mode ipvs is not supported"),
            ("mode: userspace", "mode is 'userspace'"),
            ("detectLocalMode: NodeCIDR", "KC210"),
            ("conntrack: {tcpBeLiberal: true}", "KC210"),
            ("nodePortAddresses: [primary]", "KC207: nodePortAddresses primary is not supported"),
            ("nodePortAddresses: [10.0.0.0/8, primary]", "nodePortAddresses[1] is 'primary'"),
            ("nodePortAddresses: [everywhere]", "nodePortAddresses[0] is 'everywhere'"),
            ("clusterCIDR: everywhere", "clusterCIDR is 'everywhere'"),
            ("iptables: {masqueradeBit: 32}", "iptables.masqueradeBit"),
        ],
    )
    def test_kube_proxy_configuration_refuses(self, fields: str, message: str) -> None:
        head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        (problem,) = problems_in(f"{head}{fields}\n")
        assert message in problem
