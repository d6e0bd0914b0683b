"""Every hostile input and every public manifest: the right verdict, never a traceback."""

import csv
from pathlib import Path
from typing import Any

import pytest

from kcompile.load import load
from kcompile.problems import Code, InputError, Problem, Severity
from kcompile.validate import validate

_SHARED = Path(__file__).parents[2] / "shared"
_HERE = pytest.mark.skipif(not _SHARED.exists(), reason="needs ../shared, which is not here")

_LATER_STAGES = frozenset(
    [
        "059",
        "075",
        "127",
        "136",
        "151",
        "152",
        "156",
        "157",
        "159",
        "161",
        "162",
        "163",
        "168",
    ]  # resolve, plan, names
)
"""Refused, but not by load or validate: each object is right by itself."""


def _read(name: str, content: bytes) -> tuple[Problem, ...]:
    try:
        problems = validate(load([(name, content)])).notes
    except InputError as error:
        problems = error.problems
    assert all(problem.position.line >= 1 and str(problem).isascii() for problem in problems)
    return problems


def _refused(problems: tuple[Problem, ...]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _hostile() -> list[Any]:
    table = _SHARED / "hostile" / "EXPECT.tsv"
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [pytest.param(row["file"], row["verdict"], id=row["file"]) for row in rows]


@_HERE
@pytest.mark.parametrize(("name", "verdict"), _hostile())
def test_hostile_inputs_get_their_verdict(name: str, verdict: str) -> None:
    problems = _read(name, (_SHARED / "hostile" / name).read_bytes())
    if name[:3] in _LATER_STAGES:
        assert not _refused(problems)
    elif verdict != "WARN":
        assert _refused(problems) == (verdict == "REJECT"), list(map(str, problems))


@_HERE
def test_public_manifests_get_a_verdict() -> None:
    """At most one file in six is refused, and two thirds of these are fragments or for later."""
    files = sorted(
        path
        for path in (_SHARED / "corpus").rglob("*")
        if path.suffix in {".yaml", ".yml", ".json"}
    )
    refused = [
        problems for path in files if _refused(problems := _read(path.name, path.read_bytes()))
    ]
    expected = {Code.FRAGMENT, Code.NOT_IMPLEMENTED, Code.TEMPLATE}
    known = [each for each in refused if expected & {problem.code for problem in each}]
    assert len(refused) < len(files) / 5
    assert len(known) > len(refused) * 2 / 3
