"""Bundles on disk: nothing lost, nothing carried on that should not be, nothing half done."""

import os
import resource
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from errno import EINVAL, ENOSYS, EXDEV
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcompile.bundle.claim import claimed
from kcompile.bundle.swap import Exchange, exchange_names
from kcompile.bundle.tree import Files, assemble, check_paths, content
from kcompile.bundle.write import check_bundle, write_bundle
from kcompile.problems import Code, InputError, OurBugError

PLAIN = {
    "plan.json": "{}\n",
    "dns/db.cluster.local": "$ORIGIN cluster.local.\n",
    "nodes/n1/iptables.rules": "*nat\nCOMMIT\n",
    "nodes/n1/sysctl.d/k.conf": "net.ipv4.ip_forward = 1\n",
    "nodes/n2/iptables.rules": "*nat\nCOMMIT\n",
    "nodes/n2/listeners.json": "",
}


def bundle(texts: Mapping[str, str]) -> Files:
    return assemble(
        {path: content(text) for path, text in texts.items()},
        version="1",
        settings={},
        nodes=["n1", "n2"],
        sources='{"inputs": []}\n',
        proved=True,
    )


def without_exchange(number: int) -> Exchange:
    def refuse(_one: Path, _other: Path) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def on_disk(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if not path.is_dir()
    }


