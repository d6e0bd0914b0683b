"""What is said once for many objects, in words."""

from kcompile.problems import Code, Finding, printable
from kcompile.validate.review import Ledger, Tally


def remarks(ledger: Ledger) -> list[Finding]:
    return [
        Finding(code, tally.first, tally.path, _message(code, subject, tally), _hint(code, subject))
        for (code, subject), tally in ledger.tallies.items()
    ]


def _message(code: Code, subject: str, tally: Tally) -> str:  # noqa: PLR0911 - a return for each code
    shown = subject if subject.isascii() and subject.isprintable() else printable(subject)
    objects = f"{tally.count} object{'s' if tally.count > 1 else ''}"
    match code:
        case Code.REMOVED_VERSION:
            version, _, release = subject.rpartition(" ")
            return f"Kubernetes {release} removed {version}; it is read as apps/v1 in {objects}"
        case Code.NOT_COMPILED:
            return f"what {shown} adds is unknown offline: {objects} without effect"
        case Code.OWNED:
            return (
                f"{shown}: {objects} left to the controller that made them, which is here as well"
            )
        case Code.ENDED:
            return f"{shown} has ended or is suspended: {objects} without pods"
        case Code.NOT_ENFORCED:
            return f"{shown} is not enforced: {objects} without effect"
        case Code.IGNORED_FIELD:
            return f"{shown} is ignored in {objects}"
        case Code.TOOL_FILE:
            return f"{shown} configures another program: {objects} skipped"
        case _:
            return f"{shown} has no part in packets, addresses or names: {objects} ignored"


def _hint(code: Code, subject: str) -> str:
    if code is Code.IGNORED_FIELD and subject.endswith(".schedulerName"):
        return "pods are placed as the default scheduler would"
    return "write apiVersion: apps/v1" if code is Code.REMOVED_VERSION else ""
