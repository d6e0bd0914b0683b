"""What is said when a range has too little room: one problem a range, not one an object."""

from collections.abc import Sequence

from kcompile.model import Key

_NAMES_SHOWN = 3


def shortage(what: str, unit: str, size: int, without: Sequence[Key]) -> str:
    """How much is missing in a range of `size` places, all taken, and who gets none."""
    missing = len(without)
    places = unit if missing == 1 else f"{unit}{'es' if unit.endswith('s') else 's'}"
    names = list(dict.fromkeys(map(str, without)))
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"{what} is {missing} {places} short: {size + missing} are needed and it has {size};"
        f" without one: {', '.join(names[:_NAMES_SHOWN])}{more}"
    )
