"""What a plan means on one node: Kubernetes' semantics, from the plan alone.

A port of a Service has claims on packets: by its cluster address, by external and load balancer
addresses, by its node port. A claim translates a packet or leaves it to the node's filters, which
refuse or drop what may go to no endpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from kcompile.address import Cidr, Family
from kcompile.planned import Plan, PlannedNode, PlannedPort, PlannedService
from kcompile.prove.clients import Range
from kcompile.prove.endpoints import (
    Place,
    Usable,
    accepts_external,
    is_served,
    keeps_sources,
    same_on_all_nodes,
    usable,
)
from kcompile.prove.packet import LOOPBACK, OWN, Key, Own
from kcompile.prove.rule import ALWAYS
from kcompile.prove.shared import Shared, own_addresses
from kcompile.reach import (
    Backend,
    Dropped,
    Fate,
    Refused,
    State,
    Untouched,
    Verdict,
    WayKind,
    verdict,
)


class Source(NamedTuple):
    """A client's address and what counts about it. A named tuple: looked at for every packet."""

    address: int
    local: bool
    pod: bool


@dataclass(frozen=True, slots=True)
class Targets:
    """Endpoints with equal odds; a client keeps its own for `seconds`, 0 for not."""

    places: tuple[Place, ...]
    seconds: int


