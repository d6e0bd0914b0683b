"""What pods run, from objects that passed: the fields that `podman kube play` takes.

By podman's own table, docs/kubernetes_support.md, for 5.4.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kcompile.load.document import Document
from kcompile.load.locate import problems_of
from kcompile.model import Key, Objects, Workload
from kcompile.problems import Code, Finding, Problem
from kcompile.running import Fields, RunContainer, Running
from kcompile.source import Origin, Path
from kcompile.validate.flatten import flatten
from kcompile.validate.review import Ledger
from kcompile.validate.running_container import read_run_container
from kcompile.validate.running_fields import Table, kept
from kcompile.validate.running_volumes import read_volumes

_CONFIG_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")

_POD: Table = {
    "hostAliases": None,
    "hostIPC": None,
    "hostNetwork": None,
    "hostPID": None,
    "restartPolicy": None,
    "securityContext": {
        "runAsGroup": None,
        "runAsUser": None,
        "seLinuxOptions": None,
        "supplementalGroups": None,
        "sysctls": None,
    },
    "shareProcessNamespace": None,
    "terminationGracePeriodSeconds": None,
}
_ELSEWHERE = frozenset(
    {
        "affinity",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostname",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "schedulerName",
        "subdomain",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    }
)
"""Fields that are read for themselves, or whose work was done when the pod got its place."""


class ReadRunning(NamedTuple):
    """Of each workload what it runs; ConfigMaps by namespace and name; what is left out."""

    workloads: Mapping[Key, Running]
    config_maps: Mapping[tuple[str, str], Fields]
    notes: tuple[Problem, ...]


def read_running(documents: Sequence[Document], objects: Objects) -> ReadRunning:
    wanted = {
        _place(origin): item
        for item, origin in zip(objects.items, objects.origins, strict=True)
        if isinstance(item, Workload)
    }
    workloads: dict[Key, Running] = {}
    config_maps: dict[tuple[str, str], Fields] = {}
    findings: list[Finding] = []
    ledger = Ledger()
    for document in documents:
        for single in flatten(document, ledger):
            if (single.api_version, single.kind) == ("v1", "ConfigMap"):
                config_maps[_name(single.value)] = _config_map(single.value)
            elif workload := wanted.get(_place(single.origin)):
                running = _read_workload(single.value, workload)
                workloads[workload.key] = running
                findings.extend(_findings(workload.key, running, single.origin))
    return ReadRunning(workloads, config_maps, problems_of(findings))


def _place(origin: Origin) -> tuple[int, int, Path]:
    return id(origin.text), origin.start, origin.path


def _name(value: Mapping[str, Any]) -> tuple[str, str]:
    metadata = value.get("metadata") or {}
    return metadata.get("namespace") or "default", metadata.get("name") or ""


def _config_map(value: Mapping[str, Any]) -> Fields:
    """Its data, of the form that Kubernetes has; keys are file names there."""
    found: dict[str, Fields] = {}
    for key in ("data", "binaryData"):
        stated = value.get(key)
        entries = stated if isinstance(stated, dict) else {}
        found[key] = {
            name: text
            for name, text in entries.items()
            if isinstance(text, str) and _CONFIG_KEY.fullmatch(name)
        }
    return {key: entries for key, entries in found.items() if entries}


def _read_workload(value: Mapping[str, Any], workload: Workload) -> Running:
    stated = value["spec"]
    path: Path = ("spec",)
    if workload.kind != "Pod":
        stated, path = stated["template"]["spec"], ("spec", "template", "spec")
    claims = tuple(_claims(value["spec"])) if workload.kind == "StatefulSet" else ()
    missing: list[Path] = []
    own = {key: each for key, each in stated.items() if key not in _ELSEWHERE}
    fields = kept(own, _POD, path, missing)
    volumes, config_maps = read_volumes(stated.get("volumes") or (), path, missing)
    names = {*(str(volume["name"]) for volume in volumes), *claims}
    containers: list[RunContainer] = []
    init_containers: list[RunContainer] = []
    for kind in ("initContainers", "containers"):
        for index, each in enumerate(stated.get(kind) or ()):
            read = read_run_container(each, names, config_maps, (*path, kind, index), missing)
            # podman knows no sidecars (KEP-753), and would wait for their end.
            runs_once = kind == "initContainers" and not each.get("restartPolicy")
            (init_containers if runs_once else containers).append(read)
    return Running(
        fields,
        tuple(volumes),
        claims,
        tuple(containers),
        tuple(init_containers),
        tuple(sorted(config_maps)),
        tuple(missing),
    )


def _claims(spec: Mapping[str, Any]) -> Iterator[str]:
    for claim in spec.get("volumeClaimTemplates") or ():
        if name := (claim.get("metadata") or {}).get("name"):
            yield name


def _findings(key: Key, running: Running, origin: Origin) -> Iterator[Finding]:
    for path in running.missing:
        message = f"{key}: {path[-1]} is left out of the quadlets, as podman has nothing for it"
        yield Finding(Code.NOT_IN_QUADLETS, origin, path, message, at_key=True)
