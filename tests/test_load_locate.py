"""Lines and columns: what was written where is found there again."""

import json
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.load import Document, load
from kcompile.load.locate import locate, mappings, problems_of
from kcompile.problems import Code, Finding
from kcompile.source import Path, Position

KEYS = st.text(st.sampled_from("abcdeghé"), min_size=1, max_size=4)
SCALARS = st.sampled_from(["x", "12", "'q: r'", '"d\\n"', "é", "a b", "null"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@dataclass
class Writer:
    """Writes a value as YAML or JSON and notes where each value and key starts."""

    line_end: str
    text: str = ""
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def here(self) -> tuple[int, int]:
        lines = self.text.split(self.line_end)
        return len(lines), len(lines[-1]) + 1

    def block(self, value: object, path: Path, indent: int) -> None:
        """The text must end where the value may start: after an indentation or '- '."""
        self.values[path] = self.here()
        if not isinstance(value, dict | list) or not value:
            self.flow(value, path)
            return
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        for number, (step, child) in enumerate(steps):
            self.text += self.line_end + " " * indent if number else ""
            self.keys[(*path, step)] = self.here()
            if isinstance(value, list):
                self.text += "- "
                self.block(child, (*path, step), indent + 2)
            elif isinstance(child, dict | list) and child:
                self.text += f"{step}: # {{}}{self.line_end}" + " " * (indent + 3)
                self.block(child, (*path, step), indent + 3)
            else:
                self.text += f"{step}:  "
                self.block(child, (*path, step), indent)
        if isinstance(value, list):
            self.keys |= {(*path, i): self.values[(*path, i)] for i in range(len(value))}

    def flow(self, value: object, path: Path, *, as_json: bool = False) -> None:
        self.values[path] = self.here()
        if not isinstance(value, dict | list):
            self.text += json.dumps(value, ensure_ascii=False) if as_json else str(value)
            return
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        self.text += "{" if isinstance(value, dict) else "["
        for number, (step, child) in enumerate(steps):
            self.text += f",{self.line_end} " if number else ""
            self.keys[(*path, step)] = self.here()
            if isinstance(value, dict):
                self.text += f'"{step}": ' if as_json else f"{step}: "
            self.flow(child, (*path, step), as_json=as_json)
        self.text += "}" if isinstance(value, dict) else "]"


def check(name: str, written: Writer, document: Document) -> None:
    for path, (line, column) in written.values.items():
        assert locate(document.origin, path) == Position(name, line, column), (path, written.text)
    for path, (line, column) in written.keys.items():
        assert locate(document.origin, path, at_key=True) == Position(name, line, column)
    assert list(mappings(document)) == [
        (path, Position(name, line, column))
        for path, (line, column) in written.values.items()
        if isinstance(at(document.value, path), dict)
    ]


def at(value: object, path: Path) -> object:
    for step in path:
        value = value[step]  # type: ignore[index] # the path comes from the value
    return value


LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), LINE_ENDS, st.booleans())
def test_block_style(value: object, line_end: str, anchored: bool) -> None:
    writer = Writer(line_end, f"# first{line_end}k: v{line_end}---{line_end}")
    if anchored:  # the slow way, without marks
        writer.text += f"zz: &a [u]{line_end}"
    writer.block(value, (), 0)
    *_, document = load([("f", writer.text)])
    if anchored:
        first = 4
        writer.values[()] = (first, 1)
        for path, (line, column) in writer.values.items():
            assert locate(document.origin, path) == Position("f", line, column)
    else:
        check("f", writer, document)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), LINE_ENDS, st.booleans())
def test_flow_style(value: object, line_end: str, indented: bool) -> None:
    writer = Writer(line_end, f"{line_end}  " if indented else f"--- #{line_end}")
    writer.flow(value, ())
    (document,) = load([("f", writer.text)])
    check("f", writer, document)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), LINE_ENDS)
def test_json(value: object, line_end: str) -> None:
    writer = Writer(line_end, f'{line_end}\t{{"first": 1}} ')
    writer.flow(value, (), as_json=True)
    *_, document = load([("f.json", writer.text)])
    check("f.json", writer, document)


