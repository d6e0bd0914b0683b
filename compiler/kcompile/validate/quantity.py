"""Quantities, by the rules of apimachinery's resource.Quantity."""

import re

# Kubernetes also takes a sign, a point or a suffix alone for 0; nobody means that.
_QUANTITY = re.compile(
    r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?[0-9]+))?"
)
_LONGEST = 40
"""Characters; no exponent that fits makes a number of more than a few thousand digits."""
_EXPONENTS = dict(zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True))
_POWERS = {letter: power for power, letter in enumerate("KMGTPE", start=1)}
_MOST_EXPONENT = 99
_MOST = (2**63 - 1) * 10**9
ALLOWED = "must be a quantity such as 100m, 0.5 or 64Mi"


def read_quantity(text: str) -> int | None:
    """Billionths, the smallest step that Kubernetes keeps, rounded away from 0; None for no
    quantity."""
    parts = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if parts is None:
        return None
    sign, whole, fraction, binary, decimal, exponent = parts.groups(default="")
    digits = whole + fraction
    if not digits:
        return None
    scale = 9 - len(fraction) + (_EXPONENTS[decimal] if decimal else 0)
    if exponent:
        stated = int(exponent)
        scale += max(-_MOST_EXPONENT, min(_MOST_EXPONENT, stated))
    number = int(digits) << (10 * _POWERS[binary] if binary else 0)
    amount: int = number * 10**scale if scale >= 0 else -(-number // 10**-scale)
    amount = min(amount, _MOST)
    return -amount if sign == "-" else amount


def thousandths(amount: int, name: str) -> int:
    """Of billionths of a resource, as kube-scheduler counts: processors in thousandths, all else
    in whole pieces, rounded up."""
    step = 10**6 if name == "cpu" else 10**9
    return -(-amount // step) * (1 if name == "cpu" else 1000)
