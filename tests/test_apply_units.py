"""The units of a bundle: what systemd's own checkers say of them, and what they run."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice
from kcompile.apply.units import converge, differences
from kcompile.pipeline import make_files
from kcompile.resolve.flags import Flags
from lab import needs
from listening import wait_for
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
        "kcompile-firewalld.service",
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
            assert command.startswith((PROGRAM, "/bin/", "/usr/bin/firewall-cmd "))


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
    # What kcompile-restore.service starts must not wait for it.
    for name in ("kcompile-listen.service", "kcompile-firewalld.service", "kcompile-drift.timer"):
        assert not re.search(r"(?m)^After=.*kcompile-restore", found[name])


def test_a_reload_of_firewalld_past_systemd_is_heard(tmp_path: Path) -> None:
    needs.requires("dbus-daemon", "busctl")
    restored = tmp_path / "restored"
    unit = units(built(service("web")))["kcompile-firewalld.service"]
    (start,) = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    words = shlex.split(start.replace("$$", "$").replace(PROGRAM, f"echo >>{restored}"))
    bus = f"unix:path={tmp_path}/bus"
    environment = {"PATH": needs.search_path(), "DBUS_SYSTEM_BUS_ADDRESS": bus}
    daemon = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={bus}"]
    with contextlib.ExitStack() as stack:
        for command in (daemon, words):
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    env=environment,
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
            wait_for((tmp_path / "bus").exists)
        name = "org.fedoraproject.FirewallD1"
        emit = ["busctl", "--system", "emit", f"/{name.replace('.', '/')}", name]

        def heard() -> bool:
            # Again and again: the monitor may not be there yet.
            subprocess.run([*emit, "Reloaded"], env=environment, check=True)
            return restored.exists()

        subprocess.run([*emit, "PanicModeEnabled"], env=environment, check=True)
        wait_for(heard)


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


# ---- the part that installs them


FOLDER = "/etc/systemd/system"
SYSTEMCTL = """\
#!/bin/sh
echo "$@" >>LOG
case $1 in
show) printf 'Id=kcompile-drift.timer\\nNeedDaemonReload=%s\\n' "$(cat STALE)" ;;
daemon-reload) echo no >STALE ;;
is-active) case $3 in
    firewalld.service) exit 0 ;;
    kcompile-drift.timer) exit "$(cat IDLE)" ;;
    *) [ -e "IDLE.$3" ] ;;
    esac ;;
start) case $3 in
    kcompile-drift.timer) echo 0 >IDLE ;;
    *) : >"IDLE.$3" ;;
    esac ;;
