"""What the readers of plan.json have in common: labels, lists of strings, and what is neither."""

from collections.abc import Mapping

from kcompile.labels import Labels
from kcompile.problems import printable


class UnexpectedError(Exception):
    """A value has not the form that the format gives it."""

    def __init__(self, wanted: str, found: object) -> None:
        super().__init__(f"found {printable(found)} where {wanted} is expected")


def labels_of(value: Mapping[object, object]) -> Labels:
    return tuple((_text(key), _text(text)) for key, text in value.items())


def texts_of(values: list[object]) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise UnexpectedError("a string", value)
