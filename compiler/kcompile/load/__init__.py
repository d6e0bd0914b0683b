"""Stage load: is it YAML or JSON, as Kubernetes reads them?"""

import re
from collections.abc import Iterable
from json import JSONDecodeError

from kcompile.load.decode import decode
from kcompile.load.document import Document, Reading
from kcompile.load.json_values import read_json
from kcompile.load.limits import LIMITS, Limits
from kcompile.load.syntax import json_problem
from kcompile.load.yaml_values import Vocabulary, read_yaml
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Text, shown_name

__all__ = ["Document", "Limits", "load"]

_JSON_OBJECT = re.compile(r"[ \t\r\n]*\{")


def load(
    inputs: Iterable[tuple[str, bytes | str]], *, limits: Limits = LIMITS
) -> tuple[Document, ...]:
    """The documents of all inputs (name and content) in order, without the empty ones.

    Raises InputError with all problems of all inputs.
    """
    vocabulary = Vocabulary()
    documents: list[Document] = []
    problems: list[Problem] = []
    for name, content in inputs:
        text = decode(shown_name(name), content, limits)
        if isinstance(text, Problem):
            problems.append(text)
        else:
            reading = _read(text, vocabulary, limits)
            documents += reading.documents
            problems += reading.problems
    if problems:
        unique = dict.fromkeys(problems)
        raise InputError(sorted(unique, key=lambda p: (p.position, p.code.value, p.message)))
    return tuple(documents)


def _read(text: Text, vocabulary: Vocabulary, limits: Limits) -> Reading:
    """JSON goes first: libyaml does not take its tabs, nor keys above 1,024 characters."""
    named_json = text.name.lower().endswith(".json")
    if not named_json and not _JSON_OBJECT.match(text.content):
        return read_yaml(text, vocabulary, limits)
    result = read_json(text, limits)
    if not isinstance(result, JSONDecodeError):
        return result
    reading = read_yaml(text, vocabulary, limits)
    if named_json and any(problem.code is Code.SYNTAX for problem in reading.problems):
        return Reading(problems=[json_problem(text, result)])
    return reading
