"""schemas/ against Kubernetes' own, as kubernetes-validate 1.33.1 bundles them (strict)."""

import copy
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import jsonschema_rs
import kubernetes_validate.utils
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kcompile.problems import Code
from kcompile.validate.schema import _decider, _schemas, check

Schema = dict[str, Any]
Steps = tuple[str, ...]
"""Keys; "[]" for the items of a list and "{}" for the values of a map."""

ORACLE_FILES = {
    "Deployment": "deployment-apps-v1.json",
    "Service": "service-v1.json",
    "Node": "node-v1.json",
    "Namespace": "namespace-v1.json",
    "EndpointSlice": "endpointslice-discovery-v1.json",
    "Endpoints": "endpoints-v1.json",
    "ReplicaSet": "replicaset-apps-v1.json",
    "ReplicationController": "replicationcontroller-v1.json",
    "StatefulSet": "statefulset-apps-v1.json",
    "DaemonSet": "daemonset-apps-v1.json",
    "Job": "job-batch-v1.json",
    "Pod": "pod-v1.json",
}
KINDS = sorted(ORACLE_FILES)
API_VERSIONS = {
    "Deployment": "apps/v1",
    "Service": "v1",
    "Node": "v1",
    "Namespace": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "Endpoints": "v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "Pod": "v1",
}
TEMPLATED = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job")

CORPUS = FilePath(__file__).parents[2] / "shared" / "corpus"
FRAGMENTS_AND_TEMPLATES = {
    ("gke-custom-compute-classes", "deployment-gpu.yaml"): "is '${ACCELERATOR_QUANTITY}'",
    ("kubeflow-trainer", "trainer-manager-istio-and-selectors.yaml"): "spec is missing",
    ("skaffold-ex-getting-started-kustomize", "deployment.yaml"): "spec is missing",
}
"""What the oracle lets pass and the API server and ours do not."""


def oracle_text(name: str) -> Schema:
    folder = "kubernetes-json-schema/v1.33.0-local-strict"
    schema: Schema = kubernetes_validate.utils.schema_contents(f"{folder}/{name}", "1.33")
    return schema


DEFINITIONS = oracle_text("_definitions.json")
ORACLE_SCHEMAS = {kind: oracle_text(file) for kind, file in ORACLE_FILES.items()}
ORACLES = {
    kind: jsonschema_rs.Draft202012Validator(
        schema,
        registry=jsonschema_rs.Registry(
            [(schema["$id"], schema), (DEFINITIONS["$id"], DEFINITIONS)]
        ),
    )
    for kind, schema in ORACLE_SCHEMAS.items()
}


