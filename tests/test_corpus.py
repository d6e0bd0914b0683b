"""Public manifests: each builds or is refused where it is wrong, and rarely if Kubernetes takes it.

The manifests lie beside the checkout (../shared/corpus), as test data that is not ours to copy;
`python tests/corpus_oracle.py ../shared/corpus` shows the whole table.
"""

from functools import cache
from importlib.metadata import version
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from corpus_oracle import Verdict, build, corpus_files, judge, objects, table
from kcompile.problems import Code, Problem
from kubernetes_oracle import refusal
from notation import deployment, service

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(
    not CORPUS.exists(), reason="needs the public manifests of ../shared/corpus, which is not here"
)

RIGHTLY_REFUSED = {
    "deployment-gpu.yaml": ("KC206", "a quantity is a variable that nobody filled in"),
    "shift-left-cost/api/testdata/manifests/test.yaml": ("KC206", "requests more than its limit"),
    "vllm-llama3-70b.yaml": ("KC206", "a service account in upper case"),
    "k8s-backend-overlay-example/service-type.yaml": ("KC211", "a patch: no ports"),
    "k8s-frontend-overlay-clusterip-example/service-type.yaml": ("KC211", "a patch: no ports"),
    "k8s-grpc-clusterip-backend-overlay-example/service-type.yaml": ("KC211", "a patch: no ports"),
    "sysdig-rc.yaml": ("KC211", "no labels, neither of the selector nor of the template"),
    "mtls-echo.yaml": ("KC206", "mounts a volume that the pod has not"),
    "openshift-origin/etcd-controller.yaml": ("KC103", "a key twice"),
    "openshift-origin/etcd-discovery-controller.yaml": ("KC103", "a key twice"),
    "openshift-origin/openshift-controller.yaml": ("KC103", "a key twice"),
    "vttablet-pod-template.yaml": ("KC206", "a name is a variable that nobody filled in"),
    "istio-install/base/patches/service.yaml": ("KC211", "a patch: no ports"),
    "trainer-manager-istio-and-selectors.yaml": ("KC211", "a patch: no spec"),
    "inject_contour.input.yml": ("KC206", "mounts a volume that the pod has not"),
    "inject_emojivoto_already_injected.input.yml": ("KC205", "a container without an image"),
    "install_output.golden": ("KC206", "a namespace in upper case"),
    "install_single_namespace_output.golden": ("KC206", "a namespace in upper case"),
    "overlays/dev/deployment.yaml": (None, "a patch: no spec"),
    "overlays/staging/deployment.yaml": (None, "a patch: no spec"),
}
"""What the schemas let pass and the API server does not, by end of path; None: any code will do."""

RIGHTLY_BUILT = {
    "inference-pool.yaml": "the API server defaults roleRef.apiGroup",
}
"""What the schemas refuse and a build does not, by end of path."""

CLASHES = {Code.DUPLICATE_OBJECT, Code.ADDRESS_TAKEN, Code.NODE_PORT_TAKEN, Code.SETTINGS_CONFLICT}


@cache
def verdicts() -> list[Verdict]:
    return judge(CORPUS)


def contents(path: Path) -> tuple[str, bytes]:
    return path.relative_to(CORPUS).as_posix(), path.read_bytes()


def is_located(problem: Problem, inputs: dict[str, bytes]) -> bool:
    """Whether the place is one within the file, with a text that any terminal can show."""
    position = problem.position
    if position.file not in inputs or not str(problem).isprintable():
        return False
    lines = inputs[position.file].decode("utf-8").splitlines()
    return (
        1 <= position.line <= len(lines)
        and 1 <= position.column <= len(lines[position.line - 1]) + 1
    )


@needs_corpus
def test_every_file_builds_or_is_refused_where_it_is_wrong() -> None:
    assert len(verdicts()) > 600
    for verdict in verdicts():
        inputs = {verdict.file: (CORPUS / verdict.file).read_bytes()}
        for problem in verdict.errors:
            assert is_located(problem, inputs), str(problem)


