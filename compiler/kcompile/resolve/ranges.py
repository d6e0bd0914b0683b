"""Do the pod and service ranges fit each other, and the nodes' shares the pod ranges?"""

from collections.abc import Iterator, Mapping

from kcompile.address import BITS, Cidr, Family
from kcompile.problems import Code, Finding
from kcompile.resolve.stated import Stated

Ranges = Stated[tuple[Cidr, ...]]

# kubeadm (cmd/kubeadm/app/constants): a service range has at most 20 host bits.
SERVICE_HOST_BITS = 20
# kube-controller-manager (ipam/cidrset): a pod range is cut into at most 2^16 shares.
_NODE_BITS = 16
# A gateway and at least one pod, beside the network address and, in IPv4, broadcast.
_LONGEST_NODE_MASK: Mapping[Family, int] = {4: 30, 6: 126}


def check_ranges(pods: Ranges, services: Ranges) -> Iterator[Finding]:
    for stated in (pods, services):
        yield from _check_number(stated)
    yield from _check_families(pods, services)
    for cidr in services.value:
        if BITS[cidr.family] - cidr.prefix > SERVICE_HOST_BITS:
            yield services.finding(
                Code.SETTING_INVALID,
                f"service range {cidr} is too large: an IPv{cidr.family} one is"
                f" /{BITS[cidr.family] - SERVICE_HOST_BITS} or smaller",
            )
        for other in pods.value:
            if cidr.overlaps(other):
                yield _overlap(cidr, other, pods, services)


def _overlap(cidr: Cidr, other: Cidr, pods: Ranges, services: Ranges) -> Finding:
    """Where the service range is nobody's statement, the pod range is to blame."""
    if services.is_default:
        message = f"pod range {other} overlaps service range {cidr} ({services})"
        return pods.finding(Code.SETTINGS_CONFLICT, message, "--service-cidr gives another one")
    message = f"service range {cidr} overlaps pod range {other} ({pods})"
    hint = "--pod-network-cidr gives another one" if pods.is_default else ""
    return services.finding(Code.SETTINGS_CONFLICT, message, hint)


def check_node_masks(pods: Ranges, masks: Mapping[Family, Stated[int]]) -> Iterator[Finding]:
    for cidr in pods.value:
        mask = masks[cidr.family]
        longest = longest_node_mask(cidr)
        if not cidr.prefix <= mask.value <= longest:
            culprit = pods if mask.is_default else mask
            yield culprit.finding(
                Code.SETTING_INVALID,
                f"a node's share of pod range {cidr} is a /{mask.value},"
                f" but /{cidr.prefix} to /{longest} is possible",
                "" if culprit.label == (flag := mask_flag(cidr.family, pods)) else flag,
            )


def longest_node_mask(pods: Cidr) -> int:
    return min(pods.prefix + _NODE_BITS, _LONGEST_NODE_MASK[pods.family])


def mask_flag(family: Family, pods: Ranges) -> str:
    """The flag that kube-controller-manager knows for the mask in such a cluster."""
    return f"--node-cidr-mask-size-ipv{family}" if len(pods.value) > 1 else "--node-cidr-mask-size"


def families_of(ranges: Ranges) -> tuple[Family, ...]:
    return tuple(cidr.family for cidr in ranges.value)


def shown(ranges: Ranges) -> str:
    return ",".join(map(str, ranges.value))


def _check_number(stated: Ranges) -> Iterator[Finding]:
    if len(set(families_of(stated))) < len(stated.value):
        yield stated.finding(
            Code.SETTING_INVALID, f"{shown(stated)}: one range a family is allowed"
        )


def _check_families(pods: Ranges, services: Ranges) -> Iterator[Finding]:
    """A Service of a family that pods lack could have no endpoints. The order may differ: that
    of the service ranges is the Services', that of the pod ranges the pods'."""
    if set(families_of(pods)) == set(families_of(services)):
        return
    if services.is_default and not pods.is_default:
        culprit, other, what, flag = pods, services, "pod", "--service-cidr"
    else:
        culprit, other, what, flag = services, pods, "service", "--pod-network-cidr"
    against = "pod" if what == "service" else "service"
    yield culprit.finding(
        Code.SETTINGS_CONFLICT,
        f"{what} range {shown(culprit)} and {against} range {shown(other)} ({other})"
        " are not of the same families",
        f"{flag} gives the other one",
    )
