"""Manifests of n Deployments and n Services, and m nodes, as YAML text."""

from collections.abc import Iterator

_WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{i:05d}
  namespace: team-{team:03d}
  labels:
    app.kubernetes.io/name: app-{i:05d}
    app.kubernetes.io/part-of: bench
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{i:05d}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{i:05d}
        app.kubernetes.io/part-of: bench
    spec:
      containers:
      - name: web
        image: registry.example/app-{i:05d}:1.0
        args: ["--listen", ":8080", "--log-level", info]
        ports:
        - name: http
          containerPort: 8080
        - name: metrics
          containerPort: 9090
        env:
        - name: MODE
          value: "production"
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        readinessProbe:
          httpGet:
            path: /healthz
            port: http
          periodSeconds: 10
        livenessProbe:
          httpGet:
            path: /healthz
            port: http
        volumeMounts:
        - name: config
          mountPath: /etc/app
          readOnly: true
        securityContext:
          runAsNonRoot: true
          allowPrivilegeEscalation: false
      volumes:
      - name: config
        configMap:
          name: app-{i:05d}
---
apiVersion: v1
kind: Service
metadata:
  name: app-{i:05d}
  namespace: team-{team:03d}
  labels:
    app.kubernetes.io/name: app-{i:05d}
    app.kubernetes.io/part-of: bench
spec:
  selector:
    app.kubernetes.io/name: app-{i:05d}
  ports:
  - name: http
    port: 80
    targetPort: http
---
"""
_CHOOSY = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: choosy-{i:05d}
  namespace: team-{team:03d}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: choosy-{i:05d}
  template:
    metadata:
      labels:
        app: choosy-{i:05d}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                app: choosy-{i:05d}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: DoNotSchedule
        labelSelector:
          matchLabels:
            app: choosy-{i:05d}
      containers:
      - name: web
        image: registry.example/choosy-{i:05d}:1.0
---
"""
_NODE = """\
apiVersion: v1
kind: Node
metadata:
  name: node-{i:04d}
  labels:
    topology.kubernetes.io/zone: zone-{zone}
status:
  addresses:
  - type: InternalIP
    address: 172.31.{high}.{low}
---
"""


def workloads(count: int, replicas: int) -> Iterator[str]:
    """A Deployment and a Service each, in 100 namespaces."""
    for i in range(count):
        yield _WORKLOAD.format(i=i, team=i % 100, replicas=replicas)


def nodes(count: int) -> Iterator[str]:
    for i in range(count):
        yield _NODE.format(i=i, zone=i % 3, high=i >> 8, low=i & 255)


def choosy_workloads(count: int, replicas: int) -> Iterator[str]:
    """Deployments whose pods keep to nodes of their own and spread over the zones."""
    for i in range(count):
        yield _CHOOSY.format(i=i, team=i % 100, replicas=replicas)
