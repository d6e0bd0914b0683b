"""A YAML document becomes a tree with offsets: anchors, aliases, merge keys and tags included."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamStartEvent,
)

from kcompile.load.events import yaml_events
from kcompile.load.limits import LIMITS, Limits
from kcompile.load.scalars import NotInJsonError, Plain, as_go_yaml, json_float, resolve
from kcompile.load.tree import Flaw, Mapping, Node, Scalar, Sequence, Tree, height, value_of
from kcompile.problems import Code, printable

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, type] = {
    _TAG + "int": int,
    _TAG + "float": float,
    _TAG + "bool": bool,
    _TAG + "null": type(None),
}
_CONTAINER_TAGS = (_TAG + "map", _TAG + "seq")
_ALLOWED_TAGS = "!!str, !!int, !!float, !!bool, !!null, !!map and !!seq"
_WORDS_FOR_TYPES: dict[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def read_yaml_tree(content: str, start: int, end: int, limits: Limits = LIMITS) -> Tree:
    """The tree of the one document in content[start:end], which libyaml has accepted before."""
    reader = _Reader(yaml_events(content[start:end]), start, limits)
    try:
        root = reader.document()
    except _AbandonError:
        root = Scalar(start, None)
    return Tree(root, reader.flaws)


class _AbandonError(Exception):
    """The rest of the document would only give follow-up problems."""


@dataclass(frozen=True, slots=True, eq=False)
class _Anchored:
    """A node that an alias may name; `size` counts its nodes, those of aliases in it included."""

    node: Node | None
    size: int = 0


class _Reader:
    def __init__(self, next_event: Callable[[], Any], base: int, limits: Limits) -> None:
        self.next_event = next_event
        self.limits = limits
        self.base = base
        self.flaws: list[Flaw] = []
        self.anchors: dict[str, _Anchored] = {}
        self.nodes = 0
        self.nodes_of_aliases = 0

    def document(self) -> Node:
        event = self.next_event()
        while type(event) is StreamStartEvent or type(event) is DocumentStartEvent:
            event = self.next_event()
        return self._node(event, 1)

    def _node(self, event: Any, depth: int) -> Node:
        if type(event) is AliasEvent:
            return self._alias(event, depth)
        self.nodes += 1
        if event.anchor is None:
            return self._unnamed(event, depth)
        nodes_before = self.nodes
        unfinished = self.anchors[event.anchor] = _Anchored(None)
        node = self._unnamed(event, depth)
        # An anchor of the same name inside the node is the newer one, and stays.
        if self.anchors[event.anchor] is unfinished:
            self.anchors[event.anchor] = _Anchored(node, 1 + self.nodes - nodes_before)
        return node

    def _unnamed(self, event: Any, depth: int) -> Node:
        offset = self.base + event.start_mark.index
        if type(event) is ScalarEvent:
            return Scalar(offset, self._scalar(event, offset))
        if depth > self.limits.depth:
            self._flaw(
                Code.LIMIT,
                offset,
                f"mappings and lists nest deeper than {self.limits.depth} levels",
            )
            raise _AbandonError
        if type(event) is MappingStartEvent:
            self._check_tag(event, offset, "map", "a mapping")
            return self._mapping(offset, depth)
        self._check_tag(event, offset, "seq", "a list")
        return self._sequence(offset, depth)

    def _alias(self, event: Any, depth: int) -> Node:
        offset = self.base + event.start_mark.index
        name = event.anchor
        anchored = self.anchors.get(name)
        if anchored is None or anchored.node is None:
            self._unusable_alias(offset, name, inside=anchored is not None)
            return Scalar(offset, None)
        self.nodes += anchored.size
        self.nodes_of_aliases += anchored.size
        if self.nodes_of_aliases > self.limits.alias_nodes:
            message = f"aliases add more than {self.limits.alias_nodes:,} values to this document"
            self._flaw(Code.LIMIT, offset, message)
            raise _AbandonError
        if depth - 1 + height(anchored.node) > self.limits.depth:
            message = f"with what *{name} stands for, mappings and lists nest deeper than"
            self._flaw(Code.LIMIT, offset, f"{message} {self.limits.depth} levels")
            raise _AbandonError
        return anchored.node

    def _unusable_alias(self, offset: int, name: str, *, inside: bool) -> None:
        if inside:
            message = f"alias *{name} stands inside the value that &{name} names"
            self._flaw(Code.ANCHOR, offset, message, "a value cannot contain itself")
        else:
            message = f"alias *{name} has no anchor &{name} before it in this document"
            self._flaw(Code.ANCHOR, offset, message, "if text is meant, quote it")

    def _sequence(self, offset: int, depth: int) -> Sequence:
        sequence = Sequence(offset)
        while type(event := self.next_event()) is not SequenceEndEvent:
            sequence.items.append(self._node(event, depth + 1))
        return sequence

    def _mapping(self, offset: int, depth: int) -> Mapping:
        mapping = Mapping(offset)
        merge: _Merge | None = None
        while type(event := self.next_event()) is not MappingEndEvent:
            key_offset = self.base + event.start_mark.index
            is_merge = type(event) is ScalarEvent and event.implicit[0] and event.value == "<<"
            key = self._key(event, mapping, depth)
            value = self._node(self.next_event(), depth + 1)
            if is_merge and merge is None:
                merge = _Merge(key_offset, value, frozenset(mapping.entries))
            elif key is not None:
                if key in mapping.entries or is_merge:
                    first = merge.offset if is_merge and merge else mapping.entries[key][0]
                    self._duplicate(key, key_offset, first)
                else:
                    mapping.entries[key] = (key_offset, value)
        if merge is not None:
            self._merge(mapping, merge)
        return mapping

    def _key(self, event: Any, mapping: Mapping, depth: int) -> str | None:
        flaws_before = len(self.flaws)
        key = self._node(event, depth + 1)
        if len(self.flaws) > flaws_before:
            return None
        offset = self.base + event.start_mark.index
        if isinstance(key, Scalar):
            if isinstance(key.value, str):
                return key.value
            found = _WORDS_FOR_TYPES[type(key.value)]
            shown = printable(event.value) if type(event) is ScalarEvent else f"*{event.anchor}"
            message = f"key {shown} is read as {found}, keys must be strings"
            self._flaw(Code.KEY_TYPE, offset, message, "quote it")
            return None
        if isinstance(key, Mapping) and offset == mapping.offset + 1:
            self._flaw(
                Code.TEMPLATE,
                mapping.offset,
                "found '{{' of a template, expected YAML",
                "looks like a Helm template: render it first",
            )
            raise _AbandonError
        found = "a mapping" if isinstance(key, Mapping) else "a list"
        self._flaw(Code.KEY_TYPE, offset, f"a key is {found}, keys must be strings")
        return None

    def _duplicate(self, key: str, offset: int, first: int) -> None:
        message = f"key {printable(key)} stands twice in this mapping"
        self.flaws.append(Flaw(Code.DUPLICATE_KEY, offset, message, "keep one of them", first))

    def _merge(self, mapping: Mapping, merge: "_Merge") -> None:
        """Keys of the mapping win over merged ones, of several merged mappings the first."""
        merged: dict[str, tuple[int, Node]] = {}
        for source in merge.sources():
            if not isinstance(source, Mapping):
                message = "'<<' takes a mapping or a list of mappings, mostly as aliases"
                self._flaw(Code.ANCHOR, merge.offset, message)
                return
            merged = {**source.entries, **merged}
        for key, entry in merged.items():
            if key not in mapping.entries:
                mapping.entries[key] = entry
            elif key in merge.keys_before and not _same(mapping.entries[key][1], entry[1]):
                # go-yaml merges in the order of the text, so Kubernetes takes the merged value.
                message = f"key {printable(key)} stands before a '<<' that sets it differently"
                message += ": YAML takes the key's value, Kubernetes the merged one"
                hint = "put '<<' first in its mapping"
                self._flaw(Code.DUPLICATE_KEY, mapping.entries[key][0], message, hint)

    def _scalar(self, event: Any, offset: int) -> Plain:
        tag, text = event.tag, str(event.value)
        try:
            if tag is None or tag == "!":
                # With the tag "!" libyaml calls even quoted text implicit, and go-yaml reads it so.
                return resolve(text) if event.implicit[0] else text
            return self._tagged(tag, text, offset)
        except NotInJsonError:
            message = f"{printable(text)} is no number that JSON can hold, so Kubernetes refuses it"
            self._flaw(Code.SCALAR, offset, message, "quote it if text is meant")
            return None

    def _tagged(self, tag: str, text: str, offset: int) -> Plain:
        if tag == _TAG + "str":
            return text
        if tag not in _SCALAR_TAGS:
            self._wrong_tag(offset, tag, "a single value")
            return None
        value = as_go_yaml(text)
        if tag == _TAG + "float" and (type(value) is int or type(value) is float):
            value = json_float(float(value))
        elif type(value) is not _SCALAR_TAGS[tag]:
            message = f"{printable(text)} is not what its tag !!{tag.removeprefix(_TAG)} says"
            self._flaw(Code.SCALAR, offset, message, "remove the tag or mend the value")
        return value

    def _check_tag(self, event: Any, offset: int, kind: str, found: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self._wrong_tag(offset, event.tag, found)

    def _wrong_tag(self, offset: int, tag: str, found: str) -> None:
        if tag == _TAG + "str" or tag in _SCALAR_TAGS or tag in _CONTAINER_TAGS:
            message = f"tag !!{tag.removeprefix(_TAG)} stands on {found}"
            self._flaw(Code.TAG, offset, message, "remove the tag")
            return
        shown = "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
        message = f"tag {printable(shown)} is not allowed, only {_ALLOWED_TAGS} are"
        self._flaw(Code.TAG, offset, message)

    def _flaw(self, code: Code, offset: int, message: str, hint: str = "") -> None:
        self.flaws.append(Flaw(code, offset, message, hint))


@dataclass(frozen=True, slots=True, eq=False)
class _Merge:
    """What stands at a mapping's '<<'."""

    offset: int
    value: Node
    keys_before: frozenset[str]

    def sources(self) -> Iterable[Node]:
        return self.value.items if isinstance(self.value, Sequence) else (self.value,)


def _same(one: Node, other: Node) -> bool:
    # Not ==, for which 1 is true.
    return one is other or _canonical(one) == _canonical(other)


def _canonical(node: Node) -> str:
    return json.dumps(value_of(node), sort_keys=True)
