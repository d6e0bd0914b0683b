"""The process that holds a lab: it makes the namespaces, sets the nodes up, runs what it is told.

Started by lab.cluster as `python -m lab.world FD`; speaks JSON, a line each way, on that socket.
"""

import ipaddress
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab import cni, describe
from lab.describe import (
    PROGRAMS,
    WIRE_PREFIXES,
    Family,
    Lab,
    LabNode,
    LabPod,
    Port,
    Probe,
    family_of,
)
from lab.hosts import Hosts
from lab.kernel import die_with_parent, inside, new_netns, sandbox
from lab.probe import run_probes
from lab.serve import Listener, serve

# Where the kernel's own defaults are, said out loud: a new network namespace inherits some of
# these from the machine that the tests run on (net.core.devconf_inherit_init_net).
KERNEL_DEFAULTS = {
    "net/ipv4/ip_forward": "0",
    "net/ipv4/conf/all/route_localnet": "0",
    "net/ipv4/conf/default/route_localnet": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/bridge/bridge-nf-call-ip6tables": "0",
}
IPV6_KERNEL_DEFAULTS = {
    "net/ipv6/conf/all/forwarding": "0",
    "net/ipv6/conf/default/forwarding": "0",
}
# Addresses are good at once: nobody else is on these wires, and a bridge port in hairpin mode
# sends a host's question for duplicates back to it.
IPV6_AT_ONCE = {
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}
# Refusals are ICMP messages, of which a node sends 6 in a burst and then one a second to each
# client. A real client does not mind; a test that counts refusals would see time-outs.
REFUSALS_UNLIMITED = {
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "100000",
    "net/ipv4/icmp_msgs_burst": "10000",
}
IPV6_REFUSALS_UNLIMITED = {"net/ipv6/icmp/ratelimit": "0"}
FORWARDING: dict[Family, dict[str, str]] = {
    4: {"net/ipv4/ip_forward": "1"},
    6: {"net/ipv6/conf/all/forwarding": "1"},
}
# Run a program with another resolv.conf: mount it in a mount namespace of its own.
WITH_RESOLV = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


