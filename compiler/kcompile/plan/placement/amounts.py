"""Amounts of resources as people write them."""

_BINARY = (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))
_IN_BYTES = ("memory", "ephemeral-storage", "hugepages-")


def shown_amount(name: str, thousandths: int) -> str:
    """1500 of cpu is 1500m, 2000 is 2; bytes come in the largest unit that leaves no rest."""
    whole, rest = divmod(thousandths, 1000)
    if rest:
        return f"{thousandths}m"
    if name.startswith(_IN_BYTES) and whole:
        for unit, size in _BINARY:
            if whole % size == 0:
                return f"{whole // size}{unit}"
    return str(whole)
