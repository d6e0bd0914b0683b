"""The rules that do not depend on any Service: kube-proxy's fixed chains and ours.

Ours make the node whole: kube-proxy accepts only marked and established packets, so that a FORWARD
policy of DROP (dockerd's) stops pods; and nobody else translates what pods send to the world.
"""

from kcompile.address import BITS, Cidr, Family, parse_cidr
from kcompile.ir import (
    Accept,
    Chain,
    ConntrackState,
    Destination,
    Drop,
    FlipMark,
    Hook,
    Jump,
    LocalDestination,
    Mark,
    Masquerade,
    Match,
    Reject,
    Return,
    Rule,
    SetMark,
    Source,
    Table,
)
from kcompile.settings import Settings

MARK_MASQ = "KUBE-MARK-MASQ"
FORWARD = "KCOMPILE-FORWARD"
EGRESS = "KCOMPILE-EGRESS"
UNMATCHED = "KCOMPILE-UNMATCHED"

_LOOPBACK: dict[Family, Cidr] = {4: parse_cidr("127.0.0.0/8"), 6: parse_cidr("::1/128")}
_NEW = ConntrackState(("NEW",))
_KNOWN = ConntrackState(("RELATED", "ESTABLISHED"))


def tables(
    family: Family, settings: Settings, node_port_addresses: tuple[int, ...] | None
) -> tuple[Table, ...]:
    """The filter table, then nat; chains in the order of the file.

    `node_port_addresses` are those that answer on node ports, None for all of the node's.
    """
    tail = Chain("KUBE-SERVICES", _node_ports(family, settings, node_port_addresses))
    mark = 1 << settings.masquerade_bit
    filter_chains = [
        Chain("KUBE-EXTERNAL-SERVICES", ()),
        Chain("KUBE-FIREWALL", _block_localnet(family, settings)),
        Chain("KUBE-FORWARD", _forward(mark)),
        Chain("KUBE-NODEPORTS", ()),
        Chain("KUBE-PROXY-FIREWALL", ()),
        Chain("KUBE-SERVICES", ()),
    ]
    nat_chains = [
        Chain(MARK_MASQ, (Rule((), SetMark(mark)),)),
        Chain("KUBE-NODEPORTS", ()),
        Chain("KUBE-POSTROUTING", _postrouting(mark)),
        Chain("KUBE-SERVICES", ()),
    ]
    if settings.forward_accept:
        filter_chains.insert(0, Chain(FORWARD, _accept_pods(family, settings)))
    if settings.reject_unmatched:
        filter_chains.insert(0, Chain(UNMATCHED, _reject_unmatched(family, settings)))
    if settings.egress_masquerade:
        nat_chains.insert(0, Chain(EGRESS, _egress(family, settings)))
    return (
        Table("filter", tuple(filter_chains), ()),
        Table("nat", tuple(nat_chains), (tail,)),
    )


def hooks(settings: Settings) -> tuple[Hook, ...]:
    """Jumps from the built-in chains, in the order in which packets meet them."""
    firewall = Rule((), Jump("KUBE-FIREWALL"))
    balancer = _jump("KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", _NEW)
    node_ports = _jump("KUBE-NODEPORTS", "kubernetes health check service ports")
    services = _jump("KUBE-SERVICES", "kubernetes service portals", _NEW)
    external = _jump(
        "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", _NEW
    )
    forward = _jump("KUBE-FORWARD", "kubernetes forwarding rules")
    nat_services = _jump("KUBE-SERVICES", "kubernetes service portals")
    postrouting = _jump("KUBE-POSTROUTING", "kubernetes postrouting rules")
    kube_proxy = "kube-proxy"
    forwards = [
        Hook("filter", "FORWARD", 10, kube_proxy, balancer),
        Hook("filter", "FORWARD", 20, kube_proxy, forward),
        Hook("filter", "FORWARD", 30, kube_proxy, services),
        Hook("filter", "FORWARD", 40, kube_proxy, external),
    ]
    outputs = [
        Hook("filter", "OUTPUT", 10, kube_proxy, firewall),
        Hook("filter", "OUTPUT", 20, kube_proxy, balancer),
        Hook("filter", "OUTPUT", 30, kube_proxy, services),
    ]
    postroutings = [Hook("nat", "POSTROUTING", 10, kube_proxy, postrouting)]
    if settings.reject_unmatched:
        unmatched = _jump(UNMATCHED, "kcompile: service addresses that no rule took", _NEW)
        forwards.append(Hook("filter", "FORWARD", 45, "kcompile", unmatched))
        outputs.append(Hook("filter", "OUTPUT", 45, "kcompile", unmatched))
    if settings.forward_accept:
        accept = _jump(FORWARD, "kcompile: forward for pods")
        forwards.append(Hook("filter", "FORWARD", 50, "kcompile", accept))
    if settings.egress_masquerade:
        egress = _jump(EGRESS, "kcompile: pods to the world")
        postroutings.append(Hook("nat", "POSTROUTING", 20, "kcompile", egress))
    return (
        Hook("filter", "INPUT", 10, kube_proxy, firewall),
        Hook("filter", "INPUT", 20, kube_proxy, balancer),
        Hook("filter", "INPUT", 30, kube_proxy, node_ports),
        Hook("filter", "INPUT", 40, kube_proxy, external),
        *forwards,
        *outputs,
        Hook("nat", "PREROUTING", 10, kube_proxy, nat_services),
        Hook("nat", "OUTPUT", 10, kube_proxy, nat_services),
        *postroutings,
    )


