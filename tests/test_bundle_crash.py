"""A killed build leaves the bundle before or the one after, and the next build tidies up."""

import os
import random
import signal
import time
from collections.abc import Callable
from errno import ENOSYS
from pathlib import Path

import pytest

from kcompile.bundle.claim import beside
from kcompile.bundle.swap import Exchange, exchange_names
from kcompile.bundle.tree import Files, assemble, content
from kcompile.bundle.write import check_bundle, write_bundle
from kcompile.problems import Code, InputError


def bundle(word: str) -> Files:
    """Sixty files, of which half are the same in every bundle."""
    return assemble(
        {
            f"dns/{number:02}": content(f"{number} {word if number % 2 else 'same'}\n" * 500)
            for number in range(60)
        },
        version="1",
        settings={},
        nodes=[],
        sources="{}\n",
        proved=True,
    )


BEFORE, AFTER = bundle("before"), bundle("after")
EVERYTHING = ["bundle", "kcompile.lock", "zones.serials"]


def two_renames(_one: Path, _other: Path) -> None:
    raise OSError(ENOSYS, os.strerror(ENOSYS))


def started(work: Callable[[], None]) -> int:
    """A process that does the work and ends without pytest's own end."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def signal_of(child: int) -> int:
    return -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: Path, files: Files, exchange: Exchange = exchange_names) -> None:
    word = b"before\n" if files is BEFORE else b"after\n"
    lock, serials = folder / "kcompile.lock", folder / "zones.serials"
    write_bundle(
        folder / "bundle", files, lock=(lock, word), serials=(serials, word), exchange=exchange
    )


@pytest.mark.parametrize("exchange", [exchange_names, two_renames])
def test_killed_at_any_moment(tmp_path: Path, exchange: Exchange) -> None:
    moments = random.Random(exchange.__name__)  # noqa: S311 (moments, not secrets)
    target, lock = tmp_path / "bundle", tmp_path / "kcompile.lock"

    def write_forever() -> None:
        while True:
            write(tmp_path, AFTER, exchange)
            write(tmp_path, BEFORE, exchange)

    write(tmp_path, BEFORE)
    for _ in range(20):
        child = started(write_forever)
        time.sleep(moments.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        assert signal_of(child) == signal.SIGKILL
        for kept in (lock, tmp_path / "zones.serials"):
            assert kept.read_bytes() in {b"before\n", b"after\n"}
        place = target
        if exchange is two_renames and not target.exists():
            place = beside(target, "old")  # from where the next build takes it back
        assert () in (check_bundle(place, BEFORE), check_bundle(place, AFTER))
        write(tmp_path, BEFORE)
        assert check_bundle(target, BEFORE) == ()
        assert names_in(tmp_path) == EVERYTHING


def test_killed_before_the_exchange(tmp_path: Path) -> None:
    write(tmp_path, BEFORE)
    child = started(lambda: write(tmp_path, AFTER, lambda _one, _other: kill_self()))
    assert signal_of(child) == signal.SIGKILL
    for kept in EVERYTHING[1:]:
        assert (tmp_path / kept).read_bytes() == b"after\n"
    assert check_bundle(tmp_path / "bundle", BEFORE) == ()
    write(tmp_path, AFTER)
    assert check_bundle(tmp_path / "bundle", AFTER) == ()
    assert names_in(tmp_path) == EVERYTHING


def test_killed_after_the_exchange(tmp_path: Path) -> None:
    def exchange_and_die(one: Path, other: Path) -> None:
        exchange_names(one, other)
        kill_self()

    write(tmp_path, BEFORE)
    child = started(lambda: write(tmp_path, AFTER, exchange_and_die))
    assert signal_of(child) == signal.SIGKILL
    assert check_bundle(tmp_path / "bundle", AFTER) == ()
    write(tmp_path, AFTER)
    assert names_in(tmp_path) == EVERYTHING


def test_killed_between_two_renames(tmp_path: Path) -> None:
    write(tmp_path, BEFORE)
    target = tmp_path / "bundle"
    kept = (target / "dns" / "00").stat().st_ino
    target.rename(beside(target, "old"))
    beside(target, "new").mkdir()
    write(tmp_path, AFTER)
    assert check_bundle(target, AFTER) == ()
    assert (target / "dns" / "00").stat().st_ino == kept
    assert names_in(tmp_path) == EVERYTHING


def test_a_refused_build_takes_the_first_rename_back(tmp_path: Path) -> None:
    write(tmp_path, BEFORE)
    target = tmp_path / "bundle"
    (target / "notes.txt").write_text("mine")
    target.rename(beside(target, "old"))
    with pytest.raises(InputError, match=r"notes\.txt"):
        write(tmp_path, AFTER)
    assert (target / "notes.txt").read_text() == "mine"
    assert names_in(tmp_path) == EVERYTHING


def test_what_a_killed_lock_writer_left_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "kcompile.lock"
    beside(lock, "new").write_text("ha")
    write(tmp_path, BEFORE)
    assert lock.read_bytes() == b"before\n"
    assert names_in(tmp_path) == EVERYTHING


def test_only_a_directory_is_taken_for_a_leftover(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    beside(tmp_path / "bundle", "new").symlink_to(victim)
    with pytest.raises(InputError) as caught:
        write(tmp_path, BEFORE)
    (problem,) = caught.value.problems
    assert problem.code is Code.NOT_WRITABLE
    assert ".bundle.kcompile-new" in problem.message
    assert names_in(victim) == ["file"]


def test_builds_at_once_leave_one_of_their_bundles(tmp_path: Path) -> None:
    def write_until_done(files: Files) -> None:
        for _ in range(10):
            done = False
            while not done:
                try:
                    write(tmp_path, files)
                    done = True
                except InputError as error:
                    if "another kcompile" not in error.problems[0].message:
                        kill_self()

    children = [
        started(lambda files=files: write_until_done(files))  # type: ignore[misc]  # a default binds
        for files in (BEFORE, AFTER, BEFORE, AFTER)
    ]
    assert [signal_of(child) for child in children] == [0] * len(children)
    target = tmp_path / "bundle"
    assert () in (check_bundle(target, BEFORE), check_bundle(target, AFTER))
    assert names_in(tmp_path) == EVERYTHING
