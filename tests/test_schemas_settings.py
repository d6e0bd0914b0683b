"""kubeadm's and kube-proxy's configuration, as those programs write it."""

import pytest
import yaml

from kcompile.problems import Code
from kcompile.validate.schema import SchemaError, check


def check_text(text: str) -> tuple[SchemaError, ...]:
    document = yaml.safe_load(text)
    return check(document["kind"], document)


def told(error: SchemaError) -> str:
    return f"{error.code.value}: {error.message}" + (f" ({error.hint})" if error.hint else "")


KUBEADM = """
kind: ClusterConfiguration
clusterName: kubernetes
kubernetesVersion: v1.33.0
controlPlaneEndpoint: 10.0.0.1:6443
certificatesDir: /etc/kubernetes/pki
imageRepository: registry.k8s.io
networking: {dnsDomain: cluster.local, podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
featureGates: {RootlessControlPlane: true}
dns: {imageTag: v1.11.3}
etcd:
  local: {dataDir: /var/lib/etcd, serverCertSANs: [etcd]}
apiServer:
  certSANs: [k8s.example]
  extraArgs: ARGUMENTS
  extraVolumes: [{name: a, hostPath: /a, mountPath: /a, readOnly: true, pathType: File}]
controllerManager: {extraArgs: ARGUMENTS}
scheduler: {}
"""
AS_MAP = "{service-node-port-range: 30000-32767}"
AS_LIST = "[{name: service-node-port-range, value: 30000-32767}]"


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2", "v1beta3"])
def test_kubeadm_with_arguments_as_a_map(version: str) -> None:
    text = f"apiVersion: kubeadm.k8s.io/{version}\n" + KUBEADM
    assert check_text(text.replace("ARGUMENTS", AS_MAP)) == ()
    assert check_text(text.replace("ARGUMENTS", AS_MAP) + "useHyperKubeImage: false\n") == ()
    errors = check_text(text.replace("ARGUMENTS", AS_LIST))
    assert {error.code for error in errors} == {Code.WRONG_TYPE}


def test_kubeadm_v1beta4_with_arguments_as_a_list() -> None:
    text = "apiVersion: kubeadm.k8s.io/v1beta4\nproxy: {disabled: true}\n" + KUBEADM
    text += "encryptionAlgorithm: RSA-2048\ncaCertificateValidityPeriod: 87600h0m0s\n"
    assert check_text(text.replace("ARGUMENTS", AS_LIST)) == ()
    errors = check_text(text.replace("ARGUMENTS", AS_MAP))
    assert {error.code for error in errors} == {Code.WRONG_TYPE}


def test_kubeadm_arguments_are_strings() -> None:
    text = "apiVersion: kubeadm.k8s.io/v1beta3\n" + KUBEADM
    errors = check_text(text.replace("ARGUMENTS", "{node-cidr-mask-size: 24}"))
    assert [told(error) for error in errors] == [
        f"KC204: {component}.extraArgs.node-cidr-mask-size: expected string, found integer 24"
        " (quote it)"
        for component in ("apiServer", "controllerManager")
    ]


KUBE_PROXY = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection: {acceptContentTypes: "", burst: 0, contentType: "", kubeconfig: /k, qps: 0.5}
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack: {maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null,
  tcpEstablishedTimeout: 24h0m0s, udpStreamTimeout: 0s, udpTimeout: 0s}
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: 14, minSyncPeriod: 1s,
  syncPeriod: 30s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s,
  tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s}
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}},
  verbosity: 0}
metricsBindAddress: ""
mode: ""
nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: {enableDSR: false, forwardHealthCheckVip: false, networkName: "",
  rootHnsEndpointName: "", sourceVip: ""}
"""


def test_kube_proxys_configuration_as_kubeadm_writes_it() -> None:
    assert check_text(KUBE_PROXY) == ()
    (error,) = check_text(KUBE_PROXY.replace("masqueradeBit: 14", "masqueradeBit: 32"))
    assert (
        told(error) == "KC206: iptables.masqueradeBit is 32; it must be a bit number from 0 to 31"
    )
    (error,) = check_text(KUBE_PROXY.replace("syncPeriod: 30s", "syncPeriod: 30"))
    assert told(error) == "KC204: iptables.syncPeriod: expected string, found integer 30 (quote it)"
