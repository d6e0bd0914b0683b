"""What `check` says, about manifests as people write them."""

import os
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcompile.problems import Code
from kcompile.validate.schema import SchemaError, check, field_path

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""


def check_text(text: str) -> tuple[SchemaError, ...]:
    document = yaml.safe_load(text)
    return check(document["kind"], document)


def service(spec: str, metadata: str = "{name: web}") -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {metadata}\nspec: {spec}\n"


def told(error: SchemaError) -> str:
    return f"{error.code.value}: {error.message}" + (f" ({error.hint})" if error.hint else "")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "{prots: [{port: 80}]}",
            "KC203: unknown field 'prots' in spec (did you mean ports?)",
        ),
        (
            "{nodeport: 30000}",
            "KC203: unknown field 'nodeport' in spec (nodePort belongs into spec.ports)",
        ),
        (
            "{ports: [{port: 80, nodeport: 30000}]}",
            "KC203: unknown field 'nodeport' in spec.ports[0] (did you mean nodePort?)",
        ),
        (
            "{ports: [{port: 80, selector: {}}]}",
            "KC203: unknown field 'selector' in spec.ports[0] (selector belongs into spec)",
        ),
        ("{zzz: 1}", "KC203: unknown field 'zzz' in spec"),
        (
            "{sessionAffinityConfig: {zzz: 1}}",
            "KC203: unknown field 'zzz' in spec.sessionAffinityConfig (it has clientIP)",
        ),
        (
            "{ports: [{port: '80'}]}",
            "KC204: spec.ports[0].port: expected integer, found string '80' (remove the quotes)",
        ),
        (
            "{ports: [{port: 80.5}]}",
            "KC204: spec.ports[0].port: expected integer, found number 80.5",
        ),
        ("{ports: [80]}", "KC204: spec.ports[0]: expected mapping, found integer 80"),
        (
            "{ports: {port: 80}}",
            "KC204: spec.ports: expected list, found a mapping (begin each item with '- ')",
        ),
        ("[{ports: []}]", "KC204: spec: expected mapping, found a list of 1 item (remove the '-')"),
        (
            "{selector: {app: yes}}",
            "KC204: spec.selector.app: expected string, found boolean true (quote it)",
        ),
        (
            "{selector: {matchLabels: {app: web}}}",
            (
                "KC204: spec.selector.matchLabels: expected string, found a mapping"
                " (here the labels stand without matchLabels)"
            ),
        ),
        (
            "{publishNotReadyAddresses: 'true'}",
            (
                "KC204: spec.publishNotReadyAddresses: expected boolean, found string 'true'"
                " (remove the quotes)"
            ),
        ),
        ("{ports: [{name: http}]}", "KC205: spec.ports[0].port is missing"),
        ("{ports: [{port: null}]}", "KC205: spec.ports[0].port is missing"),
        ("null", "KC205: spec is missing"),
        (
            "{type: clusterip}",
            (
                "KC207: spec.type is 'clusterip'; it must be ClusterIP, ExternalName, LoadBalancer"
                " or NodePort (did you mean ClusterIP?)"
            ),
        ),
        (
            "{ports: [{port: 80, protocol: 6}]}",
            "KC204: spec.ports[0].protocol: expected string, found integer 6",
        ),
        (
            "{ports: [{port: 70000}]}",
            "KC206: spec.ports[0].port is 70000; it must be a port number from 1 to 65535",
        ),
        (
            "{ports: [{port: 0xffffffffffffffffffffffff}]}",
            (
                "KC206: spec.ports[0].port is an integer of more than 64 bits; it must be a port"
                " number from 1 to 65535"
            ),
        ),
        (
            "{clusterIPs: [a, b, c]}",
            "KC206: spec.clusterIPs is a list of 3 items; it must be a list of at most 2 items",
        ),
        (
            "{sessionAffinityConfig: {clientIP: {timeoutSeconds: 0x100000000}}}",
            (
                "KC206: spec.sessionAffinityConfig.clientIP.timeoutSeconds is 4294967296; it must"
                " be an integer of 32 bits"
            ),
        ),
        (
            "{ports: [{port: 80, targetPort: {}}]}",
            (
                "KC204: spec.ports[0].targetPort: expected a port number from 1 to 65535, or a"
                " port's name of 1 to 15 lower-case letters, digits or single '-', with at least"
                " one letter and a letter or digit at both ends, found a mapping"
            ),
        ),
        (
            '{ports: [{port: 80, name: "http\\n"}]}',
            (
                "KC206: spec.ports[0].name is 'http\\n'; it must be 1 to 63 lower-case letters,"
                " digits or '-', with a letter or digit at both ends (character 5 is U+000A)"
            ),
        ),
        (
            "{selector: {a=b: c}}",
            (
                "KC206: spec.selector has the key 'a=b'; it must be 1 to 63 letters, digits, '-',"
                " '_' or '.', with a letter or digit at both ends, optionally after a DNS subdomain"
                " and '/'"
            ),
        ),
    ],
)
def test_one_mistake_is_one_error(spec: str, expected: str) -> None:
    assert [told(error) for error in check_text(service(spec))] == [expected]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            "{name: Web_1}",
            (
                "KC206: metadata.name is 'Web_1'; it must be 1 to 63 lower-case letters, digits or"
                " '-', with a letter first and a letter or digit last (did you mean web-1?)"
            ),
        ),
        (
            "{name: w\u0435b}",
            (
                "KC206: metadata.name is 'w\\u0435b'; it must be 1 to 63 lower-case letters, digits"
                " or '-', with a letter first and a letter or digit last"
                " (character 2 is U+0435, CYRILLIC SMALL LETTER IE)"
            ),
        ),
        (
            "{name: '${NAME}'}",
            (
                "KC206: metadata.name is '${NAME}'; it must be 1 to 63 lower-case letters, digits"
                " or '-', with a letter first and a letter or digit last"
                " (looks like an unexpanded variable or template: fill it in first)"
            ),
        ),
        ("{name: 1234}", "KC204: metadata.name: expected string, found integer 1234 (quote it)"),
        (
            "{generateName: web-}",
            (
                "KC205: metadata.name is missing"
                " (only a cluster completes generateName: give the object a name)"
            ),
        ),
        (
            "{name: web, labels: {app.kubernetes.io/version: 1.2}}",
            (
                "KC204: metadata.labels['app.kubernetes.io/version']: expected string, found number"
                " 1.2 (quote it)"
            ),
        ),
    ],
)
def test_metadata(metadata: str, expected: str) -> None:
    assert [told(error) for error in check_text(service("{}", metadata))] == [expected]


