"""The judge of the lab's shares, held to values of chi-square that tables print."""

from collections import Counter

import pytest

from lab.describe import LabPod
from lab.expect import assert_even, chi_square_tail

BACKENDS = tuple(LabPod(name, "node", ("10.244.0.2",), "httpd") for name in "abc")


@pytest.mark.parametrize(
    ("value", "freedom", "tail"),
    [
        (3.841, 1, 0.05),
        (5.991, 2, 0.05),
        (7.815, 3, 0.05),
        (9.488, 4, 0.05),
        (11.070, 5, 0.05),
        (16.266, 3, 0.001),
        (20.515, 5, 0.001),
        (0, 5, 1.0),
        (0, 2, 1.0),
    ],
)
def test_tails_are_those_of_the_tables(value: float, freedom: int, tail: float) -> None:
    assert chi_square_tail(value, freedom) == pytest.approx(tail, rel=2e-3)


def test_tails_fall_and_never_pass_one() -> None:
    for freedom in range(1, 12):
        tails = [chi_square_tail(value / 4, freedom) for value in range(400)]
        assert tails == sorted(tails, reverse=True)
        assert tails[0] == pytest.approx(1.0)


def test_even_shares_pass() -> None:
    assert_even(Counter(a=310, b=280, c=310), BACKENDS)


@pytest.mark.parametrize(
    "counts",
    [
        Counter(a=450, b=225, c=225),  # odds of 1/2 and 1/2 where 1/3 and 1/2 are right
        Counter(a=450, b=450),  # a backend that never answers
        Counter(a=300, b=300, c=300, d=1),  # and one that is none
    ],
)
def test_wrong_shares_fail(counts: Counter[str]) -> None:
    with pytest.raises(AssertionError):
        assert_even(counts, BACKENDS)
