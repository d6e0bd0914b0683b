"""What of a container podman takes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kcompile.running import RunContainer, Variable
from kcompile.source import Path
from kcompile.validate.running_fields import Table, is_absent, kept

_AMOUNTS: Table = {"cpu": None, "memory": None}
_CONTAINER: Table = {
    "args": None,
    "command": None,
    "image": None,
    "imagePullPolicy": None,
    "livenessProbe": {
        "exec": None,
        "failureThreshold": None,
        "initialDelaySeconds": None,
        "periodSeconds": None,
        "successThreshold": None,
        "timeoutSeconds": None,
    },
    "name": None,
    "resources": {"limits": _AMOUNTS, "requests": _AMOUNTS},
    "securityContext": {
        "allowPrivilegeEscalation": None,
        "capabilities": None,
        "privileged": None,
        "procMount": None,
        "readOnlyRootFilesystem": None,
        "runAsGroup": None,
        "runAsUser": None,
        "seLinuxOptions": None,
    },
    "workingDir": None,
}
_MOUNT: Table = {"mountPath": None, "name": None, "readOnly": None, "subPath": None}
_ELSEWHERE = frozenset({"env", "envFrom", "ports", "restartPolicy", "volumeMounts"})
"""Ports are not published: the rules lead to them."""
_ACTIONS = ("httpGet", "tcpSocket", "grpc")
_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
"""Fields of a pod that the plan knows."""
_LABEL = re.compile(r"metadata\.labels\['[^']+'\]")
_REFERENCES = ("configMapKeyRef", "secretKeyRef", "resourceFieldRef")


def read_run_container(
    container: Mapping[str, Any],
    volumes: set[str],
    config_maps: set[str],
    path: Path,
    missing: list[Path],
) -> RunContainer:
    """`volumes` are those that there are; ConfigMaps that variables name come to `config_maps`."""
    own = {key: each for key, each in container.items() if key not in _ELSEWHERE}
    probe = own.get("livenessProbe") or {}
    if any(probe.get(action) is not None for action in _ACTIONS):
        # podman runs curl or nc in the image for these: most images have neither, and a container
        # that is well would be killed again and again.
        del own["livenessProbe"]
        missing.append((*path, "livenessProbe"))
    mounts = container.get("volumeMounts") or ()
    fields = kept(own, _CONTAINER, path, missing)
    return RunContainer(
        fields,
        tuple(_mounts(mounts, volumes, path, missing)),
        tuple(_sources(container, config_maps, path, missing)),
        tuple(_variables(container.get("env") or (), config_maps, path, missing)),
    )


def _mounts(
    mounts: Sequence[Mapping[str, Any]], volumes: set[str], path: Path, missing: list[Path]
) -> Iterator[Mapping[str, Any]]:
    for index, mount in enumerate(mounts):
        here = (*path, "volumeMounts", index)
        if mount["name"] not in volumes:
            continue  # the volume is in `missing`
        if not is_absent(mount.get("subPathExpr")):
            # Without it, the mount would show all of the volume.
            missing.append((*here, "subPathExpr"))
            continue
        yield kept(mount, _MOUNT, here, missing)


def _sources(
    container: Mapping[str, Any], config_maps: set[str], path: Path, missing: list[Path]
) -> Iterator[Mapping[str, Any]]:
    for index, source in enumerate(container.get("envFrom") or ()):
        here = (*path, "envFrom", index)
        if not is_absent(source.get("prefix")):
            # The names of the variables would be others.
            missing.append((*here, "prefix"))
            continue
        table: Table = {"name": None, "optional": None}
        found = kept(source, {"configMapRef": table, "secretRef": table}, here, missing)
        if not found:
            continue
        if name := found.get("configMapRef", {}).get("name"):
            config_maps.add(name)
        yield found


def _variables(
    environment: Sequence[Mapping[str, Any]], config_maps: set[str], path: Path, missing: list[Path]
) -> Iterator[Variable]:
    for index, variable in enumerate(environment):
        name, source = variable["name"], variable.get("valueFrom") or {}
        if not source:
            yield Variable(name, variable.get("value") or "")
            continue
        kind = next(key for key, value in source.items() if value is not None)
        if kind == "fieldRef" and _is_known(field := source[kind].get("fieldPath") or ""):
            yield Variable(name, field=field)
        elif kind in _REFERENCES:
            if kind == "configMapKeyRef" and not is_absent(source[kind].get("name")):
                config_maps.add(source[kind]["name"])
            yield Variable(name, source={kind: source[kind]})
        else:
            missing.append((*path, "env", index, "valueFrom", kind))


def _is_known(field: str) -> bool:
    return field in _FIELDS or _LABEL.fullmatch(field) is not None
