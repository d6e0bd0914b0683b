"""Every problem code has a golden that shows it and a section in docs/errors.md."""

import re
from pathlib import Path

import pytest

from kcompile.problems import Code

ROOT = Path(__file__).parent.parent
CASES = sorted((ROOT / "golden" / "errors").iterdir())


@pytest.mark.parametrize("code", Code)
def test_a_code_has_a_golden_that_shows_it(code: Code) -> None:
    (case,) = [case for case in CASES if case.name.startswith(f"{code.value}-")]
    assert f": {code.value}: " in (case / "expected" / "stderr.txt").read_text()
    assert case.name == f"{code.value}-{code.name.lower().replace('_', '-')}"


def test_a_golden_of_errors_is_for_a_code() -> None:
    assert len(CASES) == len(Code)


def test_the_documentation_has_one_section_a_code_in_order() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    sections = re.findall(r"^### (KC[0-9]{3}) ", text, re.MULTILINE)
    assert sections == sorted(code.value for code in Code)


@pytest.mark.parametrize("code", Code)
def test_the_documentation_quotes_a_real_message(code: Code) -> None:
    """The example is a line of the code's golden, from the code on."""
    (case,) = [case for case in CASES if case.name.startswith(f"{code.value}-")]
    shown = (case / "expected" / "stderr.txt").read_text()
    text = (ROOT / "docs" / "errors.md").read_text()
    section = text.partition(f"### {code.value} ")[2].partition("\n### ")[0]
    (example,) = re.findall(rf"^    (.*: {code.value}: .*)$", section, re.MULTILINE)
    assert example in shown.splitlines()
