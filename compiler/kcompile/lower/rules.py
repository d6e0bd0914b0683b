"""Traffic as netfilter rules, in kube-proxy's layout of chains (iptables mode).

Sources: kube-proxy's pkg/proxy/iptables/proxier.go for the chains and their order; the article for
names. Chains that begin with KCOMPILE are ours.
"""

from functools import cache

from kcompile.address import BITS, Cidr
from kcompile.flow import (
    Balance,
    Masquerade,
    NodeGroup,
    PortFlow,
    Refuse,
    Target,
    ToClusterIp,
    ToNodePort,
    Traffic,
    Way,
)
from kcompile.ir import (
    Block,
    Chain,
    Destination,
    DestinationPort,
    Dnat,
    Jump,
    LocalDestination,
    Match,
    OneIn,
    Reject,
    Rule,
    Ruleset,
    SharedRule,
    Source,
)
from kcompile.lower.chains import chain_hash, port_text, target_text
from kcompile.lower.skeleton import MARK_MASQ, hooks, tables
from kcompile.model import Settings

_JUMP_MARK_MASQ = Jump(MARK_MASQ)


def lower_rules(traffic: Traffic, settings: Settings) -> tuple[Ruleset, ...]:
    """A ruleset for each group of nodes. A flow that groups share is lowered once."""
    blocks: dict[int, tuple[str, Block]] = {}
    rulesets = []
    for group in traffic.groups4:
        for flow in group.flows:
            if id(flow) not in blocks:
                blocks[id(flow)] = _block(flow, settings)
        rulesets.append(_ruleset(group, blocks, settings))
    return tuple(rulesets)


def _ruleset(group: NodeGroup, blocks: dict[int, tuple[str, Block]], settings: Settings) -> Ruleset:
    named = [blocks[id(flow)] for flow in group.flows]
    return Ruleset(
        family=4,
        nodes=group.nodes,
        tables=tables(4, settings),
        hooks=hooks(settings),
        blocks=tuple(block for _, block in sorted(named, key=_name)),
        shared_order=tuple(block for _, block in named),
    )


def _name(named: tuple[str, Block]) -> str:
    return named[0]


def _block(flow: PortFlow, settings: Settings) -> tuple[str, Block]:
    """A service port's chains and its rules in shared chains, with the hash that names them."""
    text = port_text(flow.id)
    name = chain_hash(text)
    match flow.verdict:
        case Refuse():
            shared = tuple(_refusal(way, flow) for way in flow.ways)
            return name, Block(flow.id, (), shared)
        case Balance(targets):
            pass
    service_chain = f"KUBE-SVC-{name}"
    external_chain = f"KUBE-EXT-{name}"
    subject = str(flow.id)
    chains: list[Chain] = []
    shared_rules: list[SharedRule] = []
    head: list[Rule] = []
    for way in flow.ways:
        match way:
            case ToClusterIp():
                shared_rules.append(_to_cluster_ip(way, flow, service_chain))
                head += _cluster_ip_masquerade(way, flow, settings)
            case ToNodePort():
                shared_rules.append(_to_node_port(way, flow, external_chain))
                chains.append(_external(external_chain, service_chain, subject))
    chains += _balance(flow, targets, text, service_chain, head)
    return name, Block(flow.id, tuple(chains), tuple(shared_rules))


def _balance(
    flow: PortFlow, targets: tuple[Target, ...], text: str, service_chain: str, head: list[Rule]
) -> list[Chain]:
    """The chain that picks a target, and the chain of each target."""
    subject = str(flow.id)
    family, bits = flow.family, BITS[flow.family]
    protocol = DestinationPort(flow.id.protocol, 0)
    rules = head
    endpoint_chains = []
    left = len(targets)
    for target in targets:
        endpoint = target_text(family, target)
        chain = f"KUBE-SEP-{chain_hash(text + endpoint)}"
        matches: tuple[Match, ...] = (_one_in(left),) if left > 1 else ()
        rules.append(Rule(matches, Jump(chain), f"{subject} -> {endpoint}"))
        hairpin = Source(Cidr(family, target.address, bits))
        endpoint_chains.append(
            Chain(
                chain,
                (
                    Rule((hairpin,), _JUMP_MARK_MASQ, subject),
                    Rule((protocol,), Dnat(family, target.address, target.port), subject),
                ),
            )
        )
        left -= 1
    return [Chain(service_chain, tuple(rules)), *endpoint_chains]


@cache
def _one_in(count: int) -> OneIn:
    return OneIn(count)


def _destination(flow: PortFlow, way: ToClusterIp) -> tuple[Match, ...]:
    range_ = Cidr(flow.family, way.address, BITS[flow.family])
    return Destination(range_), DestinationPort(flow.id.protocol, way.port)


def _to_cluster_ip(way: ToClusterIp, flow: PortFlow, chain: str) -> SharedRule:
    rule = Rule(_destination(flow, way), Jump(chain), f"{flow.id} cluster IP")
    return SharedRule("nat", "KUBE-SERVICES", rule)


def _cluster_ip_masquerade(
    way: ToClusterIp, flow: PortFlow, settings: Settings
) -> tuple[Rule, ...]:
    comment = f"{flow.id} cluster IP"
    destination = _destination(flow, way)
    match way.masquerade:
        case Masquerade.ALWAYS:
            return (Rule(destination, _JUMP_MARK_MASQ, comment),)
        case Masquerade.UNLESS_FROM_POD:
            pods = next(cidr for cidr in settings.pod_cidrs if cidr.family == flow.family)
            return (Rule((Source(pods, negate=True), *destination), _JUMP_MARK_MASQ, comment),)
        case Masquerade.NEVER:
            return ()


def _to_node_port(way: ToNodePort, flow: PortFlow, chain: str) -> SharedRule:
    port = DestinationPort(flow.id.protocol, way.port)
    return SharedRule("nat", "KUBE-NODEPORTS", Rule((port,), Jump(chain), str(flow.id)))


def _external(chain: str, service_chain: str, subject: str) -> Chain:
    comment = f"masquerade traffic for {subject} external destinations"
    return Chain(
        chain,
        (
            Rule((), _JUMP_MARK_MASQ, comment),
            Rule((), Jump(service_chain), f"{subject} all endpoints"),
        ),
    )


def _refusal(way: Way, flow: PortFlow) -> SharedRule:
    """No endpoints: the filter table refuses what nat left as it was."""
    comment = f"{flow.id} has no endpoints"
    match way:
        case ToClusterIp():
            rule = Rule(_destination(flow, way), Reject(), comment)
            return SharedRule("filter", "KUBE-SERVICES", rule)
        case ToNodePort(port):
            matches = (LocalDestination(), DestinationPort(flow.id.protocol, port))
            return SharedRule("filter", "KUBE-EXTERNAL-SERVICES", Rule(matches, Reject(), comment))
