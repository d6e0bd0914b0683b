"""The load stage: bytes in, documents or located problems out."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcompile.load import Document, Limits, load
from kcompile.load.locate import locate, mappings
from kcompile.load.scalars import NotInJsonError, resolve
from kcompile.load.tree import value_of
from kcompile.load.yaml_tree import read_yaml_tree
from kcompile.problems import InputError

SHARED = Path(__file__).parents[2] / "shared"


def values(content: bytes | str, name: str = "f.yaml") -> list[object]:
    return [document.value for document in load([(name, content)])]


def problems(content: bytes | str, name: str = "f.yaml", limits: Limits | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        load([(name, content)], limits=limits or Limits())
    return [str(problem) for problem in caught.value.problems]


# Documents


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ("\n  \n", []),
        ("# only a comment\n", []),
        ("---\n", []),
        ("---\n---\n# x\n---\n", []),
        ("--- ~\n--- null\n...\n", []),
        ("a: 1\n---\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("a: 1\n...\n---\nb: 2\n...\n", [{"a": 1}, {"b": 2}]),
        ("  a: 1\n  b: 2\n", [{"a": 1, "b": 2}]),
        ("%YAML 1.1\n---\na: 1\n", [{"a": 1}]),
        ("%YAML 1.2\n--- # x\na: 1\n", [{"a": 1}]),
        ("%TAG !y! tag:yaml.org,2002:\n---\na: !y!str 1\n", [{"a": "1"}]),
        ("42\n--- x\n--- [a]\n", [42, "x", ["a"]]),
        ("a: |\n  x\n  ---\nb: >-\n  y\n  z\n", [{"a": "x\n---\n", "b": "y z"}]),
        ("? a\n: 1\n? b\n", [{"a": 1, "b": None}]),
        ("a:\n- b\n- c: d\n", [{"a": ["b", {"c": "d"}]}]),
        ("'1': a\n\"y\": b\n!!str 2: c\n", [{"1": "a", "y": "b", "2": "c"}]),
        ("'<<': 1\nb: <<\nc: =\n", [{"<<": 1, "b": "<<", "c": "="}]),
    ],
)
def test_documents(content: str, expected: list[object]) -> None:
    assert values(content) == expected


def test_inputs_keep_their_order() -> None:
    documents = load([("b", "x: 1\n---\nx: 2\n"), ("a", b"x: 3"), ("empty", "")])
    assert [(d.origin.text.name, d.value["x"], d.origin.line) for d in documents] == [
        ("b", 1, 1),
        ("b", 2, 2),
        ("a", 3, 1),
    ]


def test_all_problems_of_all_inputs_at_once() -> None:
    with pytest.raises(InputError) as caught:
        load(
            [
                ("z", "a: 1\na: 2\n---\nb: &x [*x]\n---\nc: [\n---\nd: 1\nd: 2\n"),
                ("fine", "a: 1"),
                ("binary", b"\x00"),
                ("a", '{"k": 1, "k": 2}'),
            ]
        )
    assert [str(problem.position) for problem in caught.value.problems] == [
        "a:1:10",
        "binary:1:1",
        "z:2:1",
        "z:4:8",
        "z:7:1",
    ]


# Mistakes


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: b: c\n", "1:5: KC102: found ': ' where no key can stand"),
        ("a: 1\n b: 2\n", "2:3: KC102: found ': ' where no key can stand"),
        ("a:\n  b: 1\n c: 2\n", "3:2: KC102: this does not belong to the mapping around it"),
        ("- a\nb: 1\n", "2:1: KC102: this does not belong to the list around it"),
        ("a: - b\n", "1:4: KC102: found '- ' where no list can stand"),
        ("a: 'x\nb: 1\n", "1:4: KC102: the quoted text that starts here never ends"),
        ('a: "x\n---\n', "1:4: KC102: the quoted text that starts here does not end before"),
        (
            "a: [1,\nb: [2\nc: 3\n",
            "3:2: KC102: expected ',' or ']' in a list in brackets that opens at",
        ),
        ("a: {b: 1\nc: 2\n", "2:2: KC102: expected ',' or '}' in a mapping in braces that opens"),
        ("a: ]\n", "1:4: KC102: expected a value here"),
        ("a: 1\nb\nc: 2\n", "2:1: KC102: this line is no 'key: value'"),
        ("a:\n\t- b\n", "2:1: KC102: found a tab in the indentation, expected spaces"),
        ("a: @x\n", "1:4: KC102: a value cannot start with '@' (quote it)"),
        ("a: `x`\n", "1:4: KC102: a value cannot start with '`' (quote it)"),
        ('a: "\\q"\n', "1:5: KC102: unknown escape after '\\' in double quotes"),
        ('a: "\\ud800"\n', "1:7: KC102: this escape is no character"),
        ("a: *\n", "1:5: KC102: expected a name"),
        ("a: !x!y z\n", "1:4: KC102: unknown tag handle"),
        ("%YAML 2.0\n---\na\n", "1:1: KC102: found a %YAML directive of another version"),
        ("a: |x\n", "1:5: KC102: expected the end of the line after '|' or '>'"),
        ("a: 1\n...\nb: 2\n", "3:1: KC102: expected the end of the document"),
        ("a: 1\n...\n---\n--- ]\n", "4:5: KC102: expected a value here"),
        ("a: *b\n", "1:4: KC108: alias *b has no anchor &b before it in this document"),
        ("a: &b 1\n---\nc: *b\n", "3:4: KC108: alias *b has no anchor &b before it"),
        ("a: &b [*b]\n", "1:8: KC108: alias *b stands inside the value that &b names"),
        ("a: &b {c: {d: *b}}\n", "1:15: KC108: alias *b stands inside the value that &b names"),
        ("a: .nan\n", "1:4: KC106: '.nan' is no number that JSON can hold"),
    ],
)
def test_a_mistake(content: str, problem: str) -> None:
    (found,) = problems(content)
    assert found.startswith(f"f.yaml:{problem}")
    assert found.isascii()
    assert found.isprintable()


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("1", "key '1' is read as a number"),
        ("1.5", "key '1.5' is read as a number"),
        ("0x10", "key '0x10' is read as a number"),
        ("y", "key 'y' is read as a boolean"),
        ("on", "key 'on' is read as a boolean"),
        ("~", "key '~' is read as null"),
        ("!!int '1'", "key '1' is read as a number"),
        ("? [a, b]\n  ", "a key is a list"),
        ("? {a: b}\n  ", "a key is a mapping"),
    ],
)
def test_keys_are_strings(key: str, found: str) -> None:
    (problem,) = problems(f"data:\n  {key}: x\n")
    assert f": KC104: {found}" in problem
    assert problem.startswith("f.yaml:2:")


@pytest.mark.parametrize(
    ("content", "place", "first"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "line 1, column 1"),
        ("x:\n- {a: 1, b: 2, 'a': 3}\n", "2:16", "line 2, column 4"),
        ("a: &x 1\nb: 1\nb: *x\n", "3:1", "line 2, column 1"),
        ("x: {<<: {a: 1}, <<: {b: 1}}\n", "1:17", "line 1, column 5"),
        ('{"a": {"k": 1,\n"k": 2}}', "2:1", "line 1, column 8"),
        ('{"b": 1}\r\n{"a": 1, "\\u0061": 2}', "2:10", "line 2, column 2"),
    ],
)
def test_duplicate_keys(content: str, place: str, first: str) -> None:
    (problem,) = problems(content)
    assert problem.startswith(f"f.yaml:{place}: KC103: key ")
    assert f"first at {first}" in problem


# Anchors


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: &x 1\nb: *x\n", {"a": 1, "b": 1}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("a: &x [&x 1, 2]\nb: *x\n", {"a": [1, 2], "b": 1}),
        ("a: &x {k: v}\nb: {<<: *x}\n", {"a": {"k": "v"}, "b": {"k": "v"}}),
        ("a: &x {k: v}\nb: {<<: *x, k: w}\n", {"a": {"k": "v"}, "b": {"k": "w"}}),
        ("a: &x {k: v}\nb: {k: v, <<: *x}\n", {"a": {"k": "v"}, "b": {"k": "v"}}),
        ("<<: [{a: 1, b: 2}, {a: 3, c: 4}]\n", {"a": 1, "b": 2, "c": 4}),
        ("<<: {a: 1}\nb: 2\n", {"a": 1, "b": 2}),
        ("<<: []\nb: 2\n", {"b": 2}),
        ("&k a: 1\nb: *k\n*k : 2\n".replace("*k : 2\n", "c: 2\n"), {"a": 1, "b": "a", "c": 2}),
        ("b: &k a\n*k : 2\n", {"b": "a", "a": 2}),
    ],
)
def test_anchors_and_merges(content: str, expected: object) -> None:
    (value,) = values(content)
    assert value == expected


def test_aliases_give_values_of_their_own() -> None:
    (value,) = load([("f", "a: &x [1]\nb: *x\n")])
    value.value["a"].append(2)
    assert value.value == {"a": [1, 2], "b": [1]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("b: {<<: 1}\n", "1:5: KC108: '<<' takes a mapping or a list of mappings"),
        ("b: {<<: [a]}\n", "1:5: KC108: '<<' takes a mapping or a list of mappings"),
        ("b: {<<: ~}\n", "1:5: KC108: '<<' takes a mapping or a list of mappings"),
        ("b: {k: 1, <<: {k: 2}}\n", "1:5: KC103: key 'k' stands before a '<<' that sets it"),
        ("b: {k: 1, <<: {k: true}}\n", "1:5: KC103: key 'k' stands before a '<<' that sets it"),
    ],
)
def test_merges_that_say_nothing_certain(content: str, problem: str) -> None:
    (found,) = problems(content)
    assert found.startswith(f"f.yaml:{problem}")


# Limits


def nested(depth: int) -> list[str]:
    return [
        "a: " + "[" * (depth - 1) + "]" * (depth - 1),
        "".join(" " * i + "a:\n" for i in range(depth)),
        "- " * depth + "x",
        "- !!seq\n" + "".join(" " * i + " -\n" for i in range(depth - 1)),
        "- &a x\n- " + "- " * (depth - 1) + "*a",
        '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}",
    ]


@pytest.mark.parametrize("content", nested(100))
def test_a_hundred_levels_are_allowed(content: str) -> None:
    assert len(load([("f", content)])) == 1


@pytest.mark.parametrize("content", [*nested(101), *nested(3000)])
def test_more_levels_are_not(content: str) -> None:
    (problem,) = problems(content)
    assert ": KC107: " in problem
    assert "nest deeper than 100 levels" in problem


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "- " * 100_000, "&a [" * 9999])
@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_hostile_depth_stops_early(text: str, name: str) -> None:
    assert "KC107" in problems(text, name)[0]


def test_depth_counts_what_aliases_stand_for() -> None:
    chain = "a0: &a0 []\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 99))
    assert len(load([("f", chain)])) == 1
    (problem,) = problems(chain + "b: [[*a98]]\n")
    assert "f.yaml:100:6: KC107: with what *a98 stands for" in problem


def test_aliases_may_not_multiply() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    (problem,) = problems(laughs)
    assert "KC107: aliases add more than 250,000 values to this document" in problem


def test_merges_may_not_multiply() -> None:
    bomb = "a0: &a0 {k0: 1}\n"
    bomb += "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 40))
    assert "KC107" in problems(bomb)[0]


@pytest.mark.parametrize(
    ("content", "limits", "problem"),
    [
        ("a: 1\n" * 9, Limits(input_bytes=44), "1:1: KC107: the input is larger than 44 bytes"),
        ("k: 1\n---\na: [1, 2, 3]\n", Limits(parts=7), "2:1: KC107: the document has more than 7"),
        ("--- &a\n" + "- 1\n" * 9, Limits(parts=7), "1:1: KC107: the document has more than 7"),
        ('{"a": 1} {"b": [1, 2, 3, 4, 5]}', Limits(parts=6), "1:10: KC107: the value has more"),
        ("a: 1\n--- \n" + "b: 1234567890", Limits(document_characters=16), "2:1: KC107: the doc"),
        ("[]" + " " * 9 + '{"a": "123456"}', Limits(document_characters=14), "1:1: KC1"),
        ("a: &b 1\nc: [*b, *b, *b]", Limits(alias_nodes=2), "2:13: KC107: aliases add more"),
        ("a: [[1]]", Limits(depth=2), "1:5: KC107: mappings and lists nest deeper than 2"),
    ],
)
def test_each_limit(content: str, limits: Limits, problem: str) -> None:
    (found,) = problems(content, limits=limits)
    assert found.startswith(f"f.yaml:{problem}")


def test_a_limit_is_of_a_document_not_of_the_input() -> None:
    limits = Limits(parts=7, document_characters=20)
    documents = load([("f", "a: [1]\n---\n" * 50), ("f.json", '{"a": [1]} ' * 50)], limits=limits)
    assert len(documents) == 100


# Encodings and line ends


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be"]
)
@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_encodings(codec: str, name: str) -> None:
    mark = "\ufeff" if codec[-3:] in ("-le", "-be") else ""
    assert values((mark + '{"a": "é√\U0001f600"}').encode(codec), name) == [{"a": "é√\U0001f600"}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: b\nc: \xc0\xae\n", "2:4: KC101: invalid UTF-8 at bytes 0xc0 0xae 0x0a"),
        ("é: é".encode() + b"\xff", "1:5: KC101: invalid UTF-8 at bytes 0xff"),
        (b"a: \xed\xa0\x80", "1:4: KC101: invalid UTF-8 at bytes 0xed 0xa0 0x80"),
        (b"\xff\xfea\x00\x00", "1:2: KC101: invalid UTF-16 at bytes 0x00"),
        (b"\x1f\x8b\x08\x00", "1:1: KC101: this is a gzip file"),
        (b"PK\x03\x04", "1:1: KC101: this is a zip file"),
        ("a: 1\n".encode("utf-16-le"), "1:2: KC101: found a NUL (U+0000), expected text"),
        ("a: x\x1b[31m", "1:5: KC101: found a control character (U+001B)"),
        ("a: b\r\nc: \x7f", "2:4: KC101: found a control character (U+007F)"),
        ("a: é\rc: \x85", "2:4: KC101: found a control character (U+0085)"),
        ("a: \x9b", "1:4: KC101: found a control character (U+009B)"),
        ("a: \udcff", "1:4: KC101: found half of a surrogate pair (U+DCFF)"),
        ("a: b\ufeff", "1:5: KC101: found a byte order mark inside the text"),
        ("a: \uffff", "1:4: KC101: found a code point that is no character (U+FFFF)"),
    ],
)
def test_what_is_no_text(content: bytes | str, problem: str) -> None:
    (found,) = problems(content)
    assert found.startswith(f"f.yaml:{problem}")
    assert found.isascii()
    assert found.isprintable()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends(line_end: str) -> None:
    text = line_end.join(["a: |", "  x", "", "  y", "b: 1", "---", "b: 2", ""])
    first, second = load([("f", text)])
    assert first.value == {"a": "x\n\ny\n", "b": 1}
    assert second.origin.line == 6
    (problem,) = problems(text + line_end + "b: 3")
    assert problem.startswith("f.yaml:9:1: KC103: ")
    (problem,) = problems(text + "c: - 3")
    assert problem.startswith("f.yaml:8:4: KC102: ")


def test_line_ends_may_differ() -> None:
    (problem,) = problems("a: 1\r\nb: 2\nc: 3\rd: 4\r\n\r\ne: - 5\n")
    assert problem.startswith("f.yaml:6:4: ")


def test_names_of_files_cannot_steer_a_terminal() -> None:
    (problem,) = problems("a: ]", "é\x1b[2J\n\udcff\u202e.yaml")
    assert problem.startswith("é\\x1b[2J\\n\\udcff\\u202e.yaml:1:4: ")


# Templates


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('a: {{ include "x" . }}\n', "1:4"),
        ("a: 1\nb:\n  - port: {{ .Values.port }}\n", "3:11"),
        ("{{- if .Values.on }}\na: 1\n{{- end }}\n", "1:1"),
        ("a:\n  {{- toYaml .x | nindent 2 }}\n", "2:3"),
        ("a: {{ x }}-tail\n", "1:4"),
        ("{{/*\n words\n*/}}\na: 1\n", "1:1"),
        ("- {{ x }}:\n- ]\n", "1:3"),
        ("{% if x %}\na: 1\n{% endif %}\n", "1:1"),
        ("a: 1\r\n---\r\nb: {{ x }}\r\n", "3:4"),
    ],
)
def test_templates(content: str, place: str) -> None:
    (problem,) = problems(content)
    assert problem.startswith(f"f.yaml:{place}: KC110: ")
    assert problem.endswith(" template: render it first)")


@pytest.mark.parametrize(
    "content",
    [
        "a: |\n  {{ x }}\nb: - c\n",
        "a: 'x\n  {{ y }}'\nb: - c\n",
        "# a: {{ x }}\n\nb: - c\n",
        "a: x{{ y }}\n\nb: - c\n",
    ],
)
def test_braces_in_text_are_no_template(content: str) -> None:
    (problem,) = problems(content)
    assert problem.startswith("f.yaml:3:4: KC102: found '- '")


def test_text_with_braces_loads() -> None:
    assert values("a: '{{ x }}'\nb: x{{ y }}\n") == [{"a": "{{ x }}", "b": "x{{ y }}"}]


# JSON


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{\n\t"a": [1, 2.0, 1e3, 1.5, -0, -0.0, true, null]\n}', [{"a": None}]),
        ('{"a": 1}\n{"a": 2} {"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
        ('{"a": "\\u00e9\\ud83d\\ude00\\n"}', [{"a": "é\U0001f600\n"}]),
        ('{"a": "\\u001b"}', [{"a": "\x1b"}]),
        ('{"a": 18446744073709551616}', [{"a": 18446744073709552000}]),
        ('{"yes": "no", "1": 1}', [{"yes": "no", "1": 1}]),
        ('{"' + "k" * 3000 + '": 1}', [{"k" * 3000: 1}]),
        ("{a: b, 'c': [d]}", [{"a": "b", "c": ["d"]}]),
        ('{"a": 1}\n---\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
        ('{"a": yes} # YAML\n', [{"a": True}]),
    ],
)
@pytest.mark.parametrize("name", ["f.json", "f.yaml", "-"])
def test_json(content: str, expected: list[object], name: str) -> None:
    if expected == [{"a": None}]:
        expected = [{"a": [1, 2, 1000, 1.5, 0, 0, True, None]}]
    found = values(content, name)
    assert found == expected
    assert [repr(value) for value in found] == [repr(value) for value in expected]


def test_a_json_file_may_hold_any_value() -> None:
    assert values('[1, {"a": 2}]\n"x" 3 null', "F.JSON") == [[1, {"a": 2}], "x", 3]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"a": 1e400}', "1:7: KC106: '1e400' is no number that a 64-bit float can hold"),
        ('{"a": NaN}', "1:7: KC106: 'NaN' is no number that a 64-bit float can hold"),
        ('{"a":\n[-Infinity]}', "2:2: KC106: '-Infinity' is no number"),
        ('{"a": "\\ud800"}', "1:7: KC101: an escape in this string is half of a surrogate pair"),
        ('{"\\udc00": 1}', "1:2: KC101: an escape in this string is half of a surrogate pair"),
        ('{"a": 1,\n}}', "2:1: KC102: not valid JSON: expecting property name"),
        ('{"a": "x}', "1:7: KC102: not valid JSON: unterminated string"),
        ('{"a": {{ x }}}', "1:7: KC110: found '{{' of a template"),
    ],
)
def test_mistakes_in_json(content: str, problem: str) -> None:
    (found,) = problems(content, "f.json")
    assert found.startswith(f"f.json:{problem}")
    assert found.isascii()


# Properties

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: not f.is_integer())
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=15,
)


@given(st.dictionaries(TEXTS, JSON_VALUES), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_json_comes_back(value: object, ascii_only: bool, indent: int | str | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    if not ascii_only and any("\x7f" <= c <= "\x9f" or c in "\ufffe\uffff" for c in text):
        assert "KC101" in problems(text, "f.json")[0]
    else:
        assert repr(values(text, "f.json")) == repr([value])


@given(
    st.dictionaries(TEXTS, JSON_VALUES, min_size=1),
    st.sampled_from([True, False, None]),
    st.booleans(),
)
def test_yaml_comes_back(value: object, flow: bool | None, unicode: bool) -> None:
    """PyYAML quotes what it would not read as a string; what only go-yaml reads so, we quote."""
    text = yaml.dump(
        value, Dumper=_Quoting, default_flow_style=flow, allow_unicode=unicode, sort_keys=False
    )
    assert values(text) == [value]


PLAIN_TEXTS = TEXTS.filter(lambda text: text != "<<" and means_itself(text))


def means_itself(text: str) -> bool:
    try:
        return resolve(text) == text
    except NotInJsonError:
        return False


@given(
    st.dictionaries(PLAIN_TEXTS, st.lists(PLAIN_TEXTS | st.integers(-9, 9) | st.none()), min_size=1)
)
def test_yaml_in_pyyamls_own_quotes_comes_back(value: object) -> None:
    """Of texts that PyYAML leaves unquoted, go-yaml reads some otherwise: y, 1e3, 0o7."""
    assert values(yaml.safe_dump(value, sort_keys=False)) == [value]


class _Quoting(yaml.SafeDumper):
    """Quotes every string, and does not share equal lists."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@given(st.lists(st.sampled_from(["a", "b: ", "- ", "\n", "  ", "{", "}", "[", "]", ", ", "*a", "&a ",
    "<<: ", "'", '"', "#", "|\n", "? ", "!!str ", "---\n", "{{", "%", "\t", "\r", "1", "y: "])))  # fmt: skip
