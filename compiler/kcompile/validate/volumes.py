"""Volumes of a pod template: not needed here, but what Kubernetes refuses is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.source import Path
from kcompile.validate.names import DNS_LABEL
from kcompile.validate.review import Review

_NEEDED = {
    "configMap": ("name",),
    "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
    "secret": ("secretName",),
}
"""What the common sources cannot do without."""


def read_volume_names(
    volumes: Sequence[Mapping[str, Any]], review: Review, path: Path
) -> frozenset[str]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        name = volume.get("name") or ""
        here = (*path, index)
        if not name:
            review.required((*here, "name"))
        elif name in names:
            review.duplicate((*here, "name"), name)
        else:
            review.name((*here, "name"), name, DNS_LABEL)
        names.add(name)
        _check_source(volume, review, here)
    return frozenset(names)


def _check_source(volume: Mapping[str, Any], review: Review, path: Path) -> None:
    """One source at most; none is an emptyDir."""
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    for key in sources[1:]:
        review.forbidden((*path, key), f"must not stand beside {sources[0]}: one source a volume")
    for key in sources:
        for needed in _NEEDED.get(key, ()):
            if not volume[key].get(needed):
                review.required((*path, key, needed))
    host_path = (volume.get("hostPath") or {}).get("path") or ""
    if ".." in host_path.split("/"):
        review.invalid((*path, "hostPath", "path"), host_path, "must not contain '..'")
