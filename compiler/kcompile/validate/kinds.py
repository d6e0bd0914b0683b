"""Which kinds there are, by group, and what becomes of each here."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from kcompile.model import WorkloadKind

ActingKind = (
    WorkloadKind
    | Literal[
        "Service",
        "Node",
        "Namespace",
        "ClusterConfiguration",
        "KubeProxyConfiguration",
        "EndpointSlice",
        "Endpoints",
        "IPAddressPool",
    ]
)


@dataclass(frozen=True, slots=True)
class Acts:
    """Becomes an object; `removed_in` is the release that no longer serves its version, or ""."""

    kind: ActingKind
    removed_in: str = ""


_DEPLOYMENT, _OLD_DEPLOYMENT = Acts("Deployment"), Acts("Deployment", "1.16")
_CLUSTER = Acts("ClusterConfiguration")
_ACTING = {
    ("apps/v1", "Deployment"): _DEPLOYMENT,
    ("apps/v1beta2", "Deployment"): _OLD_DEPLOYMENT,
    ("apps/v1beta1", "Deployment"): _OLD_DEPLOYMENT,
    ("extensions/v1beta1", "Deployment"): _OLD_DEPLOYMENT,
    ("apps/v1", "ReplicaSet"): Acts("ReplicaSet"),
    ("apps/v1beta2", "ReplicaSet"): Acts("ReplicaSet", "1.16"),
    ("extensions/v1beta1", "ReplicaSet"): Acts("ReplicaSet", "1.16"),
    ("v1", "ReplicationController"): Acts("ReplicationController"),
    ("apps/v1", "StatefulSet"): Acts("StatefulSet"),
    ("apps/v1beta2", "StatefulSet"): Acts("StatefulSet", "1.16"),
    ("apps/v1beta1", "StatefulSet"): Acts("StatefulSet", "1.16"),
    ("apps/v1", "DaemonSet"): Acts("DaemonSet"),
    ("apps/v1beta2", "DaemonSet"): Acts("DaemonSet", "1.16"),
    ("extensions/v1beta1", "DaemonSet"): Acts("DaemonSet", "1.16"),
    ("batch/v1", "Job"): Acts("Job"),
    ("v1", "Pod"): Acts("Pod"),
    ("v1", "Service"): Acts("Service"),
    ("v1", "Node"): Acts("Node"),
    ("v1", "Namespace"): Acts("Namespace"),
    ("v1", "Endpoints"): Acts("Endpoints"),
    ("discovery.k8s.io/v1", "EndpointSlice"): Acts("EndpointSlice"),
    ("metallb.io/v1beta1", "IPAddressPool"): Acts("IPAddressPool"),
    ("kubeadm.k8s.io/v1beta1", "ClusterConfiguration"): _CLUSTER,
    ("kubeadm.k8s.io/v1beta2", "ClusterConfiguration"): _CLUSTER,
    ("kubeadm.k8s.io/v1beta3", "ClusterConfiguration"): _CLUSTER,
    ("kubeadm.k8s.io/v1beta4", "ClusterConfiguration"): _CLUSTER,
    ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"): Acts("KubeProxyConfiguration"),
}
"""By version and kind."""

_ACTING_GROUPS = frozenset((name.rpartition("/")[0], kind) for name, kind in _ACTING)

_WORKLOADS = frozenset(
    {
        ("apps.openshift.io", "DeploymentConfig"),
        ("argoproj.io", "Rollout"),
        ("batch", "CronJob"),
        ("extensions", "Job"),
        ("keda.sh", "ScaledJob"),
    }
)
_SCALERS = frozenset(
    {
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("autoscaling.k8s.io", "VerticalPodAutoscaler"),
        ("extensions", "HorizontalPodAutoscaler"),
        ("keda.sh", "ScaledObject"),
    }
)
_NOT_ENFORCED = frozenset(
    {
        ("cilium.io", "CiliumClusterwideNetworkPolicy"),
        ("cilium.io", "CiliumNetworkPolicy"),
        ("crd.projectcalico.org", "GlobalNetworkPolicy"),
        ("crd.projectcalico.org", "NetworkPolicy"),
        ("extensions", "Ingress"),
        ("extensions", "NetworkPolicy"),
        ("networking.k8s.io", "Ingress"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy.networking.k8s.io", "AdminNetworkPolicy"),
        ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
        ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
        ("projectcalico.org", "GlobalNetworkPolicy"),
        ("projectcalico.org", "NetworkPolicy"),
    }
)
_GATEWAY_GROUPS = frozenset(
    {"gateway.networking.k8s.io", "gateway.networking.x-k8s.io", "networking.x-k8s.io"}
)
_TOOL_GROUPS = frozenset(
    {"config.kubernetes.io", "k3d.io", "kind.sigs.k8s.io", "kind.x-k8s.io",
     "kustomize.config.k8s.io", "skaffold"}
)  # fmt: skip
_KUBECONFIG = ("", "Config")
_KNOWN = {
    "": (
        "Binding ComponentStatus ConfigMap Endpoints Event LimitRange List Namespace Node"
        " PersistentVolume PersistentVolumeClaim Pod PodTemplate RangeAllocation"
        " ReplicationController ResourceQuota Secret SerializedReference Service ServiceAccount"
        " Status"
    ),
    "apps": (
        "ControllerRevision DaemonSet Deployment DeploymentRollback ReplicaSet Scale StatefulSet"
    ),
    "autoscaling": "HorizontalPodAutoscaler Scale",
    "batch": "CronJob Job JobTemplate ScheduledJob",
    "discovery.k8s.io": "EndpointSlice",
    "extensions": (
        "DaemonSet Deployment DeploymentRollback HorizontalPodAutoscaler Ingress Job NetworkPolicy"
        " PodSecurityPolicy ReplicaSet ReplicationControllerDummy Scale ThirdPartyResource"
    ),
    "networking.k8s.io": ("ClusterCIDR IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR"),
    "policy": "Eviction PodDisruptionBudget PodSecurityPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "storage.k8s.io": (
        "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass"
    ),
}
"""Every kind that a group of Kubernetes' own has or had: what is not here is a typing error."""


