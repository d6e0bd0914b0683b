"""Pod to model.Workload, by the rules of ValidatePodCreate."""

from collections.abc import Mapping
from typing import Any

from kcompile.labels import Selector
from kcompile.model import Workload
from kcompile.problems import Code
from kcompile.validate.metadata import Metadata
from kcompile.validate.pod import Place, read_pod
from kcompile.validate.review import Review

_ENDED = ("Succeeded", "Failed")


def read_lone_pod(
    value: Mapping[str, Any], metadata: Metadata, review: Review
) -> tuple[Workload, ...]:
    """Nothing for a Pod that has ended: its address is free, and no Service leads to it."""
    spec = value.get("spec") or {}
    template = read_pod(spec, metadata.labels, Place("Pod", metadata.namespace, ()), review)
    if spec.get("ephemeralContainers") and not (value.get("metadata") or {}).get("uid"):
        # In an export they may be there: debuggers join a running pod.
        path = ("spec", "ephemeralContainers")
        review.forbidden(path, "must not be set where a pod is created")
    if (value.get("status") or {}).get("phase") in _ENDED:
        review.remark(Code.ENDED, "Pod")
        return ()
    return (Workload("Pod", *metadata, 1, Selector(()), template),)
