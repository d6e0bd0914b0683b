"""What kcompile keeps on a node, below /var/lib/kcompile: plain JSON, replaced atomically."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kcompile.apply.host import Host

STATE = "/var/lib/kcompile"


def state_path(host: Host, name: str = "") -> Path:
    """The place of a file of the state, as `originals/network.json`."""
    return host.path(f"{STATE}/{name}" if name else STATE)


def read_state(host: Host, name: str) -> dict[str, Any]:
    """What a part remembered; {} if nothing."""
    try:
        text = state_path(host, name).read_text("utf-8")
    except FileNotFoundError:
        return {}
    value: dict[str, Any] = json.loads(text)
    return value


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
    with staged.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Names that were changed in a folder are on the disk when this returns."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
