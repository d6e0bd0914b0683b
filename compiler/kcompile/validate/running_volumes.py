"""Volumes that podman has: emptyDir, hostPath, ConfigMaps, Secrets by name, claims by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.running import Fields
from kcompile.source import Path
from kcompile.validate.running_fields import Table, is_absent, kept

_SOURCES: Table = {
    "configMap": {"defaultMode": None, "items": None, "name": None, "optional": None},
    "emptyDir": {"medium": None},
    "hostPath": {"path": None, "type": None},
    "persistentVolumeClaim": {"claimName": None, "readOnly": None},
    "secret": {"defaultMode": None, "items": None, "optional": None, "secretName": None},
}


def read_volumes(
    volumes: Sequence[Mapping[str, Any]], path: Path, missing: list[Path]
) -> tuple[list[Fields], set[str]]:
    """The volumes, and the ConfigMaps that they name. A volume of another kind is left out."""
    found: list[Fields] = []
    config_maps: set[str] = set()
    for index, volume in enumerate(volumes):
        here = (*path, "volumes", index)
        sources = {key: each for key, each in volume.items() if key != "name" and each is not None}
        kind = next(iter(sources), "emptyDir")
        source = sources.get(kind) or {}
        if kind not in _SOURCES:
            missing.append((*here, kind))
            continue
        table = _SOURCES[kind] or {}
        found.append({"name": volume["name"], kind: kept(source, table, (*here, kind), missing)})
        if kind == "configMap" and not is_absent(source.get("name")):
            config_maps.add(source["name"])
    return found, config_maps
