"""Writing a bundle beside its place, with hard links to all that is there already."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kcompile.bundle.existing import FOLDER_MODE, holds_safely
from kcompile.bundle.replace import write_file
from kcompile.bundle.tree import Content, Files, folders


@dataclass(frozen=True, slots=True)
class WriteReport:
    """How many files the bundle has, and how many had to be written; the others are links."""

    files: int
    written: int


def stage(files: Files, staged: Path, previous: Path, digests: Mapping[str, str]) -> WriteReport:
    """Writes the files into the new directory `staged`.

    `digests` are those of the files in `previous`, as its SHA256SUMS has them.
    """
    root = str(staged)
    for folder in (staged, *(staged / path for path in folders(files))):
        folder.mkdir()
        folder.chmod(FOLDER_MODE)
    olds = {digest: f"{previous}/{path}" for path, digest in digests.items()}
    placed: dict[str, str] = {}
    written = 0
    for path, file in files.items():
        place = f"{root}/{path}"
        twin = placed.get(file.digest)
        if twin is not None and _linked(twin, place):
            continue
        if twin is not None or not _carried_on(olds.get(file.digest), place, file):
            write_file(place, file.pieces(), flush=False)
            written += 1
        # After too many links to one inode (65,000 on ext4) the next file starts another.
        placed[file.digest] = place
    return WriteReport(len(files), written)


def _carried_on(old: str | None, place: str, file: Content) -> bool:
    """Links a file of the bundle before, unless somebody changed it in the meantime."""
    if old is None or not _linked(old, place):
        return False
    if holds_safely(place, file, {}):
        return True
    Path(place).unlink()
    return False


def _linked(source: str, place: str) -> bool:
    """False where the file system has no hard links, or not one more for this file."""
    try:
        os.link(source, place)
    except OSError:
        return False
    return True
