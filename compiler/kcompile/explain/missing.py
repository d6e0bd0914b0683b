"""Problems about objects that a bundle does not have."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from kcompile.explain.bundle import PLAN_FILE
from kcompile.explain.contents import Contents
from kcompile.explain.kinds import CLUSTER_WIDE, Request
from kcompile.explain.select import Selection, namespace_of, select
from kcompile.problems import Code, Problem, printable
from kcompile.source import Position


def missing(
    contents: Contents, selections: Iterable[Selection], namespace: str, bundle: Path
) -> Iterator[Problem]:
    """A problem for every name that was asked for and not found."""
    position = Position(str(bundle / PLAN_FILE), 1, 1)
    for selection in selections:
        for name in selection.missing:
            where = (
                "" if selection.kind in CLUSTER_WIDE else f" in namespace {printable(namespace)}"
            )
            message = f"{selection.kind} {printable(name)} not found{where}"
            elsewhere = select(contents, Request(selection.kind, ()), None).items
            namespaces = sorted(namespace_of(item) for item in elsewhere if item.name == name)
            hint = f"it is in {', '.join(namespaces)}: choose with -n" if namespaces else ""
            yield Problem(Code.NOT_IN_BUNDLE, position, message, hint)
