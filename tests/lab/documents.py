"""Documents of dual-stack clusters, in as few words as a test needs."""

import json
from collections.abc import Sequence

from lab.describe import Family, LabPod

BOTH: tuple[Family, ...] = (4, 6)
VIPS: dict[Family, str] = {4: "203.0.113.{}", 6: "2001:db8:113::{}"}
"""Addresses that something outside of the cluster leads to it."""


def vip(number: int, family: Family) -> str:
    return VIPS[family].format(number)


def node(name: str, index: int, zone: str, families: Sequence[Family] = BOTH) -> str:
    label = f"topology.kubernetes.io/zone: {zone}" if zone else ""
    cidrs: dict[Family, str] = {4: f"10.244.{index}.0/24", 6: f"fd00:244:0:{index}::/64"}
    addresses: dict[Family, str] = {4: f"192.168.20.{index}", 6: f"fd00:20::{index}"}
    stated = [f"{{type: InternalIP, address: '{addresses[family]}'}}" for family in families]
    return f"""\
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{{label}}}}}
spec: {{podCIDRs: {json.dumps([cidrs[family] for family in families])}}}
status: {{addresses: [{", ".join(stated)}]}}
---
"""


def deployment(
    name: str, node: str, *fields: str, app: str = "", replicas: int = 1, ports: str = "[]"
) -> str:
    """`fields` are more of its pods' spec."""
    labels = f"{{app: {app or name}, own: {name}}}"
    more = "".join(f"      {field}\n" for field in fields)
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec:
      containers: [{{name: c, image: i, ports: {ports}}}]
      nodeName: {node}
{more}---
"""


def service(
    name: str,
    ports: Sequence[str],
    *fields: str,
    policy: str = "RequireDualStack",
    ingress: int = 0,
    mode: str = "VIP",
    annotation: str = "",
    label: str = "",
    families: Sequence[Family] = BOTH,
) -> str:
    """`fields` are more of its spec; `ingress` is the number of the load balancer's address in
    VIPS."""
    spec = "".join(f"  {field}\n" for field in fields)
    addresses = ", ".join(f"{{ip: '{vip(ingress, f)}', ipMode: {mode}}}" for f in families)
    status = f"status: {{loadBalancer: {{ingress: [{addresses}]}}}}\n" if ingress else ""
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}, labels: {{{label}}}, annotations: {{{annotation}}}}}
spec:
  ipFamilyPolicy: {policy}
  ports: [{", ".join(ports)}]
{spec}{status}---
"""


def slice_(
    service: str, family: Family, port: int, endpoints: Sequence[str], suffix: str = ""
) -> str:
    return f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-ipv{family}{suffix}
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv{family}
ports: [{{name: http, port: {port}}}]
endpoints:
{"".join(endpoints)}---
"""


def endpoint(pod: LabPod, family: Family, more: str) -> str:
    return f"- {{addresses: ['{pod.address(family)}'], nodeName: {pod.node}, {more}}}\n"
