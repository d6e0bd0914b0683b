"""Questions and answers: of a model of a name server, and of BIND on a loopback port."""

from collections.abc import Iterator
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
import pytest

from dns_cluster import demo
from dns_model import Answer, Server
from kcompile.lower.zones import lower_zones
from kcompile.render.zones import zone_text

ANSWERS = Path(__file__).parent / "data" / "dns" / "answers.txt"


def questions() -> list[tuple[str, str, str]]:
    """Name, type, expected."""
    found = []
    for line in ANSWERS.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            question, _, expected = line.partition(" = ")
            name, kind = question.split()
            found.append((name if name.endswith(".") else f"{name}.cluster.local.", kind, expected))
    return found


def shown(answer: Answer) -> str:
    if answer.rcode != "NOERROR":
        return answer.rcode
    data = [record.split(" ", 3)[3] for record in answer.records]
    return ", ".join(sorted(data, key=_by_number)) or "NODATA"


def _by_number(data: str) -> list[tuple[int, str]]:
    return [(int(word), "") if word.isdigit() else (-1, word) for word in data.split()]


@pytest.fixture(scope="module")
def model() -> Server:
    return Server(lower_zones(demo()))


@pytest.mark.parametrize(("name", "kind", "expected"), questions())
def test_a_model_of_a_name_server_answers(
    model: Server, name: str, kind: str, expected: str
) -> None:
    assert shown(model.ask(name, kind)) == expected


def test_aliases_are_followed_within_the_zones(model: Server) -> None:
    alias = "ext-in.default.svc.cluster.local. 30 CNAME httpd-svc.default.svc.cluster.local."
    assert model.ask("ext-in.default.svc.cluster.local.", "A") == Answer(
        "NOERROR", (alias, "httpd-svc.default.svc.cluster.local. 30 A 10.96.203.6")
    )
    assert model.ask("ext-in.default.svc.cluster.local.", "AAAA") == Answer("NOERROR", (alias,))


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A BIND that serves the zones on 127.0.0.1; its port."""
    named = which("named", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if named is None:
        pytest.skip("named (Debian: bind9) is not installed")
    folder = tmp_path_factory.mktemp("named")
    port = _free_port()
    (folder / "named.conf").write_text(_named_conf(folder, port), "utf-8")
    command = [named, "-g", "-n", "1", "-c", str(folder / "named.conf")]
    with Popen(command, stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            _wait(process, port)
            yield port
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


def _named_conf(folder: Path, port: int) -> str:
    zones = []
    for zone in lower_zones(demo()):
        path = folder / f"db.{zone.origin}"
        path.write_text(zone_text(zone), "utf-8")
        zones.append(f'zone "{zone.origin}" {{ type primary; file "{path}"; }};\n')
    return (
        f'options {{ directory "{folder}"; pid-file none; session-keyfile none; recursion no;\n'
        f"listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n"
        "notify no; empty-zones-enable no; };\n"
        "controls { };\n"
    ) + "".join(zones)


def _wait(process: Popen[bytes], port: int) -> None:
    end = monotonic() + 20
    while monotonic() < end and process.poll() is None:
        try:
            ask(port, "cluster.local.", "SOA", timeout=0.5)
        except (OSError, dns.exception.DNSException):
            sleep(0.05)
        else:
            return
    pytest.fail("named did not answer within 20 seconds")


def ask(port: int, name: str, kind: str, *, timeout: float = 5) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    query.flags &= ~dns.flags.RD
    return dns.query.tcp(query, "127.0.0.1", port=port, timeout=timeout)


@pytest.mark.parametrize(("name", "kind", "expected"), questions())
def test_bind_answers(bind: int, name: str, kind: str, expected: str) -> None:
    answer = ask(bind, name, kind)
    records = [
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {data}"
        for rrset in answer.answer
        for data in rrset
    ]
    assert answer.flags & dns.flags.AA
    assert shown(Answer(dns.rcode.to_text(answer.rcode()), tuple(records))) == expected
    if not records:
        (soa,) = answer.authority
        assert soa.rdtype == dns.rdatatype.SOA
