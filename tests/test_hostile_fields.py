"""Whatever stands in a field: refused, or no file holds more than a benign text would bring."""

import json
import re
from collections import Counter
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kcompile.pipeline import make_files, make_plan
from kcompile.plan.lock import Lock
from kcompile.problems import InputError
from kcompile.resolve.flags import Flags

CLUSTER = """\
# every field that a user may fill with text
apiVersion: v1
kind: Node
metadata: {{name: {node}, labels: {{{label_key}: {label_value}}}}}
spec: {{podCIDR: {pod_cidr}, taints: [{{key: {taint_key}, value: {taint_value}, effect: PreferNoSchedule}}]}}
status: {{addresses: [{{type: InternalIP, address: {node_address}}}]}}
---
apiVersion: v1
kind: Node
metadata: {{name: other}}
status: {{addresses: [{{type: InternalIP, address: 192.0.2.2}}]}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{{label_key}: {label_value}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {workload}, namespace: {namespace}, annotations: {{a: {annotation}}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {pod_label}}}}}
  template:
    metadata: {{labels: {{app: {pod_label}}}, annotations: {{a: {annotation}}}}}
    spec:
      tolerations: [{{key: {taint_key}, operator: Equal, value: {taint_value}}}]
      dnsConfig:
        nameservers: [{name_server}]
        searches: [{search}]
        options: [{{name: {option_name}, value: {option_value}}}]
      containers:
        - name: {container}
          image: {image}
          command: [{command}]
          env: [{{name: A, value: {command}}}]
          ports: [{{name: {port}, containerPort: 80, protocol: {protocol}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {service}, namespace: {namespace}, labels: {{{label_key}: {label_value}}}}}
spec:
  type: NodePort
  clusterIP: {cluster_ip}
  selector: {{app: {pod_label}}}
  ports: [{{name: {service_port}, port: 80, targetPort: {port}, protocol: {protocol}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: headless, namespace: {namespace}}}
spec:
  clusterIP: None
  selector: {{app: {pod_label}}}
  ports: [{{name: {service_port}, port: 80, targetPort: {port}, protocol: {protocol}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: elsewhere, namespace: {namespace}}}
spec: {{type: ExternalName, externalName: {external_name}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {ignored}, namespace: {ignored}}}
data: {{a: {command}}}
"""
BENIGN = {
    "annotation": "text",
    "cluster_ip": "10.96.200.1",
    "command": "run",
    "container": "main",
    "external_name": "example.com",
    "ignored": "settings",
    "image": "image",
    "label_key": "tier",
    "label_value": "front",
    "name_server": "192.0.2.53",
    "namespace": "shop",
    "node": "first",
    "node_address": "192.0.2.1",
    "option_name": "ndots",
    "option_value": "2",
    "pod_cidr": "10.244.7.0/24",
    "pod_label": "web",
    "port": "http",
    "protocol": "TCP",
    "search": "example.com",
    "service": "web",
    "service_port": "http",
    "taint_key": "role",
    "taint_value": "db",
    "workload": "web",
}
FLAGS = {
    "service_cidr": "10.96.0.0/12",
    "pod_network_cidr": "10.244.0.0/16",
    "service_dns_domain": "cluster.local",
    "service_node_port_range": "30000-32767",
    "node_cidr_mask_size": "24",
    "node": "third=192.0.2.3",
    "non_masquerade_cidr": "198.51.100.0/24",
    "node_dns_address": "169.254.20.10",
}

FRAGMENTS = (
    "\n", "\r\n", "\t", "\0", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u0435", "\u0661",
    "\uff0e", "\U0001f600", "\ud800", '"', "'", "`", "$(id)", "\\", ";", "#", "&", "|", "*", "{{",
    "%s", " ", " -j ACCEPT", "\n-A INPUT -j ACCEPT", "\nCOMMIT\n", "\n$INCLUDE /etc/passwd\n",
    " IN A 192.0.2.66", "\nnameserver 192.0.2.66", "../", "..", "/", "-", "--", ".", "_", ":", "=",
    ",", "/32", "0", "1", "00", "8", "4294967296", "a", "x", "A", "None", "TCP", "UDP", "SCTP",
    "::1", "10.96.0.66", "10.244.9.0/24", "192.0.2.66", "65536",
)  # fmt: skip


@st.composite
def hostile_texts(draw: st.DrawFn, benign: str) -> str:
    """A benign text with something before, after or instead."""
    pieces = st.lists(st.sampled_from(FRAGMENTS) | st.characters(), max_size=3).map("".join)
    base = draw(st.sampled_from([benign, ""]))
    return draw(pieces) + base + draw(pieces)


@st.composite
def cases(draw: st.DrawFn, values: dict[str, str]) -> tuple[str, str]:
    """A field and what stands in it."""
    field = draw(st.sampled_from(sorted(values)))
    return field, draw(hostile_texts(values[field]))


def quoted(text: str) -> str:
    """In YAML's double quotes; all but plain ASCII as escapes."""
    plain = (c.isascii() and c.isprintable() and c not in '"\\' for c in text)
    return '"' + "".join(
        c if is_plain else f"\\U{ord(c):08X}" for c, is_plain in zip(text, plain, strict=True)
    ) + '"'  # fmt: skip


def manifest(**changed: str) -> str:
    return CLUSTER.format(**{key: quoted(text) for key, text in {**BENIGN, **changed}.items()})


def flags(**changed: str) -> Flags:
    texts = {**FLAGS, **changed} if changed else {}
    nodes, kept = texts.pop("node", None), texts.pop("non_masquerade_cidr", None)
    return Flags(
        nodes=(nodes,) if nodes is not None else (),
        non_masquerade_cidrs=(kept,) if kept is not None else (),
        **texts,
    )


