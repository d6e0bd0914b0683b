"""What unquoted words mean: Kubernetes' typing, from a table and from the shared fuzz cases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.load import load
from kcompile.load.scalars import NotInJsonError, resolve
from kcompile.problems import InputError

TABLE = Path(__file__).parent / "data" / "yaml_scalars.tsv"
SHARED = Path(__file__).parents[2] / "shared" / "cases" / "yaml_scalars.tsv"


def rows(table: Path) -> Iterator[tuple[str, str, str]]:
    for line in table.read_text("utf-8").splitlines():
        word, *rest = line.split("\t")
        if rest:
            yield word, rest[0], rest[1]


def expected(kind: str, value: str) -> object:
    """JSON has one zero and writes a whole number without a dot; Go writes -0."""
    return int(value) if kind == "int" else json.loads(value)


def check(word: str, kind: str, value: str) -> None:
    """A type is compared as well as a value: 1, 1.0 and True are equal in Python."""
    if kind == "error":
        with pytest.raises(InputError, match=r"^w:1:4: KC106: "):
            load([("w", f"k: {word}\n")])
        return
    (document,) = load([("w", f"k: {word}\n")])
    found = document.value["k"]
    assert (type(found), found) == (type(expected(kind, value)), expected(kind, value))


@pytest.mark.parametrize(("word", "kind", "value"), list(rows(TABLE)))
def test_word(word: str, kind: str, value: str) -> None:
    check(word, kind, value)


def test_shared_words() -> None:
    if not SHARED.exists():
        pytest.skip("../shared/cases is not there")
    wrong = []
    for row in rows(SHARED):
        try:
            check(*row)
        except (AssertionError, InputError) as error:
            wrong.append((row, str(error)))
    assert wrong == []


@pytest.mark.parametrize(("word", "kind", "value"), list(rows(TABLE)))
def test_quotes_make_strings(word: str, kind: str, value: str) -> None:  # noqa: ARG001 - the table's row
    quoted = word.replace("'", "''")
    (document,) = load([("w", f"k: '{quoted}'\n")])
    assert document.value == {"k": word}


@given(st.text(st.sampled_from("0123456789+-._eExXoObB:abcfn~yT"), max_size=12))
def test_every_word_has_a_value_of_json(word: str) -> None:
    try:
        value = resolve(word)
    except NotInJsonError:
        assert word.lower().lstrip("+-") in {".inf", ".nan"}
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert not isinstance(value, float) or not value.is_integer() or abs(value) >= 1e21


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_of_64_bits_are_exact(number: int) -> None:
    assert resolve(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_what_json_keeps(number: float) -> None:
    value = resolve(repr(number))
    assert float(str(value)) == number
    assert value is not True


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!str 12", "12"),
        ("!!str yes", "yes"),
        ("!!str", ""),
        ("!!int '0x10'", 16),
        ("!!float 1", 1),
        ("!!float '1.5'", 1.5),
        ("!!bool 'on'", True),
        ("!!null ''", None),
        ("!!map {a: 1}", {"a": 1}),
        ("!!seq [a]", ["a"]),
        ("! 12", 12),
        ("! '12'", 12),
        ("! {a: 1}", {"a": 1}),
        ("!<tag:yaml.org,2002:str> 12", "12"),
    ],
)
def test_tags_that_fit(text: str, value: object) -> None:
    (document,) = load([("t", f"k: {text}\n")])
    assert (type(document.value["k"]), document.value["k"]) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("!!int 1.0", "KC106: '1.0' is not what its tag !!int says"),
        ("!!int yes", "KC106: 'yes' is not what its tag !!int says"),
        ("!!bool 1", "KC106: '1' is not what its tag !!bool says"),
        ("!!null x", "KC106: 'x' is not what its tag !!null says"),
        ("!!float x", "KC106: 'x' is not what its tag !!float says"),
        ("!!float .inf", "KC106: '.inf' is no number that JSON can hold"),
        ("!!map x", "KC105: tag !!map stands on a single value"),
        ("!!str [x]", "KC105: tag !!str stands on a list"),
        ("!!seq {x: 1}", "KC105: tag !!seq stands on a mapping"),
        ("!!binary d2Vi", "KC105: tag '!!binary' is not allowed"),
        ("!!timestamp 2001-01-01", "KC105: tag '!!timestamp' is not allowed"),
        ("!!set {a}", "KC105: tag '!!set' is not allowed"),
        ("!!omap [a: 1]", "KC105: tag '!!omap' is not allowed"),
        ("!!python/name:os.system", "KC105: tag '!!python/name:os.system' is not allowed"),
        ("!!python/object/apply:os.system [ls]", "KC105: tag '!!python/object/apply:os.system' is"),
        ("!Ref x", "KC105: tag '!Ref' is not allowed, only !!str, !!int, !!float, !!bool"),
    ],
)
def test_tags_that_do_not_fit(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        load([("t", f"k: {text}\n")])
    assert str(caught.value).startswith(f"t:1:4: {problem}")
