"""A cluster with one Service of each sort, which tests of zones and of name servers share."""

from kcompile.planned import Plan
from plan_builder import kube_dns, plan, port, service


def demo() -> Plan:
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
            service("default/ext-in", external_name="httpd-svc.default.svc.cluster.local"),
            service("default/ext-self", external_name="ext-self.default.svc.cluster.local"),
            service("prod/multi", "10.96.60.60", ports=multi),
        ],
    )
