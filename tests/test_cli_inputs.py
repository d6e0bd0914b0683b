"""Which files a command reads, in which order, and what it says of those that it cannot read."""

import os
import shutil
from pathlib import Path

import pytest

from cli_runs import KCOMPILE, SERVICE, Run, process
from command_line import Answer


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path, capsys)


@pytest.fixture
def as_owner(run: Run) -> Run:
    """Whoever may read all files must be made to obey their modes: see `without_privileges`."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root reads every file, and there is no setpriv to give that up")
    return run


def without_privileges(*arguments: str) -> Answer:
    obey = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    return process([*(obey if os.geteuid() == 0 else ()), *KCOMPILE, *arguments], Path.cwd())


# ---- folders


def test_a_file(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.service("m/b.yaml", "b")
    assert run.services("m/a.yaml") == {"a"}


def test_a_file_that_is_named_has_any_name(run: Run) -> None:
    run.service(".hidden.txt", "a")
    assert run.services(".hidden.txt") == {"a"}


def test_folders_are_read_with_all_below_them(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.service("m/deep/er/b.yml", "b")
    run.write(
        "m/deep/c.json", '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}'
    )
    run.service("m/not-a-manifest.txt", "txt")
    run.service("m/upper.YAML", "upper")
    run.service("m/.hidden.yaml", "hidden")
    run.service("m/.git/x.yaml", "git")
    run.service("m/deep/.cache/x.yaml", "cache")
    assert run.services("m") == {"a", "b"}
    assert run("get", "services", "--bundle", "out").code == 0
    assert '"m/deep/c.json"' in (run.folder / "out" / "sources.json").read_text()


def test_a_hidden_folder_that_is_named_is_read(run: Run) -> None:
    run.service(".m/a.yaml", "a")
    assert run.services(".m") == {"a"}


def test_files_come_in_the_order_of_their_names(run: Run) -> None:
    """The first is whose object stands; where the others stand is what their errors say."""
    for path in ("m/b.yaml", "m/d/b.yaml", "m/a.yaml", "m/c/z.yaml"):
        run.service(path, "same")
    errors = run("build", "m").err.splitlines()
    assert [line.partition(" KC301: Service default/same")[0] for line in errors[-3:]] == [
        "m/b.yaml:1:1:",
        "m/c/z.yaml:1:1:",
        "m/d/b.yaml:1:1:",
    ]
    assert all(line.endswith("first at m/a.yaml:1:1") for line in errors[-3:])


def test_bundles_within_a_folder_are_passed_over(run: Run) -> None:
    run.service("m/a.yaml", "a")
    for output in ("m/bundle", "m/deep/other"):
        assert run("build", "m", "-o", output).code == 0
    before = run.tree()
    answer = run("build", "m", "-o", "m/bundle")
    assert answer.err.endswith("m/bundle: 1 node, 0 pods, 3 services: unchanged\n")
    assert run.tree() == before


def test_a_manifest_of_somebody_else_makes_no_bundle(run: Run) -> None:
    run.write(
        "m/web/MANIFEST.json",
        '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}',
    )
    run.service("m/web/a.yaml", "a")
    assert run.services("m") == {"a"}


def test_a_file_that_is_named_twice_is_read_once(run: Run) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "link.yaml").symlink_to("m/a.yaml")
    assert run.services("m", "m/a.yaml", "./m/../m/a.yaml", "link.yaml", "m/") == {"a"}


def test_links_to_files_are_followed_and_links_to_folders_are_not(run: Run) -> None:
    """Kubernetes mounts a ConfigMap as links to files in a hidden folder."""
    run.service("m/..data/a.yaml", "a")
    (run.folder / "m" / "a.yaml").symlink_to("..data/a.yaml")
    run.service("other/b.yaml", "b")
    (run.folder / "m" / "other").symlink_to("../other")
    (run.folder / "m" / "around").symlink_to(".")
    assert run.services("m") == {"a"}
    links = ("m/around", "m/other")
    assert run("validate", "m").err.startswith(
        "".join(
            f"{link}:1:1: KC111: warning: this link to a folder is not followed: what is there is"
            " left out (name it as an input, too)\n"
            for link in links
        )
    )
    assert run("validate", "m", "--strict").code == 1
    assert run.services("m", "m/other") == {"a", "b"}


def test_a_bundle_is_no_input(run: Run) -> None:
    """Named by mistake, it is one error, not one for each of its files."""
    run.service("m/a.yaml", "a")
    assert run("build", "m").code == 0
    for argument in ("bundle", "./bundle/"):
        answer = run("build", argument)
        assert answer == Answer(
            1,
            "",
            f"{argument}:1:1: KC109: this is a bundle that kcompile wrote (name the manifests that"
            " it was built from)\n",
        )


def test_nothing_waits_for_the_writer_of_a_fifo(run: Run) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "m" / "web").mkdir()
    os.mkfifo(run.folder / "m" / "web" / "MANIFEST.json")
    os.mkfifo(run.folder / "m" / "web" / "b.yaml")
    assert run.services("m") == {"a"}


# ---- standard input


def test_standard_input(run: Run) -> None:
    text = SERVICE.replace("NAME", "a")
    answer = process([*KCOMPILE, "build", "-", "-"], run.folder, given=text)
    assert (answer.code, answer.out) == (0, "")
    assert (run.folder / "kcompile.lock").exists()
    before = run.tree()
    answer = process([*KCOMPILE, "build", "-"], run.folder, given=f"{text}---\nkind: [")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("<stdin>:6:")
    assert run.tree() == before


def test_standard_input_beside_files(run: Run) -> None:
    run.service("x/a.yaml", "a")
    text = SERVICE.replace("NAME", "b")
    answer = process([*KCOMPILE, "build", "x/a.yaml", "-"], run.folder, given=text)
    assert "1 node, 0 pods, 4 services" in answer.err
    assert (run.folder / "kcompile.lock").exists()
    assert not (run.folder / "x" / "kcompile.lock").exists()


def test_a_closed_standard_input(run: Run) -> None:
    answer = process(["sh", "-c", 'exec "$@" <&-', "sh", *KCOMPILE, "build", "-"], run.folder)
    assert answer == Answer(1, "", "<stdin>:1:1: KC109: cannot be read: it is closed\n")
    assert run.tree() == {}


# ---- what cannot be read


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("missing.yaml", "missing.yaml:1:1: KC109: cannot be read: No such file or directory"),
        ("", ":1:1: KC109: cannot be read: No such file or directory"),
        ("file/a.yaml", "file/a.yaml:1:1: KC109: cannot be read: Not a directory"),
        ("empty", "empty:1:1: KC109: no file here ends in .yaml, .yml or .json"),
        ("broken", "broken/a.yaml:1:1: KC109: cannot be read: No such file or directory"),
        ("ring.yaml", "ring.yaml:1:1: KC109: cannot be read: Too many levels of symbolic links"),
        (
            "bad\x1b[31m.yaml",
            r"bad\x1b[31m.yaml:1:1: KC109: cannot be read: No such file or directory",
        ),
        (
            "two\nlines.yaml",
            r"two\nlines.yaml:1:1: KC109: cannot be read: No such file or directory",
        ),
        (
            "left\u202eright",
            r"left\u202eright:1:1: KC109: cannot be read: No such file or directory",
        ),
        ("\udcff.yaml", r"\udcff.yaml:1:1: KC109: cannot be read: No such file or directory"),
        ("n" * 300, f"{'n' * 300}:1:1: KC109: cannot be read: File name too long"),
        ("binary.yaml", "binary.yaml:1:11: KC101: invalid UTF-8"),
    ],
    ids=lambda text: ascii(text)[:24],
)
@pytest.mark.parametrize("command", ["build", "validate"])
def test_inputs_that_cannot_be_read(run: Run, command: str, argument: str, message: str) -> None:
    run.write("file", "")
    run.write("empty/a.txt", "")
    run.write("binary.yaml", b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe")
    (run.folder / "broken").mkdir()
    (run.folder / "broken" / "a.yaml").symlink_to("nowhere.yaml")
    (run.folder / "ring.yaml").symlink_to("ring.yaml")
    before = run.tree()
    answer = run(command, argument)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(message)
    assert answer.err.count("\n") == 1
    assert run.tree() == before


def test_all_that_cannot_be_read_is_said_at_once(run: Run) -> None:
    run.service("m/a.yaml", "a")
    (run.folder / "m" / "b.yaml").symlink_to("nowhere")
    assert run("build", "x", "m", "y").err.splitlines() == [
        "x:1:1: KC109: cannot be read: No such file or directory",
        "m/b.yaml:1:1: KC109: cannot be read: No such file or directory",
        "y:1:1: KC109: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_a_folder_that_may_not_be_read(as_owner: Run, mode: int) -> None:
    """With mode 0400 the names can be read, and none of the files."""
    as_owner.service("m/a.yaml", "a")
    as_owner.service("m/deep/b.yaml", "b")
    closed = as_owner.folder / "m" / "deep"
    closed.chmod(mode)
    answers = [without_privileges("build", argument) for argument in ("m", "m/deep/b.yaml")]
    closed.chmod(0o700)
    shown = ("m/deep" if mode == 0 else "m/deep/b.yaml", "m/deep/b.yaml")
    assert answers == [
        Answer(1, "", f"{path}:1:1: KC109: cannot be read: Permission denied\n") for path in shown
    ]
    assert not (as_owner.folder / "bundle").exists()


def test_a_file_that_may_not_be_read(as_owner: Run) -> None:
    as_owner.service("m/a.yaml", "a")
    (as_owner.folder / "m" / "a.yaml").chmod(0)
    answer = without_privileges("build", "m")
    assert answer == Answer(1, "", "m/a.yaml:1:1: KC109: cannot be read: Permission denied\n")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("\x1b[31m", r"\x1b[31m"), ("\udcff", r"\udcff"), ("\n", r"\n"), ("ä b", "ä b")],
    ids=ascii,
)
def test_names_of_files_are_shown_so_that_a_terminal_survives(
    run: Run, name: str, shown: str
) -> None:
    run.service(f"m/{name}.yaml", "a")
    answer = run("build", "m")
    assert answer.code == 0
    assert f"m/{shown}.yaml:4:18: KC322" in answer.err
    assert run("build", "m", "--check").code == 0


def test_a_working_folder_that_is_gone(run: Run) -> None:
    """As it is for a shell that stands in a bundle which a build has replaced."""
    run.service("m/a.yaml", "a")
    (run.folder / "gone").mkdir()
    manifest = run.folder / "m" / "a.yaml"
    script = f'cd gone; rmdir ../gone; exec "$@" build "{manifest}"'
    answer = process(["sh", "-c", script, "sh", *KCOMPILE], run.folder)
    assert answer.code == 1
    assert answer.err == (
        ".:1:1: KC109: the working folder has been removed (change into a folder that exists)\n"
    )
