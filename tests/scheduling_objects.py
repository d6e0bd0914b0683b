"""Nodes and workloads with all that placement reads, from a few words.

`node("n1", "zone=a", allocatable="cpu=2 pods=10")`, `pods("web", 3, spread=(even(),))`. Labels are
KEY=VALUE with spaces between; `zone` is topology.kubernetes.io/zone, `host` the host name's label.
"""

from typing import Any

from kcompile.address import parse_cidr, parse_ip
from kcompile.labels import Labels, Selector
from kcompile.model import (
    Container,
    ContainerPort,
    DnsConfig,
    Node,
    PodTemplate,
    Taint,
    Toleration,
    Workload,
)
from kcompile.scheduling import (
    NodeRequirement,
    NodeTerm,
    PodTerm,
    Scheduling,
    SpreadConstraint,
)

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
_SHORT = {"zone": ZONE, "host": HOST}
_OPERATORS: dict[str, Any] = {"=": "In", "!": "NotIn", ">": "Gt", "<": "Lt"}


def labels(text: str) -> Labels:
    pairs = (each.split("=") for each in text.split())
    return tuple(sorted((_SHORT.get(key, key), value) for key, value in pairs))


def selector(text: str) -> Selector:
    return Selector(labels(text))


def amounts(text: str) -> tuple[tuple[str, int], ...]:
    """In whole units but for a number that ends in m."""
    pairs = (each.split("=") for each in text.split())
    return tuple(
        sorted((name, int(n[:-1]) if n.endswith("m") else int(n) * 1000) for name, n in pairs)
    )


def taint(text: str) -> Taint:
    """KEY[=VALUE]:EFFECT"""
    name, _, effect = text.partition(":")
    key, _, value = name.partition("=")
    effects: Any = effect
    return Taint(key, value, effects)


def toleration(key: str = "", value: str = "", effect: str = "") -> Toleration:
    return Toleration(key, "Equal" if value else "Exists", value, effect)


def node(
    name: str,
    text: str = "",
    *,
    taints: str = "",
    cordoned: bool = False,
    allocatable: str = "",
    pod_cidr: str = "",
) -> Node:
    number = int("".join(filter(str.isdigit, name)) or 0) + 1
    return Node(
        name,
        labels(text),
        tuple(map(taint, taints.split())),
        cordoned,
        (parse_ip(f"192.0.2.{number}"),),
        (parse_cidr(pod_cidr),) if pod_cidr else (),
        amounts(allocatable),
    )


def pods(
    name: str,
    replicas: int = 1,
    kind: Any = "Deployment",
    *,
    text: str = "",
    ports: tuple[int, ...] = (),
    requests: str = "",
    node_selector: str = "",
    first: int = 0,
    indexed: bool = False,
    namespace: str = "default",
    template: dict[str, Any] | None = None,
    **scheduling: Any,
) -> Workload:
    """Labelled `app=NAME` and `text`. `template` is more of the pod template."""
    own = tuple(sorted((*labels(f"app={name}"), *labels(text))))
    container = Container("c", "i", tuple(ContainerPort("", port, "TCP") for port in ports))
    fields: dict[str, Any] = {"tolerations": (), "node_name": "", **(template or {})}
    asked = Scheduling(
        node_selector=labels(node_selector), requests=amounts(requests), **scheduling
    )
    made = PodTemplate(
        own,
        (container,),
        (),
        dns_policy="ClusterFirst",
        dns_config=DnsConfig(),
        scheduling=asked,
        **fields,
    )
    return Workload(
        kind, namespace, name, own, replicas, selector(f"app={name}"), made, first, indexed
    )


def node_term(text: str) -> NodeTerm:
    """KEY=V1,V2, KEY!V1, KEY>N, KEY<N, +KEY, -KEY; with @ before it a field."""
    found: dict[bool, list[NodeRequirement]] = {False: [], True: []}
    for each in text.split():
        field, rest = each.startswith("@"), each.lstrip("@")
        if rest[0] in "+-":
            operator: Any = "Exists" if rest[0] == "+" else "DoesNotExist"
            requirement = NodeRequirement(_SHORT.get(rest[1:], rest[1:]), operator, ())
        else:
            sign = next(c for c in rest if c in _OPERATORS)
            key, _, values = rest.partition(sign)
            requirement = NodeRequirement(
                _SHORT.get(key, key), _OPERATORS[sign], tuple(values.split(","))
            )
        found[field].append(requirement)
    return NodeTerm(tuple(found[False]), tuple(found[True]))


def near(
    text: str | None, key: str = HOST, *, namespaces: str = "default", of: str | None = None
) -> PodTerm:
    """Pods with these labels (None: no pod), in some namespaces and those that `of` selects."""
    return PodTerm(
        None if text is None else selector(text),
        tuple(namespaces.split()),
        None if of is None else selector(of),
        key,
    )


def even(
    text: str = "app=web",
    key: str = ZONE,
    *,
    hard: bool = True,
    skew: int = 1,
    **more: Any,
) -> SpreadConstraint:
    return SpreadConstraint(skew, key, hard, selector(text), **more)
