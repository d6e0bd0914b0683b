"""Pods' names, as the controllers of Kubernetes make them, from keys only.

No change of a template renames a pod.
"""

from collections.abc import Iterable

from kcompile.model import Cluster, Workload
from kcompile.plan.choice import digest
from kcompile.plan.lock import Lock, PodKey
from kcompile.planned import Ordinal
from kcompile.problems import Code, Finding

PodPlace = tuple[Workload, Ordinal, str]
"""A pod by its workload and ordinal, and the name of its node."""

# apimachinery's SafeEncodeString: no vowels and no look-alikes, so that no word comes about.
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_PAIRS = tuple(first + second for second in _SAFE for first in _SAFE)
_HASH_LENGTH = 10
_SUFFIX_LENGTH = 5
# apiserver's name generator: a name that it makes has at most 63 characters.
_NAME_LENGTH = 63


class PodNames:
    """Pods of StatefulSets and Pods by themselves are called what they must be called; others have
    a name that the lock pins, or their workload's with a suffix from the pod's key."""

    def __init__(self, lock: Lock, cluster: Cluster, places: Iterable[PodPlace]) -> None:
        self.findings: list[Finding] = []
        owners = self._fixed(cluster, places)
        freed = {key: entry.name for key, (entry, _) in lock.freed_pods.items() if entry.name}
        live = {key: entry.name for key, entry in lock.pods.items() if entry.name}
        live = {key: name for key, name in live.items() if (key[0], name) not in owners}
        taken = {(key[0], name) for key, name in live.items()} | owners
        back = {key: name for key, name in freed.items() if (key[0], name) not in taken}
        self.pinned = back | live
        self.taken = {(key[0], name) for key, name in self.pinned.items()} | owners
        self.workload: Workload | None = None
        self.prefix = ""

    def _fixed(self, cluster: Cluster, places: Iterable[PodPlace]) -> set[tuple[str, str]]:
        owners: dict[tuple[str, str], Workload] = {}
        for workload, ordinal, _ in places:
            if workload.kind not in {"Pod", "StatefulSet"}:
                continue
            name = fixed_name(workload, ordinal)
            other = owners.setdefault((workload.namespace, name), workload)
            if other is not workload:
                self.findings.append(
                    Finding(
                        Code.DUPLICATE_OBJECT,
                        cluster.origins.get(workload.key),
                        ("metadata", "name"),
                        f"a pod of {workload.key} and one of {other.key} are both called {name}",
                    )
                )
        return set(owners)

    def of(self, workload: Workload, key: PodKey, key_digest: bytes) -> str:
        if workload.kind in {"Pod", "StatefulSet"}:
            return fixed_name(workload, key[3])
        if self.pinned and (name := self.pinned.get(key)):
            return name
        if workload is not self.workload or workload.indexed:
            self.workload = workload
            self.prefix = _prefix(key, indexed=workload.indexed)
        number = _suffix_number(key_digest)
        while True:
            name = self.prefix + _safe(number, _SUFFIX_LENGTH)
            if (workload.namespace, name) not in self.taken:
                self.taken.add((workload.namespace, name))
                return name
            number += 1


def fixed_name(workload: Workload, ordinal: Ordinal) -> str:
    return workload.name if workload.kind == "Pod" else f"{workload.name}-{ordinal}"


def names_in_lock(key: PodKey, pinned: str) -> tuple[str, ...]:
    """What a pod may be called by what a lock holds; an Indexed Job's pod has the second name."""
    namespace, kind, name, ordinal = key
    if kind == "Pod":
        return (name,)
    if kind == "StatefulSet":
        return (f"{name}-{ordinal}",)
    if pinned:
        return (pinned,)
    suffix = _safe(
        _suffix_number(digest(f"pod/{namespace}/{kind}/{name}/{ordinal}")), _SUFFIX_LENGTH
    )
    names = _prefix(key, indexed=False) + suffix, _prefix(key, indexed=True) + suffix
    return names if kind == "Job" else names[:1]


def _suffix_number(key_digest: bytes) -> int:
    return int.from_bytes(key_digest[8:16], "big")


def _prefix(key: PodKey, *, indexed: bool) -> str:
    """`NAME-`; `NAME-HASH-` for the ReplicaSet of a Deployment, `NAME-INDEX-` in Indexed Jobs."""
    namespace, kind, name, ordinal = key
    middle = ""
    if kind == "Deployment":
        key_digest = digest(f"{kind}/{namespace}/{name}")
        middle = f"{_safe(int.from_bytes(key_digest[:16], 'big'), _HASH_LENGTH)}-"
    elif indexed:
        middle = f"{ordinal}-"
    room = _NAME_LENGTH - _SUFFIX_LENGTH - len(middle) - 1
    # A label of a DNS name ends with neither "-" nor ".".
    return f"{name[:room].rstrip('-.')}-{middle}"


def _safe(number: int, length: int) -> str:
    """The last `length` digits of a number, in base 27, as SafeEncodeString's letters."""
    text = ""
    while len(text) < length:
        number, index = divmod(number, len(_PAIRS))
        text += _PAIRS[index]
    return text[:length]
