"""sources.json: where objects stand, and digests of inputs but never of a Secret."""

import json
import textwrap
from hashlib import sha256
from typing import Any

import pytest

from kcompile.bundle.sources import sources_json
from kcompile.load import load
from kcompile.validate import validate

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector: {app: web}
  ports:
  - name: http
    port: 80
  - {name: https, port: 443}
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      initContainers:
      - name: proxy
        image: proxy
        restartPolicy: Always
        ports:
        - containerPort: 15001
      containers:
      - name: httpd
        image: httpd
        ports:
        - {name: http, containerPort: 80}
        - containerPort: 443
"""

HIDDEN = """\
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {word: swordfish}
"""

HIDDEN_IN_A_TEMPLATE = """\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: all}
objects:
- kind: Secret
  apiVersion: v1
  metadata: {name: password}
"""


def sources_text(*inputs: tuple[str, str]) -> str:
    documents = load(inputs)
    return sources_json(documents, validate(documents))


def sources(*inputs: tuple[str, str]) -> Any:
    return json.loads(sources_text(*inputs))


def as_list(*documents: str) -> str:
    items = "".join("- " + textwrap.indent(document, "  ")[2:] for document in documents)
    return f"apiVersion: v1\nkind: List\nitems:\n{items}"


def test_a_service_and_its_parts() -> None:
    assert sources(("a.yaml", f"# a comment\n---\n{SERVICE}"))["objects"] == {
        "Service shop/web": {
            "position": "a.yaml:3:1",
            "fields": {
                "spec.selector": "a.yaml:9:13",
                "spec.ports[0]": "a.yaml:11:5",
                "spec.ports[1]": "a.yaml:13:5",
            },
        }
    }


def test_a_workload_and_its_ports() -> None:
    assert sources(("a.yaml", DEPLOYMENT))["objects"] == {
        "Deployment default/web": {
            "position": "a.yaml:1:1",
            "fields": {
                "spec.selector": "a.yaml:7:5",
                "spec.template.spec.initContainers[0].ports[0]": "a.yaml:17:11",
                "spec.template.spec.containers[0].ports[0]": "a.yaml:22:11",
                "spec.template.spec.containers[0].ports[1]": "a.yaml:23:11",
            },
        }
    }


def test_items_of_a_list_stand_where_they_stand() -> None:
    objects = sources(("l.yaml", as_list(SERVICE, DEPLOYMENT)))["objects"]
    assert objects["Service shop/web"]["position"] == "l.yaml:4:3"
    assert objects["Service shop/web"]["fields"]["spec.ports[0]"] == "l.yaml:12:7"
    assert objects["Deployment default/web"]["position"] == "l.yaml:15:3"
    assert "spec.selector" in objects["Deployment default/web"]["fields"]


def test_json_has_positions() -> None:
    text = '{"apiVersion": "v1", "kind": "Node",\n "metadata": {"name": "n1"}}\n'
    assert sources(("n.json", text))["objects"] == {
        "Node n1": {"position": "n.json:1:1", "fields": {}}
    }


def test_an_anchored_selector_is_found_under_both_names() -> None:
    text = DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: &labels {app: web}").replace(
        "labels: {app: web}", "labels: *labels"
    )
    fields = sources(("a.yaml", text))["objects"]["Deployment default/web"]["fields"]
    assert fields["spec.selector"] == "a.yaml:7:5"


def test_objects_of_kinds_that_do_not_act_are_left_out() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: words}\n"
    assert sources(("c.yaml", text))["objects"] == {}


def test_inputs_have_digests_in_the_order_of_names() -> None:
    assert sources(("b.yaml", SERVICE), ("a.yaml", DEPLOYMENT))["inputs"] == [
        {"name": "a.yaml", "sha256": sha256(DEPLOYMENT.encode()).hexdigest()},
        {"name": "b.yaml", "sha256": sha256(SERVICE.encode()).hexdigest()},
    ]


@pytest.mark.parametrize(
    "text",
    [
        HIDDEN,
        f"{SERVICE}---\n{HIDDEN}",
        f"{HIDDEN}---\n{SERVICE}",
        as_list(SERVICE, HIDDEN),
        "apiVersion: v1\nkind: SecretList\nitems: []\n",
        HIDDEN.replace("Secret", r'"\x53ecret"'),
        HIDDEN_IN_A_TEMPLATE,
        '{"apiVersion": "v1", "kind": "\\u0053ecret", "metadata": {"name": "x"}}',
    ],
)
def test_an_input_with_a_secret_has_no_digest(text: str) -> None:
    inputs = sources(("a.yaml", text), ("b.yaml", DEPLOYMENT))["inputs"]
    assert [entry["sha256"] is None for entry in inputs] == [True, False]


def test_the_word_alone_is_no_secret() -> None:
    text = SERVICE.replace("name: web", "name: web\n  annotations: {pull: imagePullSecrets}")
    assert sources(("a.yaml", text))["inputs"][0]["sha256"] is not None


def test_an_input_or_object_a_line() -> None:
    node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n"
    text = f"{SERVICE}---\n{node}"
    service = (
        '{"position": "a.yaml:1:1", "fields": {"spec.selector": "a.yaml:7:13", '
        '"spec.ports[0]": "a.yaml:9:5", "spec.ports[1]": "a.yaml:11:5"}}'
    )
    assert sources_text(("a.yaml", text), ("b.yaml", HIDDEN)).splitlines() == [
        "{",
        '"version": 1,',
        '"inputs": [',
        f'{{"name": "a.yaml", "sha256": "{sha256(text.encode()).hexdigest()}"}},',
        '{"name": "b.yaml", "sha256": null}',
        "],",
        '"objects": {',
        '"Node n1": {"position": "a.yaml:13:1", "fields": {}},',
        f'"Service shop/web": {service}',
        "}",
        "}",
    ]


def test_order_of_inputs_does_not_matter() -> None:
    one, other = ("a.yaml", SERVICE), ("b.yaml", DEPLOYMENT)
    assert sources_text(one, other) == sources_text(other, one)
