"""Serials of zones: from the content, and those that rise with `build --zone-serial FILE`."""

import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from cli_runs import KCOMPILE, SERVICE, Run, process
from kcompile.bundle.hold import held
from kcompile.lower.serials import SHARED, Entry, Serials, is_greater, next_serial
from kcompile.lower.serials_text import format_serials, parse_serials
from kcompile.problems import Code, InputError

RANGES = ("--service-cidr", "10.96.0.0/24", "--pod-network-cidr", "10.244.0.0/24")
FILE = "zones.serials"
FORWARD, SERVICES, PODS = "cluster.local", "0.96.10.in-addr.arpa", "0.244.10.in-addr.arpa"
HEADER = "kcompile-zone-serials: 1\n"
DIGEST = "ab" * 32


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path, capsys)
    run.service("m/a.yaml", "a")
    return run


def build(run: Run, *more: str) -> dict[str, int]:
    """The serials of all zones after a build."""
    answer = run("build", "m", *RANGES, *more)
    assert (answer.code, answer.out) == (0, ""), answer.err
    return serials(run.folder)


def rising(run: Run, *more: str) -> dict[str, int]:
    return build(run, "--zone-serial", FILE, *more)


def refused(run: Run, *more: str) -> list[str]:
    before = run.tree()
    answer = run("build", "m", *RANGES, "--zone-serial", FILE, *more)
    assert answer.code == 1
    assert run.tree() == before
    return [line for line in answer.err.splitlines() if ": note: " not in line]


def serials(folder: Path) -> dict[str, int]:
    files = (folder / "bundle" / "dns").glob("db.*")
    return {path.name[3:]: serial_in(path.read_text()) for path in files}


def serial_in(zone: str) -> int:
    (serial,) = re.findall(r"^    ([0-9]+) ; serial", zone, re.MULTILINE)
    return int(serial)


# ---- from the content


def test_the_serial_is_the_beginning_of_a_digest_of_all_the_rest(run: Run) -> None:
    """So whoever has the file can check it."""
    build(run)
    text = (run.folder / "bundle/dns/db.cluster.local").read_text()
    records = [line.replace(" IN ", " ", 1) for line in text.splitlines()[9:]]
    origin, mailbox = "cluster.local.", "hostmaster.cluster.local."
    soa = f"{origin} {(30, 'ns.dns.cluster.local.', mailbox, 0, 7200, 1800, 86400, 30)}"
    digest = sha256("\n".join([soa, *records]).encode()).hexdigest()
    assert serial_in(text) == int(digest[:8], 16)


def test_only_the_zones_that_change_get_another_serial(run: Run) -> None:
    first = build(run)
    assert build(run) == first
    run.write("m/a.yaml", SERVICE.replace("NAME", "a").replace("80", "81"))
    second = build(run)
    assert {zone for zone in first if first[zone] != second[zone]} == {FORWARD}
    run.service("m/a.yaml", "a")
    assert build(run) == first


# ---- that rise


def test_zones_start_at_1_and_rise_each_by_itself(run: Run) -> None:
    assert rising(run) == {FORWARD: 1, SERVICES: 1, PODS: 1}
    run.write("m/a.yaml", SERVICE.replace("NAME", "a").replace("80", "81"))
    assert rising(run) == {FORWARD: 2, SERVICES: 1, PODS: 1}
    run.service("m/b.yaml", "b")
    assert rising(run) == {FORWARD: 3, SERVICES: 2, PODS: 1}


def test_what_does_not_change_is_not_touched(run: Run) -> None:
    rising(run)
    before = {path: path.stat() for path in run.folder.rglob("*") if path.is_file()}
    answer = run("build", "m", *RANGES, "--zone-serial", FILE)
    assert answer.err.splitlines()[-1].endswith(": unchanged")
    after = {path: path.stat() for path in run.folder.rglob("*") if path.is_file()}
    assert after == {path: stat for path, stat in before.items() if path in after}
    run.service("m/b.yaml", "b")
    rising(run)
    pods = run.folder / "bundle/dns" / f"db.{PODS}"
    assert pods.stat().st_ino == before[pods].st_ino


