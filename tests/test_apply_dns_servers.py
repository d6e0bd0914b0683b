"""Zones go into a name server that its operator runs, whose own zones it keeps answering for."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apply_dns import (
    BIND,
    FOREIGN,
    NODE_ADDRESS,
    PROGRAMS,
    Dying,
    Hampered,
    Machine,
    Program,
    altered,
    answers,
    install,
    make_slice,
    network,
    operators_files,
    running,
    wait,
)
from kcompile.apply.dns import converge, differences, query, recorded_choice
from kcompile.apply.dns.places import Place, find_pid, recorded
from kcompile.apply.dns.snippets import serial, zones
from kcompile.apply.failures import CommandError, NodeError
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice
from lab.needs import requires

SERVERS = [name for name in PROGRAMS if name != "coredns"]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    return make_slice(tmp_path_factory.mktemp("one") / "w", "web", "10.96.0.0/24")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    """Another Service, and another zone more."""
    return make_slice(tmp_path_factory.mktemp("two") / "w", "api", "10.96.0.0/23")


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    """One of the servers, as its operator runs it with a zone of theirs: BIND if not told."""
    program = PROGRAMS[getattr(request, "param", "bind")]
    requires("ip", program.start[0])
    install(tmp_path, program)
    with network(), running(tmp_path, program):
        yield program


each_server = pytest.mark.parametrize("server", SERVERS, indirect=True)


def served(slice_: Slice) -> bool:
    return all(
        query.serials(NODE_ADDRESS, zone) == (serial(slice_, zone),) * 2 for zone in zones(slice_)
    )


def gone(slice_: Slice) -> bool:
    return not any(serial(slice_, zone) in answers(zone) for zone in zones(slice_))


class foreign_zone_answering:  # noqa: N801 - a context
    """Asks for the operator's zone all the time."""

    def __enter__(self) -> None:
        self.ended = threading.Event()
        self.wrong: list[tuple[str, str]] = []
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        assert not self.wrong

    def ask(self) -> None:
        while not self.ended.wait(0.01):
            said = answers(FOREIGN)
            if said[1] != "77":  # Unbound ends connections when its configuration changes
                said = answers(FOREIGN)
            if said != ("77", "77"):
                self.wrong.append(said)


@each_server
@pytest.mark.usefixtures("server")
def test_the_whole_life(tmp_path: Path, one: Slice, two: Slice) -> None:
    host = Machine(tmp_path)
    before = operators_files(tmp_path)
    assert {d.action for d in differences(host, None, one)} == {"add"}
    with foreign_zone_answering():
        converge(host, None, one)
        assert differences(host, one, one) == ()
        assert served(one)

        (extra,) = set(zones(two)) - set(zones(one))
        assert f"zone {extra}" in {d.what for d in differences(host, one, two)}
        converge(host, one, two)
        assert differences(host, two, two) == ()
        assert served(two)

        converge(host, two, one)  # back
        assert differences(host, one, one) == ()
        assert served(one)
        assert serial(two, extra) not in answers(extra)
        assert not list(tmp_path.rglob(f"db.{extra}"))

        assert {d.action for d in differences(host, one, None)} == {"remove"}
        converge(host, one, None)
        assert differences(host, one, None) == ()
        wait(lambda: gone(one))
    assert operators_files(tmp_path) == before
    assert not list((tmp_path / "var/lib/kcompile").rglob("*.json"))


# ---- what is wrong changes nothing


@each_server
def test_a_zone_that_the_checker_refuses_changes_nothing(
    server: Program, tmp_path: Path, one: Slice, two: Slice
) -> None:
    host = Machine(tmp_path)
    converge(host, None, one)
    before = operators_files(tmp_path)
    broken = altered(two, tmp_path / "b", "dns/db.cluster.local", "cluster.local. 30 IN SOA what\n")
    with pytest.raises(CommandError, match="check"):
        converge(host, one, broken)
    assert operators_files(tmp_path) == before
    assert served(one)
    assert differences(host, one, one) == ()
    assert server.name in str(host.path("/etc/" + server.name))


def test_a_zone_that_the_operator_has_already_is_refused(
    server: Program, tmp_path: Path, one: Slice
) -> None:
    host = Machine(tmp_path)
    main = host.path(server.main)
    main.write_text(main.read_text() + '\nzone "cluster.local" { type primary; file "x"; };\n')
    before = operators_files(tmp_path)
    for choice in ("auto", "none"):
        with pytest.raises(CommandError, match=r"named-checkconf .*cluster.local.*already exists"):
            converge(host, None, one, server="bind")
        assert recorded_choice(host) == choice
        converge(host, None, one, server="none")
    assert operators_files(tmp_path) == before


HAMPERED = [
    ("bind", "named-checkzone"),
    ("bind", "named-checkconf"),
    ("unbound", "unbound-checkconf"),
    ("nsd", "nsd-checkzone"),
    ("nsd", "nsd-checkconf"),
    ("nsd", "nsd-control"),
    ("knot", "kzonecheck"),
    ("knot", "knotc"),
]


@pytest.mark.parametrize("how", ["missing", "failing", "hanging"])
@pytest.mark.parametrize(("server", "program"), HAMPERED, indirect=["server"])
@pytest.mark.usefixtures("server")
def test_a_program_that_does_not_do_its_work_is_named(
    tmp_path: Path, one: Slice, program: str, how: str
) -> None:
    host = Hampered(tmp_path, program=program, how=how)
    before = operators_files(tmp_path)
    with pytest.raises(CommandError, match=f"^{program}|sleep"):
        converge(host, None, one)
    if "control" in program:  # the files are there: this is how it is rolled back
        with pytest.raises(CommandError):
            converge(host, one, None)
        converge(Machine(tmp_path), one, None)
    assert operators_files(tmp_path) == before
    assert differences(Machine(tmp_path), one, None) == ()


