"""What can be asked for, in kubectl's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kcompile.problems import printable

Kind = Literal["node", "pod", "service", "endpoints", "deployment"]

_WORDS: dict[str, Kind] = {
    **dict.fromkeys(("node", "nodes", "no"), "node"),
    **dict.fromkeys(("pod", "pods", "po"), "pod"),
    **dict.fromkeys(("service", "services", "svc"), "service"),
    **dict.fromkeys(("endpoints", "endpoint", "ep"), "endpoints"),
    **dict.fromkeys(("deployment", "deployments", "deploy"), "deployment"),
    **dict.fromkeys(("deployment.apps", "deployments.apps"), "deployment"),
}


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
    return tuple(Request(kind, names) for kind in dict.fromkeys(map(_kind, words)))


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


def _kind(word: str) -> Kind:
    kind = _WORDS.get(word.lower())
    if kind is None:
        allowed = "nodes, pods, services, endpoints, deployments; records by themselves"
        raise WordingError(f"{printable(word)} is not a type that can be shown ({allowed})")
    return kind