def test_a_typo_of_a_required_field_gives_both_errors() -> None:
    text = DEPLOYMENT.replace("selector:", "selectors:")
    assert [(told(error), error.path, error.at_key) for error in check_text(text)] == [
        (
            "KC203: unknown field 'selectors' in spec (did you mean selector?)",
            ("spec", "selectors"),
            True,
        ),
        (
            (
                "KC205: spec.selector is missing"
                " (it must select the template's labels; only old API versions had a default)"
            ),
            ("spec",),
            False,
        ),
    ]


def test_fields_at_the_top_level() -> None:
    errors = check_text(DEPLOYMENT + "replicas: 2\nmetdata: {}\n")
    assert [(told(error), error.path) for error in errors] == [
        (
            "KC203: unknown field 'replicas' in the Deployment (replicas belongs into spec)",
            ("replicas",),
        ),
        ("KC203: unknown field 'metdata' in the Deployment (did you mean metadata?)", ("metdata",)),
    ]


def test_a_field_far_from_its_home() -> None:
    (error,) = check_text(DEPLOYMENT.replace("  selector", "  image: nginx\n  selector"))
    assert told(error) == (
        "KC203: unknown field 'image' in spec (image belongs into spec.template.spec.containers)"
    )


@pytest.mark.parametrize(
    "spec",
    [
        "{type: '', clusterIP: '', clusterIPs: [], externalName: '', sessionAffinity: ''}",
        "{externalTrafficPolicy: '', internalTrafficPolicy: '', ipFamilyPolicy: ''}",
        "{ports: [{port: 80, name: '', protocol: '', targetPort: 0, nodePort: 0}]}",
        "{ports: [{port: 80, targetPort: ''}], healthCheckNodePort: 0}",
        "{ports: null, selector: null, type: null, sessionAffinityConfig: null}",
        "{ports: [{port: 80, name: null, targetPort: null, nodePort: null}]}",
        "{selector: {app: null}}",
    ],
)
def test_empty_zero_and_null_are_absent(spec: str) -> None:
    metadata = "{name: web, namespace: '', labels: null, creationTimestamp: null}"
    assert check_text(service(spec, metadata)) == ()


def test_an_unknown_field_is_unknown_even_if_null() -> None:
    assert [error.code for error in check_text(service("{prots: null}"))] == [Code.UNKNOWN_FIELD]


def test_the_key_of_a_null_label_is_still_checked() -> None:
    (error,) = check_text(service("{type: null, selector: {'a b': null}}"))
    assert (error.code, error.path, error.at_key) == (
        Code.INVALID_VALUE,
        ("spec", "selector", "a b"),
        True,
    )


