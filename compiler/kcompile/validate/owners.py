"""Objects that a controller made, as an export of a cluster holds them beside the controller.

They make no pods of their own: those of the controller are the same ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from kcompile.model import Key, Object, WorkloadKind
from kcompile.problems import Code
from kcompile.source import Origin
from kcompile.validate.kinds import Acts, role_of
from kcompile.validate.metadata import Metadata
from kcompile.validate.review import Ledger, Review

_KINDS = frozenset(get_args(WorkloadKind))
_HASH = "pod-template-hash"


def note_owner(
    kind: WorkloadKind, metadata: Metadata, owners: Iterable[Mapping[str, Any]], review: Review
) -> None:
    """Of several owners at most one is the controller."""
    for owner in owners:
        name: str = owner.get("name") or ""
        owner_kind: str = owner.get("kind") or ""
        acts = isinstance(role_of(owner.get("apiVersion") or "", owner_kind), Acts)
        if not owner.get("controller") or not acts or owner_kind not in _KINDS:
            continue
        keys = [Key(owner_kind, metadata.namespace, name)]
        suffix = f"-{dict(metadata.labels).get(_HASH)}"
        if owner_kind == "ReplicaSet" and name.endswith(suffix):
            # An export of Deployments and Pods may lack the ReplicaSets between them.
            keys.append(Key("Deployment", metadata.namespace, name.removesuffix(suffix)))
        key = Key(kind, metadata.namespace, metadata.name)
        review.ledger.owners[key] = (*review.ledger.owners.get(key, ()), *keys)


def without_owned(
    items: Sequence[Object], origins: Sequence[Origin], ledger: Ledger
) -> tuple[tuple[Object, ...], tuple[Origin, ...]]:
    """The objects without those whose controller is one of them."""
    if not ledger.owners:
        return tuple(items), tuple(origins)
    there = {item.key for item in items}
    kept = []
    for item, origin in zip(items, origins, strict=True):
        if there.isdisjoint(ledger.owners.get(item.key, ())):
            kept.append((item, origin))
        else:
            ledger.count(Code.OWNED, item.key.kind, origin, ())
    return tuple(item for item, _ in kept), tuple(origin for _, origin in kept)
