"""`build --generation` and `build --sign`: what nodes are told, and what stays out of it."""

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from cli_runs import Run, python
from kcompile.bundle.signatures import signed
from kcompile.bundle.tree import assemble
from kcompile.bundle.write import write_bundle

SIGNED = "nodes/node-1/SLICE.json.sig"
NODES = "".join(
    f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{number}}}\n"
    f"status: {{addresses: [{{type: InternalIP, address: 192.0.2.{number}}}]}}\n"
    for number in (1, 2, 3)
)

needs_ssh_keygen = pytest.mark.skipif(
    not shutil.which("ssh-keygen"), reason="not installed: ssh-keygen"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    run = Run(tmp_path, capsys)
    run.service("m/web.yaml", "web")
    return run


def make_key(run: Run, name: str, kind: str = "ed25519", passphrase: str = "") -> None:
    program = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", name]
    subprocess.run(program, cwd=run.folder, check=True)


def build(run: Run, *arguments: str) -> dict[str, bytes]:
    answer = run("build", "m", *arguments)
    assert answer.code == 0, answer.err
    return bundle(run)


def bundle(run: Run) -> dict[str, bytes]:
    return {
        path.removeprefix("bundle/"): content
        for path, content in run.tree().items()
        if path.startswith("bundle/") and content is not None
    }


def is_by(run: Run, key: str, path: str) -> bool:
    """Whether OpenSSH takes a signature of the bundle as one by this key over that slice."""
    allowed = run.folder / "allowed"
    allowed.write_text(f"deployer {(run.folder / f'{key}.pub').read_text()}")
    done = subprocess.run(
        [
            "ssh-keygen",
            "-Y",
            "verify",
            "-n",
            "kcompile",
            "-I",
            "deployer",
            "-f",
            allowed,
            "-s",
            path,
        ],
        cwd=run.folder / "bundle",
        input=(run.folder / "bundle" / path.removesuffix(".sig")).read_bytes(),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


# ---- --generation


def test_the_generation_is_in_slices_and_nothing_else_depends_on_it(run: Run) -> None:
    without = build(run)
    numbered = build(run, "--generation", "7")
    assert b'"node": "node-1",\n"generation": 7,\n"files"' in numbered["nodes/node-1/SLICE.json"]
    differing = {path for path, text in numbered.items() if text != without.get(path)}
    assert differing == {"nodes/node-1/SLICE.json", "MANIFEST.json", "SHA256SUMS"}
    assert build(run) == without


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", str(2**63), ""])
def test_a_generation_is_a_positive_number(run: Run, number: str) -> None:
    before = run.tree()
    answer = run("build", "m", "--generation", number)
    assert (answer.code, answer.out) == (2, "")
    assert "--generation" in answer.err
    assert run.tree() == before


# ---- --sign


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_every_slice_is_signed_and_signed_again_only_if_it_changes(run: Run, kind: str) -> None:
    run.write("m/nodes.yaml", NODES)
    make_key(run, "key", kind)
    unsigned = build(run)
    signed = build(run, "--sign", "key")
    signatures = [f"nodes/n{number}/SLICE.json.sig" for number in (1, 2, 3)]
    assert sorted(signed.keys() - unsigned.keys()) == signatures
    assert all(is_by(run, "key", path) for path in signatures)
    assert {path for path, text in unsigned.items() if signed[path] != text} == {"SHA256SUMS"}
    again = run("build", "m", "--sign", "key")
    assert again.err.endswith(": unchanged\n")
    run.write("m/nodes.yaml", NODES.replace("{name: n3}", "{name: n4}"))
    assert signatures[2] not in build(run, "--sign", "key")
    assert all(is_by(run, "key", f"nodes/n{number}/SLICE.json.sig") for number in (1, 2, 4))


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_what_is_there_of_another_key_or_another_slice_is_replaced(run: Run, kind: str) -> None:
    make_key(run, "old", kind)
    make_key(run, "new", kind)
    build(run, "--sign", "old")
    assert is_by(run, "old", SIGNED)
    build(run, "--sign", "new")
    assert is_by(run, "new", SIGNED)
    assert not is_by(run, "old", SIGNED)
    build(run, "--sign", "new", "--generation", "2")
    assert is_by(run, "new", SIGNED)
    build(run, "--generation", "2")
    assert SIGNED not in bundle(run)


@needs_ssh_keygen
def test_sums_list_signatures_and_the_manifest_does_not(run: Run) -> None:
    make_key(run, "key")
    signed = build(run, "--sign", "key")
    digest = sha256(signed[SIGNED]).hexdigest()
    assert f"{digest}  {SIGNED}\n".encode() in signed["SHA256SUMS"]
    assert b"SLICE.json.sig" not in signed["MANIFEST.json"] + signed["nodes/node-1/SLICE.json"]


@needs_ssh_keygen
def test_a_check_needs_no_key_and_one_with_a_key_compares_signatures(run: Run) -> None:
    make_key(run, "key")
    make_key(run, "other")
    build(run, "--sign", "key")
    before = run.tree()
    assert run("build", "m", "--check").code == 0
    assert run("build", "m", "--check", "--sign", "key").code == 0
    answer = run("build", "m", "--check", "--sign", "other")
    assert (answer.code, answer.out) == (3, f"SHA256SUMS\n{SIGNED}\n")
    answer = run("build", "m", "--check", "--generation", "3")
    assert answer.out == "MANIFEST.json\nSHA256SUMS\nnodes/node-1/SLICE.json\n"
    assert run.tree() == before
    run.write(f"bundle/{SIGNED}", "no signature\n")
    answer = run("build", "m", "--check")
    assert (answer.code, answer.out) == (3, f"SHA256SUMS\n{SIGNED}\n")


@needs_ssh_keygen
def test_a_key_of_the_agent_is_named_by_its_public_half(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("ssh-agent"):
        pytest.skip("not installed: ssh-agent")
    make_key(run, "key")
    socket = str(run.folder / "agent")
    command = ["ssh-agent", "-D", "-a", socket]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", socket)
            while not os.path.exists(socket):  # noqa: PTH110 (a Path would say no more)
                assert agent.poll() is None
            subprocess.run(["ssh-add", "-q", "key"], cwd=run.folder, check=True)
            (run.folder / "key").unlink()
            build(run, "--sign", "key.pub")
        finally:
            agent.terminate()
    assert is_by(run, "key", SIGNED)


@needs_ssh_keygen
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("locked", "incorrect passphrase supplied to decrypt private key' (a key with"),
        ("nothing", "the key cannot be read: No such file or directory (ssh-keygen -t ed25519"),
        ("text", "ssh-keygen cannot sign with this key: "),
        ("open", "ssh-keygen cannot sign with this key: "),
        ("orphan.pub", "ssh-keygen cannot sign with this key: "),
    ],
)
def test_a_key_that_is_no_use_is_said_and_nothing_is_written(run: Run, key: str, said: str) -> None:
    make_key(run, "locked", passphrase="known to nobody")  # noqa: S106 (that is the case)
    make_key(run, "open")
    make_key(run, "orphan")
    (run.folder / "open").chmod(0o644)
    (run.folder / "orphan").unlink()
    run.write("text", "no key\n")
    (run.folder / "text").chmod(0o600)
    before = run.tree()
    answer = run("build", "m", "--sign", key)
    assert (answer.code, answer.out) == (1, "")
    assert f"{key}:1:1: KC607: " in answer.err
    assert said in answer.err
    assert run.tree() == before


def test_without_ssh_keygen_nothing_is_signed_or_written(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write("key", "whatever\n")
    monkeypatch.setenv("PATH", str(run.folder))
    before = run.tree()
    answer = run("build", "m", "--sign", "key")
    assert answer.code == 1
    assert answer.err == (
        "key:1:1: KC607: ssh-keygen, which signs, is not installed (install OpenSSH)\n"
    )
    assert run.tree() == before


@needs_ssh_keygen
def test_where_there_is_no_place_for_copies(run: Run) -> None:
    make_key(run, "key")
    before = run.tree()
    limited = "import resource, kcompile.cli.main as ours; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); ours.main(['build', 'm', '--sign', 'key'])"
    answer = python(limited, run.folder)
    assert answer.code == 1
    assert "key:1:1: KC607: the slices cannot be signed: " in answer.err
    assert run.tree() == before


@needs_ssh_keygen
def test_more_slices_than_one_run_takes(run: Run) -> None:
    make_key(run, "key")
    nodes = [f"n{number}" for number in range(1100)]
    files = assemble({}, version="1", settings={}, nodes=nodes, sources="", proved=True)
    write_bundle(Path("bundle"), signed(files, Path("key"), Path("bundle")), lock=None)
    paths = [path for path in bundle(run) if path.endswith(".sig")]
    assert len(paths) == 1100
    assert all(is_by(run, "key", path) for path in sorted(paths)[::200])
