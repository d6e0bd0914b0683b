"""What can be wrong with an input, as values."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, unique

from kcompile.source import Origin, Path, Position


class Severity(Enum):
    """How much a problem weighs: only an error stops a build (--strict makes warnings errors)."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@unique
class Code(Enum):
    """Every problem's stable number. Numbers are never reused; docs/errors.md explains each."""

    # 1xx: load, is it YAML or JSON as Kubernetes reads it
    ENCODING = "KC101"
    SYNTAX = "KC102"
    DUPLICATE_KEY = "KC103"
    KEY_TYPE = "KC104"
    TAG = "KC105"
    SCALAR = "KC106"
    LIMIT = "KC107"
    ANCHOR = "KC108"
    UNREADABLE = "KC109"
    TEMPLATE = "KC110"
    LINKED_FOLDER = "KC111"

    # 2xx: validate, is each object right by itself
    NOT_AN_OBJECT = "KC201"
    UNKNOWN_KIND = "KC202"
    UNKNOWN_FIELD = "KC203"
    WRONG_TYPE = "KC204"
    REQUIRED = "KC205"
    INVALID_VALUE = "KC206"
    NOT_SUPPORTED = "KC207"
    DUPLICATE_ITEM = "KC208"
    FORBIDDEN = "KC209"
    NOT_IMPLEMENTED = "KC210"
    FRAGMENT = "KC211"
    IGNORED_KIND = "KC220"
    NOT_ENFORCED = "KC221"
    NOT_COMPILED = "KC222"
    REMOVED_VERSION = "KC223"
    IGNORED_FIELD = "KC224"
    SUSPICIOUS = "KC225"
    EMPTY_INPUT = "KC226"
    TOOL_FILE = "KC227"
    EXTERNAL_IP = "KC228"
    OWNED = "KC229"
    ENDED = "KC230"
    NOT_IN_QUADLETS = "KC231"

    # 3xx: resolve, do the objects fit together
    DUPLICATE_OBJECT = "KC301"
    SETTINGS_CONFLICT = "KC302"
    SETTING_INVALID = "KC303"
    NODE_CONFLICT = "KC304"
    NODE_ADDRESS = "KC305"
    SYNTHESISED_NODE = "KC320"
    SYNTHESISED_SERVICE = "KC321"
    NO_PODS_SELECTED = "KC322"
    NO_SUCH_TARGET_PORT = "KC323"
    SLICE_IGNORED = "KC324"
    AFFINITY_LIMIT = "KC325"
    FOR_ANOTHER_PROXY = "KC326"
    OVERLAPPING_CONTROLLERS = "KC327"

    # 4xx: plan, does everything get a place and an address
    ADDRESS_TAKEN = "KC401"
    ADDRESS_OUT_OF_RANGE = "KC402"
    RANGE_EXHAUSTED = "KC403"
    UNSCHEDULABLE = "KC404"
    LOCK_SYNTAX = "KC405"
    LOCK_STALE = "KC406"
    LOCK_CONFLICT = "KC407"
    LOCK_VERSION = "KC408"
    NODE_PORT_TAKEN = "KC409"
    NODE_PORT_OUT_OF_RANGE = "KC410"
    ADDRESS_MOVED = "KC411"
    NO_EXTERNAL_ADDRESS = "KC412"
    LOCK_OLD = "KC413"
    PENDING = "KC414"
    LOCK_IN_USE = "KC415"
    LOCK_BASE = "KC416"
    NOT_IN_LOCK = "KC417"
    NEARLY_FULL = "KC418"

    # 5xx: names, can DNS hold it
    NAME_TOO_LONG = "KC501"
    NO_DNS_RECORD = "KC502"
    TOO_MANY_RECORDS = "KC503"
    BIND_OPTION = "KC504"

    # 6xx: the bundle on disk
    NOT_A_BUNDLE = "KC601"
    FOREIGN_FILE = "KC602"
    NOT_WRITABLE = "KC603"
    NOT_IN_BUNDLE = "KC604"
    ZONE_SERIALS = "KC605"
    SERIAL_NOT_GREATER = "KC606"
    SIGNING = "KC607"

    # 7xx: init, is it a list of hosts
    INVENTORY_ENTRY = "KC701"
    INVENTORY_NOT_RUN = "KC702"
    HOST_NAME = "KC703"
    HOST_ADDRESS = "KC704"
    HOST_TWICE = "KC705"
    NO_SUCH_GROUP = "KC706"
    OUTPUT_EXISTS = "KC707"
    NEEDS_ADDRESS = "KC720"
    INVENTORY_IGNORED = "KC721"


_WARNINGS = frozenset(
    {
        Code.LINKED_FOLDER,
        Code.NOT_ENFORCED,
        Code.REMOVED_VERSION,
        Code.IGNORED_FIELD,
        Code.SUSPICIOUS,
        Code.EMPTY_INPUT,
        Code.EXTERNAL_IP,
        Code.NO_SUCH_TARGET_PORT,
        Code.AFFINITY_LIMIT,
        Code.OVERLAPPING_CONTROLLERS,
        Code.ADDRESS_MOVED,
        Code.PENDING,
        Code.NO_DNS_RECORD,
        Code.NEEDS_ADDRESS,
        Code.INVENTORY_IGNORED,
    }
)
_NOTES = frozenset(
    {
        Code.IGNORED_KIND,
        Code.NOT_COMPILED,
        Code.OWNED,
        Code.ENDED,
        Code.NOT_IN_QUADLETS,
        Code.TOOL_FILE,
        Code.SYNTHESISED_NODE,
        Code.SYNTHESISED_SERVICE,
        Code.NO_PODS_SELECTED,
        Code.SLICE_IGNORED,
        Code.FOR_ANOTHER_PROXY,
        Code.NO_EXTERNAL_ADDRESS,
        Code.NEARLY_FULL,
        Code.BIND_OPTION,
        Code.LOCK_OLD,
    }
)


def severity(code: Code) -> Severity:
    if code in _WARNINGS:
        return Severity.WARNING
    return Severity.NOTE if code in _NOTES else Severity.ERROR


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem as a stage sees it: a field of an object, whose position nobody has looked up yet.

    `origin` is None where no document is to blame (a flag, the sum of all inputs); `label` then
    says what is shown in the file's place. With `at_key`, the position is that of the last key of
    `path`, not of its value.
    """

    code: Code
    origin: Origin | None
    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    label: str = "kcompile"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as the user sees it."""

    code: Code
    position: Position
    message: str
    hint: str = ""

    @property
    def severity(self) -> Severity:
        return severity(self.code)

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        weight = "" if self.severity is Severity.ERROR else f"{self.severity.value}: "
        return f"{self.position}: {self.code.value}: {weight}{self.message}{hint}"


class KcompileError(Exception):
    """Root of all that the user can mend."""


class InputError(KcompileError):
    """The input is wrong: all problems of one stage, in the order of their positions."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class OurBugError(AssertionError):
    """kcompile broke its own promise; says which in a sentence."""


def printable(value: object) -> str:
    """What a user typed, quoted for a message: ASCII only, escapes instead of controls, cut short.

    Controls, direction marks and look-alikes of other scripts show as code points.
    """
    shown = ascii(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
