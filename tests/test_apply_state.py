"""What apply keeps on a node: damaged, full, read at the wrong moment, rolled back from."""

import errno
import json
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path

import pytest

from kcompile.apply.confirm import Pending, confirm, expired, start_clock
from kcompile.apply.dns import recorded_choice
from kcompile.apply.failures import RefusedError
from kcompile.apply.generations import KEPT
from kcompile.apply.host import Host
from kcompile.apply.lock import locked
from kcompile.apply.network.originals import read_originals as network_originals
from kcompile.apply.rules.memory import read_originals as rules_originals
from kcompile.apply.state import write_file, write_state
from kcompile.apply.verify import read_slice
from test_apply_image import Image, image

__all__ = ["image"]

JUNK = (
    "",
    "{",
    "[]",
    "null",
    "7",
    '"x"',
    "\x00",
    "[" * 100_000,
    '{"before": "x"}',
    '{"before": 1, "after": {}, "dns": "none"}',
    '{"before": 1, "after": 2, "dns": 3}',
    '{"before": 1, "after": 2, "dns": "none", "fresh": 1}',
    '{"number": "1", "before": 1, "seconds": 1, "boot": ""}',
    '{"number": 1, "before": 1, "seconds": "1", "boot": ""}',
    '{"number": 1, "before": 1, "seconds": 1, "boot": "", "more": 1}',
)
COMMANDS = (
    ("status",),
    ("apply", "--rollback"),
    ("apply", "--confirm"),
    ("apply", "--restore"),
    ("remove", "--yes"),
)


@pytest.fixture
def installed(image: Image) -> Image:
    for replicas in (1, 2):
        assert image.apply(image.build(replicas), "--yes").code == 0
    return image


def state(image: Image, name: str) -> Path:
    return image.root / "var/lib/kcompile" / name


@pytest.mark.parametrize("name", ["journal.json", "pending.json"])
def test_a_damaged_file_of_the_state_ends_with_a_sentence(installed: Image, name: str) -> None:
    for junk in JUNK:
        state(installed, name).write_text(junk)
        for command in COMMANDS:
            answer = installed(*command)
            assert answer.code in {0, 1}, (junk, command, answer)
            if answer.code:
                assert answer.err.count("\n") == 1, (junk, command, answer)
    assert f"{name} is damaged: it does not say what kcompile writes there" in answer.err
    state(installed, name).unlink()
    assert installed("apply", "--restore").code == 0


@pytest.mark.parametrize("target", ["nowhere", "generations/7", "generations/²", "/"])
def test_a_link_that_leads_to_no_generation(installed: Image, target: str) -> None:
    state(installed, "current").unlink()
    state(installed, "current").symlink_to(target)
    for command in COMMANDS[:1] + COMMANDS[3:]:
        answer = installed(*command)
        assert answer.code == 1, (command, answer)
        assert answer.err.count("\n") == 1


def test_a_changed_copy_is_mended_by_the_bundle_that_it_came_from(installed: Image) -> None:
    kept = state(installed, "generations/2")
    before = installed.files()
    (kept / "nodes/a/iptables.rules").write_text("*nat\nCOMMIT\n")
    (kept / "nodes/a/more").write_text("")
    (kept / "dns/db.cluster.local").unlink()
    said = installed("status")
    assert said.code == 1
    assert "generation 2, which this node keeps, was changed since" in said.err
    bundle = installed.folder / "bundle-2"
    assert installed.apply(installed.folder / "bundle-1", "--yes").code == 1
    assert installed.apply(bundle).code == 1
    assert installed.apply(bundle, "--yes").code == 0
    assert installed.files() == before
    assert installed("status").code == 0


def test_a_rollback_goes_to_what_was_replaced(installed: Image) -> None:
    """Not to a generation that was itself rolled back from."""
    assert installed("apply", "--rollback", "--yes").code == 0
    assert installed.apply(installed.build(3), "--yes").code == 0
    assert installed.current() == "generations/3"
    assert installed("apply", "--rollback", "--yes").code == 0
    assert installed.current() == "generations/1"
    answer = installed("apply", "--rollback", "--yes")
    assert answer.code == 1
    assert answer.err == "kcompile: there is no generation before the installed one\n"


def test_what_was_replaced_is_kept_however_old(installed: Image) -> None:
    folder = state(installed, "generations")
    assert installed("apply", "--rollback", "--yes").code == 0
    for number in range(3, KEPT + 3):
        (folder / str(number)).mkdir()
    (folder / f".{KEPT + 3}.new").mkdir()
    assert installed.apply(installed.build(3), "--yes").code == 0
    kept = sorted(int(path.name) for path in folder.iterdir())
    assert kept == [1, *range(4, KEPT + 4)]
    assert installed("apply", "--rollback", "--yes").code == 0
    assert installed.current() == "generations/1"


def test_a_killed_rollback_loses_no_generation(installed: Image) -> None:
    assert installed("apply", "--rollback", "--yes").code == 0
    journal = {"before": 1, "after": 2, "dns": "none", "fresh": False}
    state(installed, "journal.json").write_text(json.dumps(journal))
    assert installed("apply", "--restore").code == 0
    assert installed("apply", "--rollback", "2", "--yes").code == 0


