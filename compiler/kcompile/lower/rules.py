"""Traffic as netfilter rules, in kube-proxy's layout of chains (iptables mode).

Sources: kube-proxy's pkg/proxy/iptables/proxier.go for the chains and their order; the article for
names. Chains that begin with KCOMPILE are ours.
"""

from collections.abc import Iterator
from functools import cache

from kcompile.address import BITS, Cidr, Family
from kcompile.flow import (
    ClusterPolicy,
    Drop,
    ExternalWay,
    LocalPolicy,
    Masquerade,
    NodeGroup,
    PortFlow,
    Refuse,
    Target,
    ToAll,
    ToClusterIp,
    ToExternalIp,
    ToLoadBalancerIp,
    ToLocal,
    ToNodePort,
    Traffic,
)
from kcompile.ir import Accept as AcceptPacket
from kcompile.ir import (
    Action,
    Block,
    Chain,
    Destination,
    DestinationPort,
    Dnat,
    Jump,
    LocalDestination,
    LocalSource,
    Match,
    OneIn,
    Pass,
    Reject,
    Remember,
    Remembered,
    Rule,
    Ruleset,
    SharedRule,
    Source,
)
from kcompile.ir import Drop as DropPacket
from kcompile.lower.chains import chain_hash, port_text, target_text
from kcompile.lower.skeleton import MARK_MASQ, hooks, tables
from kcompile.settings import Settings

_MARK = Jump(MARK_MASQ)
_FROM_NODE = (LocalSource(),)


def lower_rules(traffic: Traffic, settings: Settings) -> tuple[Ruleset, ...]:
    """A ruleset for each family and group of nodes. A flow that groups share is lowered once."""
    checks = {check.service: check.port for check in traffic.health_checks}
    blocks: dict[int, tuple[str, Block]] = {}
    rulesets = []
    for family_traffic in traffic.families:
        for group in family_traffic.groups:
            for flow in group.flows:
                if id(flow) not in blocks:
                    blocks[id(flow)] = _block(flow, settings, checks.get(flow.service, 0))
            rulesets.append(_ruleset(family_traffic.family, group, blocks, settings))
    return tuple(rulesets)


def _ruleset(
    family: Family, group: NodeGroup, blocks: dict[int, tuple[str, Block]], settings: Settings
) -> Ruleset:
    named = [blocks[id(flow)] for flow in group.flows]
    return Ruleset(
        family=family,
        nodes=group.nodes,
        tables=tables(family, settings, group.node_port_addresses),
        hooks=hooks(settings),
        blocks=tuple(block for _, block in sorted(named, key=_name)),
        shared_order=tuple(block for _, block in named),
    )


def _name(named: tuple[str, Block]) -> str:
    return named[0]


class _Names:
    """The chains of a service port: all share the hash of its name and protocol."""

    def __init__(self, flow: PortFlow) -> None:
        self.text = port_text(flow.id)
        self.hash = chain_hash(self.text)
        self.all = f"KUBE-SVC-{self.hash}"
        self.local = f"KUBE-SVL-{self.hash}"
        self.external = f"KUBE-EXT-{self.hash}"
        self.firewall = f"KUBE-FW-{self.hash}"
        self.subject = str(flow.id)


def _block(flow: PortFlow, settings: Settings, health_check: int) -> tuple[str, Block]:
    """A service port's chains and its rules in shared chains, with the hash that names them."""
    names = _Names(flow)
    shared: list[SharedRule] = []
    is_external = False
    for way in flow.ways:
        match way:
            case ToClusterIp():
                shared.append(_to_cluster_ip(way, flow, names))
            case _:
                is_external = not isinstance(flow.external.verdict, Refuse)
                shared += _to_external(way, flow, names)
    if health_check:
        shared.append(_health_check(names, health_check))
    chains: list[Chain] = []
    if is_external:
        chains.append(_external(flow, names, settings))
        chains += _firewall(flow, names)
    chains += _balancers(flow, names, settings)
    return names.hash, Block(flow.id, tuple(chains), tuple(shared))


# ---- ways in


def _at(flow: PortFlow, way: ToClusterIp | ToExternalIp | ToLoadBalancerIp) -> tuple[Match, ...]:
    host = Cidr(flow.family, way.address, BITS[flow.family])
    return Destination(host), DestinationPort(flow.id.protocol, way.port)