def test_whatever_comes_gives_values_or_located_problems(parts: list[str]) -> None:
    text = "".join(parts)
    for name in ("f.yaml", "f.json"):
        try:
            documents = load([(name, text)])
        except InputError as error:
            for problem in error.problems:
                assert 1 <= problem.position.line <= 1 + text.count("\n") + text.count("\r")
                assert str(problem).isascii()
        else:
            for document in documents:
                check_second_reading(document)


def check_second_reading(document: Document) -> None:
    """The tree that positions come from holds the same values as the document."""
    origin = document.origin
    if origin.marks is not None:
        tree = read_yaml_tree(origin.text.content, origin.start, origin.end)
        assert not tree.flaws
        assert json.dumps(value_of(tree.root)) == json.dumps(document.value)
    for path, position in mappings(document):
        assert locate(origin, path) == position


@given(st.binary())
def test_any_bytes_are_loaded_or_refused(content: bytes) -> None:
    try:
        load([("f.yaml", content), ("f.json", content)])
    except InputError as error:
        shown = [str(problem) for problem in error.problems]
    else:
        shown = []
    assert all(line.isascii() and line.isprintable() for line in shown)


# The real world

REFUSED = {
    "KC103": {"kex-openshift-origin"},
    "KC110": {"kex-vitess", "gke-llm-serving-llama"},
}
HOSTILE = """\
073-name-surrogate.yaml:4:15: KC102
220-list-deep.yaml:3:1822: KC107
230-anchor-cycle-list.yaml:4:3: KC108
236-deep-json.json:1:565: KC107
242-key-int.yaml:6:14: KC104
243-key-complex.yaml:5:5: KC104
246-tag-python-name.yaml:1:1: KC105
247-tag-binary.yaml:4:9: KC105
248-tag-set.yaml:6:13: KC105
249-tag-omap.yaml:6:13: KC105
255-yaml-directive-2.yaml:1:1: KC102
261-json-dup-key.json:1:61: KC103
267-invalid-utf8-overlong.yaml:4:10: KC101
270-c1-control.yaml:5:22: KC101
276-gzip.yaml:1:1: KC101
291-helm-template.yaml:4:9: KC110
292-helm-template-if.yaml:1:1: KC110
294-unclosed-quote.yaml:4:9: KC102
"""


def test_hostile_inputs() -> None:
    """The others are no matter of this stage and load."""
    hostile = SHARED / "hostile"
    if not hostile.exists():
        pytest.skip("../shared/hostile is not there")
    refused = []
    for file in sorted(hostile.glob("[0-9]*")):
        try:
            load([(file.name, file.read_bytes())])
        except InputError as error:
            refused += [": ".join(str(problem).split(": ")[:2]) for problem in error.problems]
    assert "\n".join(refused) + "\n" == HOSTILE


def test_public_manifests_load() -> None:
    corpus = SHARED / "corpus"
    if not corpus.exists():
        pytest.skip("../shared/corpus is not there")
    refused: dict[str, set[str]] = {}
    for file in sorted(f for f in corpus.rglob("*") if f.suffix in {".yaml", ".yml", ".json"}):
        name = str(file.relative_to(corpus))
        try:
            load([(name, file.read_bytes())])
        except InputError as error:
            for problem in error.problems:
                refused.setdefault(problem.code.value, set()).add(name.split("/", maxsplit=1)[0])
    assert refused == REFUSED
