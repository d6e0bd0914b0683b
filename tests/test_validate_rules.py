"""Services, Deployments and endpoints, one change of a valid object at a time: Kubernetes' verdicts."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kcompile.load import load
from kcompile.problems import Code, InputError, Problem, Severity
from kcompile.validate import validate

_FOLDER = Path(__file__).parent / "data" / "validate"
_SHARED = Path(__file__).parents[2] / "shared" / "cases"

Object = dict[str, Any]


def _table(name: str) -> list[Any]:
    table = yaml.safe_load((_FOLDER / name).read_text("utf-8"))
    return [
        pytest.param(table["base"], *case, *[""] * (4 - len(case)), id=f"{case[0]}: {case[1]}")
        for case in table["cases"]
    ]


def _workload_cases() -> list[Any]:
    table = yaml.safe_load((_FOLDER / "workload_rules.yaml").read_text("utf-8"))
    return [
        pytest.param(
            table["bases"][kind], *case, *[""] * (4 - len(case)), id=" ".join([kind, *case[:2]])
        )
        for kind, *case in table["cases"]
    ]


def _pod_cases(name: str) -> list[Any]:
    """The changes of a table of pods' specs, as changes of a Deployment."""
    base = yaml.safe_load((_FOLDER / "deployment_rules.yaml").read_text("utf-8"))["base"]
    return [
        pytest.param(base, verdict, why, {"spec": {"template": {"spec": change}}}, field, id=param)
        for (_, verdict, why, change, field), param in ((p.values, p.id) for p in _table(name))
    ]


def _merge(value: Any, change: Any) -> Any:
    """RFC 7386, but the null of `{a: ~}` in a list stays."""
    if not isinstance(change, dict):
        return change
    merged = dict(value) if isinstance(value, dict) else {}
    for key, item in change.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), item)
    return merged


def _errors(value: Object) -> list[Problem]:
    try:
        validate(load([("object.json", json.dumps(value))]))
    except InputError as error:
        return [each for each in error.problems if each.severity is Severity.ERROR]
    return []


def _verdict(errors: list[Problem]) -> str:
    if not errors:
        return "ok"
    return "later" if {each.code for each in errors} == {Code.NOT_IMPLEMENTED} else "invalid"


@pytest.mark.parametrize(
    ("base", "verdict", "why", "change", "field"),
    [
        *_table("service_rules.yaml"),
        *_table("deployment_rules.yaml"),
        *_table("endpointslice_rules.yaml"),
        *_table("endpoints_rules.yaml"),
        *_pod_cases("scheduling_rules.yaml"),
        *_workload_cases(),
    ],
)
def test_verdict_is_that_of_kubernetes(
    base: Object, verdict: str, why: str, change: Object, field: str
) -> None:
    errors = _errors(_merge(base, change))
    assert _verdict(errors) == verdict, [why, *map(str, errors)]
    assert any(field in each.message for each in errors) or not field, list(map(str, errors))


def _walk(value: Any, path: str) -> tuple[Any, Any]:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        value = value.setdefault(step, {}) if isinstance(value, dict) else value[step]
    return value, last


def _mutated(base: Object, mutation: Object) -> Object:
    value: Object = json.loads(json.dumps(base))
    for path, item in mutation.get("set", {}).items():
        holder, last = _walk(value, path)
        holder[last] = item
    for path in mutation.get("unset", []):
        holder, last = _walk(value, path)
        del holder[last]
    appended = {**mutation.get("append", {}), "spec.ports": mutation.get("append_ports", [])}
    for path, items in appended.items():
        if items:
            holder, last = _walk(value, path)
            holder[last] += items
    return value


def _shared_cases(name: str, key: str) -> list[Any]:
    path = _SHARED / f"{name}.yaml"
    if not path.exists():
        reason = "needs ../shared/cases, which is not here"
        return [pytest.param({}, {}, None, id=name, marks=pytest.mark.skip(reason=reason))]
    cases = yaml.safe_load(path.read_text("utf-8"))
    base = cases["meta"]["base"]
    return [pytest.param(base, case["mutate"], case[key], id=case["id"]) for case in cases["cases"]]


@pytest.mark.parametrize(
    ("base", "mutation", "valid"),
    [
        *_shared_cases("service_validation", "yaml_valid"),
        *_shared_cases("deployment_validation", "valid"),
    ],
)
def test_shared_verdicts_hold(base: Object, mutation: Object, valid: bool | str) -> None:
    """A text in the place of a verdict speaks of the node port range, which is plan's matter."""
    errors = _errors(_mutated(base, mutation))
    allowed = {"invalid"} if valid is False else {"ok", "later"}
    assert _verdict(errors) in allowed, list(map(str, errors))
    wanted = _LATER if _verdict(errors) == "later" else ()
    assert all(any(word in each.message for word in wanted) for each in errors if wanted)


_LATER = ("hostPort",)
"""Features of the shared cases that Kubernetes takes and kcompile does not compile yet."""
