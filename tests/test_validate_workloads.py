"""Every kind that makes pods: YAML in, workloads and notes out."""

import pytest
import yaml

from kcompile.labels import Selector
from kcompile.model import Workload
from kcompile.pipeline import make_plan
from kcompile.plan.lock import Lock
from kcompile.problems import Code
from kcompile.resolve.flags import Flags
from objects import DEPLOYMENT, notes_on, objects_of, problems_in

POD = "{containers: [{name: web, image: x}]}"
TEMPLATE = f"{{metadata: {{labels: {{app: shop}}}}, spec: {POD}}}"
WORK = "{spec: {restartPolicy: Never, containers: [{name: work, image: x}]}}"


def of(version: str, kind: str, spec: str, more: str = "") -> str:
    metadata = f"{{name: shop, labels: {{team: a}}{more}}}"
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n"


def replicated(kind: str, more: str = "") -> str:
    selector = "{matchLabels: {app: shop}}"
    return of("apps/v1", kind, f"{{selector: {selector}, template: {TEMPLATE}{more}}}")


def job(more: str = "") -> str:
    return of("batch/v1", "Job", f"{{template: {WORK}{more}}}")


def workload(text: str) -> Workload:
    (item,) = objects_of(text).items
    assert isinstance(item, Workload)
    return item


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
def test_a_controller_has_the_replicas_that_it_states_or_one(kind: str) -> None:
    read = workload(replicated(kind))
    assert (read.kind, read.namespace, read.name) == (kind, "default", "shop")
    assert (read.labels, read.template.labels) == ((("team", "a"),), (("app", "shop"),))
    assert (read.replicas, read.selector) == (1, Selector((("app", "shop"),)))
    assert workload(replicated(kind, ", replicas: 3")).replicas == 3


def test_a_replication_controller_selects_its_templates_labels_by_default() -> None:
    read = workload(of("v1", "ReplicationController", f"{{template: {TEMPLATE}}}"))
    assert read.selector == Selector((("app", "shop"),))


def test_a_daemon_set_has_no_number_of_replicas() -> None:
    assert workload(replicated("DaemonSet")).replicas == 0


def test_a_stateful_set_gives_its_pods_numbers_and_its_service_as_subdomain() -> None:
    read = workload(replicated("StatefulSet", ", serviceName: web, ordinals: {start: 5}"))
    assert (read.first, read.template.subdomain) == (5, "web")


def test_a_long_name_of_a_stateful_set_is_told() -> None:
    name = "a-name-of-53-characters-makes-a-revision-hash-too-long"[:53]
    (note,) = notes_on(replicated("StatefulSet").replace("name: shop", f"name: {name}"))
    assert "KC225: warning: metadata.name has 53 characters; with more than 52" in note


def test_old_versions_are_read_as_apps_v1() -> None:
    for version, kind in [
        ("apps/v1beta1", "StatefulSet"),
        ("extensions/v1beta1", "DaemonSet"),
        ("extensions/v1beta1", "ReplicaSet"),
    ]:
        text = of(version, kind, f"{{template: {TEMPLATE}}}")
        assert workload(text) == workload(replicated(kind))
        assert "KC223" in notes_on(text)[0]


class TestJob:
    @pytest.mark.parametrize(
        ("more", "pods"),
        [
            ("", 1),
            (", completions: 5", 1),
            (", parallelism: 5", 5),
            (", parallelism: 5, completions: 3", 3),
            (", parallelism: 2, completions: 3", 2),
            (", parallelism: 0", 0),
            (", parallelism: 2, suspend: true", 0),
        ],
    )
    def test_has_the_pods_of_its_first_wave(self, more: str, pods: int) -> None:
        assert workload(job(more)).replicas == pods

    def test_may_be_indexed(self) -> None:
        assert workload(job(", completionMode: Indexed, completions: 2")).indexed
        assert not workload(job()).indexed

    def test_names_itself_in_its_pods_labels(self) -> None:
        """As guides for pods of a Job that find each other by a headless Service have it."""
        labels = (("batch.kubernetes.io/job-name", "shop"), ("job-name", "shop"))
        assert workload(job()).template.labels == labels
        assert workload(job()).selector == Selector(labels[:1])

    @pytest.mark.parametrize("how", ["Complete", "Failed"])
    def test_has_no_pods_when_it_has_ended(self, how: str) -> None:
        ended = job() + f"status: {{conditions: [{{type: {how}, status: 'True'}}]}}\n"
        assert workload(ended).replicas == 0
        assert "KC230: note: Job has ended or is suspended: 1 object" in notes_on(ended)[0]

    def test_runs_while_its_status_does_not_say_that_it_ended(self) -> None:
        text = job() + "status: {active: 1, conditions: [{type: Suspended, status: 'False'}]}\n"
        assert workload(text).replicas == 1

    def test_without_a_name_is_left_out(self) -> None:
        text = job().replace("name: shop", "generateName: shop-")
        assert objects_of(text).items == ()
        assert "KC222: note: what Job without a name adds is unknown offline" in notes_on(text)[0]


class TestPod:
    def test_is_a_workload_of_one(self) -> None:
        read = workload(of("v1", "Pod", POD))
        assert (read.kind, read.replicas, read.template.labels) == ("Pod", 1, (("team", "a"),))

    def test_has_host_name_and_subdomain(self) -> None:
        text = of("v1", "Pod", "{hostname: a, subdomain: b, containers: [{name: c, image: x}]}")
        read = workload(text)
        assert (read.template.hostname, read.template.subdomain) == ("a", "b")

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_that_has_ended_is_left_out(self, phase: str) -> None:
        text = of("v1", "Pod", POD) + f"status: {{phase: {phase}}}\n"
        assert objects_of(text).items == ()
        assert "KC230: note: Pod has ended" in notes_on(text)[0]

    def test_problems_stand_in_its_own_spec(self) -> None:
        (problem,) = problems_in(
            of("v1", "Pod", "{hostname: a.b, containers: [{name: c, image: x}]}")
        )
        assert problem.startswith("shop.yaml:4:18: KC206: spec.hostname is 'a.b'")


