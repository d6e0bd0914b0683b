"""Runs of kcompile, each in a process of its own that may use only so much memory and time.

One process imports kcompile and forks for each run, which takes a tenth of the time of starting
Python each time. Run as a program, this module is that process.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from kcompile.cli.main import main

ADDRESS_SPACE = 1500 << 20
"""Bytes that a run may map, its shared libraries included."""
CPU_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Run:
    """Arguments of kcompile, and the folder to be in."""

    folder: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` is negative if a signal ended the run; `peak` is in bytes."""

    code: int
    peak: int
    out: bytes
    err: bytes


def run_limited(runs: Sequence[Run]) -> list[Outcome]:
    """Does the runs one after the other; their output is kept beside their folders."""
    jobs = json.dumps([[run.folder, *run.arguments] for run in runs])
    command = [sys.executable, __file__]
    done = subprocess.run(command, input=jobs, capture_output=True, text=True, check=True)
    return [
        Outcome(code, peak, _captured(run, "out"), _captured(run, "err"))
        for run, (code, peak) in zip(runs, json.loads(done.stdout), strict=True)
    ]


def _captured(run: Run, stream: str) -> bytes:
    return Path(f"{run.folder}.{stream}").read_bytes()


def _serve() -> None:
    for module in ("kcompile.cli.build", "kcompile.pipeline", "kcompile.bundle.write"):
        import_module(module)

    def work(folder: str, arguments: Sequence[str]) -> None:
        os.chdir(folder)
        for number, stream in ((1, "out"), (2, "err")):
            path = f"{folder}.{stream}"
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        main(arguments)

    outcomes = []
    for folder, *arguments in json.load(sys.stdin):
        child = os.fork()
        if child == 0:
            work(folder, arguments)
            sys.exit(0)
        _, status, used = os.wait4(child, 0)
        outcomes.append((os.waitstatus_to_exitcode(status), used.ru_maxrss << 10))
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    _serve()