@pytest.mark.parametrize("status", ["null", "{}", "{replicas: 3, conditions: [{type: x}]}"])
def test_status_is_whatever_the_cluster_wrote(status: str) -> None:
    assert check_text(f"{DEPLOYMENT}status: {status}\n") == ()


@pytest.mark.parametrize("version", ["apps/v1beta1", "extensions/v1beta1"])
def test_deployments_before_apps_v1beta2(version: str) -> None:
    old = DEPLOYMENT.replace("apps/v1", version).replace(
        "  selector: {matchLabels: {app: web}}\n", ""
    )
    assert check_text(old) == ()
    assert check_text(old.replace("spec:\n", "spec:\n  rollbackTo: {revision: 3}\n", 1)) == ()
    (error,) = check_text(old.replace("spec:\n", "spec:\n  rollbackTo: {revision: -3}\n", 1))
    assert told(error) == "KC206: spec.rollbackTo.revision is -3; it must be a number from 0 on"


@pytest.mark.parametrize("version", ["apps/v1", "apps/v1beta2"])
def test_deployments_since_apps_v1beta2(version: str) -> None:
    new = DEPLOYMENT.replace("apps/v1", version)
    assert check_text(new) == ()
    errors = check_text(new.replace("spec:\n", "spec:\n  rollbackTo: {revision: 3}\n", 1))
    assert [error.code for error in errors] == [Code.UNKNOWN_FIELD]


def test_a_version_that_never_was() -> None:
    (error,) = check_text(DEPLOYMENT.replace("apps/v1", "apps/v2"))
    assert told(error) == (
        "KC207: apiVersion is 'apps/v2'; it must be apps/v1 or apps/v1beta2 (did you mean apps/v1?)"
    )


def many_ports(count: int, **fields: object) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(service("{}"))
    ports = [{"port": number, "name": f"p{number}", **fields} for number in range(1, count + 1)]
    document["spec"]["ports"] = ports
    return document


def test_errors_beyond_twenty_are_counted() -> None:
    assert check("Service", many_ports(3000)) == ()
    errors = check("Service", many_ports(3000, protocol="tcp"))
    assert [error.path for error in errors[:-1]] == [
        ("spec", "ports", index, "protocol") for index in range(20)
    ]
    assert errors[-1].message == "the Service has 2980 more problems of its form"
    assert len(check("Service", many_ports(20, protocol="tcp"))) == 20
    unknown = yaml.safe_load(service("{}"))
    unknown["spec"] = {f"field{number}": 1 for number in range(100_000)}
    assert check("Service", unknown)[-1].message == (
        "the Service has 99980 more problems of its form"
    )
    last = check("Service", many_ports(21, protocol="tcp"))[-1]
    assert last.message == "the Service has 1 more problem of its form"


def test_the_hash_seed_changes_nothing() -> None:
    program = (
        "from kcompile.validate.schema import check\n"
        "labels = {f'k{i}': i for i in range(40)} | {f'k {i}': '' for i in range(40)}\n"
        "value = {'metadata': {'name': 'a', 'labels': labels}, 'spec': dict.fromkeys('abcd')}\n"
        "print(check('Service', value))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in range(3)
    }
    assert len(outputs) == 1


def test_only_a_wrong_object_costs_the_loading_of_jsonschema() -> None:
    program = (
        "import sys\n"
        "from kcompile.validate.schema import check\n"
        "assert 'jsonschema_rs' not in sys.modules\n"
        "assert not check('Namespace', {'metadata': {'name': 'a', 'labels': None}})\n"
        "assert 'jsonschema_rs' in sys.modules\n"
        "assert 'jsonschema' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_field_paths_are_kubectls() -> None:
    assert field_path(("spec", "ports", 0, "name")) == "spec.ports[0].name"
    assert field_path(("metadata", "labels", "a.b/c")) == "metadata.labels['a.b/c']"
    assert field_path(("metadata", "labels", "a\nb\u202e")) == "metadata.labels['a\\nb\\u202e']"
    assert field_path(()) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(["Service", "Node", "Namespace", "Deployment", "ClusterConfiguration"]),
    st.sampled_from([(), ("spec",), ("metadata",), ("apiVersion",), ("status",)]),
    JSON,
)
def test_whatever_is_written_the_answer_is_short_ascii_lines(
    kind: str, place: tuple[str, ...], junk: object
) -> None:
    document: dict[str, Any] = yaml.safe_load(service("{}"))
    value = {**document, "kind": kind, place[0]: junk} if place else junk
    for error in check(kind, value):
        line = told(error)
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 600
