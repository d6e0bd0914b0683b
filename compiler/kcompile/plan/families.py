"""Each Service's address families: stated, inferred from its addresses, or the cluster's.

The rules and their order are those of Kubernetes' allocator (registry/core/service/storage,
initIPFamilyFields); what needs no cluster to be wrong, validate has refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.address import Family
from kcompile.model import Cluster, FamilyPolicy, Key, Service
from kcompile.problems import Code, Finding
from kcompile.source import Origin, Path


@dataclass(frozen=True, slots=True)
class ServiceFamilies:
    """`families` in the Service's order. None for ExternalName."""

    policy: FamilyPolicy
    families: tuple[Family, ...]


NO_FAMILIES = ServiceFamilies("", ())


def plan_families(cluster: Cluster) -> tuple[Mapping[Key, ServiceFamilies], tuple[Finding, ...]]:
    """The families of every Service but those that want what the cluster has not."""
    has = cluster.settings.families
    default = ServiceFamilies("SingleStack", has[:1])
    planned: dict[Key, ServiceFamilies] = {}
    findings: list[Finding] = []
    for service in cluster.services:
        key = service.key
        if service.type == "ExternalName":
            planned[key] = NO_FAMILIES
        elif not (
            service.families or service.family_policy or service.cluster_ips or service.headless
        ):
            planned[key] = default
        elif wrong := [*_check_addresses(service, has)] or [*_check_families(service, has)]:
            origin = cluster.origins.get(key)
            findings += [_finding(origin, path, message, has) for path, message in wrong]
        else:
            planned[key] = _families(service, has)
    return planned, tuple(findings)


def _finding(origin: Origin | None, path: Path, message: str, has: Sequence[Family]) -> Finding:
    lacks = f"this cluster has IPv{has[0]} only"
    hint = "--service-cidr and --pod-network-cidr take a range of each family"
    return Finding(Code.INVALID_VALUE, origin, path, f"{message}, but {lacks}", hint)


def _policy(service: Service) -> FamilyPolicy:
    if service.family_policy:
        return service.family_policy
    return "RequireDualStack" if _is_free(service) else "SingleStack"


def _is_free(service: Service) -> bool:
    """Headless without a selector: its endpoints come from elsewhere, of whatever family."""
    return service.headless and not service.selector


def _check_addresses(service: Service, has: Sequence[Family]) -> Iterator[tuple[Path, str]]:
    """Only of addresses that no stated family stands beside: the others are told as families."""
    inferred = service.cluster_ips[len(service.families) :]
    for index, (family, _) in enumerate(inferred, len(service.families)):
        if family not in has:
            path: Path = ("spec", "clusterIPs", index) if index else ("spec", "clusterIP")
            yield path, f"spec.clusterIPs[{index}] is an IPv{family} address"


def _check_families(service: Service, has: Sequence[Family]) -> Iterator[tuple[Path, str]]:
    if _is_free(service):
        return
    if _policy(service) == "RequireDualStack" and len(has) < 2:
        yield ("spec", "ipFamilyPolicy"), "spec.ipFamilyPolicy is RequireDualStack"
    for index, family in enumerate(service.families):
        if family not in has:
            yield ("spec", "ipFamilies", index), f"spec.ipFamilies[{index}] is IPv{family}"


def _families(service: Service, has: Sequence[Family]) -> ServiceFamilies:
    policy = _policy(service)
    inferred = service.cluster_ips[len(service.families) :]
    families = (*service.families, *(family for family, _ in inferred)) or (has[0],)
    if len(families) == 1 and policy != "SingleStack" and (_is_free(service) or len(has) == 2):
        other: Family = 6 if families[0] == 4 else 4
        families = (*families, other)
    return ServiceFamilies(policy, families)
