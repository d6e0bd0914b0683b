"""The one door to libyaml."""

from collections.abc import Callable
from typing import Any

from yaml.cyaml import CParser  # type: ignore[attr-defined] # the stubs do not export it


def yaml_events(content: str) -> Callable[[], Any]:
    """A function that gives the next event, and None after the last. It may raise YAMLError."""
    next_event: Callable[[], Any] = CParser(content).get_event
    return next_event