def _to_cluster_ip(way: ToClusterIp, flow: PortFlow, names: _Names) -> SharedRule:
    match flow.internal:
        case ToAll() | ToLocal():
            comment = f"{names.subject} cluster IP"
            rule = Rule(_at(flow, way), Jump(_internal_chain(flow, names)), comment)
            return SharedRule("nat", "KUBE-SERVICES", rule)
        case Refuse() | Drop() as verdict:
            action, why = _refusal(flow, verdict)
            rule = Rule(_at(flow, way), action, f"{names.subject} {why}")
            return SharedRule("filter", "KUBE-SERVICES", rule)


def _internal_chain(flow: PortFlow, names: _Names) -> str:
    return names.local if isinstance(flow.internal, ToLocal) else names.all


def _refusal(flow: PortFlow, verdict: Refuse | Drop) -> tuple[Action, str]:
    """The filter table refuses what nat left as it was."""
    match verdict:
        case Refuse():
            return Reject(flow.family), "has no endpoints"
        case Drop():
            return DropPacket(), "has no local endpoints"


def _to_external(way: ExternalWay, flow: PortFlow, names: _Names) -> Iterator[SharedRule]:
    verdict = flow.external.verdict
    if not isinstance(verdict, Refuse):
        yield _enter(way, flow, names)
        yield from _gate(way, flow, names)
    if isinstance(verdict, Refuse | Drop):
        action, why = _refusal(flow, verdict)
        rule = Rule(_outside(way, flow), action, f"{names.subject} {why}")
        yield SharedRule("filter", "KUBE-EXTERNAL-SERVICES", rule)


def _outside(way: ExternalWay, flow: PortFlow) -> tuple[Match, ...]:
    match way:
        case ToNodePort(port):
            return LocalDestination(), DestinationPort(flow.id.protocol, port)
        case _:
            return _at(flow, way)


def _enter(way: ExternalWay, flow: PortFlow, names: _Names) -> SharedRule:
    match way:
        case ToNodePort(port):
            matches = (DestinationPort(flow.id.protocol, port),)
            rule = Rule(matches, Jump(names.external), names.subject)
            return SharedRule("nat", "KUBE-NODEPORTS", rule)
        case ToExternalIp():
            rule = Rule(_at(flow, way), Jump(names.external), f"{names.subject} external IP")
            return SharedRule("nat", "KUBE-SERVICES", rule)
        case ToLoadBalancerIp():
            chain = names.firewall if way.sources else names.external
            rule = Rule(_at(flow, way), Jump(chain), f"{names.subject} loadbalancer IP")
            return SharedRule("nat", "KUBE-SERVICES", rule)


def _gate(way: ExternalWay, flow: PortFlow, names: _Names) -> Iterator[SharedRule]:
    """What the firewall chain did not let through still has the load balancer's address."""
    if isinstance(way, ToLoadBalancerIp) and way.sources:
        comment = f"{names.subject} traffic not accepted by {names.firewall}"
        rule = Rule(_at(flow, way), DropPacket(), comment)
        yield SharedRule("filter", "KUBE-PROXY-FIREWALL", rule)


def _health_check(names: _Names, port: int) -> SharedRule:
    matches = (DestinationPort("TCP", port),)
    rule = Rule(matches, AcceptPacket(), f"{names.subject} health check node port")
    return SharedRule("filter", "KUBE-NODEPORTS", rule)


# ---- chains of the port


def _external(flow: PortFlow, names: _Names, settings: Settings) -> Chain:
    external = f"{names.subject} external destinations"
    to_all = Jump(names.all)
    match flow.external:
        case ClusterPolicy():
            rules = [
                Rule((), _MARK, f"masquerade traffic for {external}"),
                Rule((), to_all, f"{names.subject} all endpoints"),
            ]
        case LocalPolicy(verdict):
            rules = [
                *(
                    Rule((Source(pods),), to_all, f"pod traffic for {external}")
                    for pods in _pod_ranges(flow, settings)
                ),
                Rule(_FROM_NODE, _MARK, f"masquerade LOCAL traffic for {external}"),
                Rule(_FROM_NODE, to_all, f"route LOCAL traffic for {external}"),
            ]
            if isinstance(verdict, ToLocal):
                rules.append(Rule((), Jump(names.local), f"{names.subject} local endpoints"))
    return Chain(names.external, tuple(rules))


def _pod_ranges(flow: PortFlow, settings: Settings) -> tuple[Cidr, ...]:
    """How a pod's packet is known; empty where it is not to be (--detect-local none)."""
    if not settings.detect_local:
        return ()
    return tuple(cidr for cidr in settings.pod_cidrs if cidr.family == flow.family)


