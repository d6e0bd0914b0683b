"""A bundle to ask for records: built from manifests, as a user has it."""

from pathlib import Path

import pytest

from cli_runs import Run

MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  clusterIP: 10.96.0.50
  ports:
  - name: z-metrics
    port: 9090
  - name: http
    port: 80
    targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: sidecar
        image: i
      - name: httpd
        image: i
        ports:
        - containerPort: 9090
        - name: http
          containerPort: 8080
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, clusterIP: None, ports: [{name: sql, port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: www.example.org}
"""
NODE = "--node=n1=192.0.2.1"
RANGES = ("--service-cidr", "10.96.0.0/24", "--pod-network-cidr", "10.244.0.0/24")


def built(
    folder: Path, capsys: pytest.CaptureFixture[str], manifests: str = MANIFESTS, *options: str
) -> Run:
    """The folder of the test must be the working folder."""
    run = Run(folder, capsys)
    run.write("m/all.yaml", manifests)
    answer = run("build", "m", NODE, *RANGES, *options)
    assert answer.code == 0, answer.err
    return run
