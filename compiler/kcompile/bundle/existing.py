"""A bundle that is on disk already."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from kcompile.bundle.replace import FILE_MODE
from kcompile.bundle.tree import (
    MANIFEST,
    MANIFEST_HEAD,
    SHA256SUMS,
    Content,
    Files,
    folders,
    is_safe_path,
)
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

FOLDER_MODE = 0o755

Inodes = dict[tuple[int, int], str]
"""Digests of files that were read, by device and inode: what is linked often is read once."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
# O_NONBLOCK: a FIFO that took a file's place must not make us wait for its writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_existing(directory: Path) -> Mapping[str, str]:
    """The digests that a directory's SHA256SUMS gives to its files and to itself (as a bundle on
    disk claims; whether they hold shows on reading); none where nothing would be replaced.

    Raises InputError if the directory is no bundle or holds a file that the bundle does not list.
    """
    try:
        mode = directory.lstat().st_mode
    except FileNotFoundError:
        return {}
    if stat.S_ISLNK(mode):
        raise _not_a_bundle(directory, "this is a symbolic link")
    if not stat.S_ISDIR(mode):
        raise _not_a_bundle(directory, "this is not a directory")
    if next(directory.iterdir(), None) is None:
        return {}
    if not os.access(directory, os.W_OK):  # it could be replaced, but not removed afterwards
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))
    digests = _read_sums(directory)
    _refuse_foreign(directory, digests)
    return digests


def differing_paths(directory: Path, files: Files) -> tuple[str, ...]:
    """The paths of files that differ between a directory and `files`, or that only one of them has.

    Only contents count, not modes; but a symbolic link always differs.
    """
    root = str(directory)
    is_there = directory.is_dir() and not directory.is_symlink()
    on_disk = {path for path, entry in _walk(root) if not _is_folder(entry)} if is_there else set()
    seen: Inodes = {}
    differing = on_disk - files.keys()
    differing.update(
        path
        for path, file in files.items()
        if path not in on_disk or _holds(f"{root}/{path}", file, seen) is None
    )
    return tuple(sorted(differing))


def is_up_to_date(directory: Path, files: Files) -> bool:
    """Whether a directory is the bundle already, to the last mode."""
    root = str(directory)
    expected = {*files, *folders(files)}
    if stat.S_IMODE(directory.stat().st_mode) != FOLDER_MODE:
        return False
    seen: Inodes = {}
    for path, entry in _walk(root):
        if path not in expected:
            return False
        expected.remove(path)
        if _is_folder(entry):
            is_right = path not in files and _mode(entry) == FOLDER_MODE
        else:
            is_right = path in files and holds_safely(entry.path, files[path], seen)
        if not is_right:
            return False
    return not expected


def holds_safely(path: str, file: Content, seen: Inodes) -> bool:
    """Whether a regular file has just this content and nobody else can write to it: it is ours
    and has the mode that we give."""
    status = _holds(path, file, seen)
    return (
        status is not None
        and status.st_uid == os.geteuid()
        and stat.S_IMODE(status.st_mode) == FILE_MODE
    )


def read_regular(path: Path, limit: int | None = None) -> bytes | None:
    """At most `limit` bytes of a regular file, None where there is no such file."""
    try:
        descriptor = os.open(path, _READ)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            return None
        raise
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor has no Path)
        return file.read(limit) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _read_sums(directory: Path) -> Mapping[str, str]:
    """SHA256SUMS as a mapping, with an entry for itself."""
    manifest = read_regular(directory / MANIFEST, len(MANIFEST_HEAD))
    sums = read_regular(directory / SHA256SUMS)
    if manifest != MANIFEST_HEAD.encode() or sums is None:
        raise _not_a_bundle(
            directory,
            f"this directory is not empty and has no {MANIFEST} and {SHA256SUMS} of kcompile's",
        )
    digests = {SHA256SUMS: sha256(sums).hexdigest()}
    for line in sums.decode("ascii", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None or not is_safe_path(match[2]):
            raise _not_a_bundle(directory, f"its {SHA256SUMS} has the line {printable(line)}")
        digests[match[2]] = match[1]
    return digests


def _refuse_foreign(directory: Path, digests: Mapping[str, str]) -> None:
    """A build puts a new directory in the old one's place: what is not ours must not go with it."""
    problems = []
    for path, entry in _walk(str(directory)):
        if entry.is_symlink():
            problems.append(_foreign(directory, f"{printable(path)} is a symbolic link"))
        elif not _is_folder(entry) and path not in digests:
            problems.append(_foreign(directory, f"{printable(path)} is not in {SHA256SUMS}"))
        elif not _is_folder(entry) and not entry.is_file(follow_symlinks=False):
            problems.append(_foreign(directory, f"{printable(path)} is not a regular file"))
    if problems:
        raise InputError(sorted(problems, key=lambda problem: problem.message))


def _holds(path: str, file: Content, seen: Inodes) -> os.stat_result | None:
    """The status of a regular file with just this content, None if it is anything else.

    Reads the file, for SHA256SUMS cannot know that somebody edited it since.
    """
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            return None
        inode = (status.st_dev, status.st_ino)
        if seen.get(inode) != file.digest:
            if any(os.read(descriptor, len(piece)) != piece for piece in file.pieces()):
                return None
            seen[inode] = file.digest
        return status
    finally:
        os.close(descriptor)


def _walk(root: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that is below a folder, by relative path, in the order of the file system."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(f"{root}/{prefix}") as entries:
            for entry in entries:
                path = prefix + entry.name
                yield path, entry
                if _is_folder(entry):
                    waiting.append(f"{path}/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _mode(entry: os.DirEntry[str]) -> int:
    return stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)


def _not_a_bundle(directory: Path, reason: str) -> InputError:
    return InputError(
        [
            Problem(
                Code.NOT_A_BUNDLE,
                Position(str(directory), 1, 1),
                f"{reason}; a build replaces an empty directory, its own bundle, or nothing",
                "choose another folder, or remove this one by hand",
            )
        ]
    )


def _foreign(directory: Path, reason: str) -> Problem:
    return Problem(
        Code.FOREIGN_FILE,
        Position(str(directory), 1, 1),
        f"{reason}; a build would remove it, and removes only what kcompile wrote",
        "move it out of the bundle",
    )