class World:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.netns: dict[str, int] = {}
        self.listeners: list[Listener] = []
        self.missing: list[str] = []
        self.errors: list[str] = []
        self.hosts = Hosts(lab.variant.flavour)
        self.plugged: dict[str, Any] = {}  # by pod, what the CNI plugins said

    def build(self) -> None:
        self._segment()
        for node in self.lab.nodes:
            self._node(node)
        for pod in self.lab.pods:
            self._listen(pod.name, pod.addresses, pod.ports)
        self._start_servers()
        for node in self.lab.nodes:
            self._load(node)

    # -- links and addresses: what a machine and a CNI plugin bring

    def _segment(self) -> None:
        """The wire between nodes, router and neighbour, and the internet behind the router."""
        lab = self.lab
        hosts = {node.name: node.addresses for node in lab.nodes}
        for name in describe.WIRE_HOSTS:
            hosts[name] = tuple(lab.address(name, family) for family in lab.families)
        for name in ("wire", describe.INTERNET, *hosts):
            self._new(name)
        lines = ["link add br0 type bridge", "link set br0 up"]
        for index, name in enumerate(hosts):
            lines += self._plug(f"port{index}", name, "eth0")
            lines.append(f"link set port{index} master br0")
            if lab.variant.wire_mtu and index < len(lab.nodes):
                lines.append(f"link set port{index} mtu {lab.variant.wire_mtu}")
        self._ip("wire", lines)
        for name, addresses in hosts.items():
            lines = [_add_address(f"{a}/{WIRE_PREFIXES[family_of(a)]}", "eth0") for a in addresses]
            self._ip(name, ["link set eth0 up", *self._as_sent("eth0"), *lines])
        self._internet()

    def _as_sent(self, device: str) -> list[str]:
        """Where size matters, packets are made as a wire has them, not in bundles for the network
        card, which a bridge here lets pass whatever its MTU."""
        return [f"link set {device} gso_max_segs 1"] if self.lab.variant.wire_mtu else []

    def _internet(self) -> None:
        self._ip(describe.ROUTER, self._plug("eth1", describe.INTERNET, "eth0"))
        self._ip(describe.INTERNET, ["link set eth0 up"])
        for family in self.lab.families:
            wire = ipaddress.ip_network(describe.INTERNET_NETS[family])
            host = describe.INTERNET_HOSTS[family]
            self._ip(describe.ROUTER, [_add_address(f"{wire[1]}/{wire.prefixlen}", "eth1")])
            lines = [_add_address(f"{host}/{wire.prefixlen}", "eth0"), _default_route(str(wire[1]))]
            self._ip(describe.INTERNET, lines)
            self._listen(describe.INTERNET, (host,), (Port("TCP", describe.INTERNET_PORT),))
            self._sysctl(describe.ROUTER, FORWARDING[family])

    def _node(self, node: LabNode) -> None:
        self._sysctl(node.name, KERNEL_DEFAULTS | REFUSALS_UNLIMITED)
        if 6 in self.lab.families:
            self._sysctl(node.name, IPV6_KERNEL_DEFAULTS | IPV6_REFUSALS_UNLIMITED)
        if self.lab.variant.default_route:
            routers = [self.lab.address(describe.ROUTER, family) for family in self.lab.families]
            self._ip(node.name, [_default_route(router) for router in routers])
        for pod in self.lab.pods:
            if pod.node == node.name and _in_host_network(pod, node):
                self.netns[pod.name] = self.netns[node.name]
        if node.runtime is not None:
            self._runtime(node, Path(node.runtime))

    def _runtime(self, node: LabNode, runtime: Path) -> None:
        """The bridge and the pods of pods.json."""
        plan = json.loads((runtime / "pods.json").read_text())
        pods = [pod for pod in plan["pods"] if not pod["hostNetwork"]]
        for pod in pods:
            self._new(_name(pod))
        if self.lab.variant.cni:
            for pod in pods:
                self.cni("ADD", _name(pod))
                self._ip(_name(pod), self._as_sent("eth0"))
            return
        bridge, hairpin = plan["bridge"]["name"], "on" if plan["bridge"]["hairpin"] else "off"
        lines = [f"link add {bridge} type bridge", f"link set {bridge} up"]
        lines += [_add_address(address, bridge) for address in plan["bridge"]["addresses"]]
        mtu = plan["bridge"]["mtu"] or 1500
        for index, pod in enumerate(pods):
            lines += self._plug(f"veth{index}", _name(pod), "eth0")
            lines.append(f"link set veth{index} mtu {mtu}")
            lines.append(f"link set veth{index} master {bridge}")
            lines.append(f"link set veth{index} type bridge_slave hairpin {hairpin}")
        self._ip(node.name, lines)
        for pod in pods:
            addresses = [_add_address(address, "eth0") for address in pod["addresses"]]
            routes = [_default_route(gateway) for gateway in pod["gateways"]]
            up = [f"link set eth0 mtu {mtu} up", *self._as_sent("eth0")]
            self._ip(_name(pod), [*up, *addresses, *routes])

    def cni(self, command: cni.Command, name: str) -> Any:
        """Call the plugins for a pod; what they answer."""
        node = self.lab.node(self.lab.pod(name).node)
        runtime, way = Path(node.runtime or ""), self.lab.variant.cni or "ips"
        pods = json.loads((runtime / "pods.json").read_text())["pods"]
        (pod,) = [pod for pod in pods if _name(pod) == name]
        there = f"/proc/{os.getpid()}/fd/{self.netns[name]}"
        before = self.plugged.get(name) if command != "ADD" else None
        with inside(self.netns[node.name]):
            answer = cni.call(command, cni.conflist(runtime), pod, there, way=way, result=before)
        self.plugged[name] = answer
        return answer

    def _new(self, name: str) -> None:
        if name in self.netns:
            raise ValueError(f"two hosts are called {name}")
        self.netns[name] = new_netns()
        if 6 in self.lab.families:
            self._sysctl(name, IPV6_AT_ONCE)
        self._ip(name, ["link set lo up"])

    def _plug(self, port: str, name: str, device: str) -> list[str]:
        """A cable from `port` here to `device` there."""
        there = f"/proc/{os.getpid()}/fd/{self.netns[name]}"
        return [
            f"link add {port} type veth peer name {device} netns {there}",
            f"link set {port} up",
        ]

    def _ip(self, name: str, lines: list[str]) -> None:
        failure = self._program(name, ["ip", "-batch", "-"], "\n".join(lines) + "\n")
        if failure:
            raise OSError(f"{name}: {failure}")

    def _listen(self, name: str, addresses: tuple[str, ...], ports: tuple[Port, ...]) -> None:
        with inside(self.netns[name]):
            self.listeners += [
                Listener(name, address, port) for address in addresses for port in ports
            ]

    def _start_servers(self) -> None:
        if os.fork() == 0:
            die_with_parent()
            try:
                serve(self.listeners)
            finally:
                os._exit(1)
        for listener in self.listeners:
            listener.socket.close()

    # -- a node's files, as an operator would load them

    def _load(self, node: LabNode) -> None:
        self._set_policies(node)
        for path in node.sysctls:
            self._sysctl(node.name, read_sysctl_conf(Path(path).read_text()))
        for path in node.batches:
            self._step(node, ["ip", "-batch", path])
        self._load_rules(node)

    def _load_rules(self, node: LabNode) -> None:
        for path in node.rules:
            self._step(node, [f"{Path(path).stem}-{self.lab.variant.flavour}-restore"], path)
        # A flushing restore with policy "-" keeps the policy on legacy, but the nft flavour makes
        # it ACCEPT again; dockerd, started later, would set it again.
        self._set_policies(node)

    def _set_policies(self, node: LabNode) -> None:
        variant = self.lab.variant
        for family in self.lab.families:
            program = f"{PROGRAMS[family]}-{variant.flavour}"
            self._step(node, [program, "-P", "FORWARD", variant.forward])

    def _step(self, node: LabNode, argv: list[str], stdin: str | None = None) -> None:
        text = Path(stdin).read_text() if stdin else ""
        failure = self._program(node.name, argv, text)
        if failure:
            self.errors.append(f"{node.name}: {' '.join(argv)}: {failure}")

    def _sysctl(self, name: str, values: dict[str, str]) -> None:
        with inside(self.netns[name]):
            for key, value in values.items():
                try:
                    Path("/proc/sys", key).write_text(value)
                except OSError as error:
                    self.missing.append(f"{name}: {key} = {value}: {error.strerror}")

    def _program(self, name: str, argv: list[str], stdin: str) -> str:
        """Why the program failed; "" if it did not."""
        with inside(self.netns[name]):
            done = subprocess.run(
                argv,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=60,
            )
        return f"exit {done.returncode}: {done.stdout[-2000:]}" if done.returncode else ""

    # -- what tests ask for

    def run(self, name: str, argv: list[str], timeout: float) -> dict[str, Any]:
        pod = next((pod for pod in self.lab.pods if pod.name == name), None)
        if pod and pod.resolv:
            argv = ["unshare", "--mount", "sh", "-c", WITH_RESOLV, pod.resolv, *argv]
        with inside(self.netns[name]):
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        return {"status": done.returncode, "out": done.stdout, "err": done.stderr}

    def start(self, name: str, argv: list[str], log: str) -> dict[str, Any]:
        """A program in the background; it ends with the lab at the latest."""
        with inside(self.netns[name]), Path(log).open("w") as output:
            program = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        return {"pid": program.pid}

    def load(self, lab: Lab) -> list[str]:
        """What went wrong."""
        self.errors = []
        for node in lab.nodes:
            self._load_rules(node)
        return self.errors

    def answer(self, request: dict[str, Any]) -> object:
        match request:
            case {"probe": list(probes)}:
                return run_probes([Probe(**probe) for probe in probes], self.netns)
            case {"load": str(lab)}:
                return self.load(describe.from_json(lab))
            case {"run": [str(name), list(argv)], "timeout": timeout}:
                return self.run(name, argv, timeout)
            case {"start": [str(name), list(argv)], "log": str(log)}:
                return self.start(name, argv, log)
            case {"cni": ("ADD" | "CHECK" | "DEL") as command, "pod": str(name)}:
                return self.cni(command, name)
            case {"host": str(name), **more}:
                return self.hosts.answer(name, self.netns[name], more)
        raise ValueError(f"not a request: {request}")


