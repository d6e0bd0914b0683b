"""Plans to show: the article's two clusters, and one with a bit of everything."""

from kcompile.address import Cidr, parse_cidr, parse_ip
from kcompile.labels import Labels, Requirement, Selector
from kcompile.model import (
    Container,
    ContainerPort,
    DnsConfig,
    Namespace,
    PodTemplate,
    ServicePort,
    Workload,
)
from kcompile.plan.capacity import capacity
from kcompile.planned import Endpoint, Plan, PlannedNode, PlannedPod, PlannedPort, PlannedService
from kcompile.render.plan_json import plan_json
from plan_builder import settings

_RUN_HTTPD: Labels = (("run", "httpd"),)
_WEB: Labels = (("app", "web"), ("tier", "front"))
_HTTPD = Container("httpd", "httpd", (ContainerPort("", 80, "TCP"),))


def plan_text(plan: Plan) -> str:
    """plan.json."""
    return plan_json(plan, capacity(plan))


def httpd_plan() -> Plan:
    """The article's first cluster: three pods of httpd behind httpd-svc."""
    owner = workload("httpd", _RUN_HTTPD, _HTTPD, replicas=3)
    pods = (
        _pod(owner, 0, "httpd-741508562-4h08z", "f16-7-kubernetes02", "10.244.1.28"),
        _pod(owner, 1, "httpd-741508562-j4lsm", "f16-7-kubernetes02", "10.244.1.29"),
        _pod(owner, 2, "httpd-741508562-jvgbg", "f16-8-kubernetes03", "10.244.2.22"),
    )
    port = PlannedPort(ServicePort("", "TCP", 8080, 80, 0), 0, _endpoints(pods, 80), ())
    return _article(owner, pods, _service("httpd-svc", "10.96.203.6", port))


def myhttpd_plan() -> Plan:
    """The article's second cluster: three pods of myhttpd behind node port 30000."""
    owner = workload("myhttpd", _RUN_HTTPD, _HTTPD, replicas=3)
    pods = (
        _pod(owner, 0, "myhttpd-741508562-lt4kr", "f16-7-kubernetes02", "10.244.1.32"),
        _pod(owner, 1, "myhttpd-741508562-p3h5w", "f16-7-kubernetes02", "10.244.1.33"),
        _pod(owner, 2, "myhttpd-741508562-sm9ft", "f16-8-kubernetes03", "10.244.2.26"),
    )
    port = PlannedPort(ServicePort("", "TCP", 8080, 80, 30000), 30000, _endpoints(pods, 80), ())
    return _article(owner, pods, _service("myhttpd-svc", "10.104.223.18", port))


def varied_plan() -> Plan:
    """Two families, two namespaces, and every type of Service."""
    image = Container(
        "web",
        "registry.example:5000/web:1.0",
        (ContainerPort("http", 8080, "TCP"), ContainerPort("metrics", 9090, "TCP")),
    )
    selector = Selector(
        (("app", "web"),), (Requirement("tier", "In", ("front", "back")), _exists("app"))
    )
    sidecar = Container("proxy", "envoy", ())
    web = workload("web", _WEB, image, namespace="shop", replicas=4, selector=selector)
    lone = workload("lone", (("y", "on"),), image, sidecar=sidecar, replicas=0)
    pods = tuple(
        PlannedPod(web, ordinal, f"web-59b1-{ordinal}", "node-a", ip4, ip6)
        for ordinal, (ip4, ip6) in enumerate(_pairs(4))
    )
    http = ServicePort("http", "TCP", 80, "http", 30080)
    metrics = ServicePort("metrics", "TCP", 9090, 9090, 0)
    ip6 = _endpoints6(pods, 8080)
    ports = (
        PlannedPort(http, 30080, _endpoints(pods, 8080), ip6),
        PlannedPort(metrics, 30081, _endpoints(pods, 9090), ()),
    )
    return Plan(
        settings=settings(("10.244.0.0/16", "fd00:1::/48"), ("10.96.0.0/12", "fd00:2::/112")),
        nodes=(
            PlannedNode(
                "node-a",
                (("node-role.kubernetes.io/control-plane", ""), ("zone", "1")),
                (parse_ip("192.0.2.1"), parse_ip("2001:db8::1")),
                (parse_cidr("10.244.0.0/24"), parse_cidr("fd00:1::/64")),
            ),
            PlannedNode("node-b", (), (), ()),
        ),
        namespaces=(Namespace("default", ()), Namespace("shop", (("team", "a"),))),
        workloads=(lone, web),
        pods=pods,
        services=(
            PlannedService(
                "shop", "bare", (), "ClusterIP", _WEB, (), True, "", (),
                _endpoints(pods, 0), _endpoints6(pods, 0),
            ),
            PlannedService("shop", "far", (), "ExternalName", (), (), False, "far.example", ()),
            PlannedService("shop", "none", (), "ClusterIP", (("app", "gone"),),
                (parse_ip("10.96.0.20"),), False, "", (PlannedPort(metrics, 0, (), ()),)),
            PlannedService(
                "shop", "web", _WEB, "NodePort", _WEB,
                (parse_ip("10.96.0.30"), parse_ip("fd00:2::30")), False, "", ports,
                family_policy="PreferDualStack",
            ),
        ),
        origins={},
        notes=(),
    )  # fmt: skip


