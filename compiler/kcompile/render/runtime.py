"""What container runtimes read: nodes/NODE/runtime/."""

import json
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii as quoted

from kcompile.address import Cidr, Family, format_ip
from kcompile.ir import NodeRuntime

FORMAT_VERSION = 1
"""Rises when a key changes its meaning or goes away, not when one is added."""

CNI_VERSION = "1.0.0"
"""Of the CNI specification: containerd has it from 1.6 on, CRI-O from 1.23 on."""


def pods_json(runtime: NodeRuntime) -> str:
    """pods.json: a pod a line."""
    bridge = {
        "name": runtime.bridge,
        "addresses": [f"{_gateway(cidr)}/{cidr.prefix}" for cidr in runtime.networks],
        "hairpin": True,
        "mtu": runtime.mtu or None,
    }
    pods = ",\n".join(_pods(runtime))
    lines = f"\n{pods}\n" if pods else ""
    return (
        f'{{\n"version": {FORMAT_VERSION},\n"node": {quoted(runtime.node)},\n'
        f'"bridge": {json.dumps(bridge)},\n"pods": [{lines}]\n}}\n'
    )


def conflist_text(runtime: NodeRuntime) -> str:
    """A CNI network configuration list. The runtime states each pod's addresses; without, the
    plugin fails: better no pod than one with another pod's address."""
    bridge = {
        "type": "bridge",
        "bridge": runtime.bridge,
        "isGateway": True,
        "isDefaultGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        **({"mtu": runtime.mtu} if runtime.mtu else {}),
        "capabilities": {"ips": True},
        "ipam": {"type": "static"},
    }
    network = {"cniVersion": CNI_VERSION, "name": "kcompile", "plugins": [bridge]}
    return json.dumps(network, indent=2) + "\n"


def _pods(runtime: NodeRuntime) -> Iterator[str]:
    """Built directly, as there may be 100,000 pods. Their names were checked: nothing in them needs
    escaping."""
    ends: dict[Family, str] = {cidr.family: f'/{cidr.prefix}"' for cidr in runtime.networks}
    gateways = {cidr.family: f'"{_gateway(cidr)}"' for cidr in runtime.networks}
    for namespace, name, host_name, host_network, ipv4, ipv6, resolv_conf in runtime.pods:
        addresses = f'"{format_ip(4, ipv4)}{ends[4]}' if ipv4 else ""
        ways = gateways[4] if ipv4 else ""
        if ipv6:
            comma = ", " if ipv4 else ""
            addresses += f'{comma}"{format_ip(6, ipv6)}{ends[6]}'
            ways += f"{comma}{gateways[6]}"
        resolv = f'"{resolv_conf}"' if resolv_conf else "null"
        yield (
            f'{{"namespace": "{namespace}", "name": "{name}", "hostName": "{host_name}", '
            f'"hostNetwork": {"true" if host_network else "false"}, "addresses": [{addresses}], '
            f'"gateways": [{ways}], "resolvConf": {resolv}}}'
        )


def _gateway(cidr: Cidr) -> str:
    """The first address, which no pod has."""
    return format_ip(cidr.family, cidr.base + 1)
