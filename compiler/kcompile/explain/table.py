"""Columns of text, as kubectl aligns them."""

from collections.abc import Iterable, Sequence

GET_PADDING = 3
DESCRIBE_PADDING = 2
"""Spaces after the longest cell of a column (k8s.io/cli-runtime's and kubectl describe's)."""


def table(rows: Iterable[Sequence[str]], padding: int = GET_PADDING, indent: str = "") -> str:
    """Rows of equal length as lines; the last column is not padded."""
    rows = list(rows)
    widths = [max(map(len, column)) + padding for column in zip(*rows, strict=True)][:-1]
    return "".join(indent + "".join(map(str.ljust, row, widths)) + row[-1] + "\n" for row in rows)
