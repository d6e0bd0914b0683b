"""Clusters that tests of zones and of name servers share."""

from collections.abc import Callable, Mapping

from kcompile.planned import Plan
from kcompile.settings import DnsSettings
from plan_builder import kube_dns, plan, pod, port, service, with_dns, workload

_DOMAIN = "cluster.local"


def demo(domain: str = _DOMAIN) -> Plan:
    """A Service of each sort."""
    multi = [
        port(53, "10.244.1.12", name="dns", protocol="UDP"),
        port(53, "10.244.1.12", name="dns-tcp"),
        port(9, "10.244.1.12", name="sctp-p", protocol="SCTP"),
    ]
    dual = [
        port(80, "10.244.1.10", "fd00:10:244:1::a", name="http", to=8080),
        port(443, "10.244.1.10", "fd00:10:244:1::a", name="https", to=8443),
    ]
    both = ["10.244.1.11", "fd00:10:244:1::b", "fd00:10:244:2::"]
    web = [port(80, "10.244.1.6", name="web"), port(8081, "10.244.1.6", name="admin")]
    return plan(
        namespaces=["emptyns"],
        domain=domain,
        service_cidrs=["10.96.0.0/12", "fd00:10:96::/112"],
        pod_cidrs=["10.244.0.0/16", "fd00:10:244::/48"],
        services=[
            kube_dns(),
            service("default/kubernetes", "10.96.0.1", ports=[port(443, name="https")]),
            service(
                "default/httpd-svc",
                "10.96.203.6",
                ports=[port(8080, "10.244.1.5", "10.244.2.5", to=80, node_port=30000)],
            ),
            service("default/myhttpd-svc", "10.96.77.12", ports=web),
            service("default/noports", "10.96.9.9"),
            service("default/dual", "10.96.50.50", "fd00:10:96::5050", ports=dual),
            service("default/dual-hdls", headless=True, ports=[port(80, *both, name="http")]),
            service(
                "default/unnamed-hdls",
                headless=True,
                ports=[port(8080, "10.244.1.9", "10.244.2.9")],
            ),
            service("default/portless", headless=True, portless=["10.244.1.8"]),
            service("default/db-unready", headless=True, ports=[port(5432, name="pg")]),
            service("default/ext", external_name="www.example.com"),
            service("default/ext-ip", external_name="192.0.2.7"),
            service("default/ext-in", external_name=f"httpd-svc.default.svc.{domain}"),
            service("default/ext-self", external_name=f"ext-self.default.svc.{domain}"),
            service("prod/multi", "10.96.60.60", ports=multi),
        ],
    )


def hosts(domain: str = _DOMAIN) -> Plan:
    """Endpoints with names of their own, at addresses that no range has."""
    twins = ["172.0.0.2", "172.0.0.3", "172.0.0.4/twin", "172.0.0.5/twin"]
    both = ["5678:abcd::1", "5678:abcd::2", "2001:db8:1:2:3:4::"]
    stateful = ["10.244.1.7/db-0", "10.244.2.7/db-1", "10.244.3.7/db-2"]
    web = ["10.0.0.100/ep-a", "10.0.0.99/double", "fd00:77:30::2:9ba6/six"]
    made = plan(
        services=[
            kube_dns("192.168.0.10"),
            service("t/mixed", headless=True, ports=[port(80, *twins, *both, name="http")]),
            service("t/db", headless=True, ports=[port(5432, *stateful, name="pg", to=15432)]),
            service("t/web", "192.168.1.100", ports=[port(80, *web, name="http")]),
            service("t/other", headless=True, ports=[port(80, "10.0.0.99/double", name="http")]),
            service("t/alias", external_name=f"db.t.svc.{domain}"),
            service("t/dangling", external_name=f"nothere.t.svc.{domain}"),
        ],
        service_cidrs=["192.168.0.0/16", "fd00:77:30::/108"],
        pod_cidrs=["10.0.0.0/16", "1234:abcd::/96"],
        domain=domain,
    )
    return with_dns(made, DnsSettings(ttl=5))


def pods(domain: str = _DOMAIN) -> Plan:
    """Pods with records, of both families; endpoints that are named after pods."""
    named = ["10.244.1.5//web-abcde", "10.244.1.6/own/web-fghij", "10.244.1.7//has.dots"]
    made = plan(
        services=[service("a/web", headless=True, ports=[port(80, *named, name="http")])],
        pods=[
            pod(workload("a/web"), 0, "10.244.1.5", "fd00:10:244:1::5"),
            pod(workload("b/lonely"), 0, "10.244.3.99"),
        ],
        namespaces=["empty"],
        service_cidrs=["10.96.0.0/12", "fd00:10:96::/112"],
        pod_cidrs=["10.244.0.0/16", "fd00:10:244::/48"],
        domain=domain,
    )
    return with_dns(made, DnsSettings(pod_records=True, endpoint_pod_names=True))


def zonal(domain: str = _DOMAIN) -> Plan:
    """A headless Service in two topology zones, and a node without one."""
    places = ["172.0.0.1///west-2a", "172.0.0.2///west-2b", "172.0.0.3///west-2b", "172.0.0.4"]
    made = plan(
        services=[
            service("t/hdls", headless=True, ports=[port(80, *places, name="http")]),
            service("t/clstr", "10.96.0.9", ports=[port(80, *places, name="http")]),
        ],
        domain=domain,
    )
    return with_dns(made, DnsSettings(zonal=True))


def external(domain: str = _DOMAIN) -> Plan:
    """What Services are called outside."""
    made = plan(
        services=[
            service(
                "t/web",
                "10.96.0.7",
                external_ips=["203.0.113.5", "2001:db8::5"],
                ports=[port(80, "10.244.1.5", name="http")],
            ),
            service("t/inside", "10.96.0.8", ports=[port(80, "10.244.1.6")]),
            service("t/alias", external_name="www.example.com"),
            service("t/db", headless=True, ports=[port(80, "10.244.1.7/db-0", "10.244.1.8/db-1")]),
        ],
        namespaces=["empty"],
        domain=domain,
    )
    return with_dns(made, DnsSettings(external_zone="out.example.org"))


def empty(domain: str = _DOMAIN) -> Plan:
    """Services with endpoints and without, of which only the former count."""
    made = plan(
        services=[
            service("t/full", "10.96.0.7", ports=[port(80, "10.244.1.5", name="http")]),
            service("t/empty", "10.96.0.8", ports=[port(80, name="http")]),
            service("t/alias", external_name="www.example.com"),
        ],
        service_cidrs=["10.96.0.0/24"],
        pod_cidrs=["10.245.0.0/16"],
        domain=domain,
    )
    return with_dns(made, DnsSettings(ignore_empty=True))


CLUSTERS: Mapping[str, Callable[[str], Plan]] = {
    "demo": demo,
    "hosts": hosts,
    "pods": pods,
    "zonal": zonal,
    "external": external,
    "empty": empty,
}
