"""The machine that is worked on: where its files are, and the one door to its programs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply.failures import CommandError

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMEOUT = 60.0  # seconds
_SAID = 2000  # characters of a failed program's last words that are shown


@dataclass(frozen=True)
class Done:
    """How a program ended: its exit status and what it said."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Host:
    """`root` is where the machine's files lie. Unless it is `live`, it is an image: only its files
    are written, and nothing that runs (kernel, servers, sockets) is looked at or touched."""

    root: Path = Path("/")
    live: bool = True

    def path(self, absolute: str) -> Path:
        """Where a file of the machine lies: `/etc/x` below the root."""
        return self.root / absolute.lstrip("/")

    def has(self, program: str) -> bool:
        """Whether a program is installed."""
        return _find(program) is not None

    def ask(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> Done:
        """Run a program and take any exit status. Raises CommandError if it is missing or hangs."""
        timeout = _patience(timeout)
        program = _find(argv[0])
        if program is None:
            raise CommandError(f"{argv[0]} is not installed (looked in {_search_path()})")
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                input=stdin.encode(),
                capture_output=True,
                check=False,
                timeout=timeout,
                env={"PATH": _search_path(), "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise CommandError(
                f"{' '.join(argv)} did not end within {timeout:g} seconds and was stopped"
            ) from None
        except OSError as error:
            raise CommandError(f"{argv[0]} cannot be run: {error.strerror}") from error
        return Done(
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    def run(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> str:
        """Run a program that must succeed; what it wrote. Raises CommandError."""
        done = self.ask(argv, stdin, timeout=timeout)
        if done.status:
            said = (done.err.strip() or done.out.strip())[-_SAID:]
            raise CommandError(f"{' '.join(argv)} failed with exit status {done.status}: {said}")
        return done.out


def _patience(timeout: float) -> float:
    """For slow machines, and for tests: KCOMPILE_TIMEOUT is in seconds, and for every program."""
    stated = os.environ.get("KCOMPILE_TIMEOUT", "")
    return float(stated) if re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]+)?", stated) else timeout


def _search_path() -> str:
    # sudo and cron give a PATH without sbin; what the operator put first stays first.
    own = os.environ.get("PATH", "")
    return f"{own}:{SEARCH_PATH}" if own else SEARCH_PATH


def _find(program: str) -> str | None:
    for folder in _search_path().split(":"):
        path = Path(folder, program)
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return None