def test_content_that_comes_back_gets_a_serial_of_its_own(run: Run) -> None:
    rising(run)
    run.service("m/b.yaml", "b")
    assert rising(run)[FORWARD] == 2
    (run.folder / "m/b.yaml").unlink()
    assert rising(run)[FORWARD] == 3


def test_a_zone_that_goes_and_comes_back_goes_on_where_it_was(run: Run) -> None:
    run.service("m/b.yaml", "b")
    rising(run, "--serial", "40")
    domain = rising(run, "--service-dns-domain", "other.example")
    assert domain == {"other.example": 1, SERVICES: 41, PODS: 41}
    assert rising(run) == {FORWARD: 40, SERVICES: 42, PODS: 42}


def test_a_chosen_serial_is_for_all_zones_and_must_be_greater(run: Run) -> None:
    assert set(rising(run, "--serial", "4000000000").values()) == {4000000000}
    assert set(rising(run).values()) == {4000000000}
    problems = refused(run, "--serial", "4000000000")
    assert [line.partition(": ")[0] for line in problems] == [f"{FILE}:{n}:1" for n in (4, 7, 10)]
    assert all(": KC606: --serial 4000000000 is not greater than 4000000000" in p for p in problems)
    assert refused(run, "--serial", "3999999999")
    # 2^31 - 1 on is the farthest; one more, and neither is greater.
    top = (4000000000 + 2**31 - 1) % 2**32
    assert f"are 4000000001 to {top}" in problems[0]
    assert refused(run, "--serial", str(top + 1))
    assert set(rising(run, "--serial", str(top)).values()) == {top}


def test_after_the_highest_comes_1(run: Run) -> None:
    rising(run, "--serial", str(2**32 - 1))
    run.service("m/b.yaml", "b")
    assert rising(run) == {FORWARD: 1, SERVICES: 1, PODS: 2**32 - 1}


@pytest.mark.parametrize(
    "options",
    [
        ("--serial", "5"),
        ("--zone-serial", FILE, "--serial", "0"),
        ("--zone-serial", FILE, "--serial", str(2**32)),
        ("--zone-serial", "bundle/zones.serials"),
        ("--zone-serial", "m/kcompile.lock"),
        ("--zone-serial", "m/../m/kcompile.lock"),
        ("--zone-serial", "m"),
        ("--zone-serial", "m/zones.yaml"),
        ("--zone-serial", "m/deeper/../zones.json"),
    ],
)
def test_wrong_usage(run: Run, options: tuple[str, ...]) -> None:
    before = run.tree()
    assert run("build", "m", *RANGES, *options).code == 2
    assert run.tree() == before


def test_check_lists_the_file_and_writes_nothing(run: Run) -> None:
    rising(run)
    before = run.tree()
    assert run("build", "m", *RANGES, "--zone-serial", FILE, "--check").code == 0
    answer = run("build", "m", *RANGES, "--zone-serial", FILE, "--serial", "9", "--check")
    assert (answer.code, answer.out.splitlines()[0]) == (3, FILE)
    assert run.tree() == before


def test_locked_is_about_the_lock_only(run: Run) -> None:
    rising(run)
    run.write("m/a.yaml", SERVICE.replace("NAME", "a").replace("80", "81"))
    assert rising(run, "--locked")[FORWARD] == 2


def test_a_build_that_fails_leaves_the_file(run: Run) -> None:
    rising(run)
    run.write("m/b.yaml", "apiVersion: v1\nkind: Service\n")
    assert refused(run)


def test_a_file_that_cannot_be_written_keeps_the_lock_as_it_was(run: Run) -> None:
    before = run.tree()
    answer = run("build", "m", *RANGES, "--zone-serial", f"nowhere/{FILE}")
    assert answer.code == 1
    message = f"nowhere/{FILE}:1:1: KC603: the serials cannot be written: there is no such folder"
    assert answer.err.splitlines()[-1] == message
    assert run.tree() == before


def test_builds_in_different_folders_wait_for_the_file(run: Run) -> None:
    run.service("other/a.yaml", "a")
    run.write("serials/none", "")
    command = (*KCOMPILE, "build", "other", *RANGES, "--zone-serial", f"serials/{FILE}")
    with held(run.folder / "serials" / FILE, 0, str):
        answer = process([*command, "--lock-timeout", "0"], run.folder)
    assert answer.code == 1
    assert f"serials/{FILE}:1:1: KC415: another kcompile is at work" in answer.err
    assert process(command, run.folder).code == 0


