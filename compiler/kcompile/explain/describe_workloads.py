"""`describe` of what makes pods."""

from typing import assert_never

from kcompile.explain.contents import Workload
from kcompile.explain.describe_pieces import Field, container_lines, label_fields, lines
from kcompile.explain.words import NONE, UNKNOWN, format_selector


def describe_workload(workload: Workload) -> str:
    template = lines(label_fields("Labels:", workload.pod_labels), "  ")
    if workload.sidecars:
        template += container_lines("Init Containers:", workload.sidecars, "  ")
    template += container_lines("Containers:", workload.containers, "  ")
    events = lines([("Events:", NONE)])
    return f"{_head(workload)}Pod Template:\n{template}{events}"


def _head(workload: Workload) -> str:
    """kubectl has a Deployment's selector below its labels, and the others' above."""
    replicas, ready = workload.replicas, workload.ready
    name = [("Name:", workload.name), ("Namespace:", workload.namespace)]
    labels = [*label_fields("Labels:", workload.labels), ("Annotations:", NONE)]
    selector = ("Selector:", format_selector(workload))
    statuses = ("Pods Status:", _running(ready, replicas))
    match workload.kind:
        case "Deployment":
            return lines([*name, *labels, selector, ("Replicas:", _rollout(replicas, ready))])
        case "StatefulSet":
            counts = ("Replicas:", f"{replicas} desired | {replicas} total")
            return lines([*name, selector, *labels, counts, statuses])
        case "ReplicaSet" | "ReplicationController":
            counts = ("Replicas:", f"{replicas} current / {replicas} desired")
            return lines([*name, selector, *labels, counts, statuses])
        case "DaemonSet":
            return _daemon_set_head([*name, selector, ("Node-Selector:", UNKNOWN), *labels], ready)
        case "Job":
            # Which of its pods have ended by now, no manifest says.
            active = f"{replicas} Active ({ready} Ready)"
            fields = [("Completions:", UNKNOWN), ("Pods Statuses:", active)]
            return lines([*name, selector, *labels, *fields])
        case _:
            assert_never(workload.kind)


def _rollout(replicas: int, ready: int) -> str:
    return (
        f"{replicas} desired | {replicas} updated | {replicas} total | {ready} available | "
        f"{replicas - ready} unavailable"
    )


def _daemon_set_head(fields: list[Field], placed: int) -> str:
    """The counts are sentences, which no column is made for."""
    return (
        f"{lines(fields)}"
        f"Desired Number of Nodes Scheduled: {placed}\n"
        f"Current Number of Nodes Scheduled: {placed}\n"
        f"Number of Nodes Scheduled with Up-to-date Pods: {placed}\n"
        f"Number of Nodes Scheduled with Available Pods: {placed}\n"
        "Number of Nodes Misscheduled: 0\n"
        f"{lines([('Pods Status:', _running(placed, placed))])}"
    )


def _running(ready: int, replicas: int) -> str:
    return f"{ready} Running / {replicas - ready} Waiting / 0 Succeeded / 0 Failed"