def owned(
    text: str, kind: str, name: str, version: str = "apps/v1", controller: str = "true"
) -> str:
    owner = (
        f"{{apiVersion: {version}, kind: {kind}, name: {name}, uid: a, controller: {controller}}}"
    )
    document = yaml.safe_load(text)
    document["metadata"]["ownerReferences"] = [yaml.safe_load(owner)]
    return str(yaml.safe_dump(document))


def kinds(*texts: str) -> list[str]:
    return [item.key.kind for item in objects_of("---\n".join(texts)).items]


class TestExports:
    POD = of("v1", "Pod", POD, ", pod-template-hash: 5d4f").replace("name: shop", "name: shop-x")

    def test_what_a_controller_in_the_input_made_is_left_to_it(self) -> None:
        replica_set = replicated("ReplicaSet").replace("name: shop", "name: shop-5d4f", 1)
        made = owned(replica_set, "Deployment", "shop")
        pod = owned(of("v1", "Pod", POD), "ReplicaSet", "shop-5d4f")
        assert kinds(made, DEPLOYMENT, pod) == ["Deployment"]
        assert kinds(made, pod) == ["ReplicaSet"]
        assert kinds(pod) == ["Pod"]

    def test_a_pod_belongs_to_a_deployment_by_the_hash_in_its_replica_sets_name(self) -> None:
        pod = of("v1", "Pod", POD).replace("{team: a}", "{pod-template-hash: 5d4f}")
        assert kinds(DEPLOYMENT, owned(pod, "ReplicaSet", "shop-5d4f")) == ["Deployment"]
        assert kinds(DEPLOYMENT, owned(pod, "ReplicaSet", "bank-5d4f")) == ["Deployment", "Pod"]

    @pytest.mark.parametrize(
        ("kind", "name", "version", "controller"),
        [
            ("Deployment", "bank", "apps/v1", "true"),
            ("Deployment", "shop", "apps/v1", "false"),
            ("Deployment", "shop", "example.com/v1", "true"),
            ("Node", "shop", "v1", "true"),
        ],
    )
    def test_other_owners_do_not_count(
        self, kind: str, name: str, version: str, controller: str
    ) -> None:
        pod = owned(of("v1", "Pod", POD), kind, name, version, controller)
        node = "{apiVersion: v1, kind: Node, metadata: {name: shop}}\n"
        assert "Pod" in kinds(DEPLOYMENT, node, pod)

    def test_what_is_left_is_told_once_a_kind(self) -> None:
        pod = owned(of("v1", "Pod", POD), "Deployment", "shop")
        more = pod.replace("name: shop\n  owner", "name: shop-2\n  owner")
        (note,) = notes_on(f"{DEPLOYMENT}---\n{pod}---\n{more}")
        assert "KC229: note: Pod: 2 objects left to the controller that made them" in note


def overlaps(*texts: str) -> list[str]:
    cluster = make_plan([("m.yaml", "---\n".join(texts))], Flags(), Lock())
    return [str(n) for n in cluster.notes if n.code is Code.OVERLAPPING_CONTROLLERS]


def selecting(name: str, selector: str, labels: str) -> str:
    template = TEMPLATE.replace("{app: shop}", labels)
    spec = f"{{selector: {selector}, template: {template}}}"
    return of("apps/v1", "Deployment", spec).replace("name: shop", f"name: {name}", 1)


class TestOverlaps:
    def test_one_selector(self) -> None:
        found = overlaps(replicated("ReplicaSet"), replicated("StatefulSet"), DEPLOYMENT)
        assert [each.partition("KC327: warning: ")[2] for each in found] == [
            (
                "Deployment default/shop and ReplicaSet default/shop (m.yaml:4:18) have one"
                " selector, as have 1 more (give each a label of its own in selector and template)"
            )
        ]

    def test_selectors_that_match_both_templates(self) -> None:
        (found,) = overlaps(
            selecting("a", "{matchLabels: {app: x}}", "{app: x, tier: t}"),
            selecting(
                "b", "{matchExpressions: [{key: tier, operator: Exists}]}", "{app: x, tier: t}"
            ),
        )
        assert found == (
            "m.yaml:4:18: KC327: warning: Deployment default/a and Deployment default/b"
            " (m.yaml:9:18) select each other's pods (give each a label of its own in selector and"
            " template)"
        )

    @pytest.mark.parametrize(
        ("one", "labels"),
        [
            ("{matchLabels: {app: x}}", "{app: x}"),
            ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", "{app: x}"),
            ("{matchExpressions: [{key: app, operator: In, values: [x, z]}]}", "{app: x}"),
        ],
    )
    def test_a_selector_that_matches_one_way_is_none(self, one: str, labels: str) -> None:
        other = selecting("b", "{matchLabels: {app: x, tier: t}}", "{app: x, tier: t}")
        assert overlaps(selecting("a", one, labels), other) == []

    def test_other_namespaces_do_not_meet(self) -> None:
        elsewhere = DEPLOYMENT.replace("{name: shop}", "{name: shop, namespace: b}")
        assert overlaps(DEPLOYMENT, elsewhere) == []

    def test_jobs_and_pods_are_apart(self) -> None:
        other = job().replace("name: shop", "name: bank")
        pod = of("v1", "Pod", POD)
        assert overlaps(job(), other, pod, pod.replace("name: shop", "name: bank")) == []
