"""The `listeners` part: sockets as the slices want them, whatever happened before."""

import hashlib
import json
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.listen_start import FILE, LOG, PID_FILE, alive, command
from kcompile.apply.listeners import converge, differences, release
from kcompile.apply.slices import Slice
from lab.needs import requires
from listening import (
    SOURCE,
    health,
    health_check,
    is_reset,
    listener,
    listeners_text,
    own_netns,
    pythons,
    sockets,
    wait_for,
)

A = listeners_text([listener(30000), listener(30001)], [health_check(32000, 1)])
B = listeners_text([listener(30000), listener(30002)], [health_check(32000, 0)])
NOTHING = listeners_text()
WEB = "default/web (local endpoints"
UNIT = "# systemd unit, written by kcompile.\n[Service]\nExecStart=/bin/true\n"

SYSTEMCTL = """\
#!/bin/sh
echo "$@" >>LOG
case $1 in
start) setsid COMMAND >/dev/null 2>&1 & ;;
stop) kill "$(head -1 PID_FILE)"; while [ -e PID_FILE ]; do sleep 0.02; done ;;
esac
"""


@pytest.fixture(autouse=True)
def netns() -> Iterator[None]:
    requires("ss")
    with own_netns():
        yield


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    root = tmp_path / "root"
    root.mkdir()
    host = Host(root)
    yield host
    daemon = alive(host)
    if daemon:
        os.kill(daemon.pid, signal.SIGKILL)
        wait_for(lambda: alive(host) is None)


def slice_(folder: Path, listeners: str, *, unit: str = UNIT) -> Slice:
    """A slice with a listeners.json and the daemon's unit."""
    texts = {
        "nodes/a/listeners.json": listeners,
        "nodes/a/systemd/kcompile-listen.service": unit,
    }
    place = folder / hashlib.sha256((listeners + unit).encode()).hexdigest()
    for path, text in texts.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
    return Slice("a", None, place, digests)


@pytest.fixture
def a(tmp_path: Path) -> Slice:
    return slice_(tmp_path, A)


@pytest.fixture
def b(tmp_path: Path) -> Slice:
    return slice_(tmp_path, B)


def whats(host: Host, before: Slice | None, after: Slice | None) -> list[str]:
    return [" ".join(each[1:]) for each in differences(host, before, after)]


def ports() -> set[str]:
    return {place.rpartition(":")[2] for place in sockets("-l", "-t")}


def pid(host: Host) -> int:
    daemon = alive(host)
    assert daemon
    return daemon.pid


def test_from_nothing_to_nothing(host: Host, a: Slice, b: Slice) -> None:
    assert whats(host, None, a) == [
        f"add {FILE} is not there",
        "add kcompile listen does not run",
        "add 30000/TCP is not held",
        "add 30001/TCP is not held",
        "add 32000/TCP is not held",
    ]
    release(host, None, a)
    converge(host, None, a)
    assert differences(host, a, a) == ()
    assert ports() == {"30000", "30001", "32000"}
    first = pid(host)

    assert whats(host, a, b) == [
        f"change {FILE} is not what is wanted",
        f"change 32000/TCP is for {WEB}: 1), should be for {WEB}: 0)",
        "add 30002/TCP is not held",
        "remove 30001/TCP is held for nothing",
    ]
    release(host, a, b)
    assert ports() == {"30000", "32000"}
    assert health(32000) == "HTTP/1.1 200 OK"
    converge(host, a, b)
    assert differences(host, a, b) == differences(host, b, b) == ()
    assert ports() == {"30000", "30002", "32000"}
    assert health(32000) == "HTTP/1.1 503 Service Unavailable"
    assert pid(host) == first

    release(host, b, a)
    converge(host, b, a)
    assert differences(host, a, a) == ()

    assert "remove kcompile listen runs with nothing to hold" in whats(host, a, None)
    release(host, a, None)
    assert ports() == set()
    converge(host, a, None)
    assert differences(host, a, None) == ()
    assert alive(host) is None
    assert [path for path in host.root.rglob("*") if not path.is_dir()] == []
    assert not host.path(PID_FILE).parent.exists()


def test_a_second_time_touches_nothing(host: Host, a: Slice) -> None:
    converge(host, None, a)
    log = host.path(LOG).read_text()
    first = pid(host)
    written = host.path(FILE).stat().st_mtime_ns
    release(host, a, a)
    converge(host, a, a)
    assert pid(host) == first
    assert host.path(LOG).read_text() == log
    assert host.path(FILE).stat().st_mtime_ns == written


def test_a_killed_daemon_is_found_and_started_again(host: Host, a: Slice) -> None:
    converge(host, None, a)
    os.kill(pid(host), signal.SIGKILL)
    wait_for(lambda: alive(host) is None)
    assert whats(host, a, a)[:2] == [
        "add kcompile listen does not run",
        "add 30000/TCP is not held",
    ]
    converge(host, a, a)
    assert differences(host, a, a) == ()
    assert is_reset(30000)


def test_a_killed_daemon_is_no_reason_not_to_remove(host: Host, a: Slice) -> None:
    converge(host, None, a)
    os.kill(pid(host), signal.SIGKILL)
    wait_for(lambda: alive(host) is None)
    release(host, a, None)
    converge(host, a, None)
    assert differences(host, a, None) == ()
    assert [path for path in host.root.rglob("*") if not path.is_dir()] == []


