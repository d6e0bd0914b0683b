"""What kcompile keeps on a node, below /var/lib/kcompile: plain JSON, replaced atomically."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host

STATE = "/var/lib/kcompile"
_STRANGE = "it does not say what kcompile writes there"


def state_path(host: Host, name: str = "") -> Path:
    """The place of a file of the state, as `originals/network.json`."""
    return host.path(f"{STATE}/{name}" if name else STATE)


def read_state(host: Host, name: str) -> dict[str, Any]:
    """What a part remembered; {} if nothing. Raises RefusedError for what no kcompile wrote."""
    try:
        value = json.loads(state_path(host, name).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise damaged(host, name, error.strerror or "it cannot be read") from None
    except (ValueError, RecursionError):
        raise damaged(host, name, "it is not JSON") from None
    if not isinstance(value, dict):
        raise damaged(host, name, "it is not an object")
    return value


def damaged(host: Host, name: str, why: str = _STRANGE) -> RefusedError:
    """What a file of the state that nobody can use means for the operator."""
    lost = (
        "; what it remembered of this node before kcompile, for kcompile remove, is lost"
        if name.startswith("originals/")
        else ""
    )
    return RefusedError(
        f"{state_path(host, name)} is damaged: {why}; move it away and run kcompile apply"
        f" --restore, which brings back what is installed{lost}"
    )


def write_state(host: Host, name: str, value: dict[str, Any]) -> None:
    """Remember something, on the disk before this returns."""
    write_file(state_path(host, name), json.dumps(value, sort_keys=True, indent=1) + "\n")


def drop_state(host: Host, name: str) -> None:
    state_path(host, name).unlink(missing_ok=True)


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step, on the disk before this returns."""
    write_bytes(path, text.encode(), mode)


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """The same for what is no text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.kcompile-new")
    try:
        with staged.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            staged.unlink()
        # A full disk names no file by itself.
        raise OSError(error.errno, error.strerror, str(path)) from None
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Names that were changed in a folder are on the disk when this returns."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
