"""What the command line may say about the cluster, named as Kubernetes names its own flags."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Flags:
    """Texts as typed; None and () where a flag is absent. `nodes` are `NAME=IP[,IP]`, ranges
    `CIDR[,CIDR]` with the primary family first, `load_balancer_pools` `CIDR` or `FIRST-LAST`.
    `node_dns_address` is an address or `none`. `pending` says what pods without a place are.
    `mtus` are `[NODE=]BYTES`.
    """

    service_cidr: str | None = None
    pod_network_cidr: str | None = None
    node_cidr_mask_size: str | None = None
    node_cidr_mask_size_ipv4: str | None = None
    node_cidr_mask_size_ipv6: str | None = None
    service_dns_domain: str | None = None
    service_node_port_range: str | None = None
    detect_local: bool = True
    nodes: tuple[str, ...] = ()
    egress_masquerade: bool = True
    forward_accept: bool = True
    non_masquerade_cidrs: tuple[str, ...] = ()
    load_balancer_pools: tuple[str, ...] = ()
    reject_unmatched_service_ips: bool = False
    dns_ttl: str | None = None
    dns_pods: Literal["disabled", "verified"] = "disabled"
    dns_endpoint_pod_names: bool = False
    dns_ptr: Literal["all", "canonical"] = "all"
    dns_zonal: bool = False
    dns_ignore_empty_services: bool = False
    dns_external_zone: str | None = None
    dns_reverse_zones: tuple[str, ...] = ()
    node_dns_address: str | None = None
    pending: Literal["error", "warn"] = "error"
    mtus: tuple[str, ...] = ()
