"""Which hosts become nodes, and what their groups say of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.inventory.listing import ALL, PRIORITY, Group, Listing, Place, Variables
from kcompile.problems import Code, printable

# Kubespray's and k3s-ansible's groups of all nodes, then those of which a cluster consists.
_CLUSTERS = ("k8s_cluster", "k8s-cluster", "k3s_cluster")
_CONTROL_PLANES = (
    "kube_control_plane",
    "kube-control-plane",
    "kube_master",
    "kube-master",
    "control_plane",
    "control-plane",
    "controlplane",
    "masters",
    "master",
)
_K3S_SERVERS = {"k3s_cluster", "server"}
_WORKERS = ("kube_node", "kube-node")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A host with its variables, those of its groups among them."""

    name: str
    place: Place
    variables: Variables
    control_plane: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """`groups` are those that the hosts were taken from, () for all hosts."""

    hosts: tuple[Chosen, ...]
    groups: tuple[str, ...]
    left_out: tuple[str, ...]


def select(listing: Listing, wanted: Sequence[str]) -> Selection:
    """The hosts of the wanted groups; of those that make up a cluster if none is wanted; or all.
    In the order of the listing."""
    groups = tuple(wanted) or _usual(listing)
    lineage = _Lineage(listing)
    hosts, left_out = [], []
    for host in listing.hosts.values():
        own = lineage.of(host.name)
        if groups and own.isdisjoint(groups):
            left_out.append(host.name)
            continue
        variables = lineage.variables(own) | host.variables
        is_control_plane = not own.isdisjoint(_CONTROL_PLANES) or own >= _K3S_SERVERS
        hosts.append(Chosen(host.name, host.place, variables, is_control_plane))
    return Selection(tuple(hosts), groups, tuple(left_out))


def check_groups(listing: Listing, wanted: Sequence[str], place: Place) -> None:
    """Report groups that are asked for and not there, and those that are inside themselves."""
    for name in wanted:
        if name != ALL and name not in listing.groups:
            there = ", ".join(map(printable, sorted(listing.groups))) or "none"
            message = f"there is no group {printable(name)}"
            listing.report(Code.NO_SUCH_GROUP, place, message, f"there are {there[:200]}")
    for name, group in listing.groups.items():
        if variable := group.variables.get(PRIORITY):
            message = f"{PRIORITY} of group {printable(name)} is not used"
            listing.report(Code.INVENTORY_IGNORED, variable.place, message)
    for name, child in _circles(listing.groups):
        message = f"group {printable(name)} is inside itself"
        listing.wrong(listing.groups[name].children[child], message)


def _usual(listing: Listing) -> tuple[str, ...]:
    found = tuple(name for name in _CLUSTERS if name in listing.groups)
    return found[:1] or tuple(
        name for name in (*_CONTROL_PLANES[:4], *_WORKERS) if name in listing.groups
    )


class _Lineage:
    """Which groups are around which, and around each host."""

    def __init__(self, listing: Listing) -> None:
        self.groups = listing.groups
        self.parents: dict[str, list[str]] = {}
        self.of_host: dict[str, list[str]] = {}
        for name, group in listing.groups.items():
            for child in group.children:
                self.parents.setdefault(child, []).append(name)
            for host in group.hosts:
                self.of_host.setdefault(host, []).append(name)
        self.around = {name: self._around(name) for name in listing.groups}
        depths = self._depths()
        # Inner groups after outer ones, so that theirs is the last word.
        order = sorted(listing.groups, key=lambda name: (depths[name], name))
        self.with_variables = [name for name in order if listing.groups[name].variables]

    def of(self, host: str) -> set[str]:
        return {ALL}.union(*(self.around[name] for name in self.of_host.get(host, ())))

    def variables(self, own: set[str]) -> Variables:
        found: Variables = {}
        for name in self.with_variables:
            if name in own:
                found |= self.groups[name].variables
        return found

    def _depths(self) -> dict[str, int]:
        """How many groups are around each on the longest way out, as Ansible counts."""
        depths: dict[str, int] = {}
        for name in sorted(self.groups, key=lambda name: len(self.around[name])):
            around = [depths.get(parent, 0) for parent in self.parents.get(name, ())]
            depths[name] = 1 + max(around, default=0) if name != ALL else 0
        return depths

    def _around(self, name: str) -> frozenset[str]:
        """A group, all that it is inside of, and `all`."""
        found, waiting = {ALL, name}, [name]
        while waiting:
            for parent in self.parents.get(waiting.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return frozenset(found)


def _circles(groups: Mapping[str, Group]) -> Iterator[tuple[str, str]]:
    """A group and a child of it for each way back to a group that one is inside of."""
    done: set[str] = set()
    for root in groups:
        path: dict[str, Iterator[str]] = (
            {root: iter(groups[root].children)} if root not in done else {}
        )
        while path:
            name, children = next(reversed(path.items()))
            child = next(children, None)
            if child is None:
                path.pop(name)
                done.add(name)
            elif child in path:
                yield name, child
            elif child not in done and child in groups:
                path[child] = iter(groups[child].children)