def test_a_build_that_ends_between_file_and_bundle_is_finished_by_the_next(run: Run) -> None:
    rising(run)
    old = {path: (run.folder / path).read_bytes() for path in (FILE, "m/kcompile.lock")}
    shutil.copytree(run.folder / "bundle", run.folder / "before")
    run.service("m/b.yaml", "b")
    after = rising(run)
    whole = run.tree()
    # The lock is written first, then the serials, then the bundle.
    for unwritten in ([], [FILE], [FILE, "m/kcompile.lock"]):
        shutil.rmtree(run.folder / "bundle")
        shutil.copytree(run.folder / "before", run.folder / "bundle")
        for path in unwritten:
            run.write(path, old[path])
        assert rising(run) == after
        assert run.tree() == whole


# ---- the file


def test_what_is_written_is_read_back(run: Run) -> None:
    rising(run)
    text = (run.folder / FILE).read_text()
    assert format_serials(parse_serials(FILE, text)) == text
    assert text.endswith("\n\n# end\n")
    entries = [line.partition(":")[0] for line in text.splitlines() if "{" in line]
    assert entries == sorted([FORWARD, SERVICES, PODS])


def entry(serial: object = 7, digest: str = DIGEST, zone: str = "a.example") -> str:
    return f"{zone}: {{serial: {serial}, digest: {digest}}}\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "1:1"),
        ("kcompile-zone-serials: 2\n", "1:1"),
        (entry(), "1:1"),
        (HEADER + "cluster.local\n", "2:14"),
        (HEADER + entry(zone="A.example"), "2:1"),
        (HEADER + entry(zone="a\u0430.example"), "2:2"),
        (HEADER + entry(zone="-a"), "2:1"),
        (HEADER + entry(0), "2:21"),
        (HEADER + entry("07"), "2:21"),
        (HEADER + entry("\u0667"), "2:21"),
        (HEADER + entry(2**32), "2:21"),
        (HEADER + entry("1" * 4000), "2:21"),
        (HEADER + entry(digest=DIGEST[1:]), "2:32"),
        (HEADER + entry(digest=DIGEST.upper()), "2:32"),
        (HEADER + entry(digest=DIGEST + "0"), "2:96"),
        (HEADER + entry().replace("}", "} # x"), "2:97"),
        (HEADER + "\n# \x1b[31m\n", "3:1"),
        (HEADER + "# x\x85" + entry(), "2:1"),
        (HEADER + "<<<<<<< HEAD\n", "2:1"),
        (HEADER + entry(7) + entry(7 + 2**31), "3:1"),
    ],
)
def test_a_broken_file_is_refused_where_it_is_broken(run: Run, text: str, place: str) -> None:
    run.write(FILE, text)
    problems = refused(run)
    assert problems[0].startswith(f"{FILE}:{place}: KC605: ")
    assert all(problem.isascii() and problem.isprintable() for problem in problems)


def test_all_broken_lines_are_named_up_to_twenty() -> None:
    with pytest.raises(InputError) as refusal:
        parse_serials(FILE, HEADER + entry(0) * 50)
    assert [each.position.line for each in refusal.value.problems] == [*range(2, 22)]
    assert {each.code for each in refusal.value.problems} == {Code.ZONE_SERIALS}


def test_what_is_no_text_file_is_refused(run: Run) -> None:
    run.write(FILE, b"\xff\xfe")
    assert "not UTF-8" in refused(run)[0]
    run.write(FILE, HEADER + "#\n" * (1 << 21))
    assert "larger than" in refused(run)[0]
    (run.folder / FILE).unlink()
    os.mkfifo(run.folder / FILE)
    answer = run("build", "m", *RANGES, "--zone-serial", FILE)
    assert answer.code == 1
    assert "not a regular file" in answer.err


def test_a_link_is_not_followed(run: Run) -> None:
    run.write("elsewhere", HEADER)
    (run.folder / FILE).symlink_to("elsewhere")
    assert "not a regular file" in refused(run)[0]


