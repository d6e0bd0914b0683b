"""What is said about documents: kinds that do not act, Lists, fragments, in which words."""

import pytest

from objects import DEPLOYMENT, SERVICE, notes_on, objects_of, problems_in


class TestKinds:
    @pytest.mark.parametrize(
        ("version", "kind", "note"),
        [
            (
                "batch/v1",
                "CronJob",
                "KC222: note: what CronJob adds is unknown offline: 2 objects without effect",
            ),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                (
                    "KC222: note: what HorizontalPodAutoscaler adds is unknown offline: 2 objects"
                    " without effect"
                ),
            ),
            (
                "networking.k8s.io/v1",
                "NetworkPolicy",
                (
                    "KC221: warning: NetworkPolicy.networking.k8s.io is not enforced:"
                    " 2 objects without effect"
                ),
            ),
            (
                "gateway.networking.k8s.io/v1",
                "HTTPRoute",
                (
                    "KC221: warning: HTTPRoute.gateway.networking.k8s.io is not enforced:"
                    " 2 objects without effect"
                ),
            ),
            (
                "v1",
                "ConfigMap",
                (
                    "KC220: note: ConfigMap has no part in packets, addresses or names:"
                    " 2 objects ignored"
                ),
            ),
            (
                "serving.knative.dev/v1",
                "Service",
                (
                    "KC220: note: Service.serving.knative.dev has no part in packets, addresses or"
                    " names: 2 objects ignored"
                ),
            ),
            (
                "kustomize.config.k8s.io/v1beta1",
                "Kustomization",
                "KC227: note: Kustomization configures another program: 2 objects skipped",
            ),
        ],
    )
    def test_kinds_that_do_not_act_are_told_once(self, version: str, kind: str, note: str) -> None:
        document = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        read = objects_of(f"{document}---\n{document}")
        assert (read.items, [str(each) for each in read.notes]) == ((), [f"shop.yaml:1:1: {note}"])

    def test_generated_names_are_fine_for_jobs(self) -> None:
        assert notes_on("{apiVersion: batch/v1, kind: Job, metadata: {generateName: a-}}")
        assert "metadata.name is missing" in str(
            problems_in("{apiVersion: apps/v1, kind: DaemonSet, metadata: {generateName: a-}}")
        )

    @pytest.mark.parametrize(
        "metadata", ["~", "[a]", "{name: 1}", "{name: A}", "{name: a, namespace: B}"]
    )
    def test_workloads_need_sane_metadata(self, metadata: str) -> None:
        text = f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\n"
        assert "metadata" in "".join(problems_in(text))

    @pytest.mark.parametrize(
        ("version", "kind", "hint"),
        [
            ("v1", "Servce", "did you mean Service?"),
            ("apps/v1", "Deploymnt", "did you mean Deployment?"),
            ("v1", "Deployment", "did you mean apiVersion apps/v1?"),
            ("apps/v1", "Service", "did you mean apiVersion v1?"),
            ("apps/v2", "Deployment", "Deployment is read in apps/v1, apps/v1beta2"),
            ("v1", "Ingress", "Ingress is a kind of the group extensions"),
            (
                "kubeadm.k8s.io/v1alpha1",
                "ClusterConfiguration",
                "is read in kubeadm.k8s.io/v1beta1",
            ),
        ],
    )
    def test_unknown_kinds(self, version: str, kind: str, hint: str) -> None:
        (problem,) = problems_in(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n")
        assert problem.startswith(f"shop.yaml:2:7: KC202: '{version}' has no kind '{kind}'")
        assert hint in problem

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("42", "1:1: KC201: a Kubernetes object is a mapping with apiVersion and kind, not 42"),
            ("- {kind: Service}", "put them into the items of a v1 List"),
            ("- {op: replace, path: /spec, value: 1}", "looks like a JSON patch for kustomize"),
            ("name: shop", "1:1: KC201: apiVersion is missing"),
            ("apiVersion: v1\nmetadata: {name: a}", "kind is missing"),
            ("apiVersion: 1\nkind: Service", "1:13: KC201: apiVersion must be a string, not 1"),
            ("apiVersion: v1\nkind: [Service]", "2:7: KC201: kind must be a string"),
        ],
    )
    def test_what_is_no_object(self, text: str, problem: str) -> None:
        assert problem in problems_in(text)[0]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a/kustomization.yaml", "resources: [shop.yaml]"),
            ("Chart.yaml", "apiVersion: v2\nname: shop"),
            ("values-prod.yaml", "replicas: 3"),
            ("docker-compose.yml", "services: {}"),
        ],
    )
    def test_files_of_other_programs_are_skipped(self, name: str, text: str) -> None:
        (note,) = notes_on(text, name)
        assert "configures another program" in note

    def test_namespaces_of_every_kind_are_kept(self) -> None:
        read = objects_of(
            f"{SERVICE}---\n{{apiVersion: v1, kind: Secret, metadata: {{name: a, namespace: b}}}}\n"
            "---\n{apiVersion: batch/v1, kind: CronJob, metadata: {name: a, namespace: c}}\n"
        )
        assert read.namespaces_used == {"default", "b", "c"}


