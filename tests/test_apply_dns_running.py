"""Which of the servers that run is taken, and whether it listens where pods ask."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from apply_dns import (
    BIND,
    FOREIGN,
    KNOT,
    NODE_ADDRESS,
    NSD,
    Machine,
    Program,
    Supervised,
    add_address,
    answers,
    install,
    make_slice,
    network,
    operators_files,
    running,
)
from kcompile.apply.dns import converge, differences, query
from kcompile.apply.dns.snippets import serial
from kcompile.apply.failures import RefusedError
from kcompile.apply.slices import Slice
from lab.needs import requires


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    return make_slice(tmp_path_factory.mktemp("one") / "w", "web", "10.96.0.0/24")


@pytest.fixture
def net() -> Iterator[None]:
    requires("ip", "named", "nsd", "knotd")
    with network():
        yield


def with_main(program: Program, old: str, new: str) -> Program:
    """The server with another line in its configuration."""
    assert old in program.files[program.main]
    text = program.files[program.main].replace(old, new)
    return Program(program.name, program.main, {**program.files, program.main: text}, program.start)


# ---- which


@pytest.mark.usefixtures("net")
def test_the_one_that_runs_is_taken(tmp_path: Path, one: Slice) -> None:
    install(tmp_path, BIND)
    install(tmp_path, NSD)
    with running(tmp_path, NSD):
        converge(Machine(tmp_path), None, one)
        assert (tmp_path / "etc/nsd/kcompile").exists()
        assert differences(Machine(tmp_path), one, one) == ()


@pytest.mark.usefixtures("net")
def test_of_two_that_run_one_has_to_be_chosen(tmp_path: Path, one: Slice) -> None:
    bind = with_main(BIND, "recursion no;", "recursion no; listen-on { 127.0.0.2; };")
    for program in (bind, NSD, KNOT):
        install(tmp_path, program)
    with running(tmp_path, NSD), running(tmp_path, bind):
        with pytest.raises(RefusedError, match=r"several name servers run here \(bind, nsd\)"):
            differences(Machine(tmp_path), None, one)
        converge(Machine(tmp_path), None, one, server="nsd")
        assert differences(Machine(tmp_path), one, one) == ()


@pytest.mark.usefixtures("net")
def test_servers_of_other_networks_do_not_count(tmp_path: Path, one: Slice) -> None:
    """Those of pods."""
    install(tmp_path, KNOT)
    install(tmp_path, NSD)
    with running(tmp_path, KNOT), network(), running(tmp_path, NSD):
        converge(Machine(tmp_path), None, one)
    assert (tmp_path / "etc/nsd/kcompile").exists()
    assert not (tmp_path / "etc/knot/kcompile").exists()


@pytest.mark.usefixtures("net")
def test_a_configuration_that_lies_elsewhere(tmp_path: Path, one: Slice) -> None:
    install(tmp_path, BIND)
    shutil.copytree(tmp_path / "etc/bind", tmp_path / "srv/dns")
    elsewhere = Program("bind", "/srv/dns/named.conf", {}, BIND.start)
    before = operators_files(tmp_path)
    with running(tmp_path, elsewhere):
        converge(Machine(tmp_path), None, one)
        assert differences(Machine(tmp_path), one, one) == ()
    assert (tmp_path / "srv/dns/kcompile/kcompile.conf").exists()
    assert operators_files(tmp_path) == before


def test_a_server_that_is_gone(tmp_path: Path, one: Slice) -> None:
    requires("ip", "named", "nsd")
    install(tmp_path, BIND)
    install(tmp_path, NSD)
    with network():
        converge(Machine(tmp_path), None, one, server="bind")
        (tmp_path / "etc/bind/named.conf").unlink()
        with pytest.raises(RefusedError, match=r"BIND, .* no longer installed: .* --dns"):
            differences(Machine(tmp_path), one, one)
        converge(Machine(tmp_path), one, one, server="nsd")
        assert not (tmp_path / "etc/bind/kcompile").exists()
        converge(Machine(tmp_path), one, None)


# ---- whether


def test_an_address_that_came_after_the_server(tmp_path: Path, one: Slice) -> None:
    """As at a first install: the node gets the address a moment before."""
    requires("ip", "named")
    install(tmp_path, BIND)
    with network(""), running(tmp_path, BIND):
        converge(Machine(tmp_path), None, one)
        assert differences(Machine(tmp_path), one, one) == ()  # the address is the network's task
        add_address(NODE_ADDRESS)
        converge(Machine(tmp_path), one, one)
        assert differences(Machine(tmp_path), one, one) == ()
        number = serial(one, "cluster.local")
        assert query.serials(NODE_ADDRESS, "cluster.local") == (number, number)


@pytest.mark.parametrize(
    ("program", "old", "new"),
    [
        (BIND, "recursion no;", "recursion no; listen-on { 127.0.0.1; };"),
        # It answers from another address than was asked.
        (NSD, f"  ip-address: 127.0.0.1\n  ip-address: {NODE_ADDRESS}\n", ""),
        (KNOT, "[ 0.0.0.0@53, ::@53 ]", "127.0.0.1@53"),
    ],
    ids=["bind", "nsd", "knot"],
)
@pytest.mark.usefixtures("net")
def test_a_server_that_does_not_listen_where_pods_ask(
    tmp_path: Path, one: Slice, program: Program, old: str, new: str
) -> None:
    program = with_main(program, old, new)
    install(tmp_path, program)
    with running(tmp_path, program):
        converge(Machine(tmp_path), None, one)
        (found,) = differences(Machine(tmp_path), one, one)
        assert found.what == NODE_ADDRESS
        assert "does not listen at this address" in found.detail
        number = serial(one, "cluster.local")
        assert answers("cluster.local") == (number, number)
        converge(Machine(tmp_path), one, None)
        assert answers(FOREIGN) == ("77", "77")


@pytest.mark.parametrize("units", [(), ("bind9",)])
@pytest.mark.usefixtures("net")
def test_a_server_that_its_supervisor_is_to_run_is_started(
    tmp_path: Path, one: Slice, units: tuple[str, ...]
) -> None:
    install(tmp_path, BIND)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    with ExitStack() as stack:
        host = Supervised(
            tmp_path, units=units, start=lambda: stack.enter_context(running(tmp_path, BIND))
        )
        converge(host, None, one)
        running_now = [d for d in differences(host, one, one) if "is not running" in d.detail]
        assert bool(running_now) == (not units)


def test_questions_to_nobody() -> None:
    requires("ip")
    with network():
        assert query.listening() == ()
        udp, tcp = answers("cluster.local")
        assert udp == tcp == f"no answer ({os.strerror(111)})"
        assert query.is_local(NODE_ADDRESS)
        assert not query.is_local("192.0.2.7")
