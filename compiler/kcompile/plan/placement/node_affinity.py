"""nodeSelector and node affinity: what a pod's terms say of a node.

Node labels come with those of kubernetes.io/hostname and kubernetes.io/os, which every kubelet
sets.
"""

import re
from collections.abc import Mapping

from kcompile.model import Node
from kcompile.scheduling import NodeRequirement, NodeTerm, Scheduling

HOSTNAME = "kubernetes.io/hostname"
_LINUX = {"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux"}
"""What is compiled runs nowhere else; the older name is deprecated, but kubelets still set it."""

NodeLabels = Mapping[str, str]

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_MOST = (1 << 63) - 1  # strconv.ParseInt to 64 bits


def node_labels(node: Node) -> NodeLabels:
    return {HOSTNAME: node.name, **_LINUX, **dict(node.labels)}


def why_not_by_affinity(scheduling: Scheduling, node: Node, labels: NodeLabels) -> str:
    """What of nodeSelector and required node affinity does not hold, "" if all does."""
    for key, value in scheduling.node_selector:
        if labels.get(key) != value:
            return f"nodeSelector asks {key}={value}, {_found(key, labels)}"
    terms = scheduling.required_nodes
    if terms is None or any(term_holds(term, node, labels) for term in terms):
        return ""
    return f"node affinity asks {' or '.join(map(_shown, terms))}{_all_found(terms, labels)}"


def term_holds(term: NodeTerm, node: Node, labels: NodeLabels) -> bool:
    """A term without expressions and fields holds nowhere."""
    if not (term.expressions or term.fields):
        return False
    named = {"metadata.name": node.name}
    return all(_holds(each, labels) for each in term.expressions) and all(
        _holds(each, named) for each in term.fields
    )


def _holds(requirement: NodeRequirement, labels: NodeLabels) -> bool:
    found = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return found in requirement.values
        case "NotIn":
            return found not in requirement.values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt":
            return _compared(found, requirement.values) > 0
        case "Lt":
            return _compared(found, requirement.values) < 0


def _compared(found: str | None, values: tuple[str, ...]) -> int:
    """The sign of the difference; 0, which satisfies neither Gt nor Lt, if one is no number."""
    if found is None or not _DIGITS.fullmatch(found):
        return 0
    number, limit = int(found), int(values[0])
    return (number > limit) - (number < limit) if number <= _MOST else 0


def _shown(term: NodeTerm) -> str:
    parts = [_requirement(each) for each in (*term.expressions, *term.fields)]
    return " and ".join(parts) if parts else "what no node has (an empty term)"


def _requirement(each: NodeRequirement) -> str:
    values = f" ({', '.join(each.values)})" if each.values else ""
    return f"{each.key} {each.operator}{values}"


def _all_found(terms: tuple[NodeTerm, ...], labels: NodeLabels) -> str:
    keys = dict.fromkeys(each.key for term in terms for each in term.expressions)
    return "".join(f", {_found(key, labels)}" for key in keys)


def _found(key: str, labels: NodeLabels) -> str:
    return f"the node has {key}={labels[key]}" if key in labels else f"the node has no {key}"
