"""Who made a slice: OpenSSH's own ssh-keygen says it, of nodes/NODE/SLICE.json.sig."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from kcompile.apply.below import opened_folder, pieces_below, reason
from kcompile.apply.failures import CommandError, RefusedError
from kcompile.apply.host import Host
from kcompile.apply.slice_json import parse_slice, shown, signature_path
from kcompile.apply.slices import Slice
from kcompile.apply.verify import LARGEST_SIGNATURE, read_slice_json, shown_path

ALWAYS_REQUIRED = "/etc/kcompile/allowed_signers"
_PURPOSE = "kcompile"  # the "namespace" that `kcompile build --sign` signs for


def required_signers(host: Host, asked: Path | None) -> Path | None:
    """Whose signature a slice needs: the file of --require-signature, else the one that the node
    has for always; None where none is needed."""
    if asked is not None:
        return asked
    always = host.path(ALWAYS_REQUIRED)
    # Also where it is a link that leads nowhere: that must not turn the requirement off.
    return always if os.path.lexists(always) else None


def check_signature(host: Host, slice_: Slice, allowed_signers: Path) -> str:
    """Who signed, as the file of allowed signers names them. Raises RefusedError."""
    content, signature = _read(slice_)
    try:
        allowed_signers.open("rb").close()
    except OSError as error:
        raise RefusedError(
            f"the allowed signers {shown_path(allowed_signers)} cannot be read: {error.strerror}"
        ) from None
    with tempfile.TemporaryDirectory(prefix="kcompile-") as folder:
        place = str(Path(folder, "signature"))
        Path(place).write_bytes(signature)
        allowed = ["-f", os.path.abspath(allowed_signers), "-s", place]  # noqa: PTH100 (resolve() would say another name)
        try:
            return _principal(host, allowed, content)
        except CommandError as error:
            raise RefusedError(f"the signature cannot be checked: {error}") from None


def _principal(host: Host, allowed: list[str], content: str) -> str:
    found = host.ask(["ssh-keygen", "-Y", "find-principals", *allowed])
    # A line each, or in older OpenSSH all in one line.
    principals = [name for name in re.split(r"[,\n]", found.out) if name]
    if found.status or not principals:
        raise RefusedError(f"the slice is signed by nobody who is allowed: {_said(found.err)}")
    said = ""
    for principal in principals:
        verify = ["ssh-keygen", "-Y", "verify", "-n", _PURPOSE, "-I", principal, *allowed]
        done = host.ask(verify, content)
        if done.status == 0:
            return principal
        said = said or _said(done.err or done.out)
    raise RefusedError(f"the slice's signature is not right: {said}")


def _read(slice_: Slice) -> tuple[str, bytes]:
    """SLICE.json, once more proved to be the slice's, and the signature beside it."""
    try:
        with opened_folder(slice_.folder) as root:
            content = read_slice_json(root, slice_.node)
            path = signature_path(slice_.node)
            signature = b"".join(pieces_below(root, path, LARGEST_SIGNATURE))
    except FileNotFoundError:
        raise RefusedError(
            f"a signature is required and the slice in {shown_path(slice_.folder)} has none"
            " (kcompile build --sign KEY)"
        ) from None
    except OSError as error:
        raise RefusedError(f"{signature_path(slice_.node)}: {reason(error)}") from None
    stated, problems = parse_slice(content, slice_.node)
    if problems or (stated.generation, stated.files) != (slice_.generation, slice_.files):
        raise RefusedError(f"the slice in {shown_path(slice_.folder)} changed meanwhile")
    return content.decode("ascii"), signature


def _said(text: str) -> str:
    lines = text.strip().splitlines()
    return shown(lines[-1]) if lines else "ssh-keygen does not say why"
