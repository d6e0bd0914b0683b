"""A machine below a folder, with a name server of its operator's, and slices for it."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kcompile.apply.dns import query
from kcompile.apply.failures import CommandError
from kcompile.apply.host import TIMEOUT, Done, Host
from kcompile.apply.slices import Slice
from kcompile.apply.verify import read_slice
from lab.kernel import OWN_NETNS, enter, new_netns

NODE_ADDRESS = "169.254.20.10"
FOREIGN = "corp.example"
FOREIGN_ZONE = """\
corp.example. 60 IN SOA ns.corp.example. nobody.example. 77 3600 600 86400 60
corp.example. 60 IN NS ns.corp.example.
ns.corp.example. 60 IN A 192.0.2.53
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {clusterIP: 10.96.0.100, ports: [{port: 80}]}
"""


def make_slice(folder: Path, service: str, service_cidr: str) -> Slice:
    """What a build makes for a node of a cluster with one Service."""
    folder.mkdir()
    (folder / "m.yaml").write_text(SERVICE.replace("NAME", service))
    options = ("--no-lock", "--no-prove", "--service-cidr", service_cidr, "--node", "n=192.0.2.1")
    build = (sys.executable, "-m", "kcompile.cli.main", "build", "m.yaml", *options)
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    return read_slice(folder / "bundle", "n")


def altered(slice_: Slice, folder: Path, path: str, text: str) -> Slice:
    """A slice with another text in one of its files."""
    shutil.copytree(slice_.folder, folder)
    (folder / path).unlink()  # a hard link
    (folder / path).write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return replace(slice_, folder=folder, files={**slice_.files, path: digest})


@dataclass(frozen=True)
class Program:
    """How an operator has one of the servers: its configuration by the file's path, where `ROOT`
    is the machine's folder, and how it is started."""

    name: str
    main: str
    files: Mapping[str, str]
    start: Sequence[str]


BIND = Program(
    "bind",
    "/etc/bind/named.conf",
    {
        "/etc/bind/named.conf": (
            'options { directory "ROOT/var"; pid-file none; session-keyfile none;\n'
            "  recursion no; empty-zones-enable no; dnssec-validation no; };\n"
            'include "ROOT/etc/bind/rndc.key";\n'
            'controls { inet 127.0.0.1 allow { localhost; } keys { "k"; }; };\n'
            f'zone "{FOREIGN}" {{ type primary; file "ROOT/etc/bind/foreign"; }};'
        ),
        "/etc/bind/foreign": FOREIGN_ZONE,
        "/etc/bind/rndc.key": 'key "k" { algorithm hmac-sha256; secret "MTIzNDU2Nzg5MDEyMzQ1Ng=="; };\n',
    },
    ("named", "-g", "-n", "1", "-c"),
)
NSD = Program(
    "nsd",
    "/etc/nsd/nsd.conf",
    {
        "/etc/nsd/nsd.conf": (
            f"server:\n  ip-address: 127.0.0.1\n  ip-address: {NODE_ADDRESS}\n"
            '  username: ""\n  database: ""\n  server-count: 1\n  pidfile: ""\n'
            '  zonelistfile: "ROOT/var/zone.list"\n  xfrdfile: "ROOT/var/xfrd.state"\n'
            '  xfrdir: "ROOT/var"\n  logfile: "ROOT/var/log"\n'
            'remote-control:\n  control-enable: yes\n  control-interface: "ROOT/var/nsd.ctl"\n'
            'include: "ROOT/etc/nsd/nsd.conf.d/*.conf"\n'
        ),
        "/etc/nsd/nsd.conf.d/corp.conf": (
            f'zone:\n  name: "{FOREIGN}"\n  zonefile: "ROOT/etc/nsd/foreign"\n'
        ),
        "/etc/nsd/foreign": FOREIGN_ZONE,
    },
    ("nsd", "-d", "-c"),
)
KNOT = Program(
    "knot",
    "/etc/knot/knot.conf",
    {
        "/etc/knot/knot.conf": (
            "server:\n    listen: [ 0.0.0.0@53, ::@53 ]\n    rundir: ROOT/var\n    udp-workers: 1\n"
            "    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: ROOT/var\n"
            "include: zones.conf\n"
        ),
        "/etc/knot/zones.conf": f"zone:\n  - domain: {FOREIGN}\n    file: ROOT/etc/knot/foreign\n",
        "/etc/knot/foreign": FOREIGN_ZONE,
    },
    ("knotd", "-c"),
)
UNBOUND = Program(
    "unbound",
    "/etc/unbound/unbound.conf",
    {
        "/etc/unbound/unbound.conf": (
            'server:\n  directory: ""\n  chroot: ""\n  username: ""\n  pidfile: ""\n'
            f"  interface: 127.0.0.1\n  interface: {NODE_ADDRESS}\n  use-syslog: no\n"
            'remote-control:\n  control-enable: yes\n  control-interface: "ROOT/var/unbound.ctl"\n'
            'include-toplevel: "ROOT/etc/unbound/unbound.conf.d/*.conf"\n'
        ),
        "/etc/unbound/unbound.conf.d/corp.conf": (
            f'auth-zone:\n  name: "{FOREIGN}"\n  zonefile: "ROOT/etc/unbound/foreign"\n'
            "  for-upstream: no\n"
        ),
        "/etc/unbound/foreign": FOREIGN_ZONE,
    },
    ("unbound", "-d", "-c"),
)
COREDNS = Program("coredns", "/etc/coredns/Corefile", {"/etc/coredns/Corefile": ". {\n}\n"}, ())
PROGRAMS = {program.name: program for program in (BIND, UNBOUND, NSD, KNOT, COREDNS)}


