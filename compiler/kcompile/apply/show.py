"""What is said to people and to programs: differences as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence

from kcompile.apply.difference import NOTE, Difference

_SIGNS = {"add": "+", "change": "~", "remove": "-", NOTE: "!"}


def as_text(differences: Iterable[Difference]) -> str:
    """A line each, as `+ rules KUBE-SVC-...: detail`."""
    return "".join(f"{_line(each)}\n" for each in differences)


def _line(each: Difference) -> str:
    detail = f": {each.detail}" if each.detail else ""
    return f"{_SIGNS[each.action]} {each.part} {each.what}{detail}"


def print_answer(answer: Mapping[str, object], text: str, *, as_json: bool) -> None:
    """The one answer of a command, on standard output."""
    if as_json:
        json.dump(answer, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(text)


def listed(differences: Sequence[Difference]) -> list[dict[str, str]]:
    return [each._asdict() for each in differences]


def tell(line: str) -> None:
    """Something for people: standard error."""
    sys.stderr.write(f"{line}\n")


def tell_progress(line: str) -> None:
    """Something for people who watch."""
    if sys.stderr.isatty():
        tell(line)
