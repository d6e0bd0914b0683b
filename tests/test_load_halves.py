"""Texts read in two halves are read as in one piece."""

import pickle
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from kcompile.later import Start
from kcompile.load import Document, load
from kcompile.load.locate import mappings
from kcompile.problems import InputError

DOCUMENTS = (
    "a: 1\nb: [x, y]\n",
    "a: |\n  text\n  --- no end\n",
    "- {c: d}\n- e\n",
    "# nothing\n",
    "",
    "'quoted\n  --- text'\n",
    "&x {a: *x}\n",
    "base: &b {k: v}\nmore: {<<: *b, l: m}\n",
    "a: 1\na: 2\n",
    "a: [\n",
    "%YAML 1.1\n",
    "# one\n%TAG ! tag:example.org,2000:\n",
    "...\n",
    "a: \u2028b\n",
    "a: tab\there\n\n\n",
    '{"json": true}',
    "\r\nwindows: lines\r\n",
)
SEPARATORS = ("---\n", "--- \n", "---\n---\n", "--- # comment\n", "---\r\n", "")


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.tuples(st.sampled_from(SEPARATORS), st.sampled_from(DOCUMENTS))))
    return "".join(separator + document for separator, document in parts)


@given(st.lists(st.tuples(st.sampled_from(("a.yaml", "b.json")), texts()), max_size=3))
def test_halves_give_what_one_piece_gives(inputs: Sequence[tuple[str, str]]) -> None:
    assert shown(inputs, at_once) == shown(inputs, None)


T = TypeVar("T")


def at_once(work: Callable[[], T], /) -> Callable[[], T]:
    """As another process does, the result comes in a copy."""
    result: T = pickle.loads(pickle.dumps(work()))  # noqa: S301 - our own
    return lambda: result


def shown(inputs: Sequence[tuple[str, str]], start: Start | None) -> object:
    """All that load says."""
    try:
        documents = load(inputs, start=start) if start else load(inputs)
    except InputError as error:
        return error.problems
    return [_shown(document) for document in documents]


def _shown(document: Document) -> object:
    origin = document.origin
    places = [(position, path) for position, path in mappings(document)]
    return (document.value, origin.text.name, origin.start, origin.end, origin.line, places)