def bundle(text: str, given_flags: Flags) -> dict[str, str] | None:
    """Files by path; None if the input is refused, in words that a terminal can show."""
    try:
        planned = make_plan([("m.yaml", text)], given_flags, Lock())
    except InputError as error:
        assert_plain(error)
        return None
    for note in planned.notes:
        assert_plain(note)
    files = make_files(planned)
    return {path: b"".join(file.pieces()).decode("latin-1") for path, file in files.items()}


def assert_plain(message: object) -> None:
    assert re.fullmatch(r"[ -~\n]+", str(message)), ascii(message)


@cache
def benign() -> dict[str, str]:
    files = bundle(manifest(), flags())
    assert files
    return files


def words(rules: str) -> Counter[str]:
    """How often each word stands in rules, with names, addresses and numbers made alike."""
    rules = re.sub(r'--comment "[A-Za-z0-9 ./:;>_-]*"', "COMMENT", rules)
    rules = re.sub(r"KUBE-(SVC|SEP|EXT)-[A-Z2-7]{16}\b", r"KUBE-\1", rules)
    rules = re.sub(r"\b[0-9]+(\.[0-9]+){3}(/[0-9]+|:[0-9]+)?(?![^\s])", "ADDRESS", rules)
    rules = re.sub(r"(?<=dport )[0-9]+\b|(?<=probability )[0-9.]+", "NUMBER", rules)
    return Counter(re.sub(r"(?<= )(tcp|udp|sctp)(?= )", "PROTOCOL", rules).split())


ZONE_LINES = re.compile(
    r"; [a-z0-9.-]+ as kcompile made it from the cluster's manifests\. Changes here do not last\."
    r"|\$ORIGIN [a-z0-9.-]+\.|    [0-9]+ ; [a-z0-9 ,:]+|    \)"
    r"|[a-z0-9._-]+ [0-9]+ IN (SOA [a-z0-9. -]+ \(|A [0-9.]+|(NS|CNAME|PTR) [a-z0-9.-]+\."
    r'|SRV 0 [0-9]+ [0-9]+ [a-z0-9.-]+\.|TXT "[a-z0-9.]+")'
)
RESOLV_LINES = re.compile(
    r"nameserver [0-9a-f:.]+|search [a-z0-9._-]+( [a-z0-9._-]+)*|options [ -~]+"
)
# What servers are configured with: words, and names without a space in quotes.
SERVER_LINES = re.compile(r' *(//|#) [ -~]+|([A-Za-z0-9 .:/;{},\[\]-]|"[A-Za-z0-9._/@:-]*")+')
NETWORK_LINES = re.compile(r"# [ -~]+|(route|link|addr) [a-z0-9 ./:-]+|[a-z0-9._-]+( = [01])?")
LINES = {"dns": ZONE_LINES, "servers": SERVER_LINES, "resolv": RESOLV_LINES, "network": NETWORK_LINES,
         "sysctl.d": NETWORK_LINES, "modules-load.d": NETWORK_LINES}  # fmt: skip


def assert_harmless(files: dict[str, str]) -> None:
    """Printable ASCII, safe paths, and of each file only lines of the forms that belong in it."""
    for path, text in files.items():
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]*)/)*[A-Za-z0-9][A-Za-z0-9._-]*", path)
        assert re.fullmatch(r"[ -~\n\t]*", text), path
        steps = path.split("/")
        form = LINES.get("servers" if path.startswith("dns/servers/") else steps[0]) or LINES.get(
            steps[2] if len(steps) > 2 else ""
        )
        if form:
            assert all(map(form.fullmatch, text.split("\n")[:-1])), text
        if path.endswith(".json"):
            json.loads(text)


def rule_words(files: dict[str, str]) -> list[Counter[str]]:
    """Of every node; the order of nodes follows their names."""
    found = [words(text) for path, text in files.items() if path.endswith("iptables.rules")]
    return sorted(found, key=lambda counter: sorted(counter.items()))


def test_the_words_of_rules_tell_one_rule_more() -> None:
    (rules, *_) = [text for path, text in benign().items() if path.endswith(".rules")]
    assert words(rules) != words(rules + "-A INPUT -j ACCEPT\n")
    assert words(rules) != words(rules.replace('--comment "', '--comment "`id`', 1))
    renamed = rules.replace("shop/web", "x/y").replace("10.96.200.1/", "10.96.1.1/")
    assert renamed != rules
    assert words(rules) == words(renamed)


@pytest.mark.parametrize("field", sorted(BENIGN))
def test_every_field_counts_or_is_free(field: str) -> None:
    """The cluster of these tests builds, and each field's text goes where it can do harm."""
    assert_harmless(benign())
    refused = bundle(manifest(**{field: "x\n-A INPUT -j ACCEPT"}), flags()) is None
    assert refused == (field not in {"annotation", "command", "ignored"})


@settings(max_examples=500, deadline=None)
@example(("option_value", "2\nnameserver 192.0.2.66"))
@example(("search", "a b"))
@example(("protocol", "UDP"))
@given(cases(BENIGN))
def test_whatever_stands_in_a_field(case: tuple[str, str]) -> None:
    field, text = case
    files = bundle(manifest(**{field: text}), flags())
    if files is None:
        return
    assert_harmless(files)
    if field != "cluster_ip" or text != "None":
        assert rule_words(files) == rule_words(benign())


@settings(max_examples=300, deadline=None)
@given(cases(FLAGS))
def test_whatever_stands_in_a_flag(case: tuple[str, str]) -> None:
    name, text = case
    files = bundle(manifest(), flags(**{name: text}))
    if files is not None:
        assert_harmless(files)
        found = set().union(*rule_words(files))
        assert found <= set().union(*rule_words(benign()))
