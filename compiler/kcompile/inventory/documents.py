"""Ansible's YAML inventories, and the JSON that `ansible-inventory --list` prints."""

from collections.abc import Iterator
from typing import Any

from kcompile.inventory.listing import (
    ALL,
    VARIABLES,
    InDocument,
    Listing,
    Variable,
    Variables,
)
from kcompile.load import Document
from kcompile.problems import Code, printable
from kcompile.source import Path

_META = "_meta"
"""Where the JSON of `ansible-inventory --list` keeps the variables of all hosts."""


def read_document(document: Document, listing: Listing) -> None:
    """Fill the listing with the groups of a document."""
    value = document.value
    reader = _Reader(document, listing)
    if not isinstance(value, dict):
        listing.wrong(reader.at(()), f"found {printable(value)}, expected groups by their names")
        return
    if "plugin" in value:
        listing.report(
            Code.INVENTORY_NOT_RUN,
            reader.at(("plugin",)),
            f"this is the configuration of the inventory plugin {printable(value['plugin'])},"
            " which only Ansible can run",
            "ansible-inventory -i FILE --list --yaml prints what it finds; give that",
        )
        return
    for name, group in value.items():
        if name != _META:
            reader.group(name, group, (name,))
    reader.host_variables(value.get(_META))


class _Reader:
    def __init__(self, document: Document, listing: Listing) -> None:
        self.origin = document.origin
        self.listing = listing

    def at(self, path: Path, *, at_key: bool = True) -> InDocument:
        return InDocument(self.origin, path, at_key)

    def group(self, name: str, value: Any, path: Path) -> None:
        """The group, and those inside it; the loader bounds how deep they go."""
        found = self.listing.group(name, self.at(path))
        if value is None:
            return
        if not isinstance(value, dict):
            self._expected("hosts, children and vars", value, path)
            return
        for key, part in value.items():
            inside = (*path, key)
            match key:
                case "hosts":
                    for pattern, variables, own in self._entries(part, inside):
                        self._hosts(pattern, variables, own, name)
                case "children":
                    for child, group, own in self._entries(part, inside):
                        found.children.setdefault(child, self.at(own))
                        self.group(child, group, own)
                case "vars":
                    self._variables(part, inside, found.variables)
                case _:
                    message = f"found {printable(key)} in group {printable(name)}"
                    hint = "hosts, children and vars are what a group has"
                    self.listing.wrong(self.at(inside), message, hint)

    def host_variables(self, meta: Any) -> None:
        by_host = meta.get("hostvars") if isinstance(meta, dict) else None
        for name, variables in by_host.items() if isinstance(by_host, dict) else ():
            path = (_META, "hostvars", name)
            for host in self.listing.add(name, None, self.at(path)):
                self._variables(variables, path, host.variables)

    def _hosts(self, pattern: str, variables: Any, path: Path, group: str) -> None:
        place = self.at(path)
        own = None if group == ALL else self.listing.group(group, place)
        for host in self.listing.add(pattern, own, place):
            self._variables(variables, path, host.variables)

    def _entries(self, value: Any, path: Path) -> Iterator[tuple[str, Any, Path]]:
        """Names with what stands behind them: a mapping, or a list of names alone."""
        if isinstance(value, dict):
            for name, inner in value.items():
                yield name, inner, (*path, name)
        elif isinstance(value, list) and all(isinstance(name, str) for name in value):
            for index, name in enumerate(value):
                yield name, None, (*path, index)
        elif isinstance(value, str):
            yield value, None, path
        elif value is not None:
            self._expected("a mapping of names", value, path)

    def _variables(self, value: Any, path: Path, into: Variables) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in VARIABLES:
                    into[name] = Variable(inner, self.at((*path, name), at_key=False))
        elif value is not None:
            self._expected("a mapping of variables", value, path)

    def _expected(self, what: str, value: Any, path: Path) -> None:
        self.listing.wrong(self.at(path), f"found {printable(value)}, expected {what}")
