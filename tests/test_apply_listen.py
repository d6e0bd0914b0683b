"""`kcompile listen`: what holds node ports, refuses who comes too far, and answers health checks."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.needs import requires, requires_ipv6
from listening import (
    ask,
    daemon,
    health,
    health_check,
    is_reset,
    listener,
    listeners_text,
    own_netns,
    pythons,
    refusal,
    sockets,
    wait_for,
)

GET = b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"
BODY = """\
{
\t"service": {
\t\t"namespace": "default",
\t\t"name": "web"
\t},
\t"localEndpoints": COUNT,
\t"serviceProxyHealthy": true
}"""


@pytest.fixture(autouse=True)
def netns() -> Iterator[None]:
    requires("ss")
    with own_netns():
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "listeners.json"


def memory(pid: int) -> int:
    """Resident kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"(?m)^VmRSS:\s+(\d+) kB$", status)[0])


@pytest.mark.parametrize("python", pythons(), ids=["this", "3.9"])
def test_ten_thousand_clients_are_refused_and_nothing_is_left_of_them(
    file: Path, python: str
) -> None:
    requires(python)
    file.write_text(listeners_text([listener(30000)], [health_check(32000, 1)]))
    with daemon(file, python=python) as running, ExitStack() as slow:
        for number in range(400):
            client = slow.enter_context(socket.create_connection(("127.0.0.1", 32000)))
            client.sendall(b"GET / HT"[number % 2 * 8 :])
            if number % 10 == 0:
                client.close()
        assert all(is_reset(30000) for _ in range(10_000))
        assert health(32000) == "HTTP/1.1 200 OK"
        slow.close()
        wait_for(lambda: sockets("-t", "state", "close-wait") == [])
        assert memory(running.pid) < 30_000
        log = running.logged("refused")
        assert "127.0.0.1 at node port 30000/TCP (default/web)" in log
        assert log.count("refused") < 4
        running.stop()
        assert "others before: no rule led it to a pod" in running.logged("stopped")


def test_ports_are_seen_and_nobody_else_has_them(file: Path) -> None:
    requires_ipv6()
    file.write_text(
        listeners_text(
            [
                listener(30001),
                listener(30002, families=["IPv4"]),
                listener(30003, families=["IPv6"]),
                listener(30004, addresses=["127.0.0.2", "::1", "192.0.2.1"]),
                listener(30005, families=["IPv4"], addresses=["127.0.0.2", "::1"]),
                listener(30006, "UDP"),
                listener(30007, "SCTP"),
            ]
        )
    )
    with daemon(file):
        assert sockets("-l", "-t") == [
            "*:30001",
            "0.0.0.0:30002",
            "127.0.0.2:30004",
            "127.0.0.2:30005",
            "192.0.2.1:30004",
            "[::1]:30004",
            "[::]:30003",
        ]
        assert sockets("-l", "-u") == []
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for port in (30001, 30002):
                with pytest.raises(OSError, match="in use"):
                    other.bind(("127.0.0.1", port))
        assert is_reset(30001)
        assert is_reset(30001, "::1")
        assert is_reset(30003, "::1")
        with pytest.raises(ConnectionRefusedError):
            is_reset(30003)


def test_udp_ports_are_held_if_asked(file: Path) -> None:
    file.write_text(listeners_text([listener(30006, "UDP", families=["IPv4"])]))
    with daemon(file, "--hold-udp"):
        assert sockets("-l", "-u") == ["0.0.0.0:30006"]