def test_a_daemon_that_hangs_is_replaced(host: Host, a: Slice, b: Slice) -> None:
    converge(host, None, a)
    first = pid(host)
    os.kill(first, signal.SIGSTOP)
    release(host, a, b)
    assert ports() == {"30000", "32000"}
    assert pid(host) != first
    converge(host, a, b)
    assert differences(host, b, b) == ()


@pytest.mark.parametrize("text", ["", "broken", NOTHING, B, A + " "])
@pytest.mark.parametrize("told", [False, True])
def test_a_file_that_somebody_changed(host: Host, a: Slice, text: str, *, told: bool) -> None:
    converge(host, None, a)
    host.path(FILE).write_text(text)
    if told:
        os.kill(pid(host), signal.SIGHUP)
    assert whats(host, a, a)[0] in {
        f"change {FILE} is not what is wanted",
        f"add {FILE} is not there",
    }
    release(host, a, a)
    converge(host, a, a)
    assert differences(host, a, a) == ()
    assert ports() == {"30000", "30001", "32000"}


def test_a_port_of_another_program(host: Host, a: Slice, b: Slice) -> None:
    converge(host, None, a)
    with socket.create_server(("127.0.0.1", 30002)):
        other = f"30002/TCP is held by process {os.getpid()} ("
        assert any(other in what for what in whats(host, a, b))
        release(host, a, b)
        with pytest.raises(NodeError) as error:
            converge(host, a, b)
        assert other in str(error.value)
        release(host, b, a)
        converge(host, b, a)
        assert differences(host, a, a) == ()
    converge(host, a, b)
    assert differences(host, b, b) == ()


def test_a_daemon_of_an_older_program_is_replaced(host: Host, a: Slice) -> None:
    converge(host, None, a)
    first = pid(host)
    pid_file = host.path(PID_FILE)
    head, facts, _ = pid_file.read_text().split("\n")
    older = json.dumps(json.loads(facts) | {"version": "0.0.1"})
    pid_file.write_text(f"{head}\n{older}\n")
    assert whats(host, a, a) == ["change kcompile listen is of '0.0.1', this is 0.1.0"]
    converge(host, a, a)
    assert differences(host, a, a) == ()
    assert pid(host) != first


def test_no_ports_no_daemon(host: Host, tmp_path: Path, a: Slice) -> None:
    nothing = slice_(tmp_path, NOTHING)
    converge(host, None, nothing)
    assert differences(host, None, nothing) == ()
    assert alive(host) is None
    converge(host, nothing, a)
    converge(host, a, nothing)
    assert differences(host, nothing, nothing) == ()
    assert alive(host) is None


def test_an_image_gets_the_file(tmp_path: Path, a: Slice, b: Slice) -> None:
    image = Host(tmp_path / "image", live=False)
    converge(image, None, a)
    assert image.path(FILE).read_text() == A
    assert alive(image) is None
    assert ports() == set()
    assert differences(image, a, a) == ()
    release(image, a, b)
    converge(image, a, b)
    assert image.path(FILE).read_text() == B
    converge(image, b, None)
    assert not image.path(FILE).exists()


def test_where_systemd_runs_it_starts_and_stops_the_daemon(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a: Slice
) -> None:
    for folder in ("/run/systemd/system", "/etc/systemd/system"):
        host.path(folder).mkdir(parents=True)
    log = tmp_path / "systemctl.log"
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    script = SYSTEMCTL.replace("COMMAND", shlex.join(command(host)))
    script = script.replace("PID_FILE", str(host.path(PID_FILE)))
    program.write_text(script.replace("LOG", str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def commands() -> list[str]:
        done = [line for line in log.read_text().splitlines() if not line.startswith("show ")]
        log.write_text("")
        return done

    log.write_text("")
    converge(host, None, a)
    assert commands() == ["daemon-reload", "start kcompile-listen.service"]
    assert host.path("/etc/systemd/system/kcompile-listen.service").read_text() == UNIT
    assert differences(host, a, a) == ()
    first = pid(host)
    c = slice_(tmp_path, B, unit=UNIT + "# changed\n")
    release(host, a, c)
    converge(host, a, c)
    assert commands() == [
        "daemon-reload",
        "stop kcompile-listen.service",
        "start kcompile-listen.service",
    ]
    assert pid(host) != first
    converge(host, c, c)
    assert commands() == []
    converge(host, c, None)
    assert commands() == ["stop kcompile-listen.service"]
    assert alive(host) is None


@pytest.mark.parametrize("python", pythons(), ids=["this", "3.9"])
def test_the_daemon_outlives_who_started_it(
    host: Host, a: Slice, tmp_path: Path, python: str
) -> None:
    requires(python)
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r});"
        "from pathlib import Path; from kcompile.apply.host import Host;"
        "from kcompile.apply.slices import Slice; from kcompile.apply.listeners import converge;"
        f"converge(Host(Path({str(host.root)!r})), None,"
        f" Slice('a', None, Path({str(a.folder)!r}), {dict(a.files)!r}))"
    )
    # A shell that hangs up on everything in its session when it is done.
    script = f"{shlex.join([python, '-I', '-S', '-c', code])}; kill -HUP 0"
    subprocess.run(["setsid", "--wait", "sh", "-c", script], check=False, cwd=tmp_path)
    assert differences(host, a, a) == ()
    assert is_reset(30000)
