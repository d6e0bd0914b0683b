"""`--pending`: what a build says of pods that fit nowhere, and what readers of its bundle show."""

from pathlib import Path

import pytest

from command_line import kcompile
from notation import deployment, node


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    text = node("n1", "192.0.2.1", spec="podCIDR: 10.244.7.0/29") + deployment("web", 7)
    (tmp_path / "m.yaml").write_text(text)
    return tmp_path


def test_an_error_unless_told_otherwise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = kcompile(["build", "m.yaml"], capsys)
    assert answer.code == 1
    assert "KC404: 7 replicas of Deployment default/web, but the pod CIDRs" in answer.err
    assert not (folder / "bundle").exists()


def test_a_warning_and_the_rest_is_built(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = kcompile(["build", "m.yaml", "--pending", "warn"], capsys)
    assert answer.code == 0
    assert "KC414: warning: 7 replicas of Deployment default/web" in answer.err
    assert "1 node, 5 pods, 2 services, 2 pods pending" in answer.err
    assert (folder / "kcompile.lock").read_text().count("pod/default/Deployment/web/") == 5
    shown = kcompile(["get", "deployments"], capsys).out
    assert shown.splitlines()[1].split()[:4] == ["web", "5/7", "7", "5"]
    described = kcompile(["describe", "deployment", "web"], capsys).out
    assert "7 desired | 7 updated | 7 total | 5 available | 2 unavailable" in described


def test_strict_makes_it_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kcompile(["build", "m.yaml", "--pending=warn", "--strict"], capsys).code == 1
    assert not (folder / "bundle").exists()