def test_health_is_told_as_kube_proxy_tells_it(file: Path) -> None:
    checks = [health_check(32000, 3), health_check(32001, 0)]
    file.write_text(listeners_text([], checks))
    with daemon(file):
        for port, count, status in ((32000, 3, "200 OK"), (32001, 0, "503 Service Unavailable")):
            head, _, body = ask(port, GET).decode().partition("\r\n\r\n")
            assert body == BODY.replace("COUNT", str(count))
            assert json.loads(body)["localEndpoints"] == count
            first, *fields = head.split("\r\n")
            assert first == f"HTTP/1.1 {status}"
            assert {field for field in fields if not field.startswith("Date: ")} == {
                "Content-Type: application/json",
                "X-Content-Type-Options: nosniff",
                f"X-Load-Balancing-Endpoint-Weight: {count}",
                f"Content-Length: {len(body)}",
                "Connection: close",
            }


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /any/path?x=1 HTTP/1.0\r\n\r\n", "200 OK"),
        (b"GET / HTTP/1.1\nHost: a\n\n", "200 OK"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + 70000 * b"x", "200 OK"),
        (GET + GET, "200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"),
        (b"\x16\x03\x01\x00\xff\xff\xff\r\n\r\n", "400 Bad Request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + 9000 * b"x", "431 Request Header Fields Too Large"),
    ],
)
def test_what_clients_of_health_checks_may_say(file: Path, request_: bytes, status: str) -> None:
    file.write_text(listeners_text([], [health_check(32000, 1)]))
    with daemon(file):
        assert ask(32000, request_).startswith(f"HTTP/1.1 {status}\r\n".encode())
        head = ask(32000, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert b"Content-Length: 1" in head


def test_a_request_may_come_in_pieces(file: Path) -> None:
    file.write_text(listeners_text([], [health_check(32000, 1)]))
    with daemon(file), socket.create_connection(("127.0.0.1", 32000)) as client:
        for byte in GET:
            client.sendall(bytes([byte]))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_who_says_nothing_is_sent_away(file: Path) -> None:
    file.write_text(listeners_text([], [health_check(32000, 1)]))
    with daemon(file), socket.create_connection(("127.0.0.1", 32000), timeout=8) as client:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert health(32000) == "HTTP/1.1 200 OK"


def test_a_reload_keeps_the_sockets_that_stay(file: Path) -> None:
    def inodes() -> dict[str, str]:
        out = subprocess.run(["ss", "-Hlnte"], check=True, capture_output=True, text=True).stdout
        return dict(re.findall(r"(?m)^\S+\s+\S+\s+\S+\s+\S+:(\d+) .* ino:(\d+)", out))

    file.write_text(listeners_text([listener(30000), listener(30001)], [health_check(32000, 1)]))
    with daemon(file) as running:
        before = inodes()
        file.write_text(
            listeners_text([listener(30000), listener(30002)], [health_check(32000, 0)])
        )
        running.hang_up()
        running.logged("node ports: ", 2)
        after = inodes()
        assert after.keys() == {"30000", "30002", "32000"}
        assert (after["30000"], after["32000"]) == (before["30000"], before["32000"])
        assert health(32000).startswith("HTTP/1.1 503 ")
        file.write_text("{")
        running.hang_up()
        assert f"{file} is no list of listeners" in running.logged("is still held")
        assert inodes() == after
        file.unlink()
        running.hang_up()
        assert "cannot be read: No such file" in running.logged("is still held", 2)
        assert inodes() == after
        assert running.stop() == 0


def test_clients_are_answered_while_files_change(file: Path) -> None:
    texts = [
        listeners_text([listener(30000 + i) for i in range(200)], [health_check(32000, count)])
        for count in (1, 2)
    ]
    file.write_text(texts[0])
    with daemon(file) as running:
        answers: list[str] = []
        thread = threading.Thread(
            target=lambda: answers.extend(health(32000) for _ in range(200)), daemon=True
        )
        thread.start()
        for turn in range(20):
            staged = file.with_suffix(".new")
            staged.write_text(texts[turn % 2])
            staged.replace(file)
            running.hang_up()
        thread.join()
        assert answers == ["HTTP/1.1 200 OK"] * 200


def test_a_port_that_is_taken_is_named_and_had_later(file: Path) -> None:
    file.write_text(listeners_text([listener(30000), listener(30001)]))
    with socket.create_server(("127.0.0.1", 30001)) as other, daemon(file) as running:
        assert "port 30001/TCP is taken by another program" in running.logged("taken")
        assert is_reset(30000)
        other.close()
        running.logged("node ports: ", 2)
        assert is_reset(30001)


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(file: Path, tmp_path: Path, *, abstract: bool) -> None:
    name = "@kcompile-test" if abstract else str(tmp_path / "notify")
    file.write_text(listeners_text([listener(30000)]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(10)
        with daemon(file, NOTIFY_SOCKET=name) as running:
            ready = "READY=1\nSTATUS=node ports: 1, health checks: 0"
            assert manager.recv(4096).decode() == ready
            running.hang_up()
            said = manager.recv(4096).decode()
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", said)
            assert manager.recv(4096).decode() == ready
            file.write_text("[]")
            running.hang_up()
            manager.recv(4096)
            assert "is no list of listeners" in manager.recv(4096).decode()
            running.stop()
            assert manager.recv(4096) == b"STOPPING=1"


def test_one_daemon_has_a_pid_file(file: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "run" / "pid"
    words = ("--pid-file", str(pid_file))
    file.write_text(listeners_text([listener(30000)]))
    with daemon(file, *words) as running:
        assert int(pid_file.read_text().splitlines()[0]) == running.pid
        assert f"already running as process {running.pid}" in refusal(file, *words)
        os.kill(running.pid, signal.SIGKILL)
        running.process.wait()
    assert pid_file.exists()
    with daemon(file, *words) as running:
        assert int(pid_file.read_text().splitlines()[0]) == running.pid
        running.stop()
    assert not pid_file.exists()
