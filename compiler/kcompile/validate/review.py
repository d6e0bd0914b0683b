"""Where validate writes down what it finds, object by object."""

from dataclasses import dataclass, field

from kcompile.labels import Labels
from kcompile.model import Key
from kcompile.problems import Code, Finding, printable
from kcompile.source import Origin, Path
from kcompile.validate.names import NameRule, variable_hint
from kcompile.validate.schema import field_path


@dataclass(slots=True)
class Tally:
    """How many objects share a remark, and where the first of them stands."""

    count: int
    first: Origin
    path: Path
    last: Origin


@dataclass(slots=True)
class Ledger:
    """All that one run finds. `labels` are the label tuples already checked, to be shared; `owners`
    are the controllers that objects name, also under the name of a controller's own."""

    findings: list[Finding] = field(default_factory=list)
    tallies: dict[tuple[Code, str], Tally] = field(default_factory=dict)
    labels: dict[Labels, Labels] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)
    owners: dict[Key, tuple[Key, ...]] = field(default_factory=dict)

    def count(self, code: Code, subject: str, origin: Origin, path: Path) -> None:
        """Remark once for all objects that share it; an object counts once."""
        tally = self.tallies.get((code, subject))
        if tally is None:
            self.tallies[code, subject] = Tally(1, origin, path, origin)
        elif tally.last is not origin:
            tally.count += 1
            tally.last = origin


@dataclass(slots=True)
class Review:
    """One object on the table. Paths are the object's own, without the steps of a List."""

    origin: Origin
    ledger: Ledger

    def error(self, code: Code, path: Path, message: str, hint: str = "") -> None:
        self.ledger.findings.append(Finding(code, self.origin, path, message, hint))

    def invalid(self, path: Path, value: object, allowed: str, hint: str = "") -> None:
        """`allowed` goes on after "it": "must be ..."."""
        shown = printable(value)
        if isinstance(value, str):
            hint = hint or variable_hint(value)
        message = f"{field_path(path)} is {shown}; it {allowed}"
        self.error(Code.INVALID_VALUE, path, message, hint)

    def name(self, path: Path, value: str, rule: NameRule) -> None:
        if not rule.accepts(value):
            self.invalid(path, value, rule.allowed)

    def one_of(self, path: Path, value: object, allowed: tuple[str, ...]) -> None:
        if value not in allowed:
            self.invalid(path, value, f"must be {' or '.join(allowed)}")

    def within(self, path: Path, value: int, first: int, last: int) -> None:
        if not first <= value <= last:
            self.invalid(path, value, f"must be {first} to {last}")

    def required(self, path: Path, why: str = "", hint: str = "") -> None:
        message = f"{field_path(path)} is missing" + (f": {why}" if why else "")
        self.error(Code.REQUIRED, path, message, hint)

    def forbidden(self, path: Path, why: str) -> None:
        self.error(Code.FORBIDDEN, path, f"{field_path(path)} {why}")

    def duplicate(self, path: Path, value: object, first: Path = ()) -> None:
        """`first` is where the value stands for the first time, where that is known."""
        before = f", first as {field_path(first)}" if first else ""
        message = f"{field_path(path)} {printable(value)} is there twice{before}"
        self.error(Code.DUPLICATE_ITEM, path, message)

    def not_implemented(self, path: Path, what: str) -> None:
        """For what Kubernetes accepts and a later version of kcompile will compile."""
        message = f"{field_path(path)}: {what} is not implemented yet; a later version brings it"
        self.error(Code.NOT_IMPLEMENTED, path, message)

    def suspicious(self, path: Path, message: str) -> None:
        self.error(Code.SUSPICIOUS, path, message)

    def remark(self, code: Code, subject: str) -> None:
        """Said once for all objects that share it, where the first one stands."""
        self.ledger.count(code, subject, self.origin, ())

    def ignored(self, path: Path) -> None:
        """The field has no effect here; said once for all objects."""
        named = tuple(step for step in path if isinstance(step, str))
        self.ledger.count(Code.IGNORED_FIELD, field_path(named), self.origin, path)
