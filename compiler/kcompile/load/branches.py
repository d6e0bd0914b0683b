"""Only some branches of an ordinary YAML document as a tree: fast, however large the document."""

from collections.abc import Callable
from typing import Any

from yaml.events import (
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)

from kcompile.load.events import yaml_events
from kcompile.load.tree import Mapping, Node, Scalar, Sequence, Wanted


def read_branches(content: str, start: int, end: int, wanted: Wanted) -> Node:
    """The tree of content[start:end], which has no anchors or aliases and nests not too deep.

    Scalars have no value, containers that are not wanted no content.
    """
    next_event = yaml_events(content[start:end])
    event = next_event()
    while type(event) is StreamStartEvent or type(event) is DocumentStartEvent:
        event = next_event()
    return _node(next_event, event, start, wanted)


def _node(next_event: Callable[[], Any], event: Any, base: int, wanted: Wanted) -> Node:
    offset = base + event.start_mark.index
    kind = type(event)
    if kind is ScalarEvent:
        return Scalar(offset, None)
    if not wanted:
        _skip(next_event)
        return Mapping(offset) if kind is MappingStartEvent else Sequence(offset)
    if kind is MappingStartEvent:
        mapping = Mapping(offset)
        while type(event := next_event()) is not MappingEndEvent:
            key = event.value
            value = _node(next_event, next_event(), base, wanted.get(key, {}))
            if key in wanted:
                mapping.entries[key] = (base + event.start_mark.index, value)
        return mapping
    sequence = Sequence(offset)
    while type(event := next_event()) is not SequenceEndEvent:
        below = wanted.get(len(sequence.items), {})
        sequence.items.append(_node(next_event, event, base, below))
    return sequence


def _skip(next_event: Callable[[], Any]) -> None:
    """Go to the end of the container that has just started."""
    depth = 1
    while depth:
        kind = type(next_event())
        if kind is ScalarEvent:
            continue
        depth += 1 if kind is MappingStartEvent or kind is SequenceStartEvent else -1
