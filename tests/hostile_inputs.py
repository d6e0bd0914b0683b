"""Inputs that would break out of a rule, a zone, a path or a terminal, each to be refused.

Manifests, flags and locks in the user's notation. What is quoted in YAML's double quotes holds
YAML's escapes: \\n, \\e, \\0, \\u202E.
"""

from notation import deployment, node, nodes, service

WEB = nodes(1) + deployment("web") + service("web")
LOCK = "kcompile-lock: 2\nalgorithm: 1\n"

_LONG = "a" * 64
_DOUBLING = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
)


def _with_dns(config: str, policy: str = "ClusterFirst") -> str:
    return deployment("web", spec=f"dnsPolicy: {policy}, dnsConfig: {config}")


MANIFESTS: dict[str, str] = {
    # names
    "a shell's characters": service('"web;reboot $(id) `id` |&"'),
    "an end of a comment": service("""'web" -j ACCEPT -m comment --comment "x'"""),
    "a rule of its own": service('"web\\n-A INPUT -j ACCEPT\\n"'),
    "a newline at the end": service('"web\\n"'),
    "a carriage return": service('"web\\r"'),
    "a null character": service('"web\\0"'),
    "a way up": service("../web"),
    "a way up and down": deployment("web/../../../etc/cron.d/x"),
    "an option": service("-D"),
    "a backslash": service("""'web\\'"""),
    "Cyrillic": service('"w\\u0435b"'),
    "fullwidth digits": service('"web\\uFF11"'),
    "Arabic digits": service('"web\\u0661"'),
    "a dotless i": deployment('"s\\u0131te"'),
    "nothing to see": service('"we\\u200Bb"'),
    "from right to left": service('"\\u202Ebew"'),
    "a terminal's escape": service('"web\\e[2J\\e]0;x\\a"'),
    "an 8-bit escape": service('"web\\x9b31m"'),
    "a line of Unicode": service('"web\\u2028x"'),
    "a long name": service(_LONG),
    "a directive of zones": service("$GENERATE"),
    "every name below": service("'*'"),
    "a zone's comment": service("'web;'"),
    # namespaces
    "a namespace of zones": service("web", namespace='"a\\n$INCLUDE /etc/passwd"'),
    "a namespace with a newline": deployment("web", namespace='"a\\n"'),
    "a namespace up": deployment("web", namespace="'..'"),
    "a namespace with dots": service("web", namespace="a.b"),
    "a namespace of a kind that is not compiled": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ../b}\n"
    ),
    # ports
    "a port's name": service("web", ports="""[{port: 80, name: 'a" -j ACCEPT'}]"""),
    "a port's name with a newline": service("web", ports='[{port: 80, name: "http\\n"}]'),
    "a port's name of zones": service("web", ports="[{port: 80, name: _tcp}]"),
    "a protocol": service("web", ports="[{port: 80, protocol: TCP -j ACCEPT}]"),
    "a protocol in lower case": service("web", ports="[{port: 80, protocol: tcp}]"),
    "a protocol with a newline": service("web", ports='[{port: 80, protocol: "TCP\\n"}]'),
    "a target port": service("web", ports='[{port: 80, targetPort: "80\\n"}]'),
    "a container's port": deployment("web", ports='[{containerPort: 80, name: "a\\n"}]'),
    "a port above 2^32": service("web", ports="[{port: 4294967376}]"),
    "a port without end": service("web", ports=f"[{{port: {'9' * 5000}}}]"),
    "a port of 10^400": service("web", ports="[{port: 1e400}]"),
    "a broken port": service("web", ports="[{port: 80.5}]"),
    "a node port above 2^32": service("web", spec="type: NodePort", ports="[{port: 80, nodePort: 4294997296}]"),
    "replicas without end": deployment("web").replace("replicas: 1", "replicas: 1e30"),
    # labels
    "a label's value": deployment("web", labels="""{app: 'a" -j ACCEPT'}"""),
    "a label's value with a newline": deployment("web", labels='{app: "a\\n"}'),
    "a label's key": deployment("web", labels='{"a\\nb": c}'),
    "a selector": service("web", selector='{app: "web\\n-A INPUT"}'),
    # addresses and names elsewhere
    "a cluster address": service("web", spec="clusterIP: 10.96.0.50 -j ACCEPT"),
    "a cluster address with a mask": service("web", spec="clusterIP: 10.96.0.50/8"),
    "a cluster address with a newline": service("web", spec='clusterIP: "10.96.0.50\\n"'),
    "no cluster address and a newline": service("web", spec='clusterIP: "None\\n"'),
    "a cluster address of Arabic digits": service("web", spec='clusterIP: "10.96.0.\\u0665"'),
    "a name elsewhere with a record": service("web", spec="type: ExternalName, externalName: x. IN A 192.0.2.1"),
    "a name elsewhere with a newline": service("web", spec='type: ExternalName, externalName: "example.com\\n"'),
    "a name elsewhere of everything": service("web", spec="type: ExternalName, externalName: '*.example.com'"),
    "a name elsewhere in brackets": service("web", spec="type: ExternalName, externalName: a(b"),
    # nodes
    "a node's name up": node("../../etc/cron.d/x", "192.0.2.1"),
    "a node's name of dots": node("'..'", "192.0.2.1"),
    "a node's name with a newline": node('"n0\\n"', "192.0.2.1"),
    "a node's name from the root": node("/etc", "192.0.2.1"),
    "a node's address": node("n0", "192.0.2.1; reboot"),
    "a node's address with a newline": node("n0", '"192.0.2.1\\n"'),
    "a node's share": node("n0", "192.0.2.1", spec="podCIDR: 10.244.0.0/24 -j ACCEPT"),
    "a node's share with a newline": node("n0", "192.0.2.1", spec='podCIDR: "10.244.0.0/24\\n"'),
    "a node's taint": node("n0", "192.0.2.1", spec='taints: [{key: "a\\nb", effect: NoSchedule}]'),
    "a node's label": node("n0", "192.0.2.1", labels='{a: "b\\n"}'),
    "a pod's node": nodes(1) + deployment("web", spec="nodeName: ../n0"),
    # pods
    "a name server": _with_dns('{nameservers: ["192.0.2.53\\nsearch evil.example"]}'),
    "a name server's name": _with_dns("{nameservers: [dns.example.com]}"),
    "a search list": _with_dns('{searches: ["a\\nnameserver 192.0.2.66"]}'),
    "two search lists": _with_dns("{searches: [a b]}"),
    "an option's name": _with_dns('{options: [{name: "ndots:1\\nnameserver 192.0.2.66"}]}'),
    "an option's value": _with_dns('{options: [{name: ndots, value: "1\\nnameserver 192.0.2.66"}]}'),
    "a policy": _with_dns("{}", '"None\\n"'),
    "a toleration": deployment("web", spec='tolerations: [{key: "a\\nb", operator: Exists}]'),
    # texts
    "an address that doubles": _DOUBLING,
    "a deep list": "[" * 200_000,
    "deep JSON": '{"a":' * 200_000,
    "a class of Python": "!!python/object/apply:os.system [id]\n",
    "a tag of its own": "%TAG ! tag:example.com,2000:\n---\n!shape {a: b}\n",
    "an escape as it is": "apiVersion: v1\nkind: Service\nmetadata: {name: \x1b[31mweb}\n",
    "a null as it is": "apiVersion: v1\nkind: Service\0\n",
    "a kind": '{apiVersion: v1, kind: "Service\\e[31m"}\n',
    "a version": '{apiVersion: "v1\\n", kind: Service, metadata: {name: web}}\n',
    "a key of its own": service("web").replace("selector", '"sel\\e[31m\\n"'),
}  # fmt: skip

