"""What podman's own generator, and systemd, say of quadlets."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lab import needs
from test_quadlets import FOLDER, built, pod

PLACES = (
    os.environ.get("QUADLET", ""),
    "/usr/libexec/podman/quadlet",
    "/usr/lib/systemd/system-generators/podman-system-generator",
)
DUAL = (
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking:\n"
    "  podSubnet: 10.244.0.0/16,fd00:1::/56\n  serviceSubnet: 10.96.0.0/16,fd00:2::/112\n---\n"
)


def generated(folder: Path) -> dict[str, str]:
    """Units by name."""
    generator = next((place for place in PLACES if place and Path(place).exists()), "")
    if not generator:
        pytest.skip("not installed: podman's generator, 4.4 or later (or name one by QUADLET)")
    found = subprocess.run(
        [generator, "-dryrun"],
        env={"QUADLET_UNIT_DIRS": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "unsupported" not in found.stderr
    parts = re.split(r"^---(\S+)---$", found.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture
def units(tmp_path: Path) -> dict[str, str]:
    text = DUAL + pod("tty: true", spec="priority: 1") + pod(name="host", spec="hostNetwork: true")
    for path, content in built(text).items():
        if path.startswith(FOLDER):
            (tmp_path / path.rpartition("/")[2]).write_text(content)
    return generated(tmp_path)


def test_podman_makes_a_service_of_each(units: dict[str, str]) -> None:
    assert sorted(units) == [
        "default_host.service",
        "default_web.service",
        "kcompile-network.service",
    ]
    (start,) = re.findall("^ExecStart=(.*)$", units["default_web.service"], re.MULTILINE)
    assert re.search(r" --network systemd-kcompile:ip=10\.244\.\S+,ip=fd00:1:\S+ ", start)
    assert "Requires=kcompile-network.service\n" in units["default_web.service"]
    (create,) = re.findall("^ExecStart=(.*)$", units["kcompile-network.service"], re.MULTILINE)
    assert "--opt mode=unmanaged --interface-name=kcompile-pods systemd-kcompile" in create
    assert create.count("--subnet") == create.count("--gateway") == 2


def test_systemd_has_nothing_against_them(units: dict[str, str], tmp_path: Path) -> None:
    if not needs.found("systemd-analyze"):
        pytest.skip("not installed: systemd-analyze")
    folder = tmp_path / "units"
    folder.mkdir()
    for name, text in units.items():
        (folder / name).write_text(text.replace("/usr/bin/podman", "/bin/true"))
    answer = subprocess.run(
        ["systemd-analyze", "verify", *sorted(map(str, folder.iterdir()))],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in answer.stderr.splitlines() if "default_" in line or "kcompile" in line]
    # podman's own section is there for people; systemd ignores what starts with X-.
    assert ours == []
    assert answer.returncode == 0
