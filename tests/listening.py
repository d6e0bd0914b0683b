"""`kcompile listen` as a process of its own, in a network namespace of the test's."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kcompile
from lab import needs
from lab.kernel import OWN_NETNS, enter, new_netns

SOURCE = Path(kcompile.__file__).parent.parent
START = (
    f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from kcompile.apply.listen import main;"
    " sys.exit(main(sys.argv[1:]))"
)
PATIENCE = 10.0  # seconds, where something must happen


@contextmanager
def own_netns() -> Iterator[None]:
    """This thread, and what it starts, in a new network namespace with its loopback up."""
    needs.requires()
    home = os.open(OWN_NETNS, os.O_RDONLY)
    netns = new_netns()
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        enter(home)
        os.close(netns)
        os.close(home)


def pythons() -> list[str]:
    """This one, and the oldest that nodes may have."""
    versions = sorted(Path.home().glob(".pyenv/versions/3.9*/bin/python3"))
    oldest = str(versions[0]) if versions else shutil.which("python3.9")
    return [sys.executable, oldest or "python3.9"]


def listener(port: int, protocol: str = "TCP", **more: Any) -> dict[str, Any]:
    found = {
        "port": port,
        "protocol": protocol,
        "families": ["IPv4", "IPv6"],
        "addresses": [],
        "service": "default/web",
        "portName": "http",
    }
    return found | more


def health_check(port: int, count: int, **more: Any) -> dict[str, Any]:
    check = {"port": port, "addresses": [], "service": "default/web", "localEndpoints": count}
    return check | more


def listeners_text(
    listeners: Sequence[dict[str, Any]] = (), checks: Sequence[dict[str, Any]] = (), **more: Any
) -> str:
    whole = {"version": 1, "node": "a", "listeners": list(listeners), "healthChecks": list(checks)}
    return json.dumps(whole | more)


class Daemon:
    """The process, and the lines that it logged."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._logged = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def logged(self, text: str, count: int = 1) -> str:
        """All that was logged, once `text` is in it so often."""

        def there() -> bool:
            assert self.process.stderr is not None
            if select.select([self.process.stderr], [], [], 0.02)[0]:
                self._logged += os.read(self.process.stderr.fileno(), 65536)
            return self._logged.decode().count(text) >= count

        wait_for(there)
        return self._logged.decode()

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def daemon(
    file: Path, *arguments: str, python: str = sys.executable, **env: str
) -> Iterator[Daemon]:
    """A daemon that has read its file."""
    process = subprocess.Popen(
        [python, "-I", "-S", "-c", START, *arguments, str(file)],
        stderr=subprocess.PIPE,
        env=os.environ | env,
    )
    with process:
        try:
            running = Daemon(process)
            running.logged("node ports: ")
            yield running
        finally:
            process.kill()


def refusal(file: Path, *arguments: str) -> str:
    """What a daemon says that ends with status 1."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", START, *arguments, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def sockets(*options: str) -> list[str]:
    """What ss shows of them: `ADDRESS:PORT`, sorted."""
    out = subprocess.run(
        ["ss", "-H", "-n", *options], check=True, capture_output=True, text=True
    ).stdout
    return sorted(line.split()[3] for line in out.splitlines())


def is_reset(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a client is told at once that nobody is there."""
    try:
        with socket.create_connection((address, port), timeout=1) as client:
            return client.recv(1) == b"never"
    except ConnectionResetError:
        return True


def ask(port: int, request: bytes, address: str = "127.0.0.1") -> bytes:
    """The whole answer to a request."""
    with socket.create_connection((address, port), timeout=PATIENCE) as client:
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def health(port: int) -> str:
    """The status line of a health check."""
    return ask(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").partition(b"\r\n")[0].decode()
