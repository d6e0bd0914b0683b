"""Runs kcompile's command line within the test's process."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from kcompile.cli.main import main


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str


def kcompile(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> Answer:
    """Exit code, standard output and standard error of `kcompile ARGUMENTS`."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    captured = capsys.readouterr()
    code = stopped.value.code
    return Answer(code if isinstance(code, int) else int(code is not None), *captured)
