"""Edits of clusters of hundreds of objects. Each has a seed that says to whom it happens."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from generated_hundreds import (
    POLICIES,
    PORTS,
    TAINTS,
    TIERS,
    TYPES,
    Cluster,
    Node,
    Service,
    Workload,
    asked,
    labels_of,
    new_node,
    new_service,
    new_workload,
    seeds,
    unique,
)

Edit = tuple[str, int]
"""What is done, and the seed that says to whom."""


def edited(cluster: Cluster, *edits: Edit) -> Cluster:
    for name, seed in edits:
        chance = Random(seed)  # noqa: S311 - examples, not secrets
        cluster = EDITS[name](cluster, chance)
    return cluster


def _add_workload(cluster: Cluster, chance: Random) -> Cluster:
    return replace(
        cluster, workloads=unique([*cluster.workloads, new_workload(chance, cluster.workloads)])
    )


def _add_service(cluster: Cluster, chance: Random) -> Cluster:
    new = new_service(chance, cluster.workloads, dual=cluster.dual)
    return replace(cluster, services=unique([*cluster.services, new]))


def _add_node(cluster: Cluster, chance: Random) -> Cluster:
    number = 1 + max(each.number for each in cluster.nodes)
    new = new_node(chance, number, dual=cluster.dual)
    return replace(cluster, nodes=(*cluster.nodes, new))


def _remove_workloads(cluster: Cluster, chance: Random) -> Cluster:
    kept = [each for each in cluster.workloads if chance.random() < 0.9]
    return replace(cluster, workloads=tuple(kept))


def _remove_services(cluster: Cluster, chance: Random) -> Cluster:
    kept = [each for each in cluster.services if chance.random() < 0.9]
    return replace(cluster, services=tuple(kept))


def _remove_node(cluster: Cluster, chance: Random) -> Cluster:
    if len(cluster.nodes) < 3:
        return cluster
    gone = chance.choice(cluster.nodes[1:])
    return replace(cluster, nodes=tuple(each for each in cluster.nodes if each is not gone))


def _reorder(cluster: Cluster, chance: Random) -> Cluster:
    return replace(cluster, order=chance.randrange(1 << 16))


def _workload(
    **changes: Callable[[Workload, Random], object],
) -> Callable[[Cluster, Random], Cluster]:
    """Change a few fields of a few workloads."""

    def edit(cluster: Cluster, chance: Random) -> Cluster:
        touched = set(chance.sample(range(len(cluster.workloads)), min(3, len(cluster.workloads))))
        workloads = [
            replace(each, **{field: make(each, chance) for field, make in changes.items()})  # type: ignore[arg-type]  # fields by name
            if number in touched
            else each
            for number, each in enumerate(cluster.workloads)
        ]
        return replace(cluster, workloads=unique(workloads))

    return edit


def _service(
    **changes: Callable[[Service, Random], object],
) -> Callable[[Cluster, Random], Cluster]:
    def edit(cluster: Cluster, chance: Random) -> Cluster:
        touched = set(chance.sample(range(len(cluster.services)), min(3, len(cluster.services))))
        services = [
            replace(each, **{field: make(each, chance) for field, make in changes.items()})  # type: ignore[arg-type]  # fields by name
            if number in touched
            else each
            for number, each in enumerate(cluster.services)
        ]
        return replace(cluster, services=unique(services))

    return edit


def _node(**changes: Callable[[Node, Random], object]) -> Callable[[Cluster, Random], Cluster]:
    """Change a node, but not the first one."""

    def edit(cluster: Cluster, chance: Random) -> Cluster:
        if len(cluster.nodes) < 2:
            return cluster
        touched = chance.randrange(1, len(cluster.nodes))
        nodes = [
            replace(each, **{field: make(each, chance) for field, make in changes.items()})  # type: ignore[arg-type]  # fields by name
            if number == touched
            else each
            for number, each in enumerate(cluster.nodes)
        ]
        return replace(cluster, nodes=tuple(nodes))

    return edit


def _first(workload: Workload, chance: Random) -> int:
    return chance.randint(0, 4) if workload.kind == "StatefulSet" else 0


def _policy(service: Service, chance: Random) -> str:
    """A cluster of one family has none."""
    return chance.choice(POLICIES) if service.policy else ""


def _scaled(workload: Workload, chance: Random) -> int:
    return 1 if workload.kind == "Pod" else chance.randint(0, 8)


def _ask(cluster: Cluster, chance: Random) -> Cluster:
    return _workload(asks=lambda _, c: asked(c, cluster.workloads))(cluster, chance)


EDITS: Mapping[str, Callable[[Cluster, Random], Cluster]] = {
    "add a workload": _add_workload,
    "add a service": _add_service,
    "add a node": _add_node,
    "remove workloads": _remove_workloads,
    "remove services": _remove_services,
    "remove a node": _remove_node,
    "reorder": _reorder,
    "rename workloads": _workload(name=lambda _, chance: f"w{chance.randrange(1000)}"),
    "rename services": _service(name=lambda _, chance: f"s{chance.randrange(1000)}"),
    "rename a node": _node(name=lambda each, chance: f"{each.name}-{chance.randrange(99)}"),
    "scale": _workload(replicas=_scaled),
    "change first ordinals": _workload(first=_first),
    "change images": _workload(image=lambda _, chance: f"i:{chance.randrange(99)}"),
    "change env": _workload(env=lambda _, chance: f"v{chance.randrange(99)}"),
    "change ports": _workload(ports=lambda _, chance: chance.choice(PORTS)),
    "change labels": _workload(tier=lambda _, chance: chance.choice(TIERS)),
    "change selectors": _workload(app=lambda _, chance: f"w{chance.randrange(1000, 2000)}"),
    "change what pods ask": _ask,
    "change requests": _workload(cpu=lambda _, chance: chance.choice(["", "100m", "4"])),
    "cordon": _node(cordoned=lambda *_: True),
    "uncordon": _node(cordoned=lambda *_: False),
    "taint": _node(taint=lambda _, chance: chance.choice(["", *TAINTS])),
    "label a node": _node(
        labels=lambda _, chance: labels_of(chance.choice("abc"), chance.choice(["ssd", ""]))
    ),
    "shrink a node": _node(allocatable=lambda _, chance: chance.choice(["", "{cpu: 8, pods: 9}"])),
    "change service types": _service(type=lambda _, chance: chance.choice(TYPES)),
    "change service ports": _service(
        ports=lambda _, chance: tuple(sorted(chance.sample(["80/TCP", "81/TCP", "53/UDP"], 2)))
    ),
    "change family policies": _service(policy=_policy),
    "change service selectors": _service(selector=lambda _, chance: f"w{chance.randrange(99)}"),
}
"""Nothing of it states an address or a port."""

HARMLESS = (
    "add a workload",
    "add a service",
    "add a node",
    "remove services",
    "reorder",
    "rename services",
    "scale",
    "change images",
    "change env",
    "cordon",
    "uncordon",
    "change service types",
    "change service ports",
    "change service selectors",
    "change family policies",
    "change first ordinals",
)
"""Edits that never force anybody away."""


edits = st.tuples(st.sampled_from(sorted(EDITS)), seeds)