@dataclass(frozen=True, slots=True)
class NotCompiled:
    """Makes pods when only a cluster knows."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Changes how many pods others make, or what they ask for, when only a cluster knows."""


@dataclass(frozen=True, slots=True)
class NotEnforced:
    """Limits or routes traffic, which no output of kcompile does."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Configures a program that lives beside manifests."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Has no part in packets, addresses or names."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No group has it. `hint` says what was meant, if that can be guessed."""

    hint: str


Role = Acts | NotCompiled | Scales | NotEnforced | Tool | Ignored | Unknown


def role_of(api_version: str, kind: str) -> Role:
    acting = _ACTING.get((api_version, kind))
    if acting is not None:
        return acting
    group = api_version.rpartition("/")[0]
    if (group, kind) in _ACTING_GROUPS:
        return Unknown(_versions_hint(kind))
    return _passive_role(group, kind)


def _passive_role(group: str, kind: str) -> Role:
    pair = (group, kind)
    role: Role = Ignored()
    if pair in _WORKLOADS:
        role = NotCompiled()
    elif pair in _SCALERS:
        role = Scales()
    elif pair in _NOT_ENFORCED or group in _GATEWAY_GROUPS:
        role = NotEnforced()
    elif group in _TOOL_GROUPS or pair == _KUBECONFIG:
        role = Tool()
    elif group in _KNOWN and kind not in _KNOWN[group].split():
        role = Unknown(_kinds_hint(group, kind))
    return role


def _versions_hint(kind: str) -> str:
    versions = [version for version, name in _ACTING if name == kind]
    return f"{kind} is read in {', '.join(versions)}"


def _kinds_hint(group: str, kind: str) -> str:
    near = get_close_matches(kind, _KNOWN[group].split(), n=1)
    if near:
        return f"did you mean {near[0]}?"
    acting = [version for version, name in _ACTING if name == kind]
    if acting:
        return f"did you mean apiVersion {acting[0]}?"
    homes = [home for home, kinds in _KNOWN.items() if kind in kinds.split()]
    if homes:
        return f"{kind} is a kind of the group {homes[0] or 'v1'}"
    return ""
