"""Which name server is taken, and what is written for it: files of images, no server runs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from apply_dns import (
    BIND,
    NODE_ADDRESS,
    NSD,
    PROGRAMS,
    altered,
    install,
    make_slice,
    operators_files,
)
from kcompile.apply.dns import CHOICES, converge, differences, recorded_choice
from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    return make_slice(tmp_path_factory.mktemp("one") / "w", "web", "10.96.0.0/24")


@pytest.fixture
def image(tmp_path: Path) -> Host:
    return Host(tmp_path, live=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_image_gets_files_with_paths_as_it_will_see_them(
    image: Host, one: Slice, name: str
) -> None:
    install(image.root, PROGRAMS[name])
    before = operators_files(image.root)
    converge(image, None, one)
    assert differences(image, one, one) == ()
    (snippet,) = image.root.glob("etc/*/kcompile/kcompile.conf")
    assert str(image.root) not in snippet.read_text()
    assert f"/etc/{name}/kcompile" in snippet.read_text()
    folder = snippet.parent
    for path in one.below("dns/db."):
        assert (folder / path[4:]).read_text() == one.text(path)
    converge(image, one, None)
    assert operators_files(image.root) == before


def test_bind_as_red_hat_has_it(image: Host, one: Slice) -> None:
    image.path("/etc").mkdir()
    main = image.path("/etc/named.conf")
    main.write_bytes(b"options { listen-on { 127.0.0.1; }; }; // \xe9\n")
    converge(image, None, one)
    line = b'include "/etc/named/kcompile/kcompile.conf"; // added by kcompile\n'
    assert main.read_bytes() == b"options { listen-on { 127.0.0.1; }; }; // \xe9\n\n" + line
    assert image.path("/etc/named/kcompile/db.cluster.local").exists()
    converge(image, one, None)
    assert main.read_bytes() == b"options { listen-on { 127.0.0.1; }; }; // \xe9\n"


def test_a_line_that_was_moved_is_taken_out_all_the_same(image: Host, one: Slice) -> None:
    install(image.root, BIND)
    main = image.path(BIND.main)
    converge(image, None, one)
    lines = main.read_bytes().splitlines(keepends=True)
    main.write_bytes(b"".join([lines[-1], *lines[:-1]]))
    assert differences(image, one, one) == ()
    converge(image, one, None)
    assert main.read_bytes() == b"".join(lines[:-1])


def test_a_link_stays_a_link(image: Host, one: Slice) -> None:
    install(image.root, BIND)
    main, real = image.path(BIND.main), image.path("/etc/bind/real.conf")
    main.rename(real)
    main.symlink_to("real.conf")
    converge(image, None, one)
    assert main.is_symlink()
    assert "kcompile" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_a_killed_run_left_goes_too(image: Host, one: Slice) -> None:
    install(image.root, BIND)
    before = operators_files(image.root)
    converge(image, None, one)
    for name in (".named.conf.kcompile-new", ".kcompile-trial.conf", "kcompile/.db.x.kcompile-new"):
        image.path(f"/etc/bind/{name}").write_text("half")
    image.path("/etc/bind/.kcompile-trial").mkdir()
    converge(image, one, None)
    assert operators_files(image.root) == before


# ---- which


def test_of_several_servers_one_has_to_be_chosen(image: Host, one: Slice) -> None:
    install(image.root, BIND)
    install(image.root, NSD)
    for do in (differences, converge):
        with pytest.raises(RefusedError, match=r"installed here \(bind, nsd\): choose .* --dns"):
            do(image, None, one)
    converge(image, None, one, server="nsd")
    assert differences(image, one, one) == ()  # it is recorded
    assert not image.path("/etc/bind/kcompile").exists()


def test_another_choice_moves_the_zones(image: Host, one: Slice) -> None:
    install(image.root, BIND)
    install(image.root, NSD)
    bare = operators_files(image.root)
    converge(image, None, one, server="bind")
    moved = differences(image, one, one, server="nsd")
    assert {d.action for d in moved} == {"add", "remove"}
    converge(image, one, one, server="nsd")
    assert not image.path("/etc/bind/kcompile").exists()
    assert differences(image, one, one) == ()
    assert {d.action for d in differences(image, one, one, server="none")} == {"remove", "change"}
    converge(image, one, one, server="none")
    assert operators_files(image.root) == bare
    assert differences(image, one, one) == ()


def test_without_a_server_it_says_that_nobody_answers(image: Host, one: Slice) -> None:
    (found,) = differences(image, None, one)
    assert found.what == NODE_ADDRESS
    assert "nobody answers there" in found.detail
    converge(image, None, one)
    converge(image, one, one, server="none")
    assert differences(image, one, one) == ()
    assert differences(image, one, one, server="none") == ()
    converge(image, one, None)
    assert len(differences(image, None, one)) == 1


def test_a_choice_can_be_taken_back(image: Host, one: Slice) -> None:
    install(image.root, BIND)
    install(image.root, NSD)
    bare = operators_files(image.root)
    assert recorded_choice(image) == "auto"
    converge(image, None, one, server="bind")
    choice = recorded_choice(image)
    installed = operators_files(image.root)
    for other in ("nsd", "none"):
        converge(image, one, one, server=other)
        assert recorded_choice(image) == other
        converge(image, one, one, server=choice)
        assert operators_files(image.root) == installed
    converge(image, one, None)
    assert operators_files(image.root) == bare
    assert {choice, "none", *PROGRAMS} < set(CHOICES)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("bind", "BIND is not installed here: there is no /etc/bind/named.conf or /etc/named.conf"),
        ("dnsmasq", "--dns dnsmasq: no such name server is known .auto, bind, "),
    ],
)
def test_a_choice_that_is_not_there(image: Host, one: Slice, server: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        differences(image, None, one, server=server)


# ---- what


def test_crowded_names_and_strangers(image: Host, one: Slice, tmp_path: Path) -> None:
    """What the bundle's own configuration says of them is said in the operator's server too."""
    install(image.root, BIND)
    text = one.text("dns/servers/named.conf").replace(
        "    max-cache-size", "    max-records-per-type 301;\n    max-cache-size"
    )
    crowded = altered(one, tmp_path / "c", "dns/servers/named.conf", text)
    converge(image, None, crowded)
    snippet = image.path("/etc/bind/kcompile/kcompile.conf").read_text()
    zones = len(one.below("dns/db."))
    assert snippet.count("    max-records-per-type 301;\n") == zones
    assert snippet.count('    allow-query { "kcompile-clients"; };\n') == zones
    assert "    10.244.0.0/16;\n" in snippet


@pytest.mark.parametrize("name", ['db.a"; }; include "x', "db.a\nb", "db.é", "db."])
def test_a_zone_that_is_no_name_is_refused(image: Host, one: Slice, name: str) -> None:
    install(image.root, BIND)
    hostile = replace(one, files={**one.files, f"dns/{name}": "0" * 64})
    with pytest.raises(RefusedError, match="is no name of a zone's file"):
        converge(image, None, hostile)


def test_it_imports_quickly_and_alone() -> None:
    code = (
        "import sys, kcompile.apply.dns; print(sorted(m for m in sys.modules if 'kcompile' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kcompile.cli" not in done.stdout
