"""What name servers need to serve the zones: where they listen, whom they answer, what they ask
of others."""

from collections import Counter
from collections.abc import Iterator, Sequence

from kcompile.address import BITS, Cidr
from kcompile.ir import NameServers, Zone
from kcompile.lower.dns_service import dns_service, endpoint_addresses
from kcompile.lower.reverse import cut, reverse_origin
from kcompile.model import Key
from kcompile.planned import Plan
from kcompile.problems import Code, Finding
from kcompile.resolve.services import DNS
from kcompile.settings import Forwarding

_CONFIG_MAPS = ("coredns", "kube-dns")
_STEP = 50
"""Lines between two looks; every set of more than twice as many records is seen."""


def lower_servers(plan: Plan, zones: Sequence[Zone]) -> NameServers:
    """They listen on the addresses of the DNS Service's endpoints: the one that each node has for
    its own server, or those of the pods behind a Service that the manifests declare."""
    origins = tuple(zone.origin.removesuffix(".") for zone in zones)
    service = dns_service(plan)
    listen = () if service is None else endpoint_addresses(service)
    own = {Cidr(family, ip, BITS[family]) for family, ip in listen}
    nodes = {Cidr(family, ip, BITS[family]) for node in plan.nodes for family, ip in node.addresses}
    return NameServers(
        zones=origins,
        listen=listen,
        clients=(*sorted(plan.settings.pod_cidrs), *sorted(own | nodes)),
        largest_set=max(map(_largest_set, zones)),
        # Owners of addresses that are no host names: those of zones (_zone), and IPv6 addresses
        # that start with "::" (dashes).
        odd_names=plan.settings.dns.zonal
        or (6 in plan.settings.families and any("\n-" in zone.lines for zone in zones)),
        forwarding=_forwarding(plan.settings.forwarding, origins),
    )


def check_servers(plan: Plan) -> Iterator[Finding]:
    """Domains that another server is to be asked for, though they are the cluster's own."""
    settings = plan.settings
    origins = [settings.cluster_domain, settings.dns.external_zone]
    ranges = (*settings.service_cidrs, *settings.pod_cidrs, *settings.dns.reverse_ranges)
    origins += [reverse_origin(zone).removesuffix(".") for cidr in ranges for zone in cut(cidr)]
    found = (plan.origins.get(Key("ConfigMap", DNS.namespace, name)) for name in _CONFIG_MAPS)
    origin = next((each for each in found if each), None)
    for domain, _ in settings.forwarding.stubs:
        if own := zone_of(domain, [each for each in origins if each]):
            message = f"{domain} lies in {own}, a zone of the cluster, so nobody else is asked"
            yield Finding(Code.IGNORED_FIELD, origin, ("data",), message)


def _largest_set(zone: Zone) -> int:
    """The size of a zone's largest set of records with one owner and type, 0 if it is small.
    An owner's lines stand together."""
    lines = zone.lines.splitlines()
    crowds = dict.fromkeys(
        owner
        for first, later in zip(lines[::_STEP], lines[_STEP::_STEP], strict=False)
        if (owner := first.partition(" ")[0]) == later.partition(" ")[0]
    )
    if not crowds:
        return 0
    sets = Counter(
        (owner, kind)
        for owner, _, _, kind, _ in (line.split(" ", 4) for line in lines)
        if owner in crowds
    )
    return max(sets.values())


def _forwarding(forwarding: Forwarding, origins: Sequence[str]) -> Forwarding:
    """Without domains that are zones here, or lie in one: nobody else is asked for these."""
    stubs = tuple(stub for stub in forwarding.stubs if not zone_of(stub[0], origins))
    return Forwarding(forwarding.upstreams, stubs)


def zone_of(domain: str, origins: Sequence[str]) -> str:
    """The zone that holds a domain's names, "" if there is none."""
    return next((o for o in origins if domain == o or domain.endswith(f".{o}")), "")
