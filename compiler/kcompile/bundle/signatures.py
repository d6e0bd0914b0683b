"""Signatures over nodes' slices, nodes/NODE/SLICE.json.sig, by OpenSSH's own ssh-keygen.

They stay out of MANIFEST.json: the same input gives the same one, whoever signs.
"""

import base64
import binascii
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kcompile.bundle.existing import read_regular
from kcompile.bundle.tree import Content, Files, is_slice, with_signatures
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position

_PROGRAM = "ssh-keygen"
_PURPOSE = "kcompile"  # its "namespace": a signature made for mail or git is none for slices
_LARGEST = 1 << 16  # bytes; a signature by RSA of 16,384 bits has a tenth
_AT_ONCE = 1000  # files a run, far below the length that a command line may have
_TIMEOUT = 600  # seconds for a run; keys in hardware are slow and wait for a touch
_ARMOR = re.compile(
    r"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n"
)
_MAGIC = b"SSHSIG\0\0\0\1"  # PROTOCOL.sshsig in OpenSSH's source: magic and version
_SAME_EACH_TIME = (b"ssh-ed25519", b"ssh-rsa")  # kinds of keys


def refuse_unusable(key: Path) -> None:
    """Raises InputError for what is wrong before there is anything to sign."""
    try:
        key.open("rb").close()
    except OSError as error:
        hint = f"{_PROGRAM} -t ed25519 -f FILE makes a key"
        raise _refused(key, f"the key cannot be read: {error.strerror}", hint) from None
    if shutil.which(_PROGRAM) is None:
        raise _refused(key, f"{_PROGRAM}, which signs, is not installed", "install OpenSSH")


def signed(files: Files, key: Path, bundle: Path) -> Files:
    """`files` with a signature over each slice. Raises InputError.

    ECDSA keys and those in hardware give other bytes each time, the latter after a touch: what the
    bundle on disk has by such a key is kept while it is right.
    """
    slices = {path: file for path, file in sorted(files.items()) if is_slice(path)}
    try:
        return with_signatures(files, _signatures(slices, key, bundle))
    except OSError as error:
        message = f"the slices cannot be signed: {error.strerror}"
        raise _refused(key, message, "copies of them are made in TMPDIR, or /tmp") from None


def with_existing_signatures(files: Files, bundle: Path) -> Files:
    """`files` with what signatures a bundle on disk has, unverified: to compare all the rest."""
    return with_signatures(files, _existing(filter(is_slice, files), bundle))


def _signatures(slices: Files, key: Path, bundle: Path) -> dict[str, str]:
    found = _sign(dict(list(slices.items())[:1]), key)
    public_key = b"".join(map(_public_key, found.values()))
    if not public_key[4:].startswith(_SAME_EACH_TIME):
        found |= {
            path: signature
            for path, signature in _existing(slices, bundle).items()
            if _public_key(signature) == public_key and _is_right(signature, slices[path], key)
        }
    return found | _sign({path: file for path, file in slices.items() if path not in found}, key)


def _sign(slices: Mapping[str, Content], key: Path) -> dict[str, str]:
    """Many slices a run: to start the program and to read the key takes longer than to sign."""
    found: dict[str, str] = {}
    waiting = list(slices)
    while waiting:
        some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        with TemporaryDirectory(prefix="kcompile-") as folder:
            places = [Path(folder, str(number)) for number in range(len(some))]
            for path, place in zip(some, places, strict=True):
                place.write_bytes(_bytes(slices[path]))
            # Not resolve(): a link to a key has its KEY.pub beside itself.
            absolute = os.path.abspath(key)  # noqa: PTH100 (see above)
            names = [place.name for place in places]
            done = _run(key, ["sign", "-q", "-f", absolute, *names], folder)
            for path, place in zip(some, places, strict=True):
                signature = _read(place.with_name(f"{place.name}.sig"))
                if done.returncode or signature is None:
                    raise _cannot_sign(key, done.stderr)
                found[path] = signature
    return found


def _is_right(signature: str, file: Content, key: Path) -> bool:
    with TemporaryDirectory(prefix="kcompile-") as folder:
        Path(folder, "signature").write_text(signature, "ascii")
        done = _run(key, ["check-novalidate", "-s", "signature"], folder, _bytes(file))
    return done.returncode == 0


def _run(
    key: Path, arguments: Sequence[str], folder: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Without a terminal, so that it never waits for a passphrase."""
    try:
        return subprocess.run(  # noqa: S603 (words of ours and a file's name, no shell)
            [
                shutil.which(_PROGRAM) or _PROGRAM,
                "-Y",
                arguments[0],
                "-n",
                _PURPOSE,
                *arguments[1:],
            ],
            cwd=folder,
            input=given,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
            start_new_session=True,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise _refused(key, f"{_PROGRAM} did not end within {_TIMEOUT} seconds") from None
    except OSError as error:
        raise _refused(key, f"{_PROGRAM} cannot be run: {error.strerror}") from None


def _existing(slices: Iterable[str], bundle: Path) -> dict[str, str]:
    found = {path: _read(bundle / f"{path}.sig") for path in slices}
    return {path: text for path, text in found.items() if text is not None}


def _read(path: Path) -> str | None:
    """A signature in armor, None if there is none."""
    try:
        armored = (read_regular(path, _LARGEST) or b"").decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return armored if _ARMOR.fullmatch(armored) else None


def _public_key(signature: str) -> bytes:
    """As the signature states it: a length in four bytes, then the key in SSH's form."""
    match = _ARMOR.fullmatch(signature)
    try:
        blob = base64.b64decode(match[1] if match else "")
    except binascii.Error:
        return b""
    if not blob.startswith(_MAGIC):
        return b""
    start = len(_MAGIC) + 4
    length = int.from_bytes(blob[len(_MAGIC) : start])
    return blob[start : start + length]


def _bytes(file: Content) -> bytes:
    return b"".join(file.pieces())


def _cannot_sign(key: Path, said: bytes) -> InputError:
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["it does not say why"]
    hint = "a key with a passphrase must be in an ssh-agent: ssh-add KEY"
    return _refused(key, f"{_PROGRAM} cannot sign with this key: {lines[-1][-200:]!a}", hint)


def _refused(key: Path, message: str, hint: str = "") -> InputError:
    return InputError([Problem(Code.SIGNING, Position(str(key), 1, 1), message, hint)])
