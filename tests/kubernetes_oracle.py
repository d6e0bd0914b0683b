"""Whether Kubernetes itself would take a manifest, by the schemas of kubernetes-validate 1.33.1.

Strict mode: an unknown field is wrong. Kinds that the schemas do not know (custom resources, tools'
configurations) are taken. Versions that Kubernetes no longer serves are converted first, as a user
would convert them.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import referencing
import yaml
from jsonschema.exceptions import best_match
from kubernetes_validate.utils import schema_contents

_SCHEMAS = "kubernetes-json-schema/v1.33.0-local-strict"
_REPLICATED = ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")
_SERVED_NOW = {
    **{
        (f"{old}", kind): "apps/v1"
        for old in ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")
        for kind in _REPLICATED
    },
    **{
        (f"rbac.authorization.k8s.io/{old}", kind): "rbac.authorization.k8s.io/v1"
        for old in ("v1alpha1", "v1beta1")
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    },
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): "autoscaling/v2",
    ("batch/v1beta1", "CronJob"): "batch/v1",
    ("policy/v1beta1", "PodDisruptionBudget"): "policy/v1",
}
"""Removed versions whose objects have the same form in the version that replaced them."""
_SELECTOR_DEFAULTS = ("extensions/v1beta1", "apps/v1beta1")
_DROPPED = ("rollbackTo", "templateGeneration")
"""Fields that went with the old versions."""


class _Loader(yaml.CSafeLoader):
    """YAML as kubernetes-validate reads it, but for what it would take for dates and base 60."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def refusal(content: bytes) -> str:
    """Why Kubernetes would not take a file: the first reason; "" if it would."""
    try:
        documents = [each for each in yaml.load_all(content, _Loader) if each is not None]
    except (yaml.YAMLError, ValueError, TypeError) as error:
        return f"not YAML: {' '.join(str(error).split())}"
    reasons = (_refusal(each) for document in documents for each in _single(document))
    return next(filter(None, reasons), "")


def _single(value: Any) -> Iterator[Any]:
    """The objects of a List, or the object itself."""
    if isinstance(value, dict) and value.get("kind") == "List":
        for item in value.get("items") or ():
            yield from _single(item)
    else:
        yield value


def _refusal(value: Any) -> str:
    if not isinstance(value, dict):
        return f"a {type(value).__name__}, no object"
    value = _converted(value)
    version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return "no apiVersion or no kind"
    validator = _validator(kind, version)
    if validator is None:
        return ""
    error = best_match(validator.iter_errors(value))
    return f"{kind} {error.json_path}: {error.message[:120]}" if error else ""


def _converted(value: dict[str, Any]) -> dict[str, Any]:
    version = value.get("apiVersion")
    served = _SERVED_NOW.get((str(version), str(value.get("kind"))))
    spec = value.get("spec")
    if served is None or not isinstance(spec, dict):
        return value if served is None else {**value, "apiVersion": served}
    spec = {key: item for key, item in spec.items() if key not in _DROPPED}
    if version in _SELECTOR_DEFAULTS and spec.get("selector") is None:
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        spec["selector"] = {"matchLabels": labels}
    return {**value, "apiVersion": served, "spec": spec}


@cache
def _validator(kind: str, version: str) -> jsonschema.Draft202012Validator | None:
    """The schema of a kind in the file that kubernetes-validate would look in; None without one."""
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    if not re.fullmatch(r"[a-z0-9-]+", name) or not re.fullmatch(r"[A-Za-z]+", kind):
        return None
    try:
        schema = schema_contents(f"{_SCHEMAS}/{kind.lower()}-{name}.json", "1.33")
    except FileNotFoundError:
        return None
    return jsonschema.Draft202012Validator(
        schema,
        registry=_registry().with_resource(
            schema["$id"], referencing.Resource.from_contents(schema)
        ),
    )


@cache
def _registry() -> referencing.Registry[Any]:
    definitions = schema_contents(f"{_SCHEMAS}/_definitions.json", "1.33")
    resource = referencing.Resource.from_contents(definitions)
    return referencing.Registry[Any]().with_resource(definitions["$id"], resource)
