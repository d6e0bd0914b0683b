"""nodes/NODE/runtime/: the numbers that container runtimes need."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kcompile.address import parse_cidr
from kcompile.lower.runtime import lower_runtimes
from kcompile.model import DnsPolicy
from kcompile.planned import Plan, PlannedNode, PlannedPod
from kcompile.render.runtime import conflist_text, pods_json
from plan_builder import kube_dns, plan, pod, workload

CIDRS = ("10.244.3.0/24", "fd00:244:0:3::/64")
GOLDEN = Path(__file__).parent.parent / "golden"


def runtime(*pods: PlannedPod, cidrs: tuple[str, ...] = CIDRS) -> Any:
    of = plan(services=[kube_dns()], pods=pods)
    node = PlannedNode("node-1", (), (), tuple(map(parse_cidr, cidrs)))
    (found,) = lower_runtimes(replace(of, nodes=(node,)))
    return json.loads(pods_json(found))


def one(pod: PlannedPod, cidrs: tuple[str, ...] = CIDRS) -> Any:
    (found,) = runtime(pod, cidrs=cidrs)["pods"]
    return found


def test_a_pod_of_both_families() -> None:
    web = pod(workload("default/web"), 0, "10.244.3.9", "fd00:244:0:3::9")
    assert one(web) == {
        "namespace": "default",
        "name": "web-0",
        "hostName": "web-0",
        "hostNetwork": False,
        "addresses": ["10.244.3.9/24", "fd00:244:0:3::9/64"],
        "gateways": ["10.244.3.1", "fd00:244:0:3::1"],
        "resolvConf": "resolv/default.conf",
    }


def test_the_bridge_has_the_first_address_of_each_range() -> None:
    assert runtime() == {
        "version": 1,
        "node": "node-1",
        "bridge": {
            "name": "kcompile-pods",
            "addresses": ["10.244.3.1/24", "fd00:244:0:3::1/64"],
            "hairpin": True,
            "mtu": None,
        },
        "pods": [],
    }


@pytest.mark.parametrize("cidr", CIDRS)
def test_a_pod_of_one_family(cidr: str) -> None:
    base, _, prefix = cidr.partition("/")
    ip = base.removesuffix("0") + "9"
    found = one(pod(workload("default/web"), 0, ip), (cidr,))
    assert found["addresses"] == [f"{ip}/{prefix}"]
    assert len(found["gateways"]) == 1


def test_a_pod_in_the_hosts_network_has_no_addresses() -> None:
    owner = workload("default/web")
    owner = replace(owner, template=replace(owner.template, host_network=True, hostname="own"))
    found = one(pod(owner, 0, "192.168.1.1"))
    assert found["hostNetwork"]
    assert (found["addresses"], found["gateways"], found["resolvConf"]) == ([], [], None)
    assert found["hostName"] == "node-1"


def test_host_names() -> None:
    owner = workload("default/web")
    stated = replace(owner, template=replace(owner.template, hostname="own"))
    indexed = replace(owner, kind="Job", indexed=True)
    long = replace(pod(owner), name="a" * 62 + ".b")
    assert [one(each)["hostName"] for each in (pod(stated), pod(indexed, 3), long)] == [
        "own",
        "web-3",
        "a" * 62,
    ]


@pytest.mark.parametrize(
    ("policy", "path"), [("ClusterFirst", "resolv/default.conf"), ("Default", None)]
)
def test_the_resolv_conf_of_a_pod_is_its_own(policy: DnsPolicy, path: str | None) -> None:
    """Even where its neighbour of the same namespace has another."""
    other = pod(workload("default/api"), 0, "10.244.3.7")
    pods = runtime(other, pod(workload("default/web", dns_policy=policy), 0, "10.244.3.9"))["pods"]
    assert [each["resolvConf"] for each in pods] == ["resolv/default.conf", path]


def test_pods_stand_by_namespace_and_name_a_line_each() -> None:
    pods = [pod(workload(name), 0, "10.244.3.9") for name in ("b/a", "a/b", "a/a")]
    found = runtime(*pods)["pods"]
    assert [(each["namespace"], each["name"]) for each in found] == [
        ("a", "a-0"),
        ("a", "b-0"),
        ("b", "a-0"),
    ]


def test_the_network_translates_nothing_and_demands_addresses() -> None:
    of: Plan = plan()
    (found,) = lower_runtimes(of)
    network = json.loads(conflist_text(found))
    (bridge,) = network["plugins"]
    assert bridge["bridge"] == runtime()["bridge"]["name"]
    assert not bridge["ipMasq"]
    assert bridge["hairpinMode"]
    assert bridge["capabilities"] == {"ips": True}
    assert bridge["ipam"] == {"type": "static"}


def test_every_pod_of_every_golden_plan_is_there_with_its_addresses() -> None:
    plans = sorted(GOLDEN.glob("*/*/expected/bundle/plan.json"))
    assert plans
    for path in plans:
        planned = json.loads(path.read_text())
        nodes = {node["name"]: node["addresses"] for node in planned["nodes"]}
        found = {}
        for name, own in nodes.items():
            file = path.parent / "nodes" / name / "runtime" / "pods.json"
            for each in json.loads(file.read_text())["pods"]:
                ips = [address.partition("/")[0] for address in each["addresses"]]
                found[each["namespace"], each["name"]] = own if each["hostNetwork"] else ips
                resolv = each["resolvConf"]
                assert resolv is None or (path.parent / "nodes" / name / resolv).is_file()
        assert found == {(pod["namespace"], pod["name"]): pod["ips"] for pod in planned["pods"]}
