"""The listeners' pid file: who holds it is alive, and it says what the daemon made of its file."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from pathlib import Path
from typing import NamedTuple

from kcompile import __version__
from kcompile.apply.failures import NodeError

_FLOCK = "hhqqi0q"  # struct flock: type, whence, start, length, pid


class Running(NamedTuple):
    """A daemon that is alive. `read` and `holds` are digests of the file that it read last and of
    the one that it serves; `problems` says what is wrong with the first."""

    pid: int
    version: str
    read: str
    holds: str
    problems: tuple[str, ...]


class PidFile:
    """The daemon's side. Whatever ends the process, SIGKILL included, the kernel ends the lock,
    so a file that was left behind holds nobody up."""

    def __init__(self, path: Path) -> None:
        """Raises NodeError if another daemon has it."""
        self._path = path
        self._file = _locked(path)

    def write(self, *, read: str, holds: str, problems: tuple[str, ...]) -> None:
        facts = {"version": __version__, "read": read, "holds": holds, "problems": problems}
        text = f"{os.getpid()}\n{json.dumps(facts)}\n".encode()
        # In one write, and what is left of a longer one after it: a reader takes two lines.
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))

    def remove(self) -> None:
        # Before the lock goes with the descriptor: whoever gets the lock afterwards sees that the
        # file is no longer the one at this path.
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def running(path: Path) -> Running | None:
    """The daemon that holds a pid file; None if there is none, or if it is just starting."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(file, "rb") as opened:
        asked = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        answer = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        if answer[0] == fcntl.F_UNLCK:
            return None
        return _parse(answer[4], opened.read(1 << 20))


def _parse(pid: int, content: bytes) -> Running | None:
    try:
        facts = json.loads(content.split(b"\n")[1])
        return Running(
            pid, facts["version"], facts["read"], facts["holds"], tuple(facts["problems"])
        )
    except (ValueError, LookupError, TypeError):
        return None


def _locked(path: Path) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise NodeError(f"{path} cannot be written: {error.strerror}") from None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            other = running(path)
            who = f" as process {other.pid}" if other else ""
            raise NodeError(f"kcompile listen is already running{who} ({path})") from None
        if _is_at(file, path):
            return file
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
