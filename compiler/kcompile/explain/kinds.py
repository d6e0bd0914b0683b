"""What can be asked for, in kubectl's words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kcompile.problems import printable

Kind = Literal[
    "node",
    "namespace",
    "pod",
    "service",
    "endpoints",
    "deployment",
    "statefulset",
    "daemonset",
    "replicaset",
    "replicationcontroller",
    "job",
]


@dataclass(frozen=True, slots=True)
class Wording:
    """What a kind is called. `group` is its API group, "" for the core one."""

    plural: str
    short: tuple[str, ...]
    group: str = ""


WORDINGS: dict[Kind, Wording] = {
    "node": Wording("nodes", ("no",)),
    "namespace": Wording("namespaces", ("ns",)),
    "pod": Wording("pods", ("po",)),
    "service": Wording("services", ("svc",)),
    "endpoints": Wording("endpoints", ("endpoint", "ep")),
    "deployment": Wording("deployments", ("deploy",), "apps"),
    "statefulset": Wording("statefulsets", ("sts",), "apps"),
    "daemonset": Wording("daemonsets", ("ds",), "apps"),
    "replicaset": Wording("replicasets", ("rs",), "apps"),
    "replicationcontroller": Wording("replicationcontrollers", ("rc",)),
    "job": Wording("jobs", (), "batch"),
}
CLUSTER_WIDE: frozenset[Kind] = frozenset({"node", "namespace"})

_ALL: tuple[Kind, ...] = (
    "pod",
    "replicationcontroller",
    "service",
    "daemonset",
    "deployment",
    "replicaset",
    "statefulset",
    "job",
)
"""kubectl's category `all`, in its order."""


@dataclass(frozen=True, slots=True)
class Request:
    """Objects of a kind by name; all of them if there are no names."""

    kind: Kind
    names: tuple[str, ...]


class WordingError(ValueError):
    """Arguments that do not say what is wanted."""


def requests(arguments: Sequence[str]) -> tuple[Request, ...]:
    """Reads `TYPE[,TYPE...] [NAME...]` or `TYPE/NAME...`; raises WordingError."""
    if any("/" in argument for argument in arguments):
        return _pairs(arguments)
    words, names = arguments[0].split(","), tuple(dict.fromkeys(arguments[1:]))
    kinds = dict.fromkeys(kind for word in words for kind in _kinds(word))
    return tuple(Request(kind, names) for kind in kinds)


def resource(kind: Kind) -> str:
    """A kind before a name, as `-o name` has it: deployment.apps."""
    group = WORDINGS[kind].group
    return f"{kind}.{group}" if group else kind


def _pairs(arguments: Sequence[str]) -> tuple[Request, ...]:
    names: dict[Kind, dict[str, None]] = {}
    for argument in arguments:
        word, slash, name = argument.partition("/")
        if not slash or not name or "/" in name:
            raise WordingError(
                f"{printable(argument)}: with TYPE/NAME, all arguments have that form"
            )
        names.setdefault(_kind(word), {})[name] = None
    return tuple(Request(kind, tuple(wanted)) for kind, wanted in names.items())


def _kinds(word: str) -> tuple[Kind, ...]:
    return _ALL if word.lower() == "all" else (_kind(word),)


def _kind(word: str) -> Kind:
    kind = _KIND_BY_WORD.get(word.lower())
    if kind is None:
        allowed = ", ".join(wording.plural for wording in WORDINGS.values())
        raise WordingError(
            f"{printable(word)} is not a type that can be shown "
            f"({allowed}; all; records by themselves)"
        )
    return kind


def _words(kind: Kind, wording: Wording) -> Iterator[str]:
    for word in (kind, wording.plural, *wording.short):
        yield word
        if wording.group:
            yield f"{word}.{wording.group}"


_KIND_BY_WORD: dict[str, Kind] = {
    word: kind for kind, wording in WORDINGS.items() for word in _words(kind, wording)
}
