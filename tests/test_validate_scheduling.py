"""What pods ask of their nodes and neighbours: YAML in, Kubernetes' verdicts and values out."""

from fractions import Fraction
from math import ceil

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcompile.labels import Requirement, Selector
from kcompile.model import Node, Workload
from kcompile.scheduling import (
    ANYWHERE,
    NodeRequirement,
    NodeTerm,
    PodTerm,
    Scheduling,
    SpreadConstraint,
)
from kcompile.validate.quantity import read_quantity, thousandths
from objects import DEPLOYMENT, notes_on, only_object


def scheduling(spec: str) -> Scheduling:
    """Of a Deployment whose pods have the labels app: shop and tier: front."""
    text = DEPLOYMENT.replace("labels: {app: shop}", "labels: {app: shop, tier: front}")
    document = yaml.safe_load(text)
    document["spec"]["template"]["spec"].update(yaml.safe_load(spec))
    workload = only_object(yaml.safe_dump(document))
    assert isinstance(workload, Workload)
    return workload.template.scheduling


def requests(spec: str) -> dict[str, int]:
    return dict(scheduling(spec).requests)


def test_most_pods_ask_for_nothing_and_share_it() -> None:
    assert scheduling("{}") is ANYWHERE
    assert scheduling("{hostNetwork: true, containers: [{name: a, image: x, resources: {}}]}") is (
        ANYWHERE
    )


def test_nodes_are_asked_for_by_labels_and_names() -> None:
    asked = scheduling("""
        nodeSelector: {disk: ssd, arch: arm64}
        affinity:
          nodeAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
              nodeSelectorTerms:
              - matchExpressions:
                - {key: zone, operator: NotIn, values: [a, b]}
                - {key: cores, operator: Gt, values: ["8"]}
              - matchFields: [{key: metadata.name, operator: In, values: [node-1]}]
            preferredDuringSchedulingIgnoredDuringExecution:
            - {weight: 5, preference: {matchExpressions: [{key: new, operator: Exists}]}}
        """)
    assert asked == Scheduling(
        node_selector=(("arch", "arm64"), ("disk", "ssd")),
        required_nodes=(
            NodeTerm(
                (
                    NodeRequirement("zone", "NotIn", ("a", "b")),
                    NodeRequirement("cores", "Gt", ("8",)),
                )
            ),
            NodeTerm((), (NodeRequirement("metadata.name", "In", ("node-1",)),)),
        ),
        preferred_nodes=((5, NodeTerm((NodeRequirement("new", "Exists", ()),))),),
    )


def test_neighbours_are_those_of_the_own_namespace_unless_others_are_named() -> None:
    asked = scheduling("""
        affinity:
          podAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: zone, labelSelector: {matchLabels: {app: db}}}
            - {topologyKey: zone, namespaces: [a]}
            - {topologyKey: zone, namespaceSelector: {}, labelSelector: {}}
            preferredDuringSchedulingIgnoredDuringExecution:
            - {weight: 3, podAffinityTerm: {topologyKey: rack}}
          podAntiAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: host, namespaces: [b], namespaceSelector: {matchLabels: {env: prod}}}
            preferredDuringSchedulingIgnoredDuringExecution:
            - {weight: 7, podAffinityTerm: {topologyKey: rack}}
        """)
    everywhere = Selector(())
    assert asked == Scheduling(
        pod_affinity=(
            PodTerm(Selector((("app", "db"),)), ("default",), None, "zone"),
            PodTerm(None, ("a",), None, "zone"),
            PodTerm(everywhere, (), everywhere, "zone"),
        ),
        pod_anti_affinity=(PodTerm(None, ("b",), Selector((("env", "prod"),)), "host"),),
        preferred_pods=(
            (3, PodTerm(None, ("default",), None, "rack")),
            (-7, PodTerm(None, ("default",), None, "rack")),
        ),
    )


def test_keys_to_match_become_requirements_where_the_pod_has_the_label() -> None:
    asked = scheduling("""
        affinity:
          podAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: zone
              labelSelector: {matchLabels: {a: b}}
              matchLabelKeys: [tier, pod-template-hash]
              mismatchLabelKeys: [app]
        topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {}
          matchLabelKeys: [app]
        """)
    same, other = Requirement("tier", "In", ("front",)), Requirement("app", "NotIn", ("shop",))
    assert asked.pod_affinity[0].selector == Selector((("a", "b"),), (same, other))
    assert asked.spread[0].selector == Selector((), (Requirement("app", "In", ("shop",)),))


def test_spread_has_the_defaults_of_kubernetes() -> None:
    base = "{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule"
    (plain,) = scheduling(f"topologySpreadConstraints: [{base}}}]").spread
    assert plain == SpreadConstraint(2, "zone", hard=True, selector=None)
    more = "minDomains: 3, nodeAffinityPolicy: Ignore, nodeTaintsPolicy: Honor, labelSelector: {}"
    (full,) = scheduling(f"topologySpreadConstraints: [{base}, {more}}}]").spread
    assert full == SpreadConstraint(2, "zone", True, Selector(()), 3, False, True)