FLAGS: dict[str, tuple[str, str]] = {
    "a service range": ("--service-cidr", "10.96.0.0/12 -j ACCEPT"),
    "a service range with a newline": ("--service-cidr", "10.96.0.0/12\n"),
    "a service range of everything": ("--service-cidr", "0.0.0.0/0"),
    "a service range of Arabic digits": ("--service-cidr", "10.96.0.0/\u0661\u0662"),
    "a service range below zero": ("--service-cidr", "10.96.0.0/-1"),
    "a service range with an escape": ("--service-cidr", "\x1b[31m10.96.0.0/12"),
    "a service range of half a character": ("--service-cidr", "\udcff"),
    "a pod range": ("--pod-network-cidr", "10.244.0.0/16; reboot"),
    "two pod ranges": ("--pod-network-cidr", "10.244.0.0/16,10.245.0.0/16"),
    "a domain of zones": ("--service-dns-domain", "cluster.local\n$INCLUDE /etc/passwd"),
    "a domain with a newline": ("--service-dns-domain", "cluster.local\n"),
    "a domain up": ("--service-dns-domain", "../../etc"),
    "a domain of dots": ("--service-dns-domain", "a..b"),
    "no domain": ("--service-dns-domain", ""),
    "a domain in upper case": ("--service-dns-domain", "Cluster.Local"),
    "a domain of look-alikes": ("--service-dns-domain", "cluster.l\u043ecal"),
    "a long domain": ("--service-dns-domain", ".".join(["a" * 63] * 4)),
    "a node": ("--node", "n9=192.0.2.9;reboot"),
    "a node up": ("--node", "../../etc=192.0.2.9"),
    "a node with a newline": ("--node", "n9\n=192.0.2.9"),
    "a node's address with a newline": ("--node", "n9=192.0.2.9\n"),
    "a node with an escape": ("--node", "n9\x1b[31m=192.0.2.9"),
    "a node without an address": ("--node", "n9"),
    "an address without a node": ("--node", "=192.0.2.9"),
    "node ports": ("--service-node-port-range", "30000-99999"),
    "node ports with a newline": ("--service-node-port-range", "30000-32767\n"),
    "node ports backwards": ("--service-node-port-range", "32767-30000"),
    "a mask": ("--node-cidr-mask-size", "24\n"),
    "a mask of Arabic digits": ("--node-cidr-mask-size", "\u0662\u0664"),
    "a mask without end": ("--node-cidr-mask-size", "9" * 5000),
    "a range to keep": ("--non-masquerade-cidr", "192.0.2.0/24 -j ACCEPT"),
}

