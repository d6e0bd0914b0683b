"""Pods' resolv.conf files, by dnsPolicy and dnsConfig."""

from collections.abc import Mapping

import pytest

from kcompile.ir import ResolvConf
from kcompile.lower.resolv import check_resolv, lower_resolv_all
from kcompile.model import DnsConfig, DnsPolicy
from kcompile.planned import Plan, PlannedPod
from kcompile.problems import OurBugError
from kcompile.render.resolv import resolv_text
from plan_builder import kube_dns, plan, pod, port, service, workload

PLAIN = """\
nameserver 10.96.0.10
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""


def files(of: Plan, node: str = "node-1") -> Mapping[str, str]:
    return {path: resolv_text(conf) for path, conf in lower_resolv_all(of)[node]}


def one(policy: DnsPolicy, config: DnsConfig | None = None) -> Mapping[str, str]:
    """The files of a node with one pod."""
    web = pod(workload("default/web", dns_policy=policy, dns_config=config))
    return files(plan(services=[kube_dns()], pods=[web]))


def two(config: DnsConfig, policy: DnsPolicy = "ClusterFirst") -> str:
    """The file of a pod that differs."""
    return one(policy, config)["resolv/default/web-0.conf"]


def test_pods_of_a_namespace_share_a_file_on_each_node() -> None:
    web, api, job = workload("default/web"), workload("default/api"), workload("prod/job")
    pods = [
        pod(api, 0, node="b"),
        pod(web, 0, node="a"),
        pod(web, 1, node="b"),
        pod(job, 0, node="b"),
    ]
    of = plan(services=[kube_dns()], pods=pods, nodes=["a", "b", "c"])
    assert files(of, "a") == {"resolv/default.conf": PLAIN}
    prod = PLAIN.replace("search default.", "search prod.")
    assert files(of, "b") == {"resolv/default.conf": PLAIN, "resolv/prod.conf": prod}
    assert files(of, "c") == {}


@pytest.mark.parametrize("policy", ["ClusterFirst", "ClusterFirstWithHostNet"])
def test_policies_that_ask_the_cluster(policy: DnsPolicy) -> None:
    assert one(policy) == {"resolv/default.conf": PLAIN}


def test_the_policy_default_means_the_nodes_own_file() -> None:
    assert one("Default") == {}


def test_the_policy_none_means_the_config_alone() -> None:
    config = DnsConfig(("192.0.2.1",), ("example.com",), (("edns0", ""), ("ndots", "2")))
    assert one("None", config) == {
        "resolv/default/web-0.conf": (
            "nameserver 192.0.2.1\nsearch example.com\noptions edns0 ndots:2\n"
        )
    }
    assert one("None", DnsConfig(("192.0.2.1",))) == {
        "resolv/default/web-0.conf": "nameserver 192.0.2.1\n"
    }


def test_a_config_comes_after_what_the_policy_gives_and_its_options_win() -> None:
    config = DnsConfig(
        ("192.0.2.1", "10.96.0.10"),
        ("example.com", "svc.cluster.local"),
        (("ndots", "2"), ("single-request", "")),
    )
    assert two(config).splitlines() == [
        "nameserver 10.96.0.10",
        "nameserver 192.0.2.1",
        "search default.svc.cluster.local svc.cluster.local cluster.local example.com",
        "options ndots:2 single-request",
    ]


def test_a_config_that_changes_nothing_makes_no_file() -> None:
    config = DnsConfig(("10.96.0.10",), ("cluster.local",), (("ndots", "5"),))
    assert one("ClusterFirst", config) == {"resolv/default.conf": PLAIN}


def test_three_name_servers_at_most() -> None:
    assert two(DnsConfig(("192.0.2.1", "192.0.2.2", "192.0.2.3"))).count("nameserver ") == 3


@pytest.mark.parametrize(
    ("searches", "kept"),
    [
        ([f"n{i}.example" for i in range(40)], 32),
        (["x" * 200 + f".n{i}" for i in range(29)], 3 + 9),
        ([("x" * 50 + ".") * 5 + "x", "fine.example"], 4),
    ],
)
def test_searches_beyond_the_limits_are_cut_off(searches: list[str], kept: int) -> None:
    (line,) = [
        line for line in two(DnsConfig((), tuple(searches))).splitlines() if "search" in line
    ]
    assert len(line.split()) - 1 == kept
    assert len(line.removeprefix("search ")) <= 2048


def test_both_addresses_of_a_dual_stack_dns_service() -> None:
    of = plan(services=[kube_dns("10.96.0.10", "fd00:10:96::a")], pods=[pod(workload("a/web"))])
    text = files(of)["resolv/a.conf"]
    assert text.startswith("nameserver 10.96.0.10\nnameserver fd00:10:96::a\nsearch a.svc.")


def test_whoever_has_the_tenth_address_is_the_dns_service() -> None:
    dns = service("kube-system/coredns", "10.96.0.10", ports=[port(53, name="dns", protocol="UDP")])
    of = plan(services=[dns], pods=[pod(workload("default/web"))])
    assert files(of) == {"resolv/default.conf": PLAIN}


@pytest.mark.parametrize("dns", [[], [service("kube-system/kube-dns", external_name="x.example")]])
def test_without_a_dns_service_pods_have_their_nodes_file(dns: list[object]) -> None:
    web = workload("a/web", dns_config=DnsConfig(("192.0.2.1",)))
    of = plan(services=dns, pods=[pod(web)])
    assert files(of) == {}
    (finding,) = check_resolv(of)
    assert finding.code.value == "KC224"


def test_a_config_on_top_of_the_nodes_file_is_told() -> None:
    config = DnsConfig(("192.0.2.1",))
    pods = [
        pod(workload("a/one", dns_policy="Default", dns_config=config)),
        pod(workload("a/two", dns_policy="Default")),
        pod(workload("a/three", dns_config=config)),
    ]
    (finding,) = check_resolv(plan(services=[kube_dns()], pods=pods))
    assert finding.message.startswith("Deployment a/one: dnsConfig is ignored")
    assert finding.path == ("spec", "template", "spec", "dnsConfig")


def test_equal_contents_are_one_value() -> None:
    config = DnsConfig(("192.0.2.1",))
    special = workload("a/web", dns_config=config)
    pods: list[PlannedPod] = [pod(special, i, node="ab"[i % 2]) for i in range(4)]
    resolv = lower_resolv_all(plan(services=[kube_dns()], pods=pods, nodes=["a", "b"]))
    assert list(resolv) == ["a", "b"]
    assert [path for path, _ in resolv["a"]] == ["resolv/a/web-0.conf", "resolv/a/web-2.conf"]
    assert len({id(conf) for node in resolv.values() for _, conf in node}) == 1


@pytest.mark.parametrize("word", ["a\nnameserver 192.0.2.66", "a b", "", "é", "a\r"])
def test_a_string_that_nobody_checked_cannot_add_a_line(word: str) -> None:
    with pytest.raises(OurBugError):
        resolv_text(ResolvConf((), (word,), ()))
    with pytest.raises(OurBugError):
        resolv_text(ResolvConf((), (), ((f"{word} ", "1"),)))
