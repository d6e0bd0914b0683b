"""What pods run, as far as podman can run it: read only where quadlets are asked for.

No packet depends on it, so it is no part of model.Workload.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.source import Path

Fields = Mapping[str, object]
"""Plain values of a manifest by key: strings, numbers, lists, mappings."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: a value, a field of the pod (`field` is its path), or a `source`, a
    valueFrom that names a ConfigMap, a Secret or a resource."""

    name: str
    value: str = ""
    field: str = ""
    source: Fields | None = None


@dataclass(frozen=True, slots=True)
class RunContainer:
    """`fields` are those that podman takes as they are; `sources` are envFrom."""

    fields: Fields
    mounts: tuple[Fields, ...]
    sources: tuple[Fields, ...]
    environment: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """What each pod of a workload runs.

    `claims` are volumes that a StatefulSet makes for each pod, by name. `config_maps` are the names
    that volumes and variables refer to. `missing` are fields that podman has nothing for.
    """

    fields: Fields
    volumes: tuple[Fields, ...]
    claims: tuple[str, ...]
    containers: tuple[RunContainer, ...]
    init_containers: tuple[RunContainer, ...]
    config_maps: tuple[str, ...]
    missing: tuple[Path, ...]
