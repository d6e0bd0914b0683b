"""Whatever stands in a manifest, validate answers with objects or with problems."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcompile.load import load
from kcompile.model import Service, Workload
from kcompile.problems import InputError
from kcompile.validate import validate

_SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "shop"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}],
        "clusterIP": "10.96.0.1",
        "clusterIPs": ["10.96.0.1"],
        "ipFamilies": ["IPv4"],
        "externalIPs": ["192.0.2.1"],
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}},
    },
}
_DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop", "namespace": "prod"},
    "spec": {
        "replicas": 2,
        "selector": {
            "matchLabels": {"app": "shop"},
            "matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}],
        },
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {
                "volumes": [{"name": "v", "hostPath": {"path": "/v"}}],
                "tolerations": [{"key": "a", "operator": "Exists"}],
                "dnsConfig": {"nameservers": ["192.0.2.53"], "options": [{"name": "ndots"}]},
                "initContainers": [{"name": "side", "image": "i", "restartPolicy": "Always"}],
                "containers": [
                    {
                        "name": "web",
                        "image": "i",
                        "ports": [{"name": "http", "containerPort": 80, "hostPort": 80}],
                        "env": [{"name": "A", "value": "b"}],
                        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                        "resources": {"requests": {"cpu": 1}, "limits": {"cpu": 2}},
                        "livenessProbe": {"httpGet": {"port": "http"}},
                    }
                ],
            },
        },
    },
}
_TERM = {
    "topologyKey": "zone",
    "labelSelector": {"matchLabels": {"app": "shop"}},
    "namespaces": ["a"],
    "namespaceSelector": {},
    "mismatchLabelKeys": ["app"],
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_PICKY: dict[str, Any] = {
    "nodeSelector": {"a": "b"},
    "affinity": {
        "nodeAffinity": {
            _REQUIRED: {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}],
                        "matchFields": [
                            {"key": "metadata.name", "operator": "In", "values": ["a"]}
                        ],
                    }
                ]
            },
            _PREFERRED: [{"weight": 1, "preference": {}}],
        },
        "podAffinity": {_REQUIRED: [_TERM]},
        "podAntiAffinity": {_PREFERRED: [{"weight": 1, "podAffinityTerm": _TERM}]},
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "minDomains": 1,
            "labelSelector": {},
            "matchLabelKeys": ["app"],
        }
    ],
    "overhead": {"cpu": "1m"},
    "resources": {"requests": {"cpu": 9}},
    "schedulerName": "a",
    "hostname": "a",
    "initContainers": [{"name": "init", "image": "i", "resources": {"limits": {"x.y/z": 1}}}],
    "containers": [{"name": "web", "image": "i", "resources": {"requests": {"memory": "1Ki"}}}],
}
_TEMPLATE = {
    "metadata": {"labels": {"app": "shop"}},
    "spec": {"containers": [{"name": "a", "image": "i"}]},
}
_REPLICATED = {"selector": {"matchLabels": {"app": "shop"}}, "template": _TEMPLATE}
_OWNER = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "name": "a-b",
    "uid": "c",
    "controller": True,
}
_WORKLOADS: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "labels": {"pod-template-hash": "b"},
            "ownerReferences": [_OWNER],
        },
        "spec": _PICKY,
        "status": {"phase": "Running"},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "a"},
        "spec": {
            **_REPLICATED,
            "serviceName": "a",
            "ordinals": {"start": 1},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"},
            "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}],
        },
    },
    {
        "apiVersion": "extensions/v1beta1",
        "kind": "DaemonSet",
        "metadata": {"name": "a"},
        "spec": {
            **_REPLICATED,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        },
    },
    {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "a"},
        "spec": {"replicas": 1, "selector": {"app": "shop"}, "template": _TEMPLATE},
    },
    {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "a"},
        "spec": {
            "parallelism": 1,
            "completions": 3,
            "completionMode": "Indexed",
            "backoffLimitPerIndex": 1,
            "maxFailedIndexes": 1,
            "selector": {"matchLabels": {"controller-uid": "u"}},
            "podFailurePolicy": {
                "rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}}]
            },
            "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
            "managedBy": "a.b/c",
            "template": {
                "metadata": {"labels": {"controller-uid": "u"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]},
            },
        },
        "status": {"conditions": [{"type": "Complete", "status": "False"}]},
    },
]
_NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node-1"},
    "spec": {
        "podCIDR": "10.244.1.0/24",
        "podCIDRs": ["10.244.1.0/24"],
        "taints": [{"key": "a", "effect": "NoSchedule"}],
    },
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
        "allocatable": {"cpu": 4, "memory": "1Gi"},
        "capacity": {"cpu": 8},
    },
}
_CONFIGURATIONS: list[dict[str, Any]] = [
    {
        "apiVersion": "kubeadm.k8s.io/v1beta3",
        "kind": "ClusterConfiguration",
        "networking": {"podSubnet": "10.244.0.0/16", "dnsDomain": "a.b"},
        "apiServer": {"extraArgs": {"service-node-port-range": "1-2"}},
        "controllerManager": {"extraArgs": {"node-cidr-mask-size": "24"}},
    },
    {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clusterCIDR": "10.244.0.0/16",
        "iptables": {"masqueradeBit": 14},
        "conntrack": {"min": 1},
    },
    {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "a", "namespace": "b", "generateName": "c"},
    },
    {"apiVersion": "v1", "kind": "List", "items": [_SERVICE, _NODE]},
]

_OBJECTS = [_SERVICE, _DEPLOYMENT, _NODE, *_CONFIGURATIONS, *_WORKLOADS]

_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(
        ["None", "IPv6", "Local", "Always", "::1", "10.0.0.0/8", "0", "-", "", "a,b"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "kind", "spec", "$patch", "items"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    for key, item in items:
        nested = isinstance(item, dict | list)
        found += _places(item, (*path, key)) if nested else [(*path, key)]
    return found


@st.composite
def _broken_objects(draw: st.DrawFn) -> Any:
    value = json.loads(json.dumps(draw(st.sampled_from(_OBJECTS))))
    for _ in range(draw(st.integers(1, 2))):
        *steps, last = draw(st.sampled_from(_places(value)[1:]))
        holder = value
        for step in steps:
            holder = holder[step]
        holder[last] = draw(_ANYTHING)
    return value


@settings(max_examples=500, deadline=None)
@given(_broken_objects())
def test_whatever_is_written_gets_a_verdict(value: Any) -> None:
    try:
        problems = validate(load([("object.json", json.dumps(value))])).notes
    except InputError as error:
        problems = error.problems
    assert all(problem.position.line == 1 and str(problem).isascii() for problem in problems)


@pytest.mark.parametrize("value", _WORKLOADS, ids=lambda value: str(value["kind"]))
def test_the_objects_that_are_broken_are_right_before(value: Any) -> None:
    assert len(validate(load([("object.json", json.dumps(value))])).items) == 1


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([_SERVICE, _DEPLOYMENT]),
    st.text("abz019-.A_/\n \t\u0435$", min_size=1, max_size=8),
    st.text("abz019-.A_/\n \t\u0435$", max_size=8),
)
def test_what_is_accepted_matches_its_pattern(
    base: dict[str, Any], name: str, namespace: str
) -> None:
    plain = json.loads(json.dumps(base))
    plain["metadata"] = {"name": name, "namespace": namespace}
    plain["spec"].pop("externalIPs", None)
    if base is _DEPLOYMENT:
        del plain["spec"]["template"]["spec"]["containers"][0]["ports"]
    try:
        (item,) = validate(load([("object.json", json.dumps(plain))])).items
    except InputError:
        right = _LABEL.fullmatch(namespace or "default") and all(
            map(_LABEL.fullmatch, name.split(".") if base is _DEPLOYMENT else [name])
        )
        assert not right or (base is _SERVICE and name[0].isdigit())
        return
    assert isinstance(item, Service | Workload)
    assert all(map(_LABEL.fullmatch, item.name.split(".")))
    assert _LABEL.fullmatch(item.namespace)
