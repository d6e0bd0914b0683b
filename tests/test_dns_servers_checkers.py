"""The servers' own checkers take the configurations of every golden, with the zones."""

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


def test_some_goldens_have_them() -> None:
    found = [case for case in CASES if (case / "expected/bundle/dns/servers/named.conf").exists()]
    assert len(found) > 20