class TestRequests:
    def test_containers_ask_together(self) -> None:
        assert requests("""
            containers:
            - {name: a, image: x, resources: {requests: {cpu: 100m, memory: 1Ki}}}
            - {name: b, image: x, resources: {requests: {cpu: 0.5}, limits: {cpu: 2, memory: 1k}}}
            """) == {"cpu": 600, "memory": 2024_000}

    def test_a_limit_is_a_request_where_there_is_none(self) -> None:
        assert requests("""
            containers:
            - {name: a, image: x, resources: {limits: {cpu: 2, example.com/gpu: 1}}}
            """) == {"cpu": 2000, "example.com/gpu": 1000}

    def test_init_containers_run_one_after_another_beside_earlier_sidecars(self) -> None:
        """The third needs 10 and the sidecar's 3; all containers 4 and 3 and 1."""
        assert requests("""
            initContainers:
            - {name: first, image: x, resources: {requests: {cpu: 11}}}
            - {name: side, image: x, restartPolicy: Always, resources: {requests: {cpu: 3}}}
            - {name: third, image: x, resources: {requests: {cpu: 10}}}
            - {name: late, image: x, restartPolicy: Always, resources: {requests: {cpu: 1}}}
            containers: [{name: a, image: x, resources: {requests: {cpu: 4}}}]
            """) == {"cpu": 13_000}

    def test_sidecars_count_with_the_containers(self) -> None:
        assert requests("""
            initContainers:
            - {name: side, image: x, restartPolicy: Always, resources: {requests: {cpu: 3}}}
            containers: [{name: a, image: x, resources: {requests: {cpu: 4}}}]
            """) == {"cpu": 7000}

    def test_an_overhead_comes_on_top(self) -> None:
        assert requests("{overhead: {cpu: 250m, memory: 1M}}") == {"cpu": 250, "memory": 10**9}

    def test_a_pods_own_request_replaces_its_containers(self) -> None:
        assert requests("""
            resources: {requests: {cpu: 2}, limits: {memory: 1M}}
            containers: [{name: a, image: x, resources: {requests: {cpu: 1, ephemeral-storage: 1}}}]
            """) == {"cpu": 2000, "ephemeral-storage": 1000, "memory": 10**9}

    def test_parts_of_a_byte_are_bytes(self) -> None:
        spec = "containers: [{name: a, image: x, resources: {requests: {cpu: 1u, memory: 1m}}}]"
        assert requests(spec) == {"cpu": 1, "memory": 1000}


class TestAllocatable:
    def node(self, status: str) -> dict[str, int]:
        node = only_object(
            f"{{apiVersion: v1, kind: Node, metadata: {{name: a}}, status: {status}}}"
        )
        assert isinstance(node, Node)
        return dict(node.allocatable)

    def test_is_what_the_status_says(self) -> None:
        status = "{capacity: {cpu: 8}, allocatable: {cpu: 7500m, pods: 110, memory: 16Gi}}"
        assert self.node(status) == {"cpu": 7500, "pods": 110_000, "memory": 2**34 * 1000}

    def test_is_the_capacity_where_there_is_none(self) -> None:
        assert self.node("{capacity: {cpu: 8}}") == {"cpu": 8000}
        assert self.node("{}") == {}


def test_another_scheduler_is_told() -> None:
    text = DEPLOYMENT + "      schedulerName: volcano\n"
    (note,) = notes_on(text)
    assert note == (
        "shop.yaml:10:22: KC224: warning: spec.template.spec.schedulerName is ignored in 1 object"
        " (pods are placed as the default scheduler would)"
    )
    assert notes_on(DEPLOYMENT + "      schedulerName: default-scheduler\n") == []


_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
    "P": Fraction(10**15), "E": Fraction(10**18), "Ki": Fraction(2**10), "Mi": Fraction(2**20),
    "Gi": Fraction(2**30), "Ti": Fraction(2**40), "Pi": Fraction(2**50), "Ei": Fraction(2**60),
    "e3": Fraction(1000), "E-2": Fraction(1, 100), "e+0": Fraction(1),
}  # fmt: skip


@given(
    st.from_regex(r"(0|[1-9][0-9]{0,8})(\.[0-9]{0,9})?|\.[0-9]{1,9}", fullmatch=True),
    st.sampled_from(sorted(_SUFFIXES)),
)
def test_a_quantity_is_its_number_times_its_suffix_rounded_up(number: str, suffix: str) -> None:
    exact = Fraction(number.removesuffix(".") if number != "." else "0") * _SUFFIXES[suffix]
    billionths = min(ceil(exact * 10**9), (2**63 - 1) * 10**9)
    assert read_quantity(number + suffix) == billionths
    assert thousandths(billionths, "cpu") == ceil(Fraction(billionths, 10**6))
    assert thousandths(billionths, "memory") == 1000 * ceil(Fraction(billionths, 10**9))


@pytest.mark.parametrize(
    "text",
    ["", "+", ".", "Ki", "1 ", " 1", "1\n", "1K", "1ki", "1mi", "1i", "1e", "1e1.5", "0x1", "1_0",
     "١", "1.1.M", "1+1.0M", "-3.01e-", "inf", "1" * 41],  # noqa: RUF001 - a digit, but not ASCII
)  # fmt: skip
def test_what_is_no_quantity(text: str) -> None:
    assert read_quantity(text) is None


@pytest.mark.parametrize(
    ("text", "billionths"),
    [("-1", -(10**9)), ("+1", 10**9), ("-.1n", -1), ("1e-99999", 1), ("0e99999", 0),
     ("1e99999", (2**63 - 1) * 10**9), ("9223372036854775808", (2**63 - 1) * 10**9)],
)  # fmt: skip
def test_quantities_at_their_ends(text: str, billionths: int) -> None:
    assert read_quantity(text) == billionths