def _add_address(address: str, device: str) -> str:
    """`address` has a prefix length."""
    return f"addr add {address} dev {device}" + (" nodad" if ":" in address else "")


def _name(pod: Any) -> str:
    return f"{pod['namespace']}/{pod['name']}"


def _default_route(gateway: str) -> str:
    return f"route add default via {gateway}"


def _in_host_network(pod: LabPod, node: LabNode) -> bool:
    return set(pod.addresses) <= set(node.addresses)


def read_sysctl_conf(text: str) -> dict[str, str]:
    """sysctl.d(5): `key = value` lines; both separators, '-' before a key, '#' and ';' comments."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            key = key.strip().removeprefix("-")
            values[key if "/" in key.split(".")[0] else key.replace(".", "/")] = value.strip()
    return values


def main() -> None:
    stream = socket.socket(fileno=int(sys.argv[1])).makefile("rw")
    sandbox()
    world = World(describe.from_json(stream.readline()))
    try:
        world.build()
        reply: object = {"errors": world.errors, "missing": world.missing}
    except (OSError, ValueError) as error:
        reply = {"errors": [str(error)], "missing": world.missing}
    while True:
        stream.write(json.dumps(reply) + "\n")
        stream.flush()
        line = stream.readline()
        if not line:
            os._exit(0)
        try:
            reply = {"answer": world.answer(json.loads(line))}
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            reply = {"failed": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