class TestLists:
    def test_items_are_objects_with_paths(self) -> None:
        text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
            f"- {{apiVersion: v1, kind: Service, metadata: {{name: {name}}},"
            " spec: {ports: [{port: 80}]}}\n"
            for name in ("a", "b")
        )
        read = objects_of(text)
        assert [item.key.name for item in read.items] == ["a", "b"]
        assert [origin.path for origin in read.origins] == [("items", 0), ("items", 1)]

    def test_items_of_a_typed_list_need_no_kind(self) -> None:
        text = (
            "{apiVersion: v1, kind: ServiceList, items: [{metadata: {name: a}, kind: ~,"
            " spec: {ports: [{port: 80}]}}]}"
        )
        assert objects_of(text).items[0].key.name == "a"

    def test_lists_lie_in_lists(self) -> None:
        inner = "{apiVersion: v1, kind: Namespace, metadata: {name: a}}"
        for _ in range(10):
            inner = f"{{apiVersion: v1, kind: List, items: [{inner}]}}"
        assert objects_of(inner).origins[0].path == ("items", 0) * 10
        (problem,) = problems_in(f"{{apiVersion: v1, kind: List, items: [{inner}]}}")
        assert "KC107: Lists lie more than 10 deep" in problem

    def test_problems_of_items_are_located(self) -> None:
        text = "apiVersion: v1\nkind: List\nitems:\n- 1\n- apiVersion: v1\n  kind: Servce\n"
        first, second = problems_in(text)
        assert first.startswith("shop.yaml:4:3: KC201")
        assert second.startswith("shop.yaml:6:9: KC202")

    def test_empty_lists(self) -> None:
        assert objects_of("{apiVersion: v1, kind: List, items: ~}").items == ()
        assert "items must be a list" in problems_in("{apiVersion: v1, kind: List, items: 1}")[0]


class TestMessages:
    def test_all_problems_at_once_in_order(self) -> None:
        text = SERVICE.replace("port: 80", "port: 0, name: A").replace("name: shop", "name: Shop")
        assert [line.split(": ")[0] for line in problems_in(text)] == [
            "shop.yaml:3:18",
            "shop.yaml:6:18",
            "shop.yaml:6:27",
        ]

    def test_missing_fields_are_told_once(self) -> None:
        text = DEPLOYMENT.replace("  selector: {matchLabels: {app: shop}}\n", "")
        assert len(problems_in(text)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 3}\n",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: NodePort}\n",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n$patch: delete\n",
            (
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"
                "spec: {template: {spec: {containers: [{name: web, env: []}]}}}\n"
            ),
        ],
    )
    def test_fragments_are_recognised(self, text: str) -> None:
        problems = problems_in(text)
        assert any("KC211" in each and "kustomize build" in each for each in problems)
        assert len(problems) > 1

    def test_a_whole_object_that_is_wrong_is_no_fragment(self) -> None:
        text = DEPLOYMENT.replace("  selector: {matchLabels: {app: shop}}\n", "")
        assert "KC211" not in "".join(problems_in(text))

    @pytest.mark.parametrize("name", ["${NAME}", "$(NAME)", "<name>", "a-{{name}}", "$NAME"])
    def test_variables_are_recognised(self, name: str) -> None:
        (problem,) = problems_in(SERVICE.replace("name: shop", f"name: '{name}'"))
        assert "looks like an unexpanded variable or template" in problem

    def test_what_kubernetes_refuses_is_no_matter_of_a_later_version(self) -> None:
        (problem,) = problems_in(SERVICE + "  internalTrafficPolicy: local\n")
        assert "KC207" in problem
        assert "KC210" not in problem

    def test_user_text_is_shown_escaped(self) -> None:
        (problem,) = problems_in(SERVICE.replace("name: shop", r'name: "a\e[2J\u202e"'))
        assert problem.isascii()
        assert problem.isprintable()
