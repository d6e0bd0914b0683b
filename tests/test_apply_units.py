"""The units of a bundle: what systemd's own checkers say of them, and what they run."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from kcompile.pipeline import make_files
from kcompile.resolve.flags import Flags
from lab import needs
from notation import node, planned, service

PROGRAM = "/usr/bin/python3 -I -S /var/lib/kcompile/kcompile.pyz"
NODE_PORT = "type: NodePort"
# What the drop-ins are for, in few words.
NEIGHBOUR = """\
[Service]
ExecStart=/bin/true
ExecReload=/bin/kill -HUP $MAINPID
"""


def built(text: str, flags: Flags | None = None) -> dict[str, str]:
    """The texts of a bundle's files by path."""
    made = make_files(planned(text, flags=flags))
    return {path: "".join(file.chunks) for path, file in made.items()}


def units(files: Mapping[str, str], of: str = "node-1") -> dict[str, str]:
    """Texts by path below a node's systemd/."""
    start = f"nodes/{of}/systemd/"
    return {path[len(start) :]: text for path, text in files.items() if path.startswith(start)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units, and docker.service and firewalld.service that they add to."""
    for path, text in units(built(service("web", spec=NODE_PORT))).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for name in ("docker.service", "firewalld.service"):
        (tmp_path / name).write_text(NEIGHBOUR)
    return tmp_path


def systemd_analyze(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if not needs.found("systemd-analyze"):
        pytest.skip("not installed: systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
        env={"PATH": needs.search_path(), "SYSTEMD_UNIT_PATH": f"{folder}:", "LC_ALL": "C"},
    )


def test_all_nodes_get_the_same_units() -> None:
    files = built(node("a", "192.0.2.1") + node("b", "192.0.2.2") + service("web", spec=NODE_PORT))
    assert units(files, "a") == units(files, "b")
    assert sorted(units(files, "a")) == [
        "docker.service.d/kcompile.conf",
        "firewalld.service.d/kcompile.conf",
        "kcompile-drift.service",
        "kcompile-drift.timer",
        "kcompile-listen.service",
        "kcompile-restore.service",
    ]


def test_systemd_takes_the_units(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    checked = systemd_analyze("verify", "--man=no", *(f"./{name}" for name in names), folder=folder)
    # Other lines are about units of the machine that the tests run on.
    assert [line for line in checked.stdout.splitlines() if "kcompile" in line] == []


def test_the_listeners_are_kept_in(folder: Path) -> None:
    arguments = ("security", "--offline=true", "--threshold=25", "./kcompile-listen.service")
    checked = systemd_analyze(*arguments, folder=folder)
    if "unrecognized option" in checked.stdout:
        pytest.skip("systemd-analyze is too old for --offline")
    assert checked.returncode == 0, checked.stdout[-500:]


def test_only_low_ports_take_a_capability() -> None:
    capability = "AmbientCapabilities=CAP_NET_BIND_SERVICE"
    low = service("web", ports="[{port: 80, nodePort: 80}]", spec=NODE_PORT)
    flags = Flags(service_node_port_range="1-65535")
    assert capability in units(built(low, flags))["kcompile-listen.service"]
    high = units(built(service("web", spec=NODE_PORT)))["kcompile-listen.service"]
    assert "AmbientCapabilities" not in high
    assert "\nCapabilityBoundingSet=\n" in high


def test_programs_are_named_by_their_whole_path() -> None:
    for text in units(built(service("web"))).values():
        for command in re.findall(r"(?m)^Exec\w+=[-+]*(.*)$", text):
            assert command.startswith((PROGRAM, "/bin/kill ", "/usr/bin/firewall-cmd "))


def test_neighbours_start_whether_or_not_the_rules_come_back() -> None:
    found = units(built(service("web")))
    for name in ("docker", "firewalld"):
        text = found[f"{name}.service.d/kcompile.conf"]
        for start in ("ExecStartPost", "ExecReload"):
            assert f"{start}=-+{PROGRAM} apply --restore\n" in text
        assert re.findall(r"(?m)^Exec\w+=[^-].*", text) == []


def test_the_order_after_a_boot() -> None:
    found = units(built(service("web")))
    restore = found["kcompile-restore.service"]
    before = " ".join(re.findall(r"(?m)^Before=(.*)$", restore)).split()
    assert {"containerd.service", "docker.service", "kubelet.service", "crio.service"} <= {*before}
    assert "network-online.target" in re.findall(r"(?m)^After=(.*)$", restore)
    assert "After=kcompile-restore.service" in found["kcompile-listen.service"]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([30000, 32767], None),
        ([30000, 32768, 61000], "32768"),
        ([40000, 40001, 40002, 40004], "40000-40002,40004"),
    ],
)
def test_the_kernel_gives_no_client_the_port_of_a_listener(
    ports: list[int], expected: str | None
) -> None:
    listed = [{"name": f"p{port}", "port": port, "nodePort": port} for port in ports]
    text = service("web", ports=json.dumps(listed), spec=NODE_PORT)
    files = built(text, Flags(service_node_port_range="1-65535"))
    sysctls = files["nodes/node-1/sysctl.d/90-kcompile.conf"]
    found = re.findall(r"(?m)^net\.ipv4\.ip_local_reserved_ports = (.*)$", sysctls)
    assert found == ([expected] if expected else [])


def test_health_checks_answer_where_node_ports_do() -> None:
    proxy = (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        "nodePortAddresses: [192.0.2.0/24]\n---\n"
    )
    spec = "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000"
    files = built(proxy + node("one", "192.0.2.1") + service("web", spec=spec))
    found = json.loads(files["nodes/one/listeners.json"])
    assert found["healthChecks"] == [
        {"port": 32000, "addresses": ["192.0.2.1"], "service": "default/web", "localEndpoints": 0}
    ]
