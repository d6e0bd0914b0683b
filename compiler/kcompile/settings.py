"""What holds for the whole cluster, whatever its objects are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kcompile.address import Cidr, Family


@dataclass(frozen=True, slots=True)
class NameServer:
    """A DNS server outside of the cluster."""

    family: Family
    address: int
    port: int = 53


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Where questions about names of others go: `stubs` by domain (in lower case, no dot at its
    end, sorted), the rest to `upstreams`; without any, from the root servers down."""

    upstreams: tuple[NameServer, ...] = ()
    stubs: tuple[tuple[str, tuple[NameServer, ...]], ...] = ()


NO_FORWARDING = Forwarding()


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """What the zones hold beyond what they always hold.

    `ttl` in seconds (30 is kubeadm's). `ptr` canonical gives an address one name, the first.
    `ignore_empty` leaves out Services with a cluster IP and no ready endpoint.
    `external_zone` is "" for none, without a dot at its end; `reverse_ranges` have reverse zones
    besides those of the service and pod ranges. `name_servers` are the name server's addresses
    where no kube-dns Service has any: the link-local one that NodeLocal DNSCache made customary.
    """

    ttl: int = 30
    pod_records: bool = False
    endpoint_pod_names: bool = False
    ptr: Literal["all", "canonical"] = "all"
    zonal: bool = False
    ignore_empty: bool = False
    external_zone: str = ""
    reverse_ranges: tuple[Cidr, ...] = ()
    name_servers: tuple[tuple[Family, int], ...] = ((4, 0xA9FE140A),)


DEFAULT_DNS = DnsSettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole cluster, from documents, flags and defaults.

    `node_masks` are prefix lengths in bits of a node's share of the pod ranges, by family;
    `node_ports` is first and last port; `masquerade_bit` a bit number, 0 to 31. `node_dns` is the
    address that every node has for its own DNS server, () for none. `mtus` are bytes by node, that
    of "" for every other one.
    """

    pod_cidrs: tuple[Cidr, ...]
    service_cidrs: tuple[Cidr, ...]
    node_masks: Mapping[Family, int]
    cluster_domain: str
    node_ports: tuple[int, int]
    detect_local: bool
    masquerade_all: bool
    masquerade_bit: int
    localhost_node_ports: bool
    egress_masquerade: bool
    forward_accept: bool
    non_masquerade_cidrs: tuple[Cidr, ...]
    node_port_addresses: tuple[Cidr, ...] = ()
    reject_unmatched: bool = False
    dns: DnsSettings = DEFAULT_DNS
    node_dns: tuple[tuple[Family, int], ...] = ()
    forwarding: Forwarding = NO_FORWARDING
    mtus: tuple[tuple[str, int], ...] = ()

    def mtu(self, node: str) -> int:
        """Bytes that a packet of the node's pods may have; 0 for what links have by themselves."""
        stated = dict(self.mtus)
        return stated.get(node, stated.get("", 0))

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that the cluster has, the primary one first."""
        return tuple(dict.fromkeys(cidr.family for cidr in self.service_cidrs))