def workload(
    name: str,
    labels: Labels,
    *containers: Container,
    sidecar: Container | None = None,
    namespace: str = "default",
    replicas: int = 1,
    selector: Selector | None = None,
) -> Workload:
    template = PodTemplate(
        labels=labels,
        containers=containers,
        sidecars=(sidecar,) if sidecar else (),
        tolerations=(),
        node_name="",
        dns_policy="ClusterFirst",
        dns_config=DnsConfig(),
    )
    chosen = selector or Selector(labels)
    return Workload("Deployment", namespace, name, (), replicas, chosen, template)


def _article(owner: Workload, pods: tuple[PlannedPod, ...], own: PlannedService) -> Plan:
    https = PlannedPort(ServicePort("https", "TCP", 443, 6443, 0), 0, (), ())
    dns = tuple(
        PlannedPort(ServicePort(name, protocol, 53, 53, 0), 0, (), ())
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    )
    return Plan(
        settings=settings(),
        nodes=(
            _node("f16-6-kubernetes01", 1, 0, (("node-role.kubernetes.io/control-plane", ""),)),
            _node("f16-7-kubernetes02", 2, 1, ()),
            _node("f16-8-kubernetes03", 3, 2, ()),
        ),
        namespaces=(Namespace("default", ()), Namespace("kube-system", ())),
        workloads=(owner,),
        pods=pods,
        services=(
            *sorted(
                (own, _service("kubernetes", "10.96.0.1", https, selector=(), synthesised=True)),
                key=lambda service: service.name,
            ),
            _service(
                "kube-dns",
                "10.96.0.10",
                *dns,
                namespace="kube-system",
                selector=(("k8s-app", "kube-dns"),),
            ),
        ),
        origins={},
        notes=(),
    )


def _node(name: str, host: int, share: int, labels: Labels) -> PlannedNode:
    own_range = Cidr(4, parse_ip("10.244.0.0")[1] + share * 256, 24)
    return PlannedNode(name, labels, (parse_ip(f"192.0.2.{host}"),), (own_range,))


def _pod(owner: Workload, ordinal: int, name: str, node: str, ip: str) -> PlannedPod:
    return PlannedPod(owner, ordinal, name, node, parse_ip(ip)[1], 0)


def _service(
    name: str,
    cluster_ip: str,
    *ports: PlannedPort,
    namespace: str = "default",
    selector: Labels = _RUN_HTTPD,
    synthesised: bool = False,
) -> PlannedService:
    return PlannedService(
        namespace=namespace,
        name=name,
        labels=(),
        type="NodePort" if ports[0].node_port else "ClusterIP",
        selector=selector,
        cluster_ips=(parse_ip(cluster_ip),),
        headless=False,
        external_name="",
        ports=ports,
        synthesised=synthesised,
    )


def _endpoints(pods: tuple[PlannedPod, ...], port: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(pod.ipv4, port, pod.node, pod.name) for pod in pods)


def _endpoints6(pods: tuple[PlannedPod, ...], port: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(pod.ipv6, port, pod.node, pod.name) for pod in pods)


def _exists(key: str) -> Requirement:
    return Requirement(key, "Exists", ())


def _pairs(count: int) -> list[tuple[int, int]]:
    first4, first6 = parse_ip("10.244.0.2")[1], parse_ip("fd00:1::2")[1]
    return [(first4 + index, first6 + index) for index in range(count)]