def our_fields(file: str, schema: Schema, path: Steps) -> Iterator[tuple[Steps, Schema]]:
    """Every value that our schema knows, and what it must be, references followed."""
    while "$ref" in schema:
        other, _, pointer = schema["$ref"].partition("#")
        file = other or file
        schema = _schemas()[file]
        for step in pointer.split("/")[1:]:
            schema = schema[step]
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from our_fields(file, below, (*path, name))
    if "items" in schema:
        yield from our_fields(file, schema["items"], (*path, "[]"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from our_fields(file, schema["additionalProperties"], (*path, "{}"))


def oracle_fields(schema: Schema, path: Steps) -> Iterator[tuple[Steps, Schema]]:
    if "$ref" in schema:
        schema = DEFINITIONS["$defs"][schema["$ref"].rpartition("/")[2]]
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from oracle_fields(below, (*path, name))
    if "items" in schema:
        yield from oracle_fields(schema["items"], (*path, "[]"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from oracle_fields(schema["additionalProperties"], (*path, "{}"))


def types(schema: Schema) -> frozenset[str]:
    """The types of a value but null, which means absence."""
    if "oneOf" in schema:
        return frozenset[str]().union(*(types(each) for each in schema["oneOf"]))
    named = schema.get("type", "object")
    return frozenset([named] if isinstance(named, str) else named) - {"null"}


def is_spec(path: Steps) -> bool:
    """What a user writes; of a status only what a Service's load balancer reports counts."""
    if path[:4] == ("spec", "volumeClaimTemplates", "[]", "status"):
        return False
    return path[:1] != ("status",) or path[:2] == ("status", "loadBalancer")


OURS = {
    kind: {
        path: schema
        for path, schema in our_fields(
            f"{kind.lower()}.json", _schemas()[f"{kind.lower()}.json"], ()
        )
        if is_spec(path)
    }
    for kind in KINDS
}
THEIRS = {
    kind: {
        path: schema for path, schema in oracle_fields(ORACLE_SCHEMAS[kind], ()) if is_spec(path)
    }
    for kind in KINDS
}
FIELDS = [(k, path) for k in KINDS for path in OURS[k] if path and path[0] != "status"]

STRICTER_REQUIRED = {
    **{(kind, ()): {"metadata", "spec"} for kind in (*TEMPLATED, "Pod")},
    **{(kind, ("spec", "template")): {"spec"} for kind in TEMPLATED},
    **{
        (kind, ("spec", "template", "spec", "dnsConfig", "options", "[]")): {"name"}
        for kind in TEMPLATED
    },
    ("ReplicaSet", ("spec",)): {"template"},
    ("ReplicationController", ("spec",)): {"template"},
    ("Pod", ("spec", "dnsConfig", "options", "[]")): {"name"},
    ("Namespace", ()): {"metadata"},
    ("Node", ()): {"metadata"},
    ("Service", ()): {"metadata", "spec"},
    ("EndpointSlice", ()): {"metadata"},
    ("Endpoints", ()): {"metadata"},
}
"""What the API server demands although its published schema does not."""

LAXER_REQUIRED: dict[tuple[str, Steps], set[str]] = {("EndpointSlice", ()): {"endpoints"}}
"""What the published schema demands although the API server does not."""

FITTING = ("web-1", "app.kubernetes.io/name", "80%", "500m")


def scalar(schema: Schema) -> object:
    if "enum" in schema:
        return "Always" if "Always" in schema["enum"] else schema["enum"][-1]
    if "pattern" in schema:
        return next(t for t in FITTING if jsonschema_rs.is_valid({"pattern": schema["pattern"]}, t))
    match sorted(types(schema)):
        case ["boolean"]:
            return True
        case ["string"]:
            return "web-1"
        case ["object"]:
            return {}
        case _:
            return 1


def build(kind: str, wanted: Steps, at: Steps = ()) -> Any:
    """The smallest value that is right and has the field `wanted` below `at`."""
    schema = OURS[kind].get(at, {})
    first, rest = wanted[:1], wanted[1:]
    if at == ("apiVersion",):
        return API_VERSIONS[kind]
    if schema.get("type") == "array":
        full = bool(first) or "minItems" in schema
        return [build(kind, rest, (*at, "[]"))] if full else []
    if schema.get("type") != "object":
        return scalar(schema)
    if "properties" not in schema:
        return {"web-1": build(kind, rest, (*at, "{}"))} if first else {}
    always = {"apiVersion", "kind"} if not at else {"name"} if at == ("metadata",) else set()
    always |= LAXER_REQUIRED.get((kind, at), set())
    names = sorted(always | set(schema.get("required", [])) | set(first))
    return {name: build(kind, rest if first == (name,) else (), (*at, name)) for name in names}


def parent_of(document: Any, path: Steps) -> tuple[Any, Any]:
    """The container of the value at the path, and its key there."""
    steps: list[Any] = [{"[]": 0, "{}": "web-1"}.get(step, step) for step in path]
    for step in steps[:-1]:
        document = document[step]
    return document, steps[-1]


def verdicts(kind: str, document: object) -> tuple[bool, bool]:
    """Whether we accept it, and whether the oracle does."""
    ours = not check(kind, document)
    return ours, ORACLES[kind].is_valid(document)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fields_and_their_types_are_the_same(kind: str) -> None:
    assert len(OURS[kind]) > 30
    ours = {path: sorted(types(schema)) for path, schema in OURS[kind].items()}
    theirs = {path: sorted(types(schema)) for path, schema in THEIRS[kind].items()}
    status = {("status",), ("status", "loadBalancer")}
    assert ours.keys() - status == theirs.keys() - status
    assert {p: t for p, t in ours.items() if p not in status} == {
        p: t for p, t in theirs.items() if p not in status
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_required_is_the_same_but_for_what_the_server_adds(kind: str) -> None:
    for path, schema in OURS[kind].items():
        more = STRICTER_REQUIRED.get((kind, path), set())
        less = LAXER_REQUIRED.get((kind, path), set())
        theirs = set(THEIRS[kind].get(path, {}).get("required", []))
        assert set(schema.get("required", [])) == (theirs | more) - less, path


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_alone_is_accepted(kind: str) -> None:
    for path in [path for each, path in FIELDS if each == kind]:
        document = build(kind, path)
        parent_of(document, path)
        assert verdicts(kind, document) == (True, True), (path, check(kind, document))


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_of_a_wrong_type_is_refused(kind: str) -> None:
    decider = _decider(kind.lower())
    for path in [path for each, path in FIELDS if each == kind]:
        document = build(kind, path)
        holder, key = parent_of(document, path)
        for wrong in (7, {"web-1": {}}) if types(OURS[kind][path]) != {"object"} else (7, []):
            if wrong == 7 and types(OURS[kind][path]) & {"integer", "number"}:
                continue
            holder[key] = wrong
            assert not decider.is_valid(document), path
            assert not ORACLES[kind].is_valid(document), path


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_misspelt_is_refused(kind: str) -> None:
    decider = _decider(kind.lower())
    for path in [path for each, path in FIELDS if each == kind]:
        document = build(kind, path)
        holder, key = parent_of(document, path)
        if path[-1] not in {"[]", "{}"}:
            holder[f"{key}x"] = holder[key]
            assert not decider.is_valid(document), path
            assert not ORACLES[kind].is_valid(document), path


@pytest.mark.parametrize("kind", KINDS)
def test_null_is_the_absence_of_a_field(kind: str) -> None:
    """The oracle allows null for scalars only; Kubernetes' decoder for every optional field."""
    for path in [path for each, path in FIELDS if each == kind][
        :: 7 if kind in (*TEMPLATED, "Pod") else 1
    ]:
        document = build(kind, path)
        holder, key = parent_of(document, path)
        holder[key] = None
        parent = OURS[kind][path[:-1]]
        wanted = key in parent.get("required", []) or path == ("metadata", "name")
        in_list = path[-1] == "[]" and "null" not in OURS[kind][path].get("type", "")
        assert bool(check(kind, document)) == (wanted or in_list), path


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_we_accept_the_oracle_accepts(data: st.DataObject) -> None:
    kind, first = data.draw(st.sampled_from(FIELDS))
    paths = [first, *data.draw(st.lists(st.sampled_from([p for k, p in FIELDS if k == kind])))]
    document: Any = {}
    for path in paths:
        merge(document, build(kind, path))
    holder, key = parent_of(document, first)
    # No infinity and no not-a-number: load refuses them, as JSON has none.
    floats = st.floats(allow_nan=False, allow_infinity=False)
    junk = st.none() | st.booleans() | st.integers() | floats | st.text() | st.just([{}])
    holder[key] = data.draw(st.just(holder[key]) | junk | st.dictionaries(st.text(), junk))
    errors = check(kind, document)
    if not errors:
        lax = {name: [] for name in LAXER_REQUIRED.get((kind, ()), set())}
        pruned = {**lax, **without_nulls(document)}
        assert ORACLES[kind].is_valid(pruned), pruned
    for error in errors:
        assert error.message.isascii()
        assert error.message.isprintable()
        assert len(error.message) < 500


def merge(into: Any, other: Any) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            if value and into[key] and isinstance(value[0], dict):
                merge(into[key][0], value[0])
            else:
                into[key] = into[key] or value
        else:
            into[key] = value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("kind", "path", "value", "code"),
    [
        ("Deployment", "metadata.name", "Web", Code.INVALID_VALUE),
        ("Deployment", "metadata.name", "a" * 254, Code.INVALID_VALUE),
        ("Deployment", "metadata.namespace", "a.b", Code.INVALID_VALUE),
        ("Deployment", "metadata.labels", {"a b": "c"}, Code.INVALID_VALUE),
        ("Deployment", "metadata.annotations", {"a b": "c"}, Code.INVALID_VALUE),
        ("Deployment", "spec.replicas", -1, Code.INVALID_VALUE),
        ("Deployment", "spec.replicas", 2**31, Code.INVALID_VALUE),
        ("Deployment", "spec.strategy.type", "rolling", Code.NOT_SUPPORTED),
        ("Deployment", "spec.selector.matchLabels", {"a": "-"}, Code.INVALID_VALUE),
        ("Deployment", "spec.template.spec.containers", [], Code.INVALID_VALUE),
        ("Deployment", "spec.template.spec.dnsPolicy", "clusterFirst", Code.NOT_SUPPORTED),
        ("Deployment", "spec.template.spec.hostname", "a.b", Code.INVALID_VALUE),
        ("Deployment", "spec.template.spec.subdomain", "a_b", Code.INVALID_VALUE),
        ("Deployment", "spec.template.spec.restartPolicy", "Never", Code.NOT_SUPPORTED),
        ("Deployment", "spec.template.spec.dnsConfig.searches", ["a\nb"], Code.INVALID_VALUE),
        ("Service", "metadata.name", "1web", Code.INVALID_VALUE),
        ("Service", "metadata.name", "a" * 64, Code.INVALID_VALUE),
        ("Service", "spec.type", "nodePort", Code.NOT_SUPPORTED),
        ("Service", "spec.ports", [{"port": 0}], Code.INVALID_VALUE),
        ("Service", "spec.ports", [{"port": 65536}], Code.INVALID_VALUE),
        ("Service", "spec.ports", [{"port": 1, "protocol": "tcp"}], Code.NOT_SUPPORTED),
        ("Service", "spec.ports", [{"port": 1, "name": "a_b"}], Code.INVALID_VALUE),
        ("Service", "spec.ports", [{"port": 1, "nodePort": -1}], Code.INVALID_VALUE),
        ("Service", "spec.ports", [{"port": 1, "targetPort": "80"}], Code.INVALID_VALUE),
        ("Service", "spec.clusterIPs", ["", "", ""], Code.INVALID_VALUE),
        ("Service", "spec.ipFamilies", ["ipv4"], Code.NOT_SUPPORTED),
        ("Service", "spec.sessionAffinity", "clientIP", Code.NOT_SUPPORTED),
        ("Service", "spec.trafficDistribution", "Random", Code.NOT_SUPPORTED),
        ("Service", "spec.selector", {"a": "b c"}, Code.INVALID_VALUE),
        ("Node", "metadata.name", "N1", Code.INVALID_VALUE),
        ("Node", "spec.taints", [{"key": "a", "effect": "Never"}], Code.NOT_SUPPORTED),
        ("Namespace", "metadata.name", "a.b", Code.INVALID_VALUE),
        ("EndpointSlice", "metadata.name", "a_b", Code.INVALID_VALUE),
        ("EndpointSlice", "addressType", "IP", Code.NOT_SUPPORTED),
        ("EndpointSlice", "ports", [{"name": "A"}], Code.INVALID_VALUE),
        ("EndpointSlice", "ports", [{"port": 65536}], Code.INVALID_VALUE),
        ("EndpointSlice", "ports", [{"protocol": "tcp"}], Code.NOT_SUPPORTED),
        ("EndpointSlice", "ports", [{"appProtocol": "a b"}], Code.INVALID_VALUE),
        ("Endpoints", "metadata.name", "A", Code.INVALID_VALUE),
        ("Endpoints", "subsets", [{"ports": [{"port": 0}]}], Code.INVALID_VALUE),
    ],
)
def test_value_rules_are_the_servers_not_the_published_schemas(
    kind: str, path: str, value: object, code: Code
) -> None:
    """The deliberate differences: what the oracle's schemas pass and the API server refuses."""
    document = build(kind, tuple(path.split(".")))
    holder, key = parent_of(document, tuple(path.split(".")))
    holder[key] = value
    assert verdicts(kind, document) == (False, True)
    assert [error.code for error in check(kind, document)] == [code]


class Loader(yaml.CSafeLoader):
    """Kubernetes reads dates as strings."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def corpus_objects() -> Iterator[tuple[FilePath, dict[str, Any]]]:
    for file in sorted(CORPUS.rglob("*")):
        if file.suffix not in {".yaml", ".yml", ".json"}:
            continue
        try:
            documents = list(yaml.load_all(file.read_text("utf-8"), Loader))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        while documents:
            document = documents.pop()
            if isinstance(document, dict) and document.get("kind") == "List":
                documents += document.get("items") or []
            elif isinstance(document, dict):
                yield file.relative_to(CORPUS), document


def converted(document: dict[str, Any]) -> dict[str, Any]:
    """As apps/v1, whose predecessors had a rollbackTo and a default for the selector."""
    new = copy.deepcopy(document)
    if new["kind"] == "Deployment" and new["apiVersion"] != "apps/v1":
        new["apiVersion"] = "apps/v1"
        new["spec"].pop("rollbackTo", None)
        labels = new["spec"]["template"]["metadata"]["labels"]
        new["spec"].setdefault("selector", {"matchLabels": labels})
    return new


@pytest.mark.skipif(not CORPUS.is_dir(), reason="../shared/corpus is not there")
def test_real_manifests_get_the_oracles_verdict() -> None:
    groups = ("apps/v1", "apps/v1beta1", "apps/v1beta2", "extensions/v1beta1")
    versions = {"Deployment": groups, "Service": ("v1",)}
    seen, differing = 0, {}
    for file, document in corpus_objects():
        kind = document.get("kind")
        if kind in versions and document.get("apiVersion") in versions[kind]:
            seen += 1
            errors = check(kind, document)
            if bool(errors) == ORACLES[kind].is_valid(converted(document)):
                differing[file.parts[0], file.name] = errors[0].message
    assert seen > 800
    assert differing.keys() == FRAGMENTS_AND_TEMPLATES.keys()
    for file, message in FRAGMENTS_AND_TEMPLATES.items():
        assert message in differing[file]