esac
"""


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return built(service("web", spec=NODE_PORT))


@pytest.fixture
def slice_(tmp_path: Path, files: Mapping[str, str]) -> Slice:
    return slice_of(tmp_path / "slice", files)


def slice_of(folder: Path, files: Mapping[str, str]) -> Slice:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Slice("node-1", None, folder, dict.fromkeys(files, "digest"))


@pytest.fixture
def machine(tmp_path: Path) -> Host:
    """One with systemd, which does not run."""
    root = tmp_path / "root"
    (root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
    (root / "etc/systemd/system/own.service").write_text("[Service]\n")
    return Host(root)


def tree(host: Host) -> dict[str, str]:
    """Files by path, where links lead, and folders."""
    found = {}
    for path in sorted(host.root.rglob("*")):
        name = f"/{path.relative_to(host.root)}"
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = path.read_text() if path.is_file() else ""
    return found


@pytest.mark.parametrize("live", [True, False])
def test_installed_and_removed(machine: Host, slice_: Slice, *, live: bool) -> None:
    host = Host(machine.root, live)
    before = tree(host)
    assert len(differences(host, None, slice_)) == 11
    converge(host, None, slice_)
    assert differences(host, slice_, slice_) == ()
    after = tree(host)
    for path, text in units({path: slice_.text(path) for path in slice_.files}).items():
        assert after[f"{FOLDER}/{path}"] == text
    links = {path: text for path, text in after.items() if text.startswith("-> ")}
    assert links == {
        f"{FOLDER}/{target}.wants/{name}": f"-> {FOLDER}/{name}"
        for target, name in (
            ("firewalld.service", "kcompile-firewalld.service"),
            ("multi-user.target", "kcompile-listen.service"),
            ("multi-user.target", "kcompile-restore.service"),
            ("timers.target", "kcompile-drift.timer"),
        )
    }
    converge(host, slice_, slice_)
    assert tree(host) == after
    assert {each.action for each in differences(host, slice_, None)} == {"remove"}
    converge(host, slice_, None)
    assert differences(host, slice_, None) == ()
    removed = tree(host)
    assert {path for path in removed if not path.startswith("/var")} == set(before)
    assert [path for path, text in removed.items() if path.startswith("/var") and text] == []


def test_what_somebody_changed_is_put_right(machine: Host, slice_: Slice) -> None:
    converge(machine, None, slice_)
    after = tree(machine)
    unit = machine.path(f"{FOLDER}/kcompile-drift.service")
    unit.write_text(unit.read_text().replace("Nice=10", "Nice=0"))
    machine.path(f"{FOLDER}/docker.service.d/kcompile.conf").unlink()
    machine.path(f"{FOLDER}/timers.target.wants/kcompile-drift.timer").unlink()
    found = {each.what: (each.action, each.detail) for each in differences(machine, slice_, slice_)}
    assert found == {
        f"{FOLDER}/kcompile-drift.service": ("change", "not what was installed"),
        f"{FOLDER}/docker.service.d/kcompile.conf": ("add", "not there"),
        f"{FOLDER}/timers.target.wants/kcompile-drift.timer": ("add", "not started at boot"),
    }
    converge(machine, slice_, slice_)
    assert tree(machine) == after


@pytest.mark.parametrize(
    "name", ["kcompile-drift.service", "docker.service.d/kcompile.conf", "kcompile-drift.timer"]
)
def test_files_of_others_stay(machine: Host, slice_: Slice, name: str) -> None:
    theirs = machine.path(f"{FOLDER}/{name}")
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("[Unit]\nDescription=mine\n")
    before = tree(machine)
    assert (f"{FOLDER}/{name}", "is not kcompile's") in {
        (each.what, each.detail) for each in differences(machine, None, slice_)
    }
    with pytest.raises(RefusedError, match="was not written by kcompile"):
        converge(machine, None, slice_)
    assert tree(machine) == before
    converge(machine, slice_, None)
    assert theirs.read_text() == before[f"{FOLDER}/{name}"]


def test_a_masked_unit_stays_masked(machine: Host, slice_: Slice) -> None:
    mask = machine.path(f"{FOLDER}/kcompile-drift.timer")
    mask.symlink_to("/dev/null")
    converge(machine, None, slice_)
    assert differences(machine, slice_, slice_) == ()
    converge(machine, slice_, None)
    assert str(mask.readlink()) == "/dev/null"


def test_a_drop_in_of_the_operator_beside_ours_stays(machine: Host, slice_: Slice) -> None:
    converge(machine, None, slice_)
    theirs = machine.path(f"{FOLDER}/docker.service.d/override.conf")
    theirs.write_text("[Service]\n")
    converge(machine, slice_, None)
    assert [path.name for path in theirs.parent.iterdir()] == ["override.conf"]


def test_units_that_a_slice_no_longer_has_go(
    machine: Host, slice_: Slice, tmp_path: Path, files: Mapping[str, str]
) -> None:
    converge(machine, None, slice_)
    fewer = {path: text for path, text in files.items() if "drift" not in path}
    after = slice_of(tmp_path / "fewer", fewer)
    converge(machine, slice_, after)
    assert differences(machine, slice_, after) == ()
    assert not [path for path in tree(machine) if "drift" in path]


def test_a_machine_without_systemd_gets_nothing(tmp_path: Path, slice_: Slice) -> None:
    host = Host(tmp_path / "root")
    host.root.mkdir()
    assert differences(host, None, slice_) == ()
    converge(host, None, slice_)
    assert tree(host) == {}


def test_a_running_systemd_is_told(
    machine: Host, slice_: Slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.path("/run/systemd/system").mkdir(parents=True)
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    log, stale, idle = (tmp_path / name for name in ("log", "stale", "idle"))
    text = SYSTEMCTL.replace("LOG", str(log)).replace("STALE", str(stale))
    program.write_text(text.replace("IDLE", str(idle)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def commands() -> list[str]:
        lines = log.read_text().splitlines()
        log.write_text("")
        return [line for line in lines if not line.startswith(("show ", "is-active "))]

    stale.write_text("no")
    idle.write_text("3")
    converge(machine, None, slice_)
    assert commands() == [
        "daemon-reload",
        "start --no-block kcompile-drift.timer",
        "start --no-block kcompile-firewalld.service",
    ]
    converge(machine, slice_, slice_)
    assert commands() == []

    # Killed after the files were written, before systemd was told; a timer that was stopped.
    stale.write_text("yes")
    idle.write_text("3")
    assert [(each.what, each.detail) for each in differences(machine, slice_, slice_)] == [
        ("kcompile-drift.timer", "systemd has not read its files since they changed"),
        ("kcompile-drift.timer", "does not run"),
    ]
    converge(machine, slice_, slice_)
    assert commands() == ["daemon-reload", "start --no-block kcompile-drift.timer"]

    converge(machine, slice_, None)
    stopped, reloaded = commands()
    assert stopped.split()[:1] == ["stop"]
    assert {*stopped.split()[1:]} == {
        "kcompile-drift.service",
        "kcompile-drift.timer",
        "kcompile-firewalld.service",
        "kcompile-listen.service",
        "kcompile-restore.service",
    }
    assert reloaded == "daemon-reload"