def _firewall(flow: PortFlow, names: _Names) -> Iterator[Chain]:
    """Who may use the load balancer's addresses. Falling off the end leaves a packet
    untranslated, and KUBE-PROXY-FIREWALL drops it."""
    gated = [way for way in flow.ways if isinstance(way, ToLoadBalancerIp) and way.sources]
    if not gated:
        return
    comment = f"{names.subject} loadbalancer IP"
    allowed = list(gated[0].sources)
    if gated[0].own:
        # The node's packets to the address may leave with the address as their source.
        bits = BITS[flow.family]
        allowed += [Cidr(flow.family, way.address, bits) for way in gated]
    dropped = f"other traffic to {names.subject} will be dropped by KUBE-PROXY-FIREWALL"
    yield Chain(
        names.firewall,
        (
            *(Rule((Source(cidr),), Jump(names.external), comment) for cidr in allowed),
            Rule((), Pass(), dropped),
        ),
    )


def _balancers(flow: PortFlow, names: _Names, settings: Settings) -> Iterator[Chain]:
    """The chains that pick a target, and the chain of each target."""
    targets = flow.targets
    if flow.local_targets:
        both = dict.fromkeys((*flow.targets, *flow.local_targets))
        targets = tuple(sorted(both, key=lambda target: (target.address, target.port)))
    picks = {target: _Pick(flow, names, target) for target in targets}
    head = tuple(_masquerade_cluster_ip(flow, names, settings))
    if flow.targets:
        uses_all = isinstance(flow.internal, ToAll)
        chosen = [picks[target] for target in flow.targets]
        yield Chain(names.all, (*(head if uses_all else ()), *_pick_one(flow, chosen)))
    if flow.local_targets:
        uses_local = isinstance(flow.internal, ToLocal)
        chosen = [picks[target] for target in flow.local_targets]
        yield Chain(names.local, (*(head if uses_local else ()), *_pick_one(flow, chosen)))
    for pick in picks.values():
        yield _endpoint(flow, names, pick)


class _Pick:
    """A target's chain: the jump to it and what a rule that jumps says."""

    __slots__ = ("chain", "comment", "jump", "target")

    def __init__(self, flow: PortFlow, names: _Names, target: Target) -> None:
        endpoint = target_text(flow.family, target)
        self.target = target
        self.chain = f"KUBE-SEP-{chain_hash(names.text + endpoint)}"
        self.jump = Jump(self.chain)
        self.comment = f"{names.subject} -> {endpoint}"


def _masquerade_cluster_ip(flow: PortFlow, names: _Names, settings: Settings) -> Iterator[Rule]:
    comment = f"{names.subject} cluster IP"
    way = flow.ways[0]
    if not isinstance(way, ToClusterIp):
        return
    match flow.masquerade:
        case Masquerade.ALWAYS:
            yield Rule(_at(flow, way), _MARK, comment)
        case Masquerade.UNLESS_FROM_POD:
            for pods in _pod_ranges(flow, settings):
                yield Rule((Source(pods, negate=True), *_at(flow, way)), _MARK, comment)
        case Masquerade.NEVER:
            pass


def _pick_one(flow: PortFlow, picks: list[_Pick]) -> Iterator[Rule]:
    """Clients that are remembered first, then one target at random."""
    if flow.affinity_seconds:
        for pick in picks:
            match = Remembered(flow.family, pick.chain, flow.affinity_seconds)
            yield Rule((match,), pick.jump, pick.comment)
    left = len(picks)
    for pick in picks:
        yield Rule((_one_in(left),) if left > 1 else (), pick.jump, pick.comment)
        left -= 1


@cache
def _one_in(count: int) -> OneIn:
    return OneIn(count)


def _endpoint(flow: PortFlow, names: _Names, pick: _Pick) -> Chain:
    target, family = pick.target, flow.family
    hairpin = Source(Cidr(family, target.address, BITS[family]))
    protocol = DestinationPort(flow.id.protocol, 0)
    translated: tuple[Match, ...] = (protocol,)
    if flow.affinity_seconds:
        translated = (Remember(family, pick.chain), protocol)
    return Chain(
        pick.chain,
        (
            Rule((hairpin,), _MARK, names.subject),
            Rule(translated, Dnat(family, target.address, target.port), names.subject),
        ),
    )