def test_what_was_undone_waits_for_no_confirmation(installed: Image) -> None:
    waiting = {"number": 3, "before": 2, "seconds": 60.0, "boot": "this one", "dns": "none"}
    journal = {"before": 2, "after": 1, "dns": "none", "fresh": False}
    state(installed, "pending.json").write_text(json.dumps(waiting))
    state(installed, "journal.json").write_text(json.dumps(journal))
    answer = installed("apply", "--confirm")
    assert answer.code == 1
    assert "interrupted" in answer.err
    assert installed("apply", "--restore").code == 0
    assert not state(installed, "pending.json").exists()
    assert installed.current() == "generations/2"


def test_who_only_looks_leaves_nothing(image: Image) -> None:
    before = sorted(image.root.rglob("*"))
    assert image("status").code == 0
    assert image.apply(image.build(1)).code == 0
    assert image("remove").code == 0
    assert sorted(image.root.rglob("*")) == before


def test_a_lock_whose_file_was_removed_is_none(tmp_path: Path) -> None:
    host = Host(tmp_path, live=False)
    lock = locked(host, changes=True, patience=0.0)
    with (
        locked(host, changes=True),
        pytest.raises(RefusedError, match="another kcompile works"),
        lock,
    ):
        pass
    with locked(host, changes=True):
        (tmp_path / "var/lib/kcompile/lock").unlink()
        with locked(host, changes=True, patience=0.0):
            assert (tmp_path / "var/lib/kcompile/lock").exists()


def test_a_full_disk_names_the_file_and_leaves_no_part_of_it(tmp_path: Path) -> None:
    target = tmp_path / "x"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(OSError, match=str(target)) as failed:
            write_file(target, "text")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("network", '{"routes": [1]}'),
        ("rules", '{"kept": 1}'),
        ("dns", '{"server": 7}'),
        ("dns", '{"server": "bind"}'),
    ],
)
def test_damaged_originals_say_what_is_lost(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / f"var/lib/kcompile/originals/{name}.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    read = {"network": network_originals, "rules": rules_originals, "dns": recorded_choice}[name]
    with pytest.raises(RefusedError, match=f"{name}.json is damaged: .* is lost"):
        read(Host(tmp_path, live=False))


def test_a_failure_in_json(installed: Image) -> None:
    answer = installed.apply(installed.folder / "nowhere", "--json")
    assert answer.code == 1
    said = json.loads(answer.out)
    assert said["exit"] == 1
    assert "nowhere" in said["error"]


@pytest.mark.parametrize("closing", ["", ">&-", ">/dev/full", "| :", "2>&-"])
def test_an_answer_that_nobody_reads(installed: Image, closing: str) -> None:
    """What was done counts, and the exit code says it."""
    command = f"{sys.executable} -m kcompile.apply.main apply --rollback --yes --root"
    script = f"set -o pipefail; {command} {installed.root} {closing}"
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (0, closing in {">&-", ">/dev/full"})
    assert installed.current() == "generations/1"


def test_a_bundle_that_is_replaced_meanwhile(image: Image) -> None:
    bundle = image.build(1)
    slice_ = read_slice(bundle, "a")
    rules = bundle / "nodes/a/iptables.rules"
    rules.unlink()
    with pytest.raises(RefusedError, match=r"iptables\.rules was there and is no longer"):
        slice_.own("iptables.rules")
    rules.write_bytes(b"\xff")
    with pytest.raises(RefusedError, match="is no text"):
        slice_.own("iptables.rules")


def test_a_disk_too_full_for_the_program_does_not_stop_the_going_back(installed: Image) -> None:
    program = state(installed, "kcompile.pyz")
    program.write_bytes(b"an older one")
    before = installed.files()
    bundle = installed.build(3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        answer = installed.apply(bundle, "--yes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.code == 4
    assert "kcompile.pyz: File too large" in answer.err
    assert installed.files() == before


@pytest.mark.parametrize("deadline", [None, 0.0])
def test_the_watch_acts_once_the_time_is_over_or_the_apply_was_killed(
    tmp_path: Path, deadline: float | None
) -> None:
    host = Host(tmp_path, live=False)
    waiting = Pending(2, 1, 60.0, "this boot", deadline)
    write_state(host, "pending.json", asdict(waiting))
    assert expired(host, 2)
    assert not expired(host, 1)


def test_the_watch_waits_while_the_apply_works_and_until_it_is_confirmed(tmp_path: Path) -> None:
    host = Host(tmp_path, live=False)
    waiting = Pending(2, 1, 600.0, "this boot")
    with ThreadPoolExecutor() as pool:
        with locked(host, changes=True):
            write_state(host, "pending.json", asdict(waiting))
            watch = pool.submit(expired, host, 2)
            assert wait([watch], timeout=0.2).not_done
            start_clock(host, waiting)
        assert wait([watch], timeout=0.2).not_done
        assert confirm(host) == 2
        assert watch.result() is False
