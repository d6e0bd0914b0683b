"""The servers' own checkers take the configurations of every golden, with the zones."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from golden_plans import CASES, GOLDEN
from lab.needs import search_path

CHECKERS = {
    "named.conf": ["named-checkconf", "-z", "servers/named.conf"],
    "nsd.conf": ["nsd-checkconf", "servers/nsd.conf"],
    "knot.conf": ["knotc", "-c", "servers/knot.conf", "conf-check"],
    "unbound.conf": ["unbound-checkconf", "servers/unbound.conf"],
}


@pytest.mark.parametrize("name", CHECKERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
def test_every_golden_passes(case: Path, name: str, tmp_path: Path) -> None:
    checker = CHECKERS[name]
    program = shutil.which(checker[0], path=search_path())
    if program is None:
        pytest.skip(f"not installed: {checker[0]}")
    folder = case / "expected" / "bundle" / "dns"
    if not (folder / "servers" / name).exists():
        # Nobody knows where to listen; then the zones alone are there, to be included.
        assert (folder / "servers" / "named.zones.conf").exists()
        return
    # A copy, so that no checker can leave anything in a golden.
    shutil.copytree(folder, tmp_path / "dns")
    done = subprocess.run(
        [program, *checker[1:]],
        cwd=tmp_path / "dns",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


ADDRESS = r"[0-9a-f:.]+"
SERVER = rf"({ADDRESS}|\[{ADDRESS}\]):[0-9]+"
NAME = r"[a-z0-9._-]+"
# What the manuals of the plugins allow, in the order of the file; there is no program to ask.
COREFILE = re.compile(
    r"(# [ -~]+\n)+\. \{\n"
    rf"    bind( {ADDRESS})+\n"
    rf"    acl \{{\n(        allow net {ADDRESS}/[0-9]+\n)+        block\n    \}}\n"
    r"    errors\n    loadbalance\n"
    rf"(    file db\.{NAME} {NAME}\n)+"
    rf"(    forward {NAME}( {SERVER})+\n)*"
    rf"    forward \.(( {SERVER})+| /etc/resolv\.conf)\n"
    r"    cache 30\n\}\n"
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
def test_corefiles_are_of_the_form_that_coredns_reads(case: Path) -> None:
    folder = case / "expected" / "bundle" / "dns"
    if not (folder / "servers" / "Corefile").exists():
        return
    text = (folder / "servers" / "Corefile").read_text()
    assert COREFILE.fullmatch(text), text
    zones = re.findall(r"^    file (\S+) (\S+)$", text, re.MULTILINE)
    assert sorted(file for file, _ in zones) == sorted(each.name for each in folder.glob("db.*"))
    assert all(file == f"db.{zone}" for file, zone in zones)


def test_some_goldens_have_them() -> None:
    found = [case for case in CASES if (case / "expected/bundle/dns/servers/named.conf").exists()]
    assert len(found) > 20
