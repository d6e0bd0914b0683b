"""Single pods, selected by the labels that controllers add, and known by their host names: YAML in,
endpoints and zone lines out."""

import pytest

from kcompile.address import format_ip
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from kcompile.render.zones import zone_text
from notation import planned

SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: x}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  completionMode: Indexed
  completions: 2
  parallelism: 2
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: x}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: db-7, labels: {statefulset.kubernetes.io/pod-name: db-7}}
spec: {containers: [{name: db, image: x}]}
---
"""
NAME = "statefulset.kubernetes.io/pod-name"


def pods_behind(plan: Plan, name: str) -> list[str]:
    (found,) = [each for each in plan.services if each.name == name]
    return sorted(endpoint.pod for endpoint in found.ports[0].endpoints4)


@pytest.mark.parametrize(
    ("selector", "pods"),
    [
        (f"{NAME}: db-1", ["db-1"]),
        (f"app: db, {NAME}: db-1", ["db-1"]),
        ("apps.kubernetes.io/pod-index: '2'", ["db-2"]),
        (f"apps.kubernetes.io/pod-index: '2', {NAME}: db-2", ["db-2"]),
        (f"apps.kubernetes.io/pod-index: '2', {NAME}: db-1", []),
        (f"app: web, {NAME}: db-1", []),
        (f"{NAME}: db-3", []),
        (f"{NAME}: db-7", ["db-7"]),
        ("app: db", ["db-0", "db-1", "db-2"]),
    ],
)
def test_a_service_may_select_one_pod_of_a_set(selector: str, pods: list[str]) -> None:
    service = (
        "{apiVersion: v1, kind: Service, metadata: {name: one},"
        f" spec: {{ports: [{{port: 80}}], selector: {{{selector}}}}}}}"
    )
    assert pods_behind(planned(SET + service).plan, "one") == pods


def test_a_service_may_select_one_pod_of_an_indexed_job() -> None:
    service = (
        "{apiVersion: v1, kind: Service, metadata: {name: one}, spec: {ports: [{port: 80}],"
        " selector: {job-name: work, batch.kubernetes.io/job-completion-index: '1'}}}"
    )
    (pod,) = pods_behind(planned(SET + service).plan, "one")
    assert pod.startswith("work-1-")


def test_a_pod_has_its_host_name_below_its_subdomain() -> None:
    plan = planned("""\
apiVersion: v1
kind: Service
metadata: {name: dns-test}
spec: {clusterIP: None, selector: {app: querier}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: querier}}
spec: {hostname: dns-querier, subdomain: dns-test, containers: [{name: c, image: i}]}
""").plan
    (pod,) = plan.pods
    name = "dns-querier.dns-test.default.svc.cluster.local."
    lines = [line for zone in lower_zones(plan) for line in zone_text(zone).splitlines()]
    assert f"{name} 30 IN A {format_ip(4, pod.ipv4)}" in lines
