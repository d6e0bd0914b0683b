"""Cases of packets on one node: services and endpoints in, the fate of each packet out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import yaml

from kcompile.address import Family, parse_cidr, parse_ip
from kcompile.lower.rules import lower_rules
from kcompile.model import EndpointState, IpMode, Protocol, ServicePort, ServiceType, TrafficPolicy
from kcompile.planned import Endpoint, Plan, PlannedNode, PlannedPort, PlannedService
from kcompile.prove.chains import Indexed, Linear
from kcompile.prove.evaluate import Evaluator
from kcompile.prove.packet import LOOPBACK, Own, Packet
from kcompile.prove.text import read_rules
from kcompile.reach import Balanced, Dropped, Refused, Untouched, Verdict, show, verdict
from kcompile.render.rules import rules_text
from kcompile.traffic import traffic
from plan_builder import plan, settings

OWN_CASES = Path(__file__).parent / "data" / "packetflow" / "kube-proxy.yaml"
SHARED_CASES = Path(__file__).parents[2] / "shared" / "cases" / "packetflow.yaml"
NODE = "here 192.168.0.2 192.168.1.2 192.168.99.11 2001:db8::1 2001:db8:1::2"
_CONDITIONS = {
    "": EndpointState(),
    "unready": EndpointState(ready=False, serving=False),
    "serving": EndpointState(ready=False),
    "draining": EndpointState(ready=False, terminating=True),
    "gone": EndpointState(ready=False, serving=False, terminating=True),
}


@dataclass(frozen=True, slots=True)
class Case:
    """`packets` are the texts of a packet and of its fate."""

    name: str
    plan: Plan
    family: Family
    packets: tuple[tuple[str, str], ...]


def own_cases() -> list[Case]:
    return [_own_case(case) for case in yaml.safe_load(OWN_CASES.read_text())]


def _own_case(case: Mapping[str, Any]) -> Case:
    endpoints = case.get("endpoints", {})
    services = [_service(words.split(), endpoints) for words in case.get("services", ())]
    return Case(
        case["case"],
        _plan(services, case.get("node", NODE), case.get("settings", {})),
        case.get("settings", {}).get("family", 4),
        tuple(cast(tuple[str, str], tuple(text.split(": "))) for text in case["packets"]),
    )


def _plan(services: Iterable[PlannedService], node: str, options: Mapping[str, Any]) -> Plan:
    """What kube-proxy does not have is switched off."""
    name, *addresses = node.split()
    stated = replace(
        settings(("10.0.0.0/8", "fd00:10::/64"), ("172.30.0.0/16", "fd00:10:96::/112")),
        node_ports=(1, 65535),
        detect_local=options.get("detect-local", True),
        masquerade_all=options.get("masquerade-all", False),
        localhost_node_ports=options.get("localhost-node-ports", True),
        node_port_addresses=tuple(map(parse_cidr, options.get("node-port-addresses", ()))),
        egress_masquerade=False,
        forward_accept=False,
    )
    planned_node = PlannedNode(name, (), tuple(map(parse_ip, addresses)), ())
    by_name = sorted(services, key=lambda each: (each.namespace, each.name))
    return replace(plan(), settings=stated, nodes=(planned_node,), services=tuple(by_name))


def _service(words: list[str], endpoints: Mapping[str, list[str]]) -> PlannedService:
    key, kind, cluster_ip, *options = words
    namespace, _, name = key.partition("/")
    found: dict[str, list[str]] = {}
    for option in options:
        word, _, value = option.partition("=")
        found.setdefault(word, []).append(value)
    one = {word: values[0] for word, values in found.items()}
    # A plan has a port for health checks for these alone.
    checked = kind == "LoadBalancer" and one.get("external-policy") == "Local"
    return PlannedService(
        namespace=namespace,
        name=name,
        labels=(),
        type=cast(ServiceType, kind),
        selector=(),
        cluster_ips=() if cluster_ip == "None" else (parse_ip(cluster_ip),),
        headless=cluster_ip == "None",
        external_name="",
        ports=tuple(_port(key, value, endpoints) for value in found["port"]),
        external_ips=tuple(map(parse_ip, found.get("external", ()))),
        load_balancer_ips=tuple(map(_balancer, found.get("balancer", ()))),
        source_ranges=tuple(map(parse_cidr, found.get("from", ()))),
        external_policy=cast(TrafficPolicy, one.get("external-policy", "Cluster")),
        internal_policy=cast(TrafficPolicy, one.get("internal-policy", "Cluster")),
        affinity_seconds=int(one.get("affinity", 0)),
        health_check_node_port=int(one.get("health", 0)) if checked else 0,
    )


def _port(service: str, text: str, endpoints: Mapping[str, list[str]]) -> PlannedPort:
    name, _, rest = text.partition(":")
    number, _, rest = rest.partition("/")
    protocol, _, node_port = rest.partition("@")
    spec = ServicePort(name, cast(Protocol, protocol), int(number), int(number), 0)
    found = [_endpoint(words.split()) for words in endpoints.get(f"{service}:{name}", ())]
    by_place = sorted(found, key=lambda each: (each[1].ip, each[1].port))
    four, six = ([e for own, e in by_place if own == family] for family in (4, 6))
    return PlannedPort(spec, int(node_port or 0), tuple(four), tuple(six))


def _endpoint(words: list[str]) -> tuple[Family, Endpoint]:
    family, address, port = _place(words[0])
    on = words[2] if words[1:2] == ["on"] else ""
    condition = words[-1] if words[-1] in _CONDITIONS else ""
    return family, Endpoint(address, port, on, "", state=_CONDITIONS[condition])


def _place(text: str) -> tuple[Family, int, int]:
    address, _, port = text.rpartition(":")
    return *parse_ip(address.strip("[]")), int(port)


def _balancer(text: str) -> tuple[Family, int, IpMode]:
    address, _, mode = text.partition("/")
    return *parse_ip(address), cast(IpMode, mode or "VIP")


def rules(a_plan: Plan) -> dict[str, dict[Family, tuple[str, ...]]]:
    """The text of each node's rules in chunks."""
    found: dict[str, dict[Family, tuple[str, ...]]] = {}
    for ruleset in lower_rules(traffic(a_plan), a_plan.settings):
        text = rules_text(ruleset, {})
        for node in ruleset.nodes:
            found.setdefault(node, {})[ruleset.family] = text
    return found


