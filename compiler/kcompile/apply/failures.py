"""How work on a node fails."""

from __future__ import annotations


class NodeError(Exception):
    """The root of what can go wrong; the message is one sentence for the operator."""


class RefusedError(NodeError):
    """Nothing was touched: what was asked for is wrong, or the node is not as it must be."""


class CommandError(NodeError):
    """A program is missing, failed or hangs. The message names it and what it said."""