class Decision(NamedTuple):
    """A packet goes to one of the targets. `marked` says that its source becomes the node's."""

    targets: Targets
    marked: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A way into a service port: `manner` is what happens to sources. `allowed` are the ranges of
    sources that may use it, () for all."""

    port: str
    kind: WayKind
    key: Key
    manner: Literal["internal", "masquerade", "keep"]
    everywhere: Targets
    here: Targets
    allowed: tuple[Range, ...]


class Expectation:
    """One node and family, and all Services or some. `claims` are in the order in which they are
    asked."""

    def __init__(
        self,
        plan: Plan,
        node: PlannedNode,
        family: Family,
        shared: Shared,
        services: Sequence[PlannedService] | None = None,
    ) -> None:
        settings = plan.settings
        self.family = family
        self.node = node
        self.settings = settings
        self.mark = 1 << settings.masquerade_bit
        self.pods = _ranges(settings.pod_cidrs, family)
        self.services = _ranges(settings.service_cidrs, family)
        self.inside = self.pods + self.services + _ranges(settings.non_masquerade_cidrs, family)
        self.own = Own(shared.own.union(own_addresses(node, family)), LOOPBACK[family])
        self.claims: list[Claim] = []
        self.health_checks: set[int] = set()
        self._by_key: dict[Key, list[Claim]] = {}
        self._gated: set[Key] = set()
        self._internal: dict[Key, Fate] = {}
        self._external: dict[Key, tuple[int, Fate]] = {}
        self._odds: dict[int, tuple[Fraction, ...]] = {}
        for service in plan.services if services is None else services:
            if is_served(service, family):
                for port in service.ports:
                    self._add(service, port, shared.usable)

    @property
    def filtered(self) -> set[Key]:
        """Keys that filters ask for: packets with others are alike to them."""
        health_checks = {(OWN, "tcp", port) for port in self.health_checks}
        return {*self._gated, *self._internal, *self._external, *health_checks}

    def source(self, address: int) -> Source:
        return Source(address, address in self.own, _within(address, self.pods))

    def claims_on(self, key: Key) -> list[Claim]:
        """All claims on a packet, the first one first."""
        exact = self._by_key.get(key, [])
        if key[0] in self.own and self._answers(key[0]):
            return exact + self._by_key.get((OWN, *key[1:]), [])
        return exact

    def decide(self, source: Source, claims: list[Claim]) -> Decision | None:
        """Where the first of some claims that takes a packet sends it."""
        for claim in claims:
            if claim.allowed and not _within(source.address, claim.allowed):
                continue
            decision = self._take(source, claim)
            if decision.targets.places:
                return decision
        return None

    def deliver(  # noqa: PLR0913 - all that a filter can ask for
        self,
        source: Source,
        key: Key,
        *,
        marked: bool,
        translated: bool,
        seconds: int = 0,
        state: State = "NEW",
    ) -> Fate:
        """What becomes of a packet from the routing decision on."""
        inward = key[0] in self.own
        accepted: bool | Fate
        if source.local:
            accepted = self._output(source, key, translated, state)
            if inward and accepted is False:
                accepted = self._input(source, key, translated, state)
        elif inward:
            accepted = self._input(source, key, translated, state)
        else:
            accepted = self._forward(source, key, marked, state)
        if not isinstance(accepted, bool):
            return accepted
        routed_out = source.local or not inward
        masqueraded = state == "NEW" and routed_out and (marked or self._egress(source, key[0]))
        # The mark is taken away again, lest it counts for a tunnel's packets too.
        mark = self.mark if marked and not routed_out else 0
        if translated:
            return Backend(key[0], key[2], masqueraded, accepted, mark, seconds)
        return Untouched(masqueraded, accepted, mark)

    def verdict(self, source: Source, key: Key, state: State = "NEW") -> Verdict:
        """What happens to a packet class, in full."""
        claims = self.claims_on(key) if state == "NEW" else []
        decision = self.decide(source, claims)
        if not decision:
            return verdict(
                {
                    self.deliver(
                        source, key, marked=False, translated=False, state=state
                    ): Fraction(1)
                }
            )
        targets, marked = decision
        fates: dict[Fate, Fraction] = {}
        odds = self.odds(len(targets.places))
        for place, share in zip(targets.places, odds, strict=True):
            # Replies of an endpoint to itself would not pass the node, but for this.
            to_itself = place[0] == source.address
            fate = self.deliver(
                source,
                (place[0], key[1], place[1]),
                marked=marked or to_itself,
                translated=True,
                seconds=targets.seconds,
            )
            fates[fate] = fates.get(fate, Fraction(0)) + share
        return verdict(fates)

    def odds(self, count: int) -> tuple[Fraction, ...]:
        """The shares of endpoints, as near to equal as the kernel can store."""
        if count not in self._odds:
            left, shares = Fraction(1), []
            for threshold in (*thresholds(count), ALWAYS):
                shares.append(left * Fraction(threshold, ALWAYS))
                left -= shares[-1]
            self._odds[count] = tuple(shares)
        return self._odds[count]

    # ---- the plan

    def _add(self, service: PlannedService, port: PlannedPort, known: dict[int, Usable]) -> None:
        family = self.family
        same = same_on_all_nodes(service, port, family)
        found = known.get(id(port)) if same else None
        if found is None:
            found = usable(service, port, self.node, family)
            if same:
                known[id(port)] = found
        everywhere = Targets(found.everywhere, service.affinity_seconds)
        here = Targets(found.here, service.affinity_seconds)
        name = f"{service.namespace}/{service.name}:{port.spec.name} {port.spec.protocol}"
        keep = keeps_sources(service)
        internal = here if service.internal_policy == "Local" else everywhere
        nobody: Fate = Dropped() if found.any else Refused()
        for kind, key in _ways(service, port, family):
            if kind == "cluster IP":
                claim = Claim(name, kind, key, "internal", internal, internal, ())
            else:
                allowed = self._allowed(service) if kind == "load balancer IP" else ()
                manner: Literal["keep", "masquerade"] = "keep" if keep else "masquerade"
                claim = Claim(name, kind, key, manner, everywhere, here, allowed)
            self._claim(claim, nobody, some=found.any)
        self.health_checks.update(_health_checks(service))

    def _claim(self, claim: Claim, nobody: Fate, *, some: bool) -> None:
        """Enters a claim, and what filters do to packets that it leaves."""
        self.claims.append(claim)
        if claim.manner == "internal":
            if claim.everywhere.places:
                self._by_key.setdefault(claim.key, []).append(claim)
            else:
                self._internal.setdefault(claim.key, nobody)
            return
        if some:
            self._by_key.setdefault(claim.key, []).append(claim)
            if claim.allowed:
                self._gated.add(claim.key)
        taken = claim.here if claim.manner == "keep" else claim.everywhere
        if not some or not taken.places:
            self._external.setdefault(claim.key, (len(self._external), nobody))

    def _allowed(self, service: PlannedService) -> tuple[Range, ...]:
        """Sources that may use a load balancer's addresses. A node that may can do so from one
        of these addresses, which it may have for its own."""
        ranges = _ranges(service.source_ranges, self.family)
        if ranges and _within(self.node.address(self.family), ranges):
            ips = service.load_balancer_ips
            vips = [ip for own, ip, mode in ips if own == self.family and mode == "VIP"]
            return (*ranges, *((ip, ip) for ip in vips))
        return ranges

    def _answers(self, address: int) -> bool:
        """Whether one of the node's own addresses answers on node ports."""
        stated = [c for c in self.settings.node_port_addresses if c.family == self.family]
        localhost = self.family == 4 and self.settings.localhost_node_ports
        if not stated or any(cidr.prefix == 0 for cidr in stated):
            return localhost or address not in self.own.loopback
        if not any(address in cidr for cidr in stated):
            return False
        # Only stated addresses can be named, and of loopback addresses an interface has the first.
        stated_ip = (self.family, address) in self.node.addresses
        return stated_ip or (localhost and address == (127 << 24) + 1)

    def _take(self, source: Source, claim: Claim) -> Decision:
        """Endpoints, and whether the source becomes the node's, for a packet of a claim."""
        match claim.manner:
            case "internal":
                outside = self.settings.detect_local and self.pods and not source.pod
                return Decision(claim.here, self.settings.masquerade_all or bool(outside))
            case "masquerade":
                return Decision(claim.everywhere, marked=True)
            case "keep":
                # What pods and the node itself send is here already: any endpoint will do.
                if self.settings.detect_local and source.pod:
                    return Decision(claim.everywhere, marked=False)
                if source.local:
                    return Decision(claim.everywhere, marked=True)
                return Decision(claim.here, marked=False)

    # ---- the node's filters: the fate of what ends in one, or whether a rule accepts the rest

    def _output(self, source: Source, key: Key, translated: bool, state: State) -> bool | Fate:
        if self._from_afar(source, key, translated, state):
            return Dropped()
        if state != "NEW":
            return False
        if key in self._gated:
            return Dropped()
        return self._internal.get(key) or self._unmatched(key[0])

    def _input(self, source: Source, key: Key, translated: bool, state: State) -> bool | Fate:
        if self._from_afar(source, key, translated, state):
            return Dropped()
        if state == "NEW" and key in self._gated:
            return Dropped()
        if key[1] == "tcp" and key[2] in self.health_checks:
            return True
        return (state == "NEW" and self._refused(key)) or False

    def _forward(self, source: Source, key: Key, marked: bool, state: State) -> bool | Fate:
        if (state == "NEW" and key in self._gated) or state == "INVALID":
            return Dropped()
        if marked or state in ("RELATED", "ESTABLISHED"):
            return True
        stopped = self._internal.get(key) or self._refused(key) or self._unmatched(key[0])
        if stopped:
            return stopped
        return self.settings.forward_accept and (source.pod or _within(key[0], self.pods))

    def _from_afar(self, source: Source, key: Key, translated: bool, state: State) -> bool:
        """A packet to a loopback address that no process of the node sent (CVE-2020-8558)."""
        return (
            self.family == 4
            and self.settings.localhost_node_ports
            and key[0] in self.own.loopback
            and source.address not in self.own.loopback
            and not translated
            and state not in ("RELATED", "ESTABLISHED")
        )

    def _refused(self, key: Key) -> Fate | None:
        """What an external address or a node port does to packets that no claim took."""
        found = [self._external[key]] if key in self._external else []
        ported = (OWN, *key[1:])
        if key[0] in self.own and ported in self._external:
            found.append(self._external[ported])
        return min(found, key=lambda each: each[0])[1] if found else None

    def _unmatched(self, address: int) -> bool | Fate:
        refuse = self.settings.reject_unmatched and _within(address, self.services)
        return Refused() if refuse else False

    def _egress(self, source: Source, address: int) -> bool:
        """Pods show the node's address to the world."""
        return self.settings.egress_masquerade and source.pod and not _within(address, self.inside)