def test_a_list_item_counts_from_its_document() -> None:
    (document,) = load([("f", "kind: List\nitems:\n- a: 1\n- b:\n    c: 2\n")])
    item = Document(
        document.value["items"][1],
        type(document.origin)(
            document.origin.text,
            document.origin.start,
            document.origin.end,
            document.origin.line,
            ("items", 1),
            document.origin.marks,
        ),
    )
    assert locate(item.origin, ()) == Position("f", 4, 3)
    assert locate(item.origin, ("b", "c")) == Position("f", 5, 8)
    assert list(mappings(item)) == [((), Position("f", 4, 3)), (("b",), Position("f", 5, 5))]


@pytest.mark.parametrize(
    ("path", "at_key", "place"),
    [
        (("spec", "nope"), False, (3, 3)),
        (("spec", "nope"), True, (3, 3)),
        (("spec", "ports", 5), False, (4, 5)),
        (("spec", "ports", 0, "name", "deeper"), False, (4, 13)),
        (("spec", "ports", "name"), False, (4, 5)),
        (("nope", "deep"), False, (1, 1)),
        (("spec", "ports", 0, "name"), True, (4, 7)),
        (("spec", "ports", 0), True, (4, 7)),
        ((), True, (1, 1)),
    ],
)
@pytest.mark.parametrize("ordinary", [True, False])
def test_what_does_not_exist_is_placed_at_its_ancestor(
    path: Path,
    at_key: bool,
    place: tuple[int, int],
    ordinary: bool,
) -> None:
    kind = "Service" if ordinary else "&k Service"
    (document,) = load([("f", f"kind: {kind}\nspec:\n  ports:\n    - name: web\n")])
    assert locate(document.origin, path, at_key) == Position("f", *place)


def test_aliases_and_merges_are_found_where_they_were_written() -> None:
    text = "base: &b\n  x: {q: 1}\nuse: *b\nmerged:\n  <<: *b\n  z: {}\n"
    (document,) = load([("f", text)])
    assert locate(document.origin, ("use", "x", "q")) == Position("f", 2, 10)
    assert locate(document.origin, ("merged", "x"), at_key=True) == Position("f", 2, 3)
    # A mapping with an anchor starts at its anchor.
    assert {path: (p.line, p.column) for path, p in mappings(document)} == {
        (): (1, 1),
        ("base",): (1, 7),
        ("base", "x"): (2, 6),
        ("use",): (1, 7),
        ("use", "x"): (2, 6),
        ("merged",): (5, 3),
        ("merged", "x"): (2, 6),
        ("merged", "z"): (6, 6),
    }


@pytest.mark.parametrize("separator", ["\u2028", "\u2029"])
def test_lines_are_those_of_editors(separator: str) -> None:
    """libyaml also ends a line at Unicode's separators."""
    (first, second) = load([("f", f"a: 'x{separator}y'\nb: {{}}\n---\nc: {{}}\n")])
    assert locate(first.origin, ("b",)) == Position("f", 2, 4)
    assert [p for _, p in mappings(first)] == [Position("f", 1, 1), Position("f", 2, 4)]
    assert [p for _, p in mappings(second)] == [Position("f", 4, 1), Position("f", 4, 4)]


def test_findings_become_sorted_problems() -> None:
    documents = load([("b", "x: 1\n---\nq: 2\n"), ("a", '{"z": {"w": 3}}')])
    first, second, third = (document.origin for document in documents)
    found = Finding(Code.REQUIRED, second, ("q",), "two", "a hint")
    problems = problems_of(
        [
            found,
            Finding(Code.INVALID_VALUE, first, ("x",), "one", at_key=True),
            Finding(Code.INVALID_VALUE, first, ("x",), "one"),
            found,
            Finding(Code.EMPTY_INPUT, None, (), "none", label="--flag"),
            Finding(Code.WRONG_TYPE, third, ("z", "w"), "three"),
            Finding(Code.REQUIRED, third, ("z", "w"), "three"),
        ]
    )
    assert [str(problem) for problem in problems] == [
        "--flag:1:1: KC226: warning: none",
        "a:1:13: KC204: three",
        "a:1:13: KC205: three",
        "b:1:1: KC206: one",
        "b:1:4: KC206: one",
        "b:3:4: KC205: two (a hint)",
    ]
    assert all(one.position <= other.position for one, other in pairwise(problems))


def test_an_empty_value_stands_after_its_colon() -> None:
    (document,) = load([("f", "a:\n  b:\nc: 1\n")])
    assert locate(document.origin, ("a", "b")) == Position("f", 2, 5)
    assert locate(document.origin, ("a", "b"), at_key=True) == Position("f", 2, 3)