@needs_corpus
def test_of_what_kubernetes_accepts_19_in_20_build_or_wait_for_a_feature() -> None:
    accepted = [each for each in verdicts() if not each.kubernetes]
    fine = [each for each in accepted if not each.errors or each.features]
    assert len(accepted) > 500
    assert len(fine) >= 0.95 * len(accepted), table(verdicts())


@needs_corpus
def test_what_is_refused_although_the_schemas_accept_it_is_wrong() -> None:
    for verdict in verdicts():
        if verdict.errors and not verdict.features and not verdict.kubernetes:
            (code,) = [c for end, (c, _) in RIGHTLY_REFUSED.items() if verdict.file.endswith(end)]
            assert code in {None, verdict.errors[0].code.value}, str(verdict.errors[0])


@needs_corpus
def test_what_is_built_although_the_schemas_refuse_it_is_right() -> None:
    for verdict in verdicts():
        if verdict.kubernetes and not verdict.errors:
            assert verdict.file.endswith(tuple(RIGHTLY_BUILT)), verdict.kubernetes


@needs_corpus
def test_every_project_builds_or_is_refused_where_it_is_wrong() -> None:
    """A whole folder has its files' problems, or its objects clash."""
    for project in filter(Path.is_dir, CORPUS.iterdir()):
        inputs = dict(map(contents, corpus_files(project)))
        alone = {e for each in verdicts() if each.file in inputs for e in each.errors}
        for problem in build([*inputs.items()]):
            assert is_located(problem, inputs), str(problem)
            assert problem in alone or problem.code in CLASHES, str(problem)


@needs_corpus
def test_the_files_of_a_project_build_together_where_they_do_not_clash() -> None:
    refused = {each.file for each in verdicts() if each.errors}
    for project in filter(Path.is_dir, CORPUS.iterdir()):
        taken: set[object] = set()
        inputs = []
        for name, content in map(contents, corpus_files(project)):
            keys = objects(name, content) if name not in refused else frozenset()
            if name not in refused and not keys & taken:
                taken |= keys
                inputs.append((name, content))
        assert not inputs or build(inputs) == (), project.name


OLD = deployment("web").replace("apps/v1", "apps/v1beta1")
ORACLE_CASES = {
    deployment("web"): "",
    deployment("web") + service("web"): "",
    deployment("web").replace("replicas", "replica"): "Deployment $.spec: ",
    deployment("web").replace("  selector: {matchLabels: {app: web}}\n", ""): "Deployment $.spec: ",
    service("web").replace("port: 80", "port: '80'"): "Service $.spec.ports[0].port: ",
    OLD: "",
    OLD.replace("  selector: {matchLabels: {app: web}}\n", ""): "",
    OLD.replace("v1beta1", "v1beta2").replace("  selector: {matchLabels: {app: web}}\n", ""): (
        "Deployment $.spec: "
    ),
    OLD.replace("spec:\n  rep", "spec:\n  rollbackTo: {}\n  rep"): "",
    "apiVersion: example.com/v1\nkind: Service\nspec: {anything: goes}": "",
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service, spec: {prots: []}}]": (
        "Service $.spec: "
    ),
    "spec: {}": "no apiVersion or no kind",
    "- a": "a list, no object",
    "a: {{b}}": "not YAML: ",
    "# nothing\n---\n": "",
    "apiVersion: v1\nkind: ConfigMap\ndata: {day: 2001-01-01}": "",
}


@pytest.mark.parametrize(("text", "start"), ORACLE_CASES.items())
def test_the_oracle(text: str, start: str) -> None:
    reason = refusal(text.encode())
    assert reason.startswith(start) if start else reason == ""


def test_the_oracle_is_kubernetes_validate() -> None:
    """Its schemas are kept between files; the verdict is the same."""
    assert version("kubernetes-validate") == "1.33.1"
    for text, start in ORACLE_CASES.items():
        if text.startswith(("apiVersion: apps/v1\n", "apiVersion: v1\nkind: S")):
            first = next(iter(yaml.safe_load_all(text)))
            if start:
                with pytest.raises(kubernetes_validate.ValidationError):
                    kubernetes_validate.validate(first, "1.33", strict=True)
            else:
                kubernetes_validate.validate(first, "1.33", strict=True)
