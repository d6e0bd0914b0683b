"""Stage validate: is each object right by itself?"""

from collections.abc import Sequence

from kcompile.load.document import Document
from kcompile.load.locate import problems_of
from kcompile.model import Object, Objects
from kcompile.problems import Code, Finding, InputError, Severity
from kcompile.source import Origin
from kcompile.validate.dispatch import read_object
from kcompile.validate.flatten import flatten
from kcompile.validate.owners import without_owned
from kcompile.validate.remarks import remarks
from kcompile.validate.review import Ledger

__all__ = ["validate"]


def validate(documents: Sequence[Document]) -> Objects:
    """The objects that act, typed and with Kubernetes' defaults.

    Raises InputError with all problems if one of them is an error.
    """
    ledger = Ledger()
    items: list[Object] = []
    origins: list[Origin] = []
    for document in documents:
        for single in flatten(document, ledger):
            for item in read_object(single, ledger):
                items.append(item)
                origins.append(single.origin)
    if not documents:
        ledger.findings.append(Finding(Code.EMPTY_INPUT, None, (), "the input holds no objects"))
    acting, places = without_owned(items, origins, ledger)
    problems = problems_of([*ledger.findings, *remarks(ledger)])
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise InputError(problems)
    return Objects(acting, places, frozenset(ledger.namespaces), problems)