@pytest.mark.parametrize("how", ["missing", "failing"])
@pytest.mark.parametrize(
    ("server", "program"),
    [("bind", "rndc"), ("unbound", "unbound-control")],
    indirect=["server"],
)
@pytest.mark.usefixtures("server")
def test_a_signal_does_what_a_control_program_cannot(
    tmp_path: Path, one: Slice, two: Slice, program: str, how: str
) -> None:
    host = Hampered(tmp_path, program=program, how=how)
    converge(host, None, one)
    converge(host, one, two)
    assert served(two)


def test_a_zone_that_is_not_served_is_an_error(server: Program, tmp_path: Path, one: Slice) -> None:
    """As where a view of the operator's hides ours: the server reads it and says other things."""
    host = Machine(tmp_path)
    other = altered(
        one, tmp_path / "o", "dns/servers/named.conf", "acl clients {\n    192.0.2.9;\n};\n"
    )
    with pytest.raises(NodeError, match=r"BIND does not serve .*: .* an error, code 5 at 169"):
        converge(host, None, other)
    converge(host, other, one)
    assert differences(host, one, one) == ()
    assert server == BIND


# ---- drift


@each_server
@pytest.mark.usefixtures("server")
def test_files_that_were_edited_are_found_and_repaired(tmp_path: Path, one: Slice) -> None:
    host = Machine(tmp_path)
    converge(host, None, one)
    installed = operators_files(tmp_path)
    folder = next(tmp_path.glob("etc/*/kcompile"))
    (folder / "db.cluster.local").write_text("; nothing\n")
    (folder / "kcompile.conf").write_text("")
    changed = {(d.what, d.action) for d in differences(host, one, one)}
    assert changed == {("zone cluster.local", "change"), ("configuration", "change")}
    converge(host, one, one)
    assert operators_files(tmp_path) == installed
    assert differences(host, one, one) == ()


@each_server
def test_an_include_line_that_was_lost_is_found_and_repaired(
    server: Program, tmp_path: Path, one: Slice
) -> None:
    host = Machine(tmp_path)
    operators = {path: host.path(path).read_bytes() for path in server.files}
    converge(host, None, one)
    installed = operators_files(tmp_path)
    for path, content in operators.items():
        host.path(path).write_bytes(content)
    for drop_in in tmp_path.glob("etc/*/*.d/kcompile.conf"):
        drop_in.unlink()
    assert [d.what for d in differences(host, one, one)] == ["include line"]
    converge(host, one, one)
    assert operators_files(tmp_path) == installed


def test_zones_that_the_server_took_from_edited_files(
    server: Program, tmp_path: Path, one: Slice
) -> None:
    """The file is as it should be again, and the server has read another one."""
    host = Machine(tmp_path)
    converge(host, None, one)
    file = host.path("/etc/bind/kcompile/db.cluster.local")
    right, number = file.read_text(), serial(one, "cluster.local")
    file.write_text(right.replace(number, "5", 1))
    host.run(["rndc", "reload", "cluster.local"])
    wait(lambda: "5" in answers("cluster.local"))
    file.write_text(right)
    os.utime(file, (1, 1))
    (found,) = differences(host, one, one)
    text = f"serial {number} is in the file, 5 at {NODE_ADDRESS} over UDP"
    assert (found.what, found.detail) == ("zone cluster.local", text)
    converge(host, one, one)
    assert differences(host, one, one) == ()
    assert server == BIND


@each_server
def test_a_server_that_died(server: Program, tmp_path: Path, one: Slice) -> None:
    host = Machine(tmp_path)
    converge(host, None, one)
    subprocess.run(["kill", str(pid_of(host))], check=True)
    wait(lambda: pid_of(host) is None)
    assert "is not running" in " ".join(d.detail for d in differences(host, one, one))
    converge(host, one, one)  # no supervisor here that could start it
    with running(tmp_path, server):
        assert differences(host, one, one) == ()
        assert served(one)


@pytest.mark.usefixtures("server")
def test_nothing_runs_where_all_is_right(tmp_path: Path, one: Slice) -> None:
    converge(Machine(tmp_path), None, one)
    for program in ("rndc", "named-checkconf", "named-checkzone"):
        converge(Hampered(tmp_path, program=program, how="missing"), one, one)


# ---- a crash


def test_from_any_state_to_any(server: Program, tmp_path: Path, one: Slice, two: Slice) -> None:
    host = Machine(tmp_path)
    bare = operators_files(tmp_path)
    moments = 0
    died = True
    while died:
        moments += 1
        wanted = (one, two, None)[moments % 3]
        converge(host, None, one)
        try:
            converge(Dying(tmp_path, calls=[], moment=moments), one, two)
            died = False
        except KeyboardInterrupt:
            died = True
        # Whoever comes next knows that both may be there.
        converge(host, two, wanted)
        converge(host, one, wanted)
        assert differences(host, one, wanted) == ()
        assert served(wanted) if wanted else operators_files(tmp_path) == bare
        converge(host, wanted, None)
    assert moments > 5
    assert server == BIND


def pid_of(host: Host) -> int | None:
    place = recorded(host)
    assert isinstance(place, Place)
    return find_pid(host, place)
