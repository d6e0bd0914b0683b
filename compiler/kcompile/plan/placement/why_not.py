"""Why the pods around keep a pod from a node: PodTopologySpread and InterPodAffinity in words."""

from kcompile.labels import Requirement, Selector
from kcompile.plan.placement.node_affinity import HOSTNAME
from kcompile.plan.placement.rules import Rules, Spread, Term
from kcompile.plan.placement.topology import NOWHERE, Topology


def why_not_among(rules: Rules, node: int) -> str:
    """ "" if nothing does."""
    for spread in rules.spread:
        if reason := _uneven(spread, node):
            return reason
    for each in rules.near:
        if reason := _far(each, node, first=rules.first):
            return reason
    for each in rules.apart:
        if each.tally.of(node):
            place = _place(each.tally.topology, node)
            return f"pod anti-affinity: a pod that matches {shown(each.term.selector)} is {place}"
    for each in rules.shunned:
        if each.tally.of(node):
            place, pods = _place(each.tally.topology, node), shown(each.term.selector)
            return f"a pod {place} has anti-affinity to pods that match {pods}"
    return ""


def _uneven(spread: Spread, node: int) -> str:
    topology, constraint = spread.tally.topology, spread.constraint
    if topology.domain_of[node] == NOWHERE:
        return f"topology spread: the node has no {topology.key}"
    here, least = spread.tally.of(node), spread.lowest()
    if here + spread.itself - least <= constraint.max_skew:
        return ""
    few = ""
    if len(spread.tally.domains) < constraint.min_domains:
        few = f" (of minDomains {constraint.min_domains} there are {len(spread.tally.domains)})"
    return (
        f"topology spread: {here} matching pods are {_place(topology, node)} and {least} where"
        f" there are least{few}, maxSkew is {constraint.max_skew}"
    )


def _far(each: Term, node: int, *, first: bool) -> str:
    topology = each.tally.topology
    if topology.domain_of[node] == NOWHERE:
        return f"pod affinity: the node has no {topology.key}"
    if each.tally.of(node) or first:
        return ""
    place = _place(topology, node)
    return f"pod affinity: no pod that matches {shown(each.term.selector)} is {place}"


def _place(topology: Topology, node: int) -> str:
    if topology.key == HOSTNAME:
        return "on the node"
    return f"in {topology.key}={topology.names[topology.domain_of[node]]}"


def shown(selector: Selector | None) -> str:
    """A label selector as kubectl writes it."""
    if selector is None:
        return "nothing"
    parts = [f"{key}={value}" for key, value in selector.labels]
    parts += map(_requirement, selector.requirements)
    return ",".join(parts) or "everything"


def _requirement(each: Requirement) -> str:
    match each.operator:
        case "Exists":
            return each.key
        case "DoesNotExist":
            return f"!{each.key}"
    return f"{each.key} {each.operator.lower()} ({','.join(each.values)})"
