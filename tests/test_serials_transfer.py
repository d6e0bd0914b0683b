"""A real secondary follows: BIND serves the zones of each build, Knot is notified and fetches them.

On loopback and high ports, so it needs no root.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which

import dns.message
import dns.query
import dns.zone
import pytest

from cli_runs import SERVICE, Run

SBIN = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin"
HOST = "127.0.0.1"
PATIENCE = 20  # seconds; a step takes a fraction of one
RANGES = ("--service-cidr", "10.96.0.0/24", "--pod-network-cidr", "10.244.0.0/24")
ZONES = ("cluster.local", "0.96.10.in-addr.arpa", "0.244.10.in-addr.arpa")
NAMED = """\
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile none;
    listen-on port {port} {{ {host}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    allow-transfer {{ {host}; }};
    ixfr-from-differences yes;
    notify explicit;
    also-notify {{ {host} port {secondary}; }};
    notify-delay 0;
}};
controls {{ }};
"""
NAMED_ZONE = """\
zone "{zone}" {{
    type primary;
    file "{bundle}/dns/db.{zone}";
    journal "{zone}.jnl";
}};
"""
KNOT = """\
server:
  listen: {host}@{port}
  rundir: {folder}
database:
  storage: {folder}
log:
- target: stderr
  any: notice
remote:
- id: primary
  address: {host}@{primary}
acl:
- id: primary
  address: {host}
  action: [notify, transfer]
template:
- id: default
  storage: {folder}
  master: primary
  acl: primary
zone:
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


@pytest.fixture
def servers(run: Run) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """BIND, which a signal makes read the bundle's zones again, and the ports of both."""
    programs = {"named": "bind9", "knotd": "knot"}
    for program, package in programs.items():
        if which(program, path=SBIN) is None:
            pytest.skip(f"{program} (Debian: {package}) is not installed")
    run.service("m/a.yaml", "a")
    build(run, "--serial", str(2**32 - 2))
    primary, secondary = free_port(), free_port()
    folders = {name: run.folder / name for name in ("bind", "knot")}
    for folder in folders.values():
        folder.mkdir()
    named = folders["bind"] / "named.conf"
    text = NAMED.format(folder=folders["bind"], host=HOST, port=primary, secondary=secondary)
    bundle = run.folder / "bundle"
    named.write_text(text + "".join(NAMED_ZONE.format(zone=z, bundle=bundle) for z in ZONES))
    knot = folders["knot"] / "knot.conf"
    text = KNOT.format(folder=folders["knot"], host=HOST, port=secondary, primary=primary)
    knot.write_text(text + "".join(f"- domain: {zone}\n" for zone in ZONES))
    with ExitStack() as stack:
        bind = stack.enter_context(running("named", "-f", "-c", str(named), folder=folders["bind"]))
        wait_for(lambda: serial(primary, ZONES[0]) is not None, "BIND to answer")
        stack.enter_context(running("knotd", "-c", str(knot), folder=folders["knot"]))
        yield bind, primary, secondary


def test_a_secondary_picks_each_change_up(
    run: Run, servers: tuple[subprocess.Popen[bytes], int, int]
) -> None:
    bind, primary, secondary = servers
    followed(run, secondary, dict.fromkeys(ZONES, 2**32 - 2))
    last = 2**32 - 1
    for edit, expected in (
        (lambda: port(run, "a", 81), (last, last - 1, last - 1)),
        (lambda: port(run, "b", 80), (1, last, last - 1)),
        (lambda: None, (1, last, last - 1)),
        ((run.folder / "m/b.yaml").unlink, (2, 1, last - 1)),
        (lambda: pods(run), (3, 1, last)),
        (lambda: port(run, "a", 80), (4, 1, last)),
    ):
        edit()
        build(run)
        bind.send_signal(1)
        followed(run, secondary, dict(zip(ZONES, expected, strict=True)))
    assert serial(primary, ZONES[0]) == 4


def build(run: Run, *more: str) -> None:
    answer = run("build", "m", *RANGES, "--zone-serial", "zones.serials", *more)
    assert answer.code == 0, answer.err


def port(run: Run, name: str, number: int) -> None:
    run.write(f"m/{name}.yaml", SERVICE.replace("NAME", name).replace("80", str(number)))


def pods(run: Run) -> None:
    run.deployment("m/pods.yaml", "a")


def followed(run: Run, secondary: int, expected: dict[str, int]) -> None:
    """The secondary has these serials, and then what the zone files hold."""
    for zone, number in expected.items():
        wait_for(lambda: serial(secondary, zone) == number, f"{zone} with serial {number}")  # noqa: B023 - called at once
        text = (run.folder / "bundle" / "dns" / f"db.{zone}").read_text()
        fetched = dns.zone.Zone(zone, relativize=False)
        dns.query.inbound_xfr(HOST, fetched, port=secondary, lifetime=PATIENCE)
        assert fetched == dns.zone.from_text(text, origin=zone, relativize=False)


def serial(port: int, zone: str) -> int | None:
    """What a server says; None if it does not have the zone yet."""
    question = dns.message.make_query(zone, "SOA")
    try:
        answer = dns.query.udp(question, HOST, port=port, timeout=0.5)
    except (OSError, dns.exception.Timeout):
        return None
    return answer.answer[0][0].serial if answer.answer else None


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, f"waited {PATIENCE} seconds for {what}"
        time.sleep(0.02)


def free_port() -> int:
    """A port that neither UDP nor TCP uses."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind((HOST, 0))
        number: int = udp.getsockname()[1]
        tcp.bind((HOST, number))
        return number


@contextmanager
def running(program: str, *arguments: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    path = which(program, path=SBIN)
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen([str(path), *arguments], cwd=folder, stdout=log, stderr=log)
        try:
            yield started
        finally:
            started.terminate()
            started.wait(PATIENCE)