class Reader:
    """Reads the rules of a plan's only node, and sends packets through them."""

    def __init__(self, a_plan: Plan, family: Family) -> None:
        (node,) = a_plan.nodes
        text = read_rules("".join(rules(a_plan)[node.name][family]), family)
        stated = frozenset(address for own, address in node.addresses if own == family)
        own = Own(stated, LOOPBACK[family])
        self.family = family
        self.plain = Evaluator(Linear(text), own)
        self.indexed = Evaluator(Indexed(text), own)

    def fate(self, packet: str) -> str:
        """What becomes of `SOURCE to DESTINATION/PROTOCOL`, in the words of the cases."""
        source, _, rest = packet.partition(" to ")
        target, _, protocol = rest.partition("/")
        _, address, port = _place(target)
        sent = Packet(parse_ip(source)[1], address, protocol.lower(), port)
        fates = self.plain.fates(sent)
        assert self.indexed.fates(sent) == fates
        return self._words(verdict(fates))

    def _words(self, found: Verdict) -> str:
        match found:
            case Refused():
                return "refused"
            case Dropped():
                return "dropped"
            case Untouched(accepted=accepted):
                return "accepted" if accepted else "untouched"
            case Balanced(backends):
                even = 1 / len(backends)
                assert all(abs(float(odds) - even) < 1e-8 for _, odds in backends)
                places = [
                    show(self.family, backend.address, backend.port)
                    + ("!" if backend.masqueraded else "")
                    for backend, _ in backends
                ]
                return " ".join(places)
            case _:
                return str(found)


def shared_cases() -> list[Case]:
    """Those of the reference data that kube-proxy's iptables mode meets."""
    document = yaml.safe_load(SHARED_CASES.read_text())
    return [_shared_case(case) for case in document["cases"] if "iptables" in case["modes"]]


def _shared_case(case: Mapping[str, Any]) -> Case:
    proxy = case.get("proxy", {})
    options = {
        "detect-local": proxy.get("detect_local", True),
        "masquerade-all": proxy.get("masquerade_all", False),
        "localhost-node-ports": proxy.get("localhost_nodeports", True),
        "node-port-addresses": proxy.get("nodeport_addresses") or (),
    }
    endpoints = {
        name: [_shared_endpoint(each) for each in found]
        for name, found in case["endpoints"].items()
    }
    services = [_service(_shared_service(each), endpoints) for each in case["services"]]
    node = case.get("node")
    stated = " ".join([node["name"], *node["ips"]]) if node else NODE.replace("here", "test-node")
    return Case(
        case["id"],
        _plan(services, stated, options),
        6 if proxy.get("family") == "IPv6" else 4,
        tuple(_shared_packet(packet) for packet in case["packets"]),
    )


def _shared_service(service: Mapping[str, Any]) -> list[str]:
    """The words of our own cases."""
    words = [f"{service['namespace']}/{service['name']}", service["type"], service["clusterIP"]]
    for port in service["ports"]:
        node_port = f"@{port['nodePort']}" if "nodePort" in port else ""
        words.append(f"port={port['name']}:{port['port']}/{port['protocol']}{node_port}")
    words += [f"external={each}" for each in service.get("externalIPs", ())]
    for each in service.get("lbIngress", ()):
        words.append(f"balancer={each if isinstance(each, str) else '/'.join(each.values())}")
    for each in service.get("loadBalancerSourceRanges", ()):
        address, _, prefix = each.strip().partition("/")
        words.append(f"from={address}/{int(prefix)}")
    words.append(f"external-policy={service.get('externalTrafficPolicy', 'Cluster')}")
    words.append(f"internal-policy={service.get('internalTrafficPolicy', 'Cluster')}")
    words.append(f"health={service.get('healthCheckNodePort', 0)}")
    words.append(f"affinity={service.get('affinitySeconds', 0)}")
    return words


def _shared_endpoint(endpoint: Mapping[str, Any]) -> str:
    address = endpoint["ip"]
    place = f"[{address}]:{endpoint['port']}" if ":" in address else f"{address}:{endpoint['port']}"
    on = f" on {endpoint['node']}" if "node" in endpoint else ""
    state = EndpointState(endpoint["ready"], endpoint["serving"], endpoint["terminating"])
    (condition,) = [word for word, each in _CONDITIONS.items() if each == state]
    return f"{place}{on} {condition}".strip()


def _shared_packet(packet: Mapping[str, Any]) -> tuple[str, str]:
    target = packet["to"]
    target = f"[{target}]" if ":" in target else target
    sent = f"{packet['from']} to {target}:{packet['port']}/{packet['proto']}"
    expected = packet["expect"]
    if isinstance(expected, str):
        words = {"REJECT": "refused", "DROP": "dropped", "ACCEPT": "accepted", "": "untouched"}
        return sent, words[expected]
    own = packet.get("masq_per_endpoint", {})
    marks = ["!" if own.get(place, packet["masq"]) else "" for place in expected]
    return sent, " ".join(map("".join, zip(expected, marks, strict=True)))
