"""Stage load: is it YAML or JSON, as Kubernetes reads them?"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from json import JSONDecodeError

from kcompile.later import Start, when_asked
from kcompile.load.decode import decode
from kcompile.load.document import Document, Reading
from kcompile.load.halves import Halves
from kcompile.load.json_values import read_json
from kcompile.load.limits import LIMITS, Limits
from kcompile.load.syntax import json_problem
from kcompile.load.yaml_values import Vocabulary, read_yaml
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Text, shown_name

__all__ = ["Document", "Limits", "load"]

_JSON_OBJECT = re.compile(r"[ \t\r\n]*\{")


def load(
    inputs: Iterable[tuple[str, bytes | str]],
    *,
    limits: Limits = LIMITS,
    start: Start = when_asked,
) -> tuple[Document, ...]:
    """The documents of all inputs (name and content) in order, without the empty ones.

    Raises InputError with all problems of all inputs. `start` may read half of them elsewhere.
    """
    decoded = [decode(shown_name(name), content, limits) for name, content in inputs]
    texts = [each for each in decoded if isinstance(each, Text)]
    if start is not when_asked and len(texts) == len(decoded):
        documents = _read_in_halves(texts, limits, start)
        if documents is not None:
            return documents
    problems = [each for each in decoded if isinstance(each, Problem)]
    return _read_in_order(texts, limits, problems)


def _read_in_halves(
    texts: Sequence[Text], limits: Limits, start: Start
) -> tuple[Document, ...] | None:
    """None where there is any problem: one process finds them all in their order."""
    halves = Halves(texts, _looks_like_json)
    second = start(lambda: halves.pack_second(partial(_read, Vocabulary(), limits)))
    first = halves.first(partial(_read, Vocabulary(), limits))
    packed = second()
    if first is None or packed is None:
        return None
    return (*first, *halves.unpack_second(packed))


def _read_in_order(
    texts: Sequence[Text], limits: Limits, problems: list[Problem]
) -> tuple[Document, ...]:
    vocabulary = Vocabulary()
    documents: list[Document] = []
    for text in texts:
        reading = _read(vocabulary, limits, text)
        documents += reading.documents
        problems += reading.problems
    if problems:
        unique = dict.fromkeys(problems)
        raise InputError(sorted(unique, key=lambda p: (p.position, p.code.value, p.message)))
    return tuple(documents)


def _looks_like_json(text: Text) -> bool:
    return _is_named_json(text) or _JSON_OBJECT.match(text.content) is not None


def _is_named_json(text: Text) -> bool:
    return text.name.lower().endswith(".json")


def _read(vocabulary: Vocabulary, limits: Limits, text: Text) -> Reading:
    """JSON goes first: libyaml does not take its tabs, nor keys above 1,024 characters."""
    if not _looks_like_json(text):
        return read_yaml(text, vocabulary, limits)
    result = read_json(text, limits)
    if not isinstance(result, JSONDecodeError):
        return result
    reading = read_yaml(text, vocabulary, limits)
    if _is_named_json(text) and any(problem.code is Code.SYNTAX for problem in reading.problems):
        return Reading(problems=[json_problem(text, result)])
    return reading