LOCKS: dict[str, str | bytes] = {
    "no lock": "evil",
    "no text": b"\xff\xfe\x00",
    "a later lock": "kcompile-lock: 99\nalgorithm: 1\n",
    "a later algorithm": "kcompile-lock: 2\nalgorithm: 99\n",
    "a conflict": f"{LOCK}<<<<<<< HEAD\n",
    "an escape": f"{LOCK}\x1b[31m\n",
    "a null": f"{LOCK}service/default/web\0: {{clusterIPs: [10.96.5.5]}}\n",
    "a node up": f"{LOCK}pod/default/Deployment/web/0: {{node: ../x, ips: [10.244.0.5]}}\n",
    "a pod's name": f'{LOCK}pod/default/Deployment/web/0: {{node: n0, ips: [10.244.0.5], name: "a\\nb"}}\n',
    "a pod's name up": f"{LOCK}pod/default/Deployment/web/0: {{node: n0, ips: [10.244.0.5], name: ../b}}\n",
    "a pod's address": f"{LOCK}pod/default/Deployment/web/0: {{node: n0, ips: [10.244.0.5 -j ACCEPT]}}\n",
    "an ordinal without end": f"{LOCK}pod/default/Deployment/web/{'9' * 5000}: {{node: n0, ips: [10.244.0.5]}}\n",
    "an ordinal of Arabic digits": f"{LOCK}pod/default/Deployment/web/\u0661: {{node: n0, ips: [10.244.0.5]}}\n",
    "a service's address": f"{LOCK}service/default/web: {{clusterIPs: [10.96.5.5; reboot]}}\n",
    "a service's name": f"{LOCK}service/default/we b: {{clusterIPs: [10.96.5.5]}}\n",
    "a service's name of zones": f"{LOCK}service/default/$INCLUDE: {{clusterIPs: [10.96.5.5]}}\n",
    "a node port": f"{LOCK}service/default/web: {{clusterIPs: [10.96.5.5], nodePorts: {{80/TCP: 30000; reboot}}}}\n",
    "a node port's protocol": f"{LOCK}service/default/web: {{clusterIPs: [10.96.5.5], nodePorts: {{80/TCP -j X: 30000}}}}\n",
    "a node's share": f"{LOCK}node/n0: {{podCIDRs: [10.244.0.0/24 -j ACCEPT]}}\n",
    "a node's name": f"{LOCK}node/../n0: {{podCIDRs: [10.244.0.0/24]}}\n",
    "one address twice": f"{LOCK}service/default/a: {{clusterIPs: [10.96.5.5]}}\nservice/default/b: {{clusterIPs: [10.96.5.5]}}\n",
    "an entry without end": f"{LOCK}service/default/{'a' * 100_000}: {{clusterIPs: [10.96.5.5]}}\n",
}  # fmt: skip
"""Whole locks, beside manifests that are right."""