# ---- branches


def test_two_entries_of_a_zone_are_read_as_a_merge_left_them() -> None:
    def read(*entries: str) -> Entry:
        return parse_serials(FILE, HEADER + "".join(entries)).entries["a.example"]

    other = "cd" * 32
    assert read(entry(7), entry(7)) == Entry(7, DIGEST, 2)
    assert read(entry(7), entry(8, other)) == Entry(8, other, 3)
    assert read(entry(1, other), entry(2**32 - 1)) == Entry(1, other, 2)
    assert read(entry(7), entry(7, other)) == Entry(7, SHARED, 2)
    assert read(entry(6), entry(7), entry(7, other)) == Entry(7, SHARED, 3)


@pytest.mark.parametrize("kept", [True, False], ids=["rising", "from the content"])
def test_branches_that_change_one_zone_merge(run: Run, kept: bool) -> None:
    more = ("--zone-serial", FILE) if kept else ()
    run.write(".gitignore", "bundle\n")
    run.write(".gitattributes", f"{FILE} merge=union\n")
    for name in "klmopq":
        run.service(f"m/{name}.yaml", name)
    base = build(run, *more)
    git(run.folder, "init", "-q", "-b", "main")
    commit(run.folder, "base")
    found = []
    for name in ("c", "x"):
        git(run.folder, "checkout", "-q", "-b", f"with-{name}", "main")
        run.service(f"m/{name}.yaml", name)
        found.append(build(run, *more))
        commit(run.folder, name)
    git(run.folder, "merge", "-q", "--no-edit", "with-c")
    merged = build(run, *more)
    assert len({each[FORWARD] for each in (base, *found, merged)}) == (3 if kept else 4)
    if kept:
        assert [each[FORWARD] for each in (base, *found, merged)] == [1, 2, 2, 3]
        assert merged[PODS] == 1
    zone = (run.folder / "bundle/dns/db.cluster.local").read_text()
    assert {f"{name}.default.svc.cluster.local." for name in "cx"} <= set(zone.split())


def test_zone_files_of_two_branches_differ_in_records_that_merge_and_in_the_serial(
    run: Run,
) -> None:
    """Bundles are built, not merged; a reader of their differences sees records."""
    texts = []
    for names in ("am", "acm", "amx"):
        for path in (run.folder / "m").glob("*.yaml"):
            path.unlink()
        for name in names:
            run.service(f"m/{name}.yaml", name)
        build(run, "--no-lock")
        texts.append((run.folder / "bundle/dns/db.cluster.local").read_text())
    for name, text in zip(("base", "ours", "theirs"), texts, strict=True):
        run.write(name, text)
    command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
    merged = process(command, run.folder)
    assert merged.code == 1
    inside = re.findall(r"<<<<<<< ours\n(.*)=======\n(.*)>>>>>>> theirs\n", merged.out, re.DOTALL)
    serial = r" {4}[0-9]+ ; serial: .*\n"
    assert [bool(re.fullmatch(serial, side)) for side in inside[0]] == [True, True]
    assert "\nc.default.svc" in merged.out
    assert "\nx.default.svc" in merged.out


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


# ---- the arithmetic


@pytest.mark.parametrize(
    ("serial", "other", "greater"),
    [
        (2, 1, True),
        (1, 1, False),
        (1, 2, False),
        (1, 2**32 - 1, True),
        (2**32 - 1, 1, False),
        (2**31, 1, True),
        (2**31 + 1, 1, False),
        (1, 2**31 + 1, False),
        (2**31 + 2, 1, False),
        (1, 2**31 + 2, True),
    ],
)
def test_greater_as_rfc_1982_has_it(serial: int, other: int, greater: bool) -> None:
    assert is_greater(serial, other) is greater


def test_the_next_serial_is_never_0() -> None:
    assert [next_serial(serial) for serial in (1, 2**31 - 1, 2**32 - 1)] == [2, 2**31, 1]


def test_an_empty_file_of_serials() -> None:
    text = format_serials(Serials(FILE, {}))
    assert parse_serials(FILE, text) == Serials(FILE, {})
