"""Folders of /etc that kcompile made for its files: they go with the last of these."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kcompile.apply.host import Host
from kcompile.apply.state import drop_state, read_state, write_state


def remember_folders(host: Host, name: str, paths: Iterable[Path]) -> None:
    """Write down, as a file of the state, which folders of these files are not there yet."""
    known = read_state(host, name).get("folders", [])
    top = host.path("/etc")
    new = {
        f"/{folder.relative_to(host.root)}"
        for path in paths
        for folder in path.parents
        if top in folder.parents and not folder.exists()
    }
    if new - set(known):
        write_state(host, name, {"folders": sorted(new.union(known))})


def remove_folders(host: Host, name: str) -> None:
    """Those that were not there before, unless something is in them."""
    for each in sorted(read_state(host, name).get("folders", []), reverse=True):
        folder = host.path(each)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    drop_state(host, name)
