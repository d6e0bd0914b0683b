"""How kubectl writes labels, selectors and endpoints in one cell."""

from collections.abc import Iterable, Sequence

from kcompile.explain.contents import Endpoint, Expression, Workload
from kcompile.labels import Labels

NONE = "<none>"
UNKNOWN = "<unknown>"

_ENDPOINTS_SHOWN = 3
"""kubectl's own limit; the rest is counted."""
_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def join(words: Iterable[str]) -> str:
    return ",".join(words) or NONE


def format_labels(labels: Labels) -> str:
    return join(f"{key}={value}" for key, value in labels)


def format_selector(workload: Workload) -> str:
    """A label selector in the form that kubectl's -l takes, requirements sorted by key."""
    words = [(key, f"{key}={value}") for key, value in workload.match_labels]
    words += [(each.key, _expression(each)) for each in workload.match_expressions]
    return join(word for _, word in sorted(words, key=lambda pair: pair[0]))


def endpoint_list(endpoints: Sequence[Endpoint]) -> str:
    text = join(map(_socket, endpoints[:_ENDPOINTS_SHOWN]))
    more = len(endpoints) - _ENDPOINTS_SHOWN
    return f"{text} + {more} more..." if more > 0 else text


def roles(node_labels: Labels) -> str:
    """A node's roles, which its labels name."""
    named = {key.removeprefix(_ROLE_PREFIX) for key, _ in node_labels if _is_role(key)}
    named |= {value for key, value in node_labels if key == _ROLE_LABEL and value}
    return join(sorted(named))


def _is_role(key: str) -> bool:
    return key.startswith(_ROLE_PREFIX) and key != _ROLE_PREFIX


def _expression(expression: Expression) -> str:
    match expression.operator:
        case "Exists":
            return expression.key
        case "DoesNotExist":
            return f"!{expression.key}"
        case operator:
            return f"{expression.key} {operator.lower()} ({','.join(sorted(expression.values))})"


def _socket(endpoint: Endpoint) -> str:
    if endpoint.port is None:
        return endpoint.ip
    host = f"[{endpoint.ip}]" if ":" in endpoint.ip else endpoint.ip
    return f"{host}:{endpoint.port}"