def install(root: Path, program: Program) -> None:
    """The operator's files, with a mode of their own."""
    for path, text in program.files.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("ROOT", str(root)))
        file.chmod(0o640)
    (root / "var").mkdir(exist_ok=True)


def operators_files(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below /etc with its mode, and every folder."""
    return {
        str(path.relative_to(root)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mode,
        )
        for path in sorted((root / "etc").rglob("*"))
    }


@contextmanager
def network(address: str = NODE_ADDRESS) -> Iterator[None]:
    """A network namespace with nothing but a loopback interface that has the node's address."""
    home = os.open(OWN_NETNS, os.O_RDONLY)
    netns = new_netns()
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        if address:
            add_address(address)
        yield
    finally:
        enter(home)
        os.close(netns)
        os.close(home)


def add_address(address: str) -> None:
    subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)


@contextmanager
def running(root: Path, program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """The server, once it answers for its operator's zone."""
    main = str(root / program.main.lstrip("/"))
    with (root / "var" / "said").open("wb") as said:
        process = subprocess.Popen([*program.start, main], stdout=said, stderr=said)
    try:
        wait(lambda: answers(FOREIGN) == ("77", "77"), (root / "var/said").read_text)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(zone: str) -> tuple[str, str]:
    return query.serials("127.0.0.1", zone)


def wait(is_so: Callable[[], bool], why: Callable[[], str] = str) -> None:
    for _ in range(200):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError(f"it does not come about: {why()}")


@dataclass(frozen=True)
class Machine(Host):
    """Its key for rndc is where its root is, too."""

    def ask(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> Done:
        key = ("-k", str(self.path("/etc/bind/rndc.key"))) if argv[0] == "rndc" else ()
        return super().ask([argv[0], *key, *argv[1:]], stdin, timeout=timeout)


@dataclass(frozen=True)
class Hampered(Machine):
    """A machine on which a program is missing, fails or hangs."""

    program: str = ""
    how: str = ""

    def has(self, program: str) -> bool:
        return (program, self.how) != (self.program, "missing") and super().has(program)

    def ask(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> Done:
        if argv[0] != self.program:
            return super().ask(argv, stdin, timeout=timeout)
        if self.how == "missing":
            raise CommandError(f"{argv[0]} is not installed")
        if self.how == "hanging":
            return super().ask(["sleep", "60"], timeout=0.1)
        return super().ask(["sh", "-c", "echo it cannot >&2; exit 1"])


@dataclass(frozen=True)
class Dying(Machine):
    """kcompile is killed when it comes to run that many programs."""

    calls: list[str] = field(default_factory=list)
    moment: int = 0

    def ask(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> Done:
        self.calls.append(argv[0])
        if len(self.calls) == self.moment:
            raise KeyboardInterrupt
        return super().ask(argv, stdin, timeout=timeout)


@dataclass(frozen=True)
class Supervised(Machine):
    """systemd runs here, and has a unit by the names in `units`."""

    units: tuple[str, ...] = ()
    start: Callable[[], object] = str

    def ask(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> Done:
        if argv[0] != "systemctl":
            return super().ask(argv, stdin, timeout=timeout)
        if argv[-1] not in self.units:
            return Done(1, "", "")
        if argv[1] == "start":
            self.start()
        return Done(0, "", "")