def expected(files: Files) -> dict[str, bytes]:
    return {path: "".join(file.chunks).encode() for path, file in files.items()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def inode(path: Path) -> int:
    return path.stat().st_ino


def refusal(directory: Path, files: Files, lock: tuple[Path, bytes] | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        write_bundle(directory, files, lock=lock)
    return caught.value


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


@pytest.fixture
def narrow_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_what_is_written_is_what_was_given(target: Path) -> None:
    files = bundle(PLAIN)
    report = write_bundle(target, files, lock=None)
    assert on_disk(target) == expected(files)
    assert report.files == len(files)
    assert names_in(target.parent) == ["bundle"]


def test_missing_parents_are_made(tmp_path: Path) -> None:
    write_bundle(tmp_path / "out" / "of" / "bundle", bundle(PLAIN), lock=None)
    assert (tmp_path / "out" / "of" / "bundle" / "plan.json").is_file()


def test_an_empty_directory_is_filled(target: Path) -> None:
    target.mkdir()
    write_bundle(target, bundle(PLAIN), lock=None)
    assert on_disk(target) == expected(bundle(PLAIN))
    assert names_in(target.parent) == ["bundle"]


def test_sha256sum_accepts_the_bundle(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"],
        cwd=target,
        check=True,
        capture_output=True,
        text=True,
    )
    assert len(done.stdout.splitlines()) == len(bundle(PLAIN)) - 1


@pytest.mark.usefixtures("narrow_umask")
def test_modes_do_not_depend_on_the_umask(target: Path) -> None:
    lock = target.parent / "kcompile.lock"
    write_bundle(target, bundle(PLAIN), lock=(lock, b"1\n"))
    for path in (target, lock, *target.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_equal_files_are_one_inode(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    one, other = target / "nodes/n1/iptables.rules", target / "nodes/n2/iptables.rules"
    assert inode(one) == inode(other)


def test_unchanged_files_are_linked_from_the_bundle_before(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    rules, plan = inode(target / "nodes/n1/iptables.rules"), inode(target / "plan.json")
    report = write_bundle(target, bundle({**PLAIN, "plan.json": '{"new": 1}\n'}), lock=None)
    assert inode(target / "nodes/n1/iptables.rules") == rules
    assert inode(target / "nodes/n2/iptables.rules") == rules
    assert inode(target / "plan.json") != plan
    assert report.written == 3  # plan.json, MANIFEST.json, SHA256SUMS
    assert (target / "nodes/n1/iptables.rules").stat().st_nlink == 2


def test_an_unchanged_bundle_is_left_alone(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    before = inode(target)
    assert write_bundle(target, bundle(PLAIN), lock=None).written == 0
    assert inode(target) == before


def test_an_edited_file_is_written_again(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    edited = target / "nodes/n1/sysctl.d/k.conf"
    times = edited.stat()
    edited.write_text("net.ipv4.ip_forward = 0\n")  # as long, and as old, as before
    os.utime(edited, ns=(times.st_atime_ns, times.st_mtime_ns))
    for texts in (PLAIN, {**PLAIN, "plan.json": "[]\n"}):
        write_bundle(target, bundle(texts), lock=None)
        assert on_disk(target) == expected(bundle(texts))


def test_a_file_that_others_may_write_is_not_carried_on(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    (target / "nodes/n1/iptables.rules").chmod(0o666)
    (target / "dns").chmod(0o777)
    write_bundle(target, bundle(PLAIN), lock=None)
    assert stat.S_IMODE((target / "nodes/n1/iptables.rules").stat().st_mode) == 0o644
    assert stat.S_IMODE((target / "dns").stat().st_mode) == 0o755


def test_missing_files_and_foreign_empty_folders_are_mended(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    (target / "plan.json").unlink()
    (target / "nodes" / "n3").mkdir()
    write_bundle(target, bundle(PLAIN), lock=None)
    assert on_disk(target) == expected(bundle(PLAIN))
    assert not (target / "nodes" / "n3").exists()


def test_foreign_files_are_named_and_kept(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    (target / "nodes" / "notes.txt").write_text("mine")
    (target / "evil\n\x1b[31m").write_text("mine")
    for texts in (PLAIN, {}):
        problems = refusal(target, bundle(texts)).problems
        assert [problem.code for problem in problems] == [Code.FOREIGN_FILE, Code.FOREIGN_FILE]
        assert problems[0].message.startswith(r"'evil\n\x1b[31m' is not in SHA256SUMS")
        assert problems[1].message.startswith("'nodes/notes.txt' is not in SHA256SUMS")
        assert problems[0].position.file == str(target)
    assert (target / "nodes" / "notes.txt").read_text() == "mine"
    assert names_in(target.parent) == ["bundle"]


@pytest.mark.parametrize("name", ["link", "nodes/n1/iptables.rules", "dns"])
def test_symbolic_links_in_a_bundle_are_refused(target: Path, name: str) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    place = target / name
    if place.exists():
        place.rename(target.parent / "elsewhere")
    place.symlink_to(target.parent / "elsewhere")
    (problem,) = refusal(target, bundle(PLAIN)).problems
    assert problem.code is Code.FOREIGN_FILE
    assert f"'{name}' is a symbolic link" in problem.message


def test_a_fifo_in_the_place_of_a_file_is_refused(target: Path) -> None:
    write_bundle(target, bundle(PLAIN), lock=None)
    (target / "plan.json").unlink()
    os.mkfifo(target / "plan.json")
    assert check_bundle(target, bundle(PLAIN)) == ("plan.json",)
    (problem,) = refusal(target, bundle(PLAIN)).problems
    assert "'plan.json' is not a regular file" in problem.message


@pytest.mark.parametrize(
    "texts",
    [
        {"notes.txt": "mine"},
        {"SHA256SUMS": ""},
        {"MANIFEST.json": '{\n"version": 1,\n"kcompile": "1"}', "notes.txt": "mine"},
        {"MANIFEST.json": "{}", "SHA256SUMS": ""},
        {"MANIFEST.json": '{\n"version": 1,\n"kcompile": "1"}', "SHA256SUMS": "no digest\n"},
        {
            "MANIFEST.json": '{\n"version": 1,\n"kcompile": "1"}',
            "SHA256SUMS": f"{'0' * 64}  ../secret\n",
        },
        {"MANIFEST.json": '{\n"version": 1,\n"kcompile": "1"}', "SHA256SUMS": "\xff\n"},
    ],
)
def test_a_directory_that_is_no_bundle_is_refused(target: Path, texts: dict[str, str]) -> None:
    target.mkdir()
    for name, text in texts.items():
        (target / name).write_text(text, encoding="latin-1")
    before = on_disk(target)
    (problem,) = refusal(target, bundle(PLAIN)).problems
    assert problem.code is Code.NOT_A_BUNDLE
    assert (problem.position.file, problem.position.line) == (str(target), 1)
    assert on_disk(target) == before
    assert names_in(target.parent) == ["bundle"]


def test_a_symbolic_link_as_target_is_refused(target: Path) -> None:
    elsewhere = target.parent / "elsewhere"
    write_bundle(elsewhere, bundle({}), lock=None)
    target.symlink_to(elsewhere)
    (problem,) = refusal(target, bundle(PLAIN)).problems
    assert problem.code is Code.NOT_A_BUNDLE
    assert "symbolic link" in problem.message
    assert on_disk(elsewhere) == expected(bundle({}))


def test_a_file_as_target_is_refused(target: Path) -> None:
    target.write_text("mine")
    (problem,) = refusal(target, bundle(PLAIN)).problems
    assert problem.code is Code.NOT_A_BUNDLE
    assert target.read_text() == "mine"


def test_the_root_is_refused() -> None:
    (problem,) = refusal(Path("/"), bundle(PLAIN)).problems
    assert problem.code is Code.NOT_A_BUNDLE


def test_a_file_in_the_place_of_a_parent_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    (problem,) = refusal(tmp_path / "out" / "bundle", bundle(PLAIN)).problems
    assert problem.code is Code.NOT_WRITABLE
    assert problem.message.startswith("cannot write the bundle: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_parent_that_we_may_not_write_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    (problem,) = refusal(tmp_path / "bundle", bundle(PLAIN)).problems
    tmp_path.chmod(0o755)
    assert problem.code is Code.NOT_WRITABLE
    assert "Permission denied" in problem.message


def test_a_disk_that_is_full_changes_nothing(target: Path) -> None:
    lock = target.parent / "kcompile.lock"
    before = bundle(PLAIN)
    write_bundle(target, before, lock=(lock, b"before"))
    after = bundle({**PLAIN, "dns/db.large": "x" * 20_000})
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            write_bundle(target, after, lock=(lock, b"after"))
        except InputError as error:
            os._exit(0 if error.problems[0].code is Code.NOT_WRITABLE else 3)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert on_disk(target) == expected(before)
    assert lock.read_bytes() == b"before"
    assert names_in(target.parent) == ["bundle", "kcompile.lock"]


def test_a_second_build_at_once_is_refused(target: Path) -> None:
    write_bundle(target, bundle({}), lock=None)
    with claimed(target):
        (problem,) = refusal(target, bundle(PLAIN)).problems
    assert problem.code is Code.NOT_WRITABLE
    assert "another kcompile is writing here" in problem.message
    write_bundle(target, bundle(PLAIN), lock=None)
    assert on_disk(target) == expected(bundle(PLAIN))


def test_the_working_directory_can_be_the_bundle(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.mkdir()
    monkeypatch.chdir(target)
    write_bundle(Path(), bundle(PLAIN), lock=None)
    assert on_disk(target) == expected(bundle(PLAIN))


@pytest.mark.parametrize("number", [ENOSYS, EINVAL, EXDEV])
def test_two_renames_where_names_cannot_be_exchanged(target: Path, number: int) -> None:
    exchange = without_exchange(number)
    for texts in ({}, PLAIN, {**PLAIN, "plan.json": "[]\n"}):
        write_bundle(target, bundle(texts), lock=None, exchange=exchange)
        assert on_disk(target) == expected(bundle(texts))
        assert names_in(target.parent) == ["bundle"]


def test_another_error_of_the_exchange_is_a_problem(target: Path) -> None:
    write_bundle(target, bundle({}), lock=None)
    with pytest.raises(InputError, match="KC603: cannot write the bundle: Input/output error"):
        write_bundle(target, bundle(PLAIN), lock=None, exchange=without_exchange(5))
    assert on_disk(target) == expected(bundle({}))
    assert names_in(target.parent) == ["bundle"]


def test_the_exchange_swaps_two_directories(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    try:
        exchange_names(tmp_path / "one", tmp_path / "other")
    except OSError as error:
        pytest.skip(f"this file system cannot exchange names: {error}")
    assert (tmp_path / "one" / "other").is_file()
    assert (tmp_path / "other" / "one").is_file()


def test_the_lock_is_left_alone_if_it_is_equal(target: Path) -> None:
    lock = target.parent / "kcompile.lock"
    write_bundle(target, bundle({}), lock=(lock, b"1\n"))
    before = lock.stat()
    write_bundle(target, bundle(PLAIN), lock=(lock, b"1\n"))
    after = lock.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_the_lock_changes_even_if_the_bundle_does_not(target: Path) -> None:
    lock = target.parent / "kcompile.lock"
    write_bundle(target, bundle({}), lock=(lock, b"1\n"))
    write_bundle(target, bundle({}), lock=(lock, b"2\n"))
    assert lock.read_bytes() == b"2\n"
    assert names_in(target.parent) == ["bundle", "kcompile.lock"]


def test_the_lock_is_there_before_the_bundle_changes(target: Path) -> None:
    lock = target.parent / "kcompile.lock"
    write_bundle(target, bundle({}), lock=(lock, b"before"))
    seen = []

    def look(one: Path, other: Path) -> None:
        seen.append((lock.read_bytes(), (other / "plan.json").exists()))
        exchange_names(one, other)

    write_bundle(target, bundle(PLAIN), lock=(lock, b"after"), exchange=look)
    assert seen == [(b"after", False)]


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_a_lock_that_is_no_file_is_refused_before_anything_changes(target: Path, kind: str) -> None:
    lock = target.parent / "kcompile.lock"
    write_bundle(target, bundle({}), lock=None)
    if kind == "directory":
        lock.mkdir()
    else:
        lock.symlink_to("elsewhere")
    (problem,) = refusal(target, bundle(PLAIN), (lock, b"1\n")).problems
    assert problem.code is Code.NOT_WRITABLE
    assert problem.position.file == str(lock)
    assert on_disk(target) == expected(bundle({}))


def test_check_names_what_differs_and_writes_nothing(target: Path) -> None:
    files = bundle(PLAIN)
    assert check_bundle(target, files) == tuple(sorted(files))
    assert not target.exists()
    write_bundle(target, files, lock=None)
    target.chmod(0o700)
    (target / "plan.json").chmod(0o600)
    assert check_bundle(target, files) == ()
    (target / "plan.json").write_text("[]\n")
    (target / "notes.txt").write_text("mine")
    (target / "nodes/n1/sysctl.d/k.conf").unlink()
    assert check_bundle(target, files) == ("nodes/n1/sysctl.d/k.conf", "notes.txt", "plan.json")


def test_unsafe_paths_reach_no_disk(target: Path) -> None:
    files = dict(bundle(PLAIN)) | {"../escaped": content("x")}
    with pytest.raises(OurBugError, match="unsafe path"):
        write_bundle(target, files, lock=None)
    assert names_in(target.parent) == []


def test_a_bundle_without_sums_is_our_bug(target: Path) -> None:
    with pytest.raises(OurBugError, match="SHA256SUMS"):
        write_bundle(target, {"plan.json": content("{}")}, lock=None)


TOPS = st.sampled_from(["dns", "nodes/n1", "nodes/n2", "nodes/n1/network", "more"])
NAMES = st.sampled_from(["a", "b", "c.d", "-", "..."])
PATHS = st.builds(lambda top, names: "/".join((top, *names)), TOPS, st.lists(NAMES, min_size=1))
TREES = st.dictionaries(PATHS, st.sampled_from(["", "x\n", "y\n", "x" * 9000]), max_size=12)


def no_file_is_a_folder(texts: dict[str, str]) -> bool:
    try:
        check_paths(texts)
    except OurBugError:
        return False
    return True


@given(
    first=TREES.filter(no_file_is_a_folder),
    second=TREES.filter(no_file_is_a_folder),
    exchange=st.sampled_from([exchange_names, without_exchange(ENOSYS)]),
)
@settings(deadline=None, max_examples=60)
def test_one_bundle_after_another_is_exactly_the_other(
    first: dict[str, str], second: dict[str, str], exchange: Exchange
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "bundle"
        write_bundle(target, bundle(first), lock=None, exchange=exchange)
        write_bundle(target, bundle(second), lock=None, exchange=exchange)
        assert on_disk(target) == expected(bundle(second))
        assert check_bundle(target, bundle(second)) == ()
        assert all(any(path.iterdir()) for path in target.rglob("*") if path.is_dir())
        assert names_in(Path(folder)) == ["bundle"]