def _jump(chain: str, comment: str, *matches: Match) -> Rule:
    return Rule(matches, Jump(chain), comment)


def _block_localnet(family: Family, settings: Settings) -> tuple[Rule, ...]:
    """Node ports on 127.0.0.1 need route_localnet, which lets neighbours send to loopback
    addresses; this drops what they send (CVE-2020-8558)."""
    if family == 6 or not settings.localhost_node_ports:
        return ()
    loopback = _LOOPBACK[family]
    known = ConntrackState(("RELATED", "ESTABLISHED", "DNAT"), negate=True)
    matches = (Source(loopback, negate=True), Destination(loopback), known)
    return (Rule(matches, Drop(), "block incoming localnet connections"),)


def _forward(mark: int) -> tuple[Rule, ...]:
    return (
        # Out-of-window packets that conntrack will not translate reach the client with the pod's
        # address and reset the connection (kubernetes/kubernetes issue 74839).
        Rule((ConntrackState(("INVALID",)),), Drop(), "kubernetes forwarding: invalid packets"),
        Rule((Mark(mark),), Accept(), "kubernetes forwarding rules"),
        Rule((_KNOWN,), Accept(), "kubernetes forwarding conntrack rule"),
    )


def _postrouting(mark: int) -> tuple[Rule, ...]:
    return (
        Rule((Mark(mark, negate=True),), Return()),
        # The mark goes, so that an encapsulated packet is not masqueraded again.
        Rule((), FlipMark(mark)),
        Rule((), Masquerade(), "kubernetes service traffic requiring SNAT"),
    )


def _accept_pods(family: Family, settings: Settings) -> tuple[Rule, ...]:
    rules = []
    for pods in settings.pod_cidrs:
        if pods.family == family:
            rules.append(Rule((Source(pods),), Accept(), "kcompile: from pods"))
            rules.append(Rule((Destination(pods),), Accept(), "kcompile: to pods"))
    return tuple(rules)


def _reject_unmatched(family: Family, settings: Settings) -> tuple[Rule, ...]:
    """What still has a service address is for a wrong port or for an address that nobody has.

    kube-proxy refuses it in its nftables mode only; elsewhere it leaves for the router.
    """
    return tuple(
        Rule((Destination(cidr),), Reject(family), "kcompile: no such service")
        for cidr in settings.service_cidrs
        if cidr.family == family
    )


def _egress(family: Family, settings: Settings) -> tuple[Rule, ...]:
    """Pods show the node's address to all but the cluster's ranges and the stated exceptions."""
    pods = [cidr for cidr in settings.pod_cidrs if cidr.family == family]
    kept = [
        *((cidr, "kcompile: within the cluster") for cidr in (*pods, *settings.service_cidrs)),
        *((cidr, "kcompile: non-masquerade range") for cidr in settings.non_masquerade_cidrs),
    ]
    return (
        *(
            Rule((Source(cidr, negate=True),), Return(), "kcompile: not from a pod")
            for cidr in pods
        ),
        *(
            Rule((Destination(cidr),), Return(), comment)
            for cidr, comment in kept
            if cidr.family == family
        ),
        Rule((), Masquerade(), "kcompile: pods to the world"),
    )


def _node_ports(
    family: Family, settings: Settings, addresses: tuple[int, ...] | None
) -> tuple[Rule, ...]:
    jump = Jump("KUBE-NODEPORTS")
    comment = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
    if addresses is not None:
        hosts = (Cidr(family, address, BITS[family]) for address in addresses)
        return tuple(Rule((Destination(host),), jump, comment) for host in hosts)
    matches: tuple[Match, ...] = (LocalDestination(),)
    if family == 6 or not settings.localhost_node_ports:
        matches = (Destination(_LOOPBACK[family], negate=True), LocalDestination())
    return (Rule(matches, jump, comment),)
