"""What is said to people and to programs: differences as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

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
    said = f"{json.dumps(answer, indent=1)}\n" if as_json else text
    try:
        sys.stdout.write(said)
        sys.stdout.flush()
    except (OSError, AttributeError) as error:
        # Nobody reads, or there is no room, or it was closed (None). What was done is done, and the
        # exit code says that.
        sys.stdout = None  # so that it is not flushed at the end
        if not isinstance(error, BrokenPipeError):
            tell("kcompile: the answer could not be written to standard output")


def listed(differences: Sequence[Difference]) -> list[dict[str, str]]:
    return [each._asdict() for each in differences]


def tell(line: str) -> None:
    """Something for people: standard error, if there still is one."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{line}\n")


def tell_progress(line: str) -> None:
    """Something for people who watch."""
    if sys.stderr and sys.stderr.isatty():
        tell(line)