def thresholds(count: int) -> tuple[int, ...]:
    """The thresholds of all endpoints but the last, nearest to one in what is left."""
    return tuple([round(ALWAYS / left) for left in range(count, 1, -1)])


def keys_of(service: PlannedService, family: Family) -> Iterator[Key]:
    """Destinations that a Service has a say on, whichever node it is."""
    if is_served(service, family):
        for port in service.ports:
            for _, key in _ways(service, port, family):
                yield key
        for number in _health_checks(service):
            yield OWN, "tcp", number


def _health_checks(service: PlannedService) -> Iterator[int]:
    number = service.health_check_node_port
    if number and service.type == "LoadBalancer" and keeps_sources(service):
        yield number


def _ways(
    service: PlannedService, port: PlannedPort, family: Family
) -> Iterator[tuple[WayKind, Key]]:
    protocol, number = port.spec.protocol.lower(), port.spec.port
    yield "cluster IP", (service.cluster_ip(family), protocol, number)
    if not accepts_external(service, port, family):
        return
    for own, address in service.external_ips:
        if own == family:
            yield "external IP", (address, protocol, number)
    for own, address, mode in service.load_balancer_ips:
        if own == family and mode == "VIP":
            yield "load balancer IP", (address, protocol, number)
    if port.node_port:
        yield "node port", (OWN, protocol, port.node_port)


def _ranges(cidrs: tuple[Cidr, ...], family: Family) -> tuple[Range, ...]:
    return tuple((cidr.base, cidr.last) for cidr in cidrs if cidr.family == family)


def _within(address: int, ranges: tuple[Range, ...]) -> bool:
    return any(first <= address <= last for first, last in ranges)
