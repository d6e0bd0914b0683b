"""Which kind of list a file is, and what is none of them."""

import re
from collections.abc import Sequence

from kcompile.inventory.documents import read_document
from kcompile.inventory.ini import read_host, read_ini
from kcompile.inventory.listing import Listing
from kcompile.inventory.listing import problems as located
from kcompile.load import Limits, load
from kcompile.load.decode import decode
from kcompile.problems import Code, InputError, Problem
from kcompile.source import Position, Text, shown_name

LIMITS = Limits(input_bytes=4 << 20, document_characters=4 << 20, parts=1_000_000)
_LABEL = "HOST"
_CONVERT = "ansible-inventory -i FILE --list --yaml prints what Ansible makes of it; give that"
_DOCUMENT = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*(?:---|\{|[\"'\w.-]+:(?:\s|$))")


def read_hosts(words: Sequence[str], inputs: Sequence[tuple[str, bytes]]) -> Listing:
    """What the words of the command line and the files say together, the words first.

    Raises InputError for what is no text, no YAML, or nothing that can be read without running it.
    """
    listing = Listing()
    for word in words:
        read_host(word, listing, Position(_LABEL, 1, 1))
    problems: list[Problem] = []
    for name, content in inputs:
        try:
            _read(name, content, listing)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError([*problems, *located(listing.troubles)])
    return listing


def _read(name: str, content: bytes, listing: Listing) -> None:
    text = decode(shown_name(name), content, LIMITS)
    if isinstance(text, Problem):
        raise InputError([text])
    _refuse_what_runs(text)
    named = name.lower().endswith((".yaml", ".yml", ".json"))
    if named or _DOCUMENT.match(text.content):
        try:
            documents = load([(name, content)], limits=LIMITS)
        except InputError as error:
            raise InputError(map(_without_vault, error.problems)) from None
        for document in documents:
            read_document(document, listing)
    else:
        read_ini(text, listing)


def _refuse_what_runs(text: Text) -> None:
    start = text.content[:64]
    position = Position(text.name, 1, 1)
    if start.startswith("#!"):
        message = "this is a program that makes an inventory; kcompile runs none"
    elif start.startswith("$ANSIBLE_VAULT"):
        message = "this is encrypted with ansible-vault, of which kcompile has no key"
    else:
        return
    raise InputError([Problem(Code.INVENTORY_NOT_RUN, position, message, _CONVERT)])


def _without_vault(problem: Problem) -> Problem:
    """The tags of Ansible mean that it has work to do first."""
    if problem.code is not Code.TAG or not problem.message.startswith(("tag '!vault", "tag '!uns")):
        return problem
    message = f"{problem.message.partition(',')[0]}: only Ansible can make a value of it"
    return Problem(Code.INVENTORY_NOT_RUN, problem.position, message, _CONVERT)
