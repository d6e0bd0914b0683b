"""Whose slice a node takes, by OpenSSH's own judgement."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.signature import check_signature, required_signers
from kcompile.apply.verify import copy_slice, read_slice
from kcompile.bundle.signatures import signed
from kcompile.bundle.tree import assemble, content
from kcompile.bundle.write import write_bundle

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="not installed: ssh-keygen")

SIGNATURE = "nodes/n1/SLICE.json.sig"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (("deploy", "ed25519"), ("ec", "ecdsa"), ("stranger", "ed25519")):
        program = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "c", "-f", folder / name]
        subprocess.run(program, check=True)
    return folder


def write(folder: Path, key: Path | None, generation: int = 1) -> Path:
    files = assemble(
        {"nodes/n1/iptables.rules": content("*nat\nCOMMIT\n")},
        version="1",
        settings={},
        nodes=["n1"],
        sources="{}\n",
        proved=True,
        generation=generation,
    )
    write_bundle(folder, signed(files, key, folder) if key else files, lock=None)
    return folder


def public(keys: Path, name: str) -> str:
    return " ".join((keys / f"{name}.pub").read_text().split()[:2])


def check(bundle: Path, allowed: str) -> str:
    path = bundle.parent / "allowed signers"
    path.write_text(allowed)
    return check_signature(Host(), read_slice(bundle, "n1"), path)


def refusal(bundle: Path, allowed: str) -> str:
    with pytest.raises(RefusedError) as caught:
        check(bundle, allowed)
    return str(caught.value)


@pytest.mark.parametrize("name", ["deploy", "ec"])
def test_the_signer_is_named(tmp_path: Path, keys: Path, name: str) -> None:
    bundle = write(tmp_path / "bundle", keys / name)
    others = f"# those who may\nstranger {public(keys, 'stranger')}\n"
    allowed = f'{others}ci@example.com,other namespaces="kcompile" {public(keys, name)}\n'
    assert check(bundle, allowed) == "ci@example.com"
    copied = copy_slice(read_slice(bundle, "n1"), tmp_path / "copied")
    assert check_signature(Host(), copied, tmp_path / "allowed signers") == "ci@example.com"


def test_a_slice_by_somebody_else_is_refused(tmp_path: Path, keys: Path) -> None:
    bundle = write(tmp_path / "bundle", keys / "stranger")
    allowed = f"deploy {public(keys, 'deploy')}\n"
    assert "signed by nobody who is allowed" in refusal(bundle, allowed)
    assert "signed by nobody who is allowed" in refusal(bundle, "")


def test_the_signature_of_another_slice_is_refused(tmp_path: Path, keys: Path) -> None:
    old = (write(tmp_path / "old", keys / "deploy") / SIGNATURE).read_bytes()
    bundle = write(tmp_path / "bundle", keys / "deploy", generation=2)
    (bundle / SIGNATURE).unlink()
    (bundle / SIGNATURE).write_bytes(old)
    said = refusal(bundle, f"deploy {public(keys, 'deploy')}\n")
    assert said.startswith("the slice's signature is not right: ")


def test_a_signature_for_something_else_is_refused(tmp_path: Path, keys: Path) -> None:
    bundle = write(tmp_path / "bundle", None)
    for arguments in (["-n", "file"], ["-n", "kcompile"]):
        (bundle / SIGNATURE).unlink(missing_ok=True)
        program = ["ssh-keygen", "-q", "-Y", "sign", *arguments, "-f", keys / "deploy"]
        subprocess.run([*program, "nodes/n1/SLICE.json"], cwd=bundle, check=True)
        if arguments[1] == "file":
            said = refusal(bundle, f"deploy {public(keys, 'deploy')}\n")
            assert "the slice's signature is not right: " in said
    assert check(bundle, f"deploy {public(keys, 'deploy')}\n") == "deploy"


@pytest.mark.parametrize(
    "option", ['valid-before="20200101"', 'valid-after="29990101"', 'namespaces="git"']
)
def test_options_of_an_allowed_signer_count(tmp_path: Path, keys: Path, option: str) -> None:
    bundle = write(tmp_path / "bundle", keys / "deploy")
    refusal(bundle, f"deploy {option} {public(keys, 'deploy')}\n")


def test_no_signature_or_none_that_is_one(tmp_path: Path, keys: Path) -> None:
    allowed = f"deploy {public(keys, 'deploy')}\n"
    bundle = write(tmp_path / "bundle", None)
    assert "a signature is required" in refusal(bundle, allowed)
    for text in (b"", b"nothing", b"\xff" * 100, b"-----BEGIN SSH SIGNATURE-----\n"):
        (bundle / SIGNATURE).write_bytes(text)
        assert "signed by nobody who is allowed" in refusal(bundle, allowed)
    (bundle / SIGNATURE).write_bytes(b"x" * (1 << 17))
    assert "larger than 65536 bytes" in refusal(bundle, allowed)


def test_what_was_changed_since_it_was_read_is_refused(tmp_path: Path, keys: Path) -> None:
    bundle = write(tmp_path / "bundle", keys / "deploy")
    slice_ = read_slice(bundle, "n1")
    (tmp_path / "allowed").write_text(f"deploy {public(keys, 'deploy')}\n")
    write(tmp_path / "bundle", keys / "deploy", generation=2)
    with pytest.raises(RefusedError, match="changed meanwhile"):
        check_signature(Host(), slice_, tmp_path / "allowed")


def test_allowed_signers_that_cannot_be_read(tmp_path: Path, keys: Path) -> None:
    slice_ = read_slice(write(tmp_path / "bundle", keys / "deploy"), "n1")
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(RefusedError, match="cannot be read: "):
            check_signature(Host(), slice_, path)


def test_without_ssh_keygen_nothing_is_trusted(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of that name that fails is not much better."""
    slice_ = read_slice(write(tmp_path / "bundle", keys / "deploy"), "n1")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"deploy {public(keys, 'deploy')}\n")
    (tmp_path / "ssh-keygen").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(RefusedError, match="ssh-keygen does not say why"):
        check_signature(Host(), slice_, allowed)


def test_a_node_may_require_signatures_for_always(tmp_path: Path) -> None:
    host = Host(tmp_path)
    asked = tmp_path / "asked"
    assert required_signers(host, None) is None
    assert required_signers(host, asked) == asked
    always = tmp_path / "etc/kcompile/allowed_signers"
    always.parent.mkdir(parents=True)
    always.symlink_to("nowhere")
    assert required_signers(host, None) == always
    assert required_signers(host, asked) == asked
