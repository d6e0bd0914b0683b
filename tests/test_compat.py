"""Under the lock of an older release nothing moves and nothing is renamed.

tests/compat/VERSION has what a release read and, of what it wrote, plan.json and the rules of one
node. These files stay as they are for ever. Some objects are not in the lock: what is chosen for
them depends on the lock's algorithm, which stays what it was.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli_runs import Run

COMPAT = Path(__file__).parent / "compat"
VERSIONS = sorted(path.name for path in COMPAT.iterdir())
NODE = "node-1"

Facts = Mapping[str, Any]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bundle(
    version: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """What this release makes of an older one's input and lock."""
    shutil.copytree(COMPAT / version / "input", tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path, capsys)
    answer = run("build", "m")
    assert answer.code == 0, answer.err
    assert "KC411" not in answer.err
    assert run("build", "m", "--locked", "-o", "again").code == 0
    return tmp_path / "bundle"


def test_there_is_a_version() -> None:
    assert "0.1.0" in VERSIONS


def test_no_address_no_port_and_no_pod_s_name_differs(version: str, bundle: Path) -> None:
    before = json.loads((COMPAT / version / "expected" / "plan.json").read_text())
    after = json.loads((bundle / "plan.json").read_text())
    assert node_facts(after) == node_facts(before)
    assert pod_facts(after) == pod_facts(before)
    assert service_facts(after) == service_facts(before)


def node_facts(plan: Any) -> Facts:
    return {node["name"]: (node["addresses"], node["podCIDRs"]) for node in plan["nodes"]}


def pod_facts(plan: Any) -> Facts:
    return {
        f"{pod['namespace']}/{pod['workload']['kind']}/{pod['workload']['name']}/{pod['ordinal']}": (
            pod["name"],
            pod["node"],
            pod["ips"],
        )
        for pod in plan["pods"]
    }


def service_facts(plan: Any) -> Facts:
    return {
        f"{service['namespace']}/{service['name']}": (
            service["clusterIPs"],
            service["loadBalancerIPs"],
            service["healthCheckNodePort"],
            {f"{port['port']}/{port['protocol']}": port["nodePort"] for port in service["ports"]},
        )
        for service in plan["services"]
    }


@pytest.mark.parametrize("file", ["iptables.rules", "ip6tables.rules"])
def test_no_chain_of_a_service_or_an_endpoint_is_renamed(
    version: str, bundle: Path, file: str
) -> None:
    before = chains((COMPAT / version / "expected" / file).read_text())
    assert len(before) > 10
    assert chains((bundle / "nodes" / NODE / file).read_text()) == before


def chains(rules: str) -> set[str]:
    return set(re.findall(r"^:(KUBE-[A-Z]+-[A-Z2-7]{16}) ", rules, re.MULTILINE))


def test_the_cases_have_an_entry_of_every_section_and_some_that_are_chosen(version: str) -> None:
    folder = COMPAT / version
    lock = (folder / "input" / "kcompile.lock").read_text()
    for kind in ("node", "pod", "service"):
        assert re.search(rf"^{kind}/[^ ]*/freed: ", lock, re.MULTILINE)
        assert re.search(rf"^{kind}/(?!.*/freed: )", lock, re.MULTILINE)
    for field in ("name: ", "nodePorts: ", "healthCheckNodePort: ", "loadBalancerIPs: ", '"fd00:'):
        assert field in lock
    plan = json.loads((folder / "expected" / "plan.json").read_text())
    kinds = {pod["workload"]["kind"] for pod in plan["pods"]}
    assert kinds >= {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod"}
    assert any(f"service/{key}: " not in lock for key in service_facts(plan))
