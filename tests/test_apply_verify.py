"""A node takes a slice that is whole and its own, and nothing else, however hostile."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.apply.failures import RefusedError
from kcompile.apply.slice_json import is_node_name, parse_slice
from kcompile.apply.slices import Slice
from kcompile.apply.verify import check_generation, copy_slice, read_slice
from kcompile.bundle.tree import assemble, content
from kcompile.bundle.write import write_bundle

TEXTS = {
    "plan.json": "{}\n",
    "dns/db.cluster.local": "$ORIGIN cluster.local.\n",
    "dns/servers/named.conf": "zone\n",
    "nodes/n1/iptables.rules": "*nat\nCOMMIT\n",
    "nodes/n1/sysctl.d/k.conf": "net.ipv4.ip_forward = 1\n",
    "nodes/n2/iptables.rules": "*nat\nCOMMIT\n",
}
RULES = "nodes/n1/iptables.rules"


def write(folder: Path, generation: int | None = None, **more: str) -> Path:
    texts = TEXTS | more
    files = assemble(
        {path: content(text) for path, text in texts.items()},
        version="1",
        settings={},
        nodes=["n1", "n2"],
        sources="{}\n",
        proved=True,
        generation=generation,
    )
    write_bundle(folder, files, lock=None)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle", 7)


def stated(bundle: Path, node: str = "n1") -> dict[str, object]:
    value: dict[str, object] = json.loads((bundle / f"nodes/{node}/SLICE.json").read_text())
    return value


def state(bundle: Path, **changed: object) -> None:
    """Write SLICE.json anew, hostile as it may be."""
    (bundle / "nodes/n1/SLICE.json").unlink()
    (bundle / "nodes/n1/SLICE.json").write_text(json.dumps(stated_but(changed)))


def stated_but(changed: dict[str, object]) -> dict[str, object]:
    listed = [path for path in TEXTS if path.startswith(("dns/", "nodes/n1/"))]
    digests = {path: sha256(TEXTS[path].encode()).hexdigest() for path in listed}
    value: dict[str, object] = {"version": 1, "node": "n1", "files": digests}
    return value | changed


def refusal(folder: Path, node: str = "n1") -> str:
    with pytest.raises(RefusedError) as caught:
        read_slice(folder, node)
    said = str(caught.value)
    assert said.isascii()
    return said


# ---- what is taken


def test_a_slice_is_what_slice_json_lists(bundle: Path) -> None:
    slice_ = read_slice(bundle, "n1")
    assert (slice_.node, slice_.generation) == ("n1", 7)
    assert slice_.files == stated(bundle)["files"]
    assert slice_.own("iptables.rules") == TEXTS[RULES]
    assert slice_.below("dns/") == ("dns/db.cluster.local", "dns/servers/named.conf")


def test_a_copy_of_only_what_the_node_needs_is_the_same_slice(bundle: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(bundle / "dns", copied / "dns")
    shutil.copytree(bundle / "nodes" / "n1", copied / "nodes" / "n1")
    assert read_slice(copied, "n1").files == read_slice(bundle, "n1").files


def test_other_nodes_and_files_of_the_bundle_do_not_matter(bundle: Path) -> None:
    (bundle / "plan.json").unlink()
    (bundle / "nodes/n2/iptables.rules").unlink()
    (bundle / "nodes/n2/iptables.rules").write_text("broken")
    assert read_slice(bundle, "n1").generation == 7


def test_the_operator_may_name_the_folder_by_a_link(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bundle)
    assert read_slice(tmp_path / "link", "n1").generation == 7


def test_a_signature_is_not_listed(bundle: Path) -> None:
    (bundle / "nodes/n1/SLICE.json.sig").write_text("whatever")
    assert read_slice(bundle, "n1").generation == 7


# ---- what is refused


def replace(path: Path, text: str | bytes) -> None:
    path.unlink()  # it is a hard link
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def move_folder(bundle: Path, name: str) -> None:
    (bundle / name).rename(bundle.parent / "elsewhere")
    (bundle / name).symlink_to(bundle.parent / "elsewhere")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "edited": (lambda b: replace(b / RULES, "*nat\n"), f"{RULES}: its SHA-256 is "),
    "missing": (lambda b: (b / RULES).unlink(), f"{RULES}: No such file or directory"),
    "a link": (lambda b: link(b / RULES, "/etc/passwd"), f"{RULES}: it, or a folder above it, is"),
    "a link to the same": (
        lambda b: link(b / RULES, "../n2/iptables.rules"),
        f"{RULES}: it, or a folder above it, is",
    ),
    "a fifo": (lambda b: fifo(b / RULES), f"{RULES}: not a regular file"),
    "a folder": (
        lambda b: ((b / RULES).unlink(), (b / RULES).mkdir()),
        f"{RULES}: not a regular file",
    ),
    "more": (
        lambda b: (b / "dns/servers/\x1b[31m").write_text(""),
        "dns/servers/\\x1b[31m: SLICE.json does not list it",
    ),
    "more of its own": (
        lambda b: (b / "nodes/n1/more").write_text(""),
        "nodes/n1/more: SLICE.json does not list it",
    ),
    "a linked folder": (
        lambda b: (b / "nodes/n1/more").symlink_to("/etc"),
        "nodes/n1/more: it is no regular file",
    ),
    "dns a link": (lambda b: move_folder(b, "dns"), "dns: it, or a folder above it, is"),
    "nodes a link": (
        lambda b: move_folder(b, "nodes"),
        "nodes/n1/SLICE.json: it, or a folder above it, is a symbolic link",
    ),
    "the node a link": (
        lambda b: move_folder(b, "nodes/n1"),
        "nodes/n1/SLICE.json: it, or a folder above it, is a symbolic link",
    ),
    "slice.json a link": (
        lambda b: link(b / "nodes/n1/SLICE.json", "/dev/zero"),
        "nodes/n1/SLICE.json: it, or a folder above it, is",
    ),
    "slice.json a fifo": (
        lambda b: fifo(b / "nodes/n1/SLICE.json"),
        "nodes/n1/SLICE.json: not a regular file",
    ),
    "the signature a link": (
        lambda b: (b / "nodes/n1/SLICE.json.sig").symlink_to("/etc/passwd"),
        "nodes/n1/SLICE.json.sig: it is no regular file",
    ),
    "an endless slice.json": (
        lambda b: os.truncate(b / "nodes/n1/SLICE.json", 1 << 40),
        "nodes/n1/SLICE.json: larger than 8388608 bytes",
    ),
    "binary": (
        lambda b: (
            replace(b / RULES, b"\xff\xfe"),
            state(b, files={RULES: sha256(b"\xff\xfe").hexdigest()}),
        ),
        f"{RULES}: it is not text in UTF-8",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_slice_that_is_not_whole_is_refused(bundle: Path, case: str) -> None:
    break_it, said = BROKEN[case]
    break_it(bundle)
    assert said in refusal(bundle)


def test_all_that_is_wrong_is_said_at_once(bundle: Path) -> None:
    replace(bundle / RULES, "*nat\n")
    (bundle / "dns/db.cluster.local").unlink()
    (bundle / "dns/zz").write_text("")
    lines = refusal(bundle).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "dns/db.cluster.local",
        "dns/zz",
        RULES,
    ]


def test_of_very_much_that_is_wrong_the_first_is_said(bundle: Path) -> None:
    for number in range(100):
        (bundle / f"dns/more{number}").write_text("")
    assert refusal(bundle).splitlines()[-1] == "  and 80 more"


def test_folders_without_end_are_not_followed(bundle: Path) -> None:
    folder = bundle / "dns"
    for _ in range(100):
        folder /= "d"
        folder.mkdir()
    assert "d/d" in refusal(bundle)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 2}, "version is 2, and this kcompile reads 1 only"),
        ({"version": True}, "version is True"),
        ({"version": "1"}, "version is '1'"),
        ({"node": "n2"}, "it is for node 'n2', not for n1"),
        ({"node": ["n1"]}, "it is for node ['n1'], not for n1"),
        ({"node": "n1\n"}, "it is for node 'n1\\n', not for n1"),
        ({"generation": 0}, "generation 0 is not a number from 1 to 2^63 - 1"),
        ({"generation": None}, "generation None is not"),
        ({"generation": True}, "generation True is not"),
        ({"generation": 2**63}, "generation 9223372036854775808 is not"),
        ({"generation": 10**30}, "a number is too large"),
        ({"generation": 1.0}, "a number is not whole"),
        ({"generation": float("nan")}, "a number is not whole"),
        ({"more\x1b": 1}, "unknown keys: 'more\\x1b'"),
        ({"files": []}, "files is not an object"),
        ({"files": {"/etc/passwd": "0" * 64}}, "'/etc/passwd' is no path"),
        ({"files": {"dns/../../etc/passwd": "0" * 64}}, "'dns/../../etc/passwd' is no path"),
        ({"files": {"dns/..": "0" * 64}}, "'dns/..' is no path"),
        ({"files": {"dns//a": "0" * 64}}, "'dns//a' is no path"),
        ({"files": {"dns/a\n": "0" * 64}}, "'dns/a\\n' is no path"),
        ({"files": {"dns/\ud800": "0" * 64}}, "'dns/\\ud800' is no path"),
        ({"files": {f"dns/{'a/' * 600}a": "0" * 64}}, "is no path"),
        ({"files": {"plan.json": "0" * 64}}, "'plan.json' is no path"),
        ({"files": {"nodes/n2/a": "0" * 64}}, "'nodes/n2/a' is neither in dns/ nor in nodes/n1/"),
        ({"files": {"nodes/n1/SLICE.json": "0" * 64}}, "cannot list itself"),
        ({"files": {"dns/a": "0" * 63}}, "the digest of 'dns/a' is '000"),
        ({"files": {"dns/a": "A" * 64}}, "the digest of 'dns/a' is 'AAA"),
        ({"files": {"dns/a": 1}}, "the digest of 'dns/a' is 1, not 64 hexadecimal digits"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_slice_json_cannot_say(bundle: Path, changed: dict[str, object], said: str) -> None:
    state(bundle, **changed)
    assert said in refusal(bundle)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not as kcompile writes it"),
        ("[]", "it is not an object"),
        ("null", "it is not an object"),
        ("[" * 1_000_000, "it is nested too deep"),
        ('{"version": 1, "version": 1}', "a key is there twice"),
        ('{"version": ' + "9" * 1_000_000 + "}", "a number is too large"),
        ('{"node": "\xe9"}', "it is not as kcompile writes it"),
        ("\ufeff{}", "it is not as kcompile writes it"),
    ],
    ids=["empty", "list", "null", "nested", "twice", "number", "not ASCII", "mark"],
)
def test_what_is_no_slice_json(bundle: Path, text: str, said: str) -> None:
    replace(bundle / "nodes/n1/SLICE.json", text)
    assert said in refusal(bundle)


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_make_a_traceback(text: bytes) -> None:
    _, problems = parse_slice(text, "n1")
    assert problems


@pytest.mark.parametrize(
    "node", ["", ".", "..", "../n1", "n1/", "n1\n", "N1", "-n", "n_1", "a" * 254, "n1 ", "\u0661"]
)
def test_what_is_no_node_name(bundle: Path, node: str) -> None:
    assert not is_node_name(node)
    assert "is no name of a Kubernetes node" in refusal(bundle, node)


def test_a_node_without_a_slice_is_told_which_have_one(bundle: Path) -> None:
    said = refusal(bundle, "n3")
    assert said.endswith(
        "No such file or directory; --node names another: there are slices for n1, n2"
    )


def test_what_is_no_bundle(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith("this is no bundle of kcompile's")
    assert "cannot be read: No such file or directory" in refusal(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    assert "cannot be read: Not a directory" in refusal(tmp_path / "file")


# ---- copies


def test_a_copy_is_the_slice_and_no_more(bundle: Path, tmp_path: Path) -> None:
    (bundle / "nodes/n1/SLICE.json.sig").write_text("whatever")
    before = os.umask(0o077)
    try:
        copied = copy_slice(read_slice(bundle, "n1"), tmp_path / "state/generations/1")
    finally:
        os.umask(before)
    assert copied.folder == tmp_path / "state/generations/1"
    found = {
        str(path.relative_to(copied.folder)) for path in copied.folder.rglob("*") if path.is_file()
    }
    assert found == {*copied.files, "nodes/n1/SLICE.json", "nodes/n1/SLICE.json.sig"}
    assert all(
        path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)
        for path in copied.folder.rglob("*")
    )
    assert read_slice(copied.folder, "n1") == copied


@pytest.mark.parametrize(
    "change",
    [
        lambda b: replace(b / RULES, "*nat\n"),
        lambda b: link(b / RULES, "/etc/passwd"),
        lambda b: (b / RULES).unlink(),
        lambda b: write(b, 8),
        lambda b: write(b, 7, **{RULES: "*filter\nCOMMIT\n"}),
        shutil.rmtree,
    ],
    ids=["edited", "linked", "removed", "another generation", "another whole bundle", "gone"],
)
def test_what_changes_between_looking_and_copying_is_not_taken(
    bundle: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    slice_ = read_slice(bundle, "n1")
    change(bundle)
    with pytest.raises(RefusedError):
        copy_slice(slice_, tmp_path / "copied")
    assert not (tmp_path / "copied").exists()


def test_a_copy_replaces_nothing(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "copied").mkdir()
    with pytest.raises(RefusedError, match="is there already"):
        copy_slice(read_slice(bundle, "n1"), tmp_path / "copied")
    assert (tmp_path / "copied").exists()


# ---- generations


def of(generation: int | None) -> Slice:
    return Slice("n1", generation, Path("unread"), {})


@pytest.mark.parametrize(
    ("installed", "wanted", "said"),
    [
        (None, of(1), None),
        (None, of(None), "the slice has no generation"),
        (of(1), of(None), "the slice has no generation"),
        (of(None), of(1), "what is installed has no generation"),
        (of(3), of(3), None),
        (of(3), of(4), None),
    ],
)
def test_a_slice_that_is_not_older_is_taken(
    installed: Slice | None, wanted: Slice, said: str | None
) -> None:
    notice = check_generation(installed, wanted, force=False)
    assert notice is None if said is None else notice and notice.startswith(said)


def test_an_older_one_only_by_force() -> None:
    with pytest.raises(RefusedError, match="of generation 3, older than the installed 4"):
        check_generation(of(4), of(3), force=False)
    notice = check_generation(of(4), of(3), force=True)
    assert notice
    assert "--force" in notice
