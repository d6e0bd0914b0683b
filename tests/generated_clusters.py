"""Generated clusters in the user's notation: a document a string."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from notation import deployment, node, service

NAMESPACES = ("default", "shop", "kube-system")
LABELS = ("{app: a}", "{app: b}", "{app: a, tier: x}", "{app: b, tier: x}")
SELECTORS = (*LABELS, "{tier: x}", "{app: none}")
CONTAINER_PORTS = (
    "[{containerPort: 80}]",
    "[{containerPort: 80, name: http}]",
    "[{containerPort: 8080, name: http}, {containerPort: 53, name: dns, protocol: UDP}]",
)
SERVICE_PORTS = (
    "[{port: 80}]",
    "[{port: 80, targetPort: http}]",
    "[{port: 80, targetPort: http, name: web}, {port: 53, protocol: UDP, name: dns, targetPort: dns}]",
    "[{port: 9, protocol: UDP, name: one}, {port: 9, protocol: TCP, name: two}]",
)
SERVICE_SPECS = (
    "",
    "type: NodePort",
    "clusterIP: None",
    "clusterIP: None, publishNotReadyAddresses: true",
)
NODE_SPECS = (
    "",
    "unschedulable: true",
    "taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]",
    "taints: [{key: slow, effect: PreferNoSchedule}]",
)
POD_SPECS = (
    "",
    "tolerations: [{operator: Exists}]",
    "dnsPolicy: Default",
    "dnsConfig: {searches: [example.com], options: [{name: ndots, value: '2'}]}",
)


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment to be; what it runs is not part of it."""

    namespace: str
    name: str
    replicas: int
    labels: str
    ports: str
    spec: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def text(self) -> str:
        return deployment(
            self.name,
            self.replicas,
            namespace=self.namespace,
            labels=self.labels,
            ports=self.ports,
            spec=self.spec,
        )


@dataclass(frozen=True, slots=True)
class Exposure:
    """A Service to be."""

    namespace: str
    name: str
    selector: str
    ports: str
    spec: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def text(self) -> str:
        if self.spec.startswith("type: ExternalName"):
            return (
                "apiVersion: v1\nkind: Service\n"
                f"metadata: {{name: {self.name}, namespace: {self.namespace}}}\n"
                f"spec: {{{self.spec}}}\n---\n"
            )
        return service(
            self.name,
            namespace=self.namespace,
            selector=self.selector,
            ports=self.ports,
            spec=self.spec,
        )


@dataclass(frozen=True, slots=True)
class Generated:
    nodes: tuple[str, ...]
    workloads: tuple[Workload, ...]
    services: tuple[Exposure, ...]

    def documents(self) -> list[str]:
        objects: Sequence[Workload | Exposure] = (*self.workloads, *self.services)
        return [*self.nodes, *(each.text() for each in objects)]

    def text(self) -> str:
        return "".join(self.documents())


def names(prefix: str) -> st.SearchStrategy[str]:
    return st.from_regex(f"{prefix}[a-z0-9]{{0,3}}", fullmatch=True)


WORKLOADS = st.builds(
    Workload,
    st.sampled_from(NAMESPACES),
    names("w"),
    st.integers(0, 4),
    st.sampled_from(LABELS),
    st.sampled_from(CONTAINER_PORTS),
    st.sampled_from(POD_SPECS),
)
SERVICES = st.builds(
    Exposure,
    st.sampled_from(NAMESPACES),
    names("s"),
    st.sampled_from(SELECTORS),
    st.sampled_from(SERVICE_PORTS),
    st.sampled_from((*SERVICE_SPECS, "type: ExternalName, externalName: example.com")),
)


@st.composite
def clusters(draw: st.DrawFn) -> Generated:
    """At least one node takes every pod. Nothing states an address or a node port."""
    others = draw(st.lists(st.sampled_from(NODE_SPECS), max_size=3))
    nodes = [node("n0", "192.0.2.1")]
    nodes += [node(f"n{i}", f"192.0.2.{i + 1}", spec=spec) for i, spec in enumerate(others, 1)]
    return Generated(
        tuple(nodes),
        tuple(draw(st.lists(WORKLOADS, max_size=5, unique_by=lambda each: each.key))),
        tuple(draw(st.lists(SERVICES, max_size=5, unique_by=lambda each: each.key))),
    )
