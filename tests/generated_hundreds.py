"""Clusters of some hundreds of objects, in the user's notation.

They come from seeds: hypothesis draws how large a cluster is, and a seed says what it looks like,
which shrinks to few objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from kcompile.resolve.flags import Flags

NAMESPACES = ("default", "shop", "tools")
KINDS = ("Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet", "Job", "Pod")
TYPES = ("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer", "Local", "headless", "ExternalName")
POLICIES = ("PreferDualStack", "SingleStack")
TIERS = ("front", "back", "deep")
TAINTS = ("k: NoSchedule", "k: PreferNoSchedule", "k: NoExecute")
ALLOCATABLE = ("", "", "{cpu: 64, pods: 110}", "{cpu: 32}")
_HOST, _ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _term(key: str, labels: str) -> str:
    return f"{{topologyKey: {key}, labelSelector: {{matchLabels: {{{labels}}}}}}}"


ASKS = (
    "",
    "",
    "",
    "nodeSelector: {disk: ssd}",
    "tolerations: [{operator: Exists}]",
    "tolerations: [{key: k, operator: Exists, effect: NoExecute}]",
    f"affinity: {{nodeAffinity: {{{_REQUIRED}: {{nodeSelectorTerms: [{{matchExpressions: [{{key: {_ZONE}, operator: In, values: [a, b]}}]}}]}}}}}}",
    f"affinity: {{nodeAffinity: {{{_PREFERRED}: [{{weight: 5, preference: {{matchExpressions: [{{key: disk, operator: Exists}}]}}}}]}}}}",
    f"affinity: {{podAntiAffinity: {{{_REQUIRED}: [{_term(_HOST, 'app: OWN')}]}}}}",
    f"affinity: {{podAntiAffinity: {{{_PREFERRED}: [{{weight: 9, podAffinityTerm: {_term(_HOST, 'tier: front')}}}]}}}}",
    f"affinity: {{podAntiAffinity: {{{_REQUIRED}: [{_term(_HOST, 'app: OTHER')}]}}}}",
    f"affinity: {{podAffinity: {{{_REQUIRED}: [{_term(_ZONE, 'app: OTHER')}]}}}}",
    f"affinity: {{podAffinity: {{{_REQUIRED}: [{_term(_ZONE, 'app: OWN')}]}}}}",
    f"topologySpreadConstraints: [{{maxSkew: 1, whenUnsatisfiable: DoNotSchedule, {_term(_ZONE, 'app: OWN')[1:]}]",
    f"topologySpreadConstraints: [{{maxSkew: 1, whenUnsatisfiable: ScheduleAnyway, {_term(_HOST, 'app: OWN')[1:]}]",
    "hostNetwork: true",
)
"""What pods ask of nodes and of each other; OWN is the workload's own app, OTHER another one's."""
PORTS = (
    "[{containerPort: 80}]",
    "[{containerPort: 80, name: http}]",
    "[{containerPort: 8080, name: http}, {containerPort: 53, name: dns, protocol: UDP}]",
)

SINGLE = Flags(
    service_cidr="10.96.0.0/20",
    pod_network_cidr="10.244.0.0/16",
    load_balancer_pools=("198.51.100.0/24",),
    pending="warn",
)
DUAL = Flags(
    service_cidr="10.96.0.0/20,fd00:96::/112",
    pod_network_cidr="10.244.0.0/16,fd00:244::/56",
    load_balancer_pools=("198.51.100.0/24", "2001:db8:9::/120"),
    pending="warn",
)
"""Ranges that are never exhausted: nobody has to take what somebody else once had."""


@dataclass(frozen=True, slots=True)
class Node:
    number: int
    name: str
    labels: Mapping[str, str]
    taint: str = ""
    cordoned: bool = False
    allocatable: str = ""
    dual: bool = False
    cidr: str = ""

    def text(self) -> str:
        spec = ["unschedulable: true"] if self.cordoned else []
        spec += [f"podCIDR: {self.cidr}"] if self.cidr else []
        if self.taint:
            key, effect = self.taint.split(": ")
            spec.append(f"taints: [{{key: {key}, effect: {effect}}}]")
        addresses = [f"192.0.2.{self.number}"]
        addresses += [f'"2001:db8::{self.number:x}"'] if self.dual else []
        status = ", ".join(f"{{type: InternalIP, address: {each}}}" for each in addresses)
        more = f", allocatable: {self.allocatable}" if self.allocatable else ""
        return (
            f"apiVersion: v1\nkind: Node\n"
            f"metadata: {{name: {self.name}, labels: {_flow(self.labels)}}}\n"
            f"spec: {{{', '.join(spec)}}}\nstatus: {{addresses: [{status}]{more}}}\n"
        )


@dataclass(frozen=True, slots=True)
class Workload:
    """`app` is its own label, by which its selector finds its pods."""

    kind: str
    namespace: str
    name: str
    app: str
    tier: str
    replicas: int
    image: str
    env: str
    ports: str
    asks: str
    cpu: str
    first: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        return self.kind, self.namespace, self.name

    def text(self) -> str:
        labels = f"{{app: {self.app}, tier: {self.tier}}}"
        meta = f"name: {self.name}, namespace: {self.namespace}"
        if self.kind == "Pod":
            head = f"apiVersion: v1\nkind: Pod\nmetadata: {{{meta}, labels: {labels}}}\n"
            return f"{head}spec: {self._pod()}\n"
        group = "batch/v1" if self.kind == "Job" else "apps/v1"
        head = f"apiVersion: {group}\nkind: {self.kind}\nmetadata: {{{meta}}}\n"
        template = f"{{metadata: {{labels: {labels}}}, spec: {self._pod()}}}"
        fields = {
            "Deployment": f"replicas: {self.replicas}",
            "StatefulSet": f"replicas: {self.replicas}, serviceName: {self.name},"
            f" ordinals: {{start: {self.first}}}",
            "Job": f"parallelism: {self.replicas}, completions: {self.replicas}",
            "DaemonSet": "minReadySeconds: 1",
        }[self.kind]
        if self.kind != "Job":
            fields += f", selector: {{matchLabels: {{app: {self.app}}}}}"
        return f"{head}spec: {{{fields}, template: {template}}}\n"

    def _pod(self) -> str:
        requests = f", resources: {{requests: {{cpu: {self.cpu}}}}}" if self.cpu else ""
        container = f"{{name: c, image: {self.image}, ports: {self.ports}"
        container += f", env: [{{name: A, value: {self.env}}}]{requests}}}"
        more = f", {self.asks.replace('OWN', self.app)}" if self.asks else ""
        more += ", restartPolicy: Never" if self.kind == "Job" else ""
        return f"{{containers: [{container}]{more}}}"


@dataclass(frozen=True, slots=True)
class Service:
    """`type` "Local" is a LoadBalancer with health checks; `ports` are NUMBER/PROTOCOL."""

    namespace: str
    name: str
    type: str
    selector: str
    ports: tuple[str, ...]
    policy: str = ""
    stated: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        return "Service", self.namespace, self.name

    def text(self) -> str:
        head = (
            "apiVersion: v1\nkind: Service\n"
            f"metadata: {{name: {self.name}, namespace: {self.namespace}}}\n"
        )
        if self.type == "ExternalName":
            return f"{head}spec: {{type: ExternalName, externalName: example.com}}\n"
        fields = {
            "headless": ["clusterIP: None"],
            "Local": ["type: LoadBalancer", "externalTrafficPolicy: Local"],
        }.get(self.type, [f"type: {self.type}"])
        fields.append(f"selector: {{app: {self.selector}}}")
        ports = [each.split("/") for each in self.ports]
        shown = ", ".join(f"{{name: p{n}{p.lower()}, port: {n}, protocol: {p}}}" for n, p in ports)
        fields.append(f"ports: [{shown}]")
        fields += [f"ipFamilyPolicy: {self.policy}"] if self.policy else []
        fields += [f"clusterIP: {self.stated}"] if self.stated else []
        return f"{head}spec: {{{', '.join(fields)}}}\n"


T = TypeVar("T", Workload, Service)
Document = Node | Workload | Service


@dataclass(frozen=True, slots=True)
class Cluster:
    """`order` is the seed of an order of documents and of their files."""

    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...]
    services: tuple[Service, ...]
    dual: bool
    order: int = 0

    @property
    def flags(self) -> Flags:
        return DUAL if self.dual else SINGLE

    def files(self) -> list[tuple[str, str]]:
        chance = Random(self.order)  # noqa: S311 - examples, not secrets
        files: list[list[str]] = [[] for _ in range(1 + self.order % 4)]
        documents: list[Document] = [*self.nodes, *self.workloads, *self.services]
        for document in chance.sample(documents, len(documents)):
            chance.choice(files).append(document.text())
        return [(f"{n}-{self.order}.yaml", "---\n".join(each)) for n, each in enumerate(files)]


def cluster_of(seed: int, size: int, *, dual: bool = False) -> Cluster:
    """`size` workloads, as many Services, and a node for each ten of them, at least three."""
    chance = Random(seed)  # noqa: S311 - examples, not secrets
    nodes = [new_node(chance, number, dual=dual) for number in range(1, 4 + size // 10)]
    # One node that takes everything, as most clusters have.
    nodes[0] = Node(1, "n1", labels_of("a", "ssd"), dual=dual)
    workloads: list[Workload] = []
    for _ in range(size):
        workloads.append(new_workload(chance, workloads))
    services = [new_service(chance, workloads, dual=dual) for _ in range(size)]
    return Cluster(tuple(nodes), unique(workloads), unique(services), dual, chance.randrange(99))


def new_node(chance: Random, number: int, *, dual: bool) -> Node:
    return Node(
        number,
        f"n{number}",
        labels_of(chance.choice("abc"), chance.choice(["ssd", ""])),
        chance.choice(["", "", "", "", *TAINTS]),
        chance.random() < 0.1,
        chance.choice(ALLOCATABLE),
        dual,
    )


def new_workload(chance: Random, others: Sequence[Workload]) -> Workload:
    """One that may want to be near one of the others, or apart from it."""
    kind = chance.choice(KINDS)
    name = f"w{chance.randrange(1000)}"
    return Workload(
        kind,
        chance.choice(NAMESPACES),
        name,
        f"{name}-{kind.lower()}",
        chance.choice(TIERS[:2]),
        1 if kind == "Pod" else chance.randint(0, 5),
        "i:1",
        "a",
        chance.choice(PORTS),
        asked(chance, others),
        chance.choice(["", "", "100m", "2"]),
        chance.choice([0, 0, 3]) if kind == "StatefulSet" else 0,
    )


def new_service(chance: Random, workloads: Sequence[Workload], *, dual: bool) -> Service:
    namespace, app = chance.choice(NAMESPACES), "none"
    if workloads:
        behind = chance.choice(workloads)
        namespace, app = behind.namespace, behind.app
    return Service(
        namespace,
        f"s{chance.randrange(1000)}",
        chance.choice(TYPES),
        app,
        tuple(
            sorted(chance.sample(["80/TCP", "80/UDP", "443/TCP", "53/UDP"], chance.randint(1, 3)))
        ),
        chance.choice(POLICIES) if dual else "",
    )


def asked(chance: Random, others: Sequence[Workload]) -> str:
    other = chance.choice(others).app if others else "none"
    return chance.choice(ASKS).replace("OTHER", other)


def labels_of(zone: str, disk: str) -> Mapping[str, str]:
    return {"topology.kubernetes.io/zone": zone, **({"disk": disk} if disk else {})}


def _flow(mapping: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in mapping.items()) + "}"


def unique(objects: Sequence[T]) -> tuple[T, ...]:
    """Of several with one key the first."""
    found: dict[tuple[str, ...], T] = {}
    for each in objects:
        found.setdefault(each.key, each)
    return tuple(found.values())


seeds = st.integers(0, (1 << 32) - 1)
clusters = st.builds(cluster_of, seeds, st.integers(5, 60), dual=st.booleans())
