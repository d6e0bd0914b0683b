"""Name servers of other people on a port of 127.0.0.1, serving zones as they are rendered."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from socket import SOCK_DGRAM, SOCK_STREAM, socket
from subprocess import DEVNULL, Popen, TimeoutExpired
from time import monotonic, sleep

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from dns_model import Answer
from kcompile.ir import Zone
from kcompile.render.zones import zone_text

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server says; records as the model has them. `authority` are types of records."""

    answer: Answer
    additional: frozenset[str]
    authority: frozenset[str]
    authoritative: bool


@dataclass(frozen=True, slots=True)
class NameServer:
    port: int

    def ask(self, name: str, kind: str, *, timeout: float = 5) -> Reply:
        query = dns.message.make_query(name, kind, use_edns=0, payload=4096)
        query.flags &= ~dns.flags.RD
        reply = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=timeout)
        return Reply(
            Answer(dns.rcode.to_text(reply.rcode()), tuple(sorted(_records(reply.answer)))),
            frozenset(_records(reply.additional)),
            frozenset(dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.authority),
            bool(reply.flags & dns.flags.AA),
        )


def _records(rrsets: Iterable[dns.rrset.RRset]) -> Iterator[str]:
    for rrset in rrsets:
        for data in rrset:
            yield f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {data}"


@contextmanager
def serving(
    program: str, folder: Path, zones: Iterable[Zone], *, options: str = "", ready: str = ""
) -> Iterator[NameServer]:
    """`program` is named, nsd or knotd, `options` more of named's, `ready` a zone that is asked
    whether the server is up. Skips the test where it is not installed."""
    path = which(program, path=_PATH)
    if path is None:
        pytest.skip(f"{program} is not installed")
    files = {}
    for zone in zones:
        file = folder / f"db.{zone.origin}"
        file.write_text(zone_text(zone), "utf-8")
        files[zone.origin] = file
    port = _free_port()
    text = _CONFIGURATIONS[program](folder, port, files).replace(
        "notify no;", f"{options}notify no;"
    )
    (folder / "conf").write_text(text, "utf-8")
    command = [path, *_ARGUMENTS[program], "-c", str(folder / "conf")]
    with Popen(command, stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            server = NameServer(port)
            _wait(process, server, ready or min(files))
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except TimeoutExpired:
                process.kill()


def _free_port() -> int:
    """A port that is free over UDP and TCP."""
    while True:
        with socket(type=SOCK_STREAM) as tcp, socket(type=SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _wait(process: Popen[bytes], server: NameServer, origin: str) -> None:
    end = monotonic() + 20
    while monotonic() < end and process.poll() is None:
        try:
            if server.ask(origin, "SOA", timeout=0.5).answer.records:
                return
        except (OSError, dns.exception.DNSException):
            pass
        sleep(0.05)
    pytest.fail(f"the server did not answer within 20 seconds: {process.args!r}")


def _bind(folder: Path, port: int, files: Mapping[str, Path]) -> str:
    # Names of topology zones below an underscore are no host names.
    head = (
        f'options {{ directory "{folder}"; pid-file none; session-keyfile none; recursion no;\n'
        f"listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n"
        "notify no; empty-zones-enable no; check-names primary ignore; };\ncontrols { };\n"
    )
    return head + "".join(
        f'zone "{origin}" {{ type primary; file "{file}"; }};\n' for origin, file in files.items()
    )


def _nsd(folder: Path, port: int, files: Mapping[str, Path]) -> str:
    head = (
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  database: ""\n'
        f'  server-count: 1\n  zonesdir: "{folder}"\n  pidfile: "{folder}/nsd.pid"\n'
        f'  zonelistfile: "{folder}/zone.list"\n  xfrdfile: "{folder}/xfrd.state"\n'
        f'  xfrdir: "{folder}"\n  logfile: "{folder}/nsd.log"\n'
        "remote-control:\n  control-enable: no\n"
    )
    return head + "".join(
        f'zone:\n  name: "{origin}"\n  zonefile: "{file}"\n' for origin, file in files.items()
    )


def _knot(folder: Path, port: int, files: Mapping[str, Path]) -> str:
    head = (
        f"server:\n    listen: 127.0.0.1@{port}\n    rundir: {folder}\n    udp-workers: 1\n"
        f"    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: {folder}\n"
        "template:\n  - id: default\n    journal-content: none\n    zonefile-load: whole\nzone:\n"
    )
    return head + "".join(
        f"  - domain: {origin}\n    file: {file}\n" for origin, file in files.items()
    )


_CONFIGURATIONS: Mapping[str, Callable[[Path, int, Mapping[str, Path]], str]] = {
    "named": _bind,
    "nsd": _nsd,
    "knotd": _knot,
}
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "named": ("-g", "-n", "1"),
    "nsd": ("-d",),
    "knotd": (),
}
SERVERS = tuple(_CONFIGURATIONS)
