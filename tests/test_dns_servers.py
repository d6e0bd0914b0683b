"""Configurations of name servers: where they listen, whom they answer, whom they ask."""

import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.lower.servers import lower_servers
from kcompile.lower.zones import lower_zones
from kcompile.pipeline import make_files
from kcompile.planned import Plan
from kcompile.problems import InputError
from kcompile.render.servers import server_texts
from kcompile.resolve.flags import Flags
from kcompile.validate.corefile import Forward, forwards
from notation import deployment, endpoint_slice, endpoints, node, planned, service

SMALL = {"service_cidr": "10.96.0.0/24", "pod_network_cidr": "10.244.0.0/16"}
IPV6 = Flags(service_cidr="fd00:96::/112", pod_network_cidr="fd00:244::/48")
DNS_SERVICE = service(
    "kube-dns",
    namespace="kube-system",
    selector="{k8s-app: dns}",
    ports="[{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]",
    spec="clusterIP: 10.96.0.10",
)


def servers(text: str, **flags: str) -> Mapping[str, str]:
    return of_plan(planned(text, flags=Flags(**{**SMALL, **flags})).plan)


def of_plan(plan: Plan) -> Mapping[str, str]:
    return server_texts(lower_servers(plan, lower_zones(plan)))


def files(text: str, flags: Flags) -> Mapping[str, str]:
    found = make_files(planned(text, flags=flags))
    return {path: "".join(map(_text, each.chunks)) for path, each in found.items()}


def _text(chunk: str | bytes) -> str:
    return chunk if isinstance(chunk, str) else chunk.decode()


def config_map(name: str, **data: str) -> str:
    entries = json.dumps(data)
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: kube-system}}\n"
        f"data: {entries}\n---\n"
    )


# ---- where they listen


def test_servers_listen_on_the_address_that_each_node_has_for_them() -> None:
    found = servers(deployment("web"))
    assert "    listen-on port 53 { 169.254.20.10; };\n" in found["named.conf"]
    assert "    listen-on-v6 port 53 { none; };\n" in found["named.conf"]
    assert "    interface: 169.254.20.10\n" in found["unbound.conf"]
    assert "    ip-address: 169.254.20.10\n" in found["nsd.conf"]
    assert '    listen: [ "169.254.20.10@53" ]\n' in found["knot.conf"]
    assert "    bind 169.254.20.10\n" in found["Corefile"]


def test_ipv6_has_an_address_of_its_own() -> None:
    plan = planned(deployment("web"), flags=IPV6).plan
    assert endpoints(plan, "kube-dns") == [["[fd6b:636f:6d70::53]:53"]] * 2
    found = of_plan(plan)
    assert "listen-on port 53 { none; };" in found["named.conf"]
    assert "listen-on-v6 port 53 { fd6b:636f:6d70::53; };" in found["named.conf"]
    assert '    listen: [ "fd6b:636f:6d70::53@53" ]\n' in found["knot.conf"]


def test_another_address_and_none() -> None:
    found = servers(deployment("web"), node_dns_address="192.168.255.53")
    assert "{ 192.168.255.53; }" in found["named.conf"]
    assert sorted(servers(deployment("web"), node_dns_address="none")) == [
        "knot.zones.conf",
        "named.zones.conf",
        "nsd.zones.conf",
    ]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("localhost", "'localhost': an IP address or none is allowed"),
        ("127.0.0.53", "127.0.0.53 lies in 127.0.0.0/8, where no server for pods can be"),
        ("0.0.0.1", "lies in 0.0.0.0/8"),
        ("224.0.0.251", "lies in 224.0.0.0/3"),
        ("fd00::1", "fd00::1 is not of the DNS Service's family, IPv4"),
        ("10.96.0.53", "10.96.0.53 lies in the service range 10.96.0.0/24"),
        ("10.244.1.53", "10.244.1.53 lies in the pod range 10.244.0.0/16"),
        ("192.0.2.1", "192.0.2.1 is node n1's own address"),
    ],
)
def test_addresses_that_cannot_be(address: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        servers(node("n1", "192.0.2.1"), node_dns_address=address)
    (problem,) = caught.value.problems
    assert str(problem).startswith("--node-dns-address:1:1: KC303: ")
    assert said in problem.message


@pytest.mark.parametrize("taken", ["pod_network_cidr", "service_cidr"])
def test_where_the_default_is_taken_there_is_none(taken: str) -> None:
    plan = planned(deployment("web"), flags=Flags(**{**SMALL, taken: "169.254.0.0/16"})).plan
    assert plan.settings.node_dns == ()
    assert endpoints(plan, "kube-dns") == [[], []]


def test_a_declared_service_has_its_own_servers() -> None:
    pods = deployment("dns", 2, namespace="kube-system", labels="{k8s-app: dns}")
    found = servers(DNS_SERVICE + pods)
    (line,) = re.findall(r"listen-on port 53 \{ (.*)\};", found["named.conf"])
    assert len(line.split()) == 2
    assert all(address.startswith("10.244.") for address in line.split())
    assert "169.254" not in "".join(found.values())


def test_a_declared_service_without_endpoints_has_none() -> None:
    assert "named.conf" not in servers(DNS_SERVICE)


def test_endpoints_of_the_manifests_win() -> None:
    slice_ = endpoint_slice(
        "kube-dns", "[192.0.2.53]", ports="[{name: dns, protocol: UDP, port: 53}]"
    )
    text = slice_.replace("metadata: {", "metadata: {namespace: kube-system, ")
    plan = planned(text, flags=Flags(**SMALL)).plan
    assert endpoints(plan, "kube-dns") == [["192.0.2.53:53"], []]
    assert plan.settings.node_dns == ()


def test_a_flag_without_effect_is_told() -> None:
    notes = planned(DNS_SERVICE, flags=Flags(**SMALL, node_dns_address="192.0.2.53")).notes
    assert any("no address on the nodes is used for it" in str(note) for note in notes)
    assert not any("on the nodes" in str(note) for note in planned(DNS_SERVICE).notes)


def test_each_node_puts_the_address_on_its_loopback_interface() -> None:
    text = deployment("web") + node("n1", "192.0.2.1") + node("n2", "192.0.2.2")
    found = files(text, Flags(**SMALL))
    for name in ("n1", "n2"):
        lines = found[f"nodes/{name}/network/addresses.batch"].splitlines()
        assert lines[3:] == ["addr replace 169.254.20.10/32 dev lo scope host"]
    assert "nodes/n1/network/addresses.batch" not in files(
        text, Flags(**SMALL, node_dns_address="none")
    )


def test_an_ipv6_address_is_not_preferred_as_a_source() -> None:
    found = files(deployment("web"), IPV6)["nodes/node-1/network/addresses.batch"]
    assert found.endswith("\naddr replace fd6b:636f:6d70::53/128 dev lo preferred_lft 0\n")


def test_nodes_rules_stay_equal() -> None:
    text = deployment("web") + node("n1", "192.0.2.1") + node("n2", "192.0.2.2")
    found = files(text, Flags(**SMALL))
    assert "--to-destination 169.254.20.10:53" in found["nodes/n1/iptables.rules"]
    assert found["nodes/n1/iptables.rules"] == found["nodes/n2/iptables.rules"]


def test_without_the_address_the_service_refuses() -> None:
    found = files(deployment("web"), Flags(**SMALL, node_dns_address="none"))
    rules = found["nodes/node-1/iptables.rules"]
    assert rules.count('kube-dns:dns has no endpoints" -m udp --dport 53 -j REJECT') == 1


def test_it_has_no_names_in_dns() -> None:
    zones = "".join(zone.lines for zone in lower_zones(planned(deployment("web")).plan))
    assert "169-254" not in zones
    assert "169.254" not in zones
    assert "kube-dns.kube-system.svc.cluster.local. 30 IN A 10.96.0.10\n" in zones


def test_pods_in_the_hosts_network_have_the_nodes_file_unless_they_ask_for_ours() -> None:
    own = deployment("own", spec="hostNetwork: true")
    ours = deployment("ours", spec="hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet")
    ways = node("n1", "192.0.2.1") + node("n2", "192.0.2.2")
    assert not [path for path in files(ways + own, Flags(**SMALL)) if "/resolv/" in path]
    (path,) = [path for path in files(ways + ours, Flags(**SMALL)) if "/resolv/" in path]
    text = files(ways + ours, Flags(**SMALL))[path]
    assert text.startswith("nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.")


# ---- whom they answer


def test_pods_and_nodes_may_ask_and_nobody_else() -> None:
    text = deployment("web") + node("n1", "192.0.2.1") + node("n2", "192.0.2.2")
    found = servers(text)
    (acl,) = re.findall(r"acl clients \{\n(.*?)\};", found["named.conf"], re.DOTALL)
    clients = ["10.244.0.0/16", "169.254.20.10/32", "192.0.2.1/32", "192.0.2.2/32"]
    assert acl.split() == ["localhost;", *(f"{each};" for each in clients)]
    for option in ("allow-query", "allow-query-cache", "allow-recursion"):
        assert f"    {option} {{ clients; }};\n" in found["named.conf"]
    access = re.findall(r"access-control: (.*)", found["unbound.conf"])
    assert access == ["0.0.0.0/0 refuse", "::/0 refuse", *(f"{each} allow" for each in clients)]
    assert re.findall(r"allow net (.*)", found["Corefile"]) == clients


# ---- limits of BIND


def test_bind_takes_the_largest_set() -> None:
    text = deployment("web", 120) + service("web", spec="clusterIP: None")
    assert "    max-records-per-type 120;\n" in servers(text)["named.conf"]
    small = deployment("web", 100) + service("web", spec="clusterIP: None")
    assert "max-records" not in servers(small)["named.conf"]


@given(st.integers(95, 320), st.integers(1, 3))
def test_the_largest_set_is_found_wherever_it_stands(pods: int, ports: int) -> None:
    listed = ", ".join(f"{{name: p{i}, port: {80 + i}}}" for i in range(ports))
    text = deployment("web", pods) + service("web", ports=f"[{listed}]", spec="clusterIP: None")
    flags = Flags(**SMALL, node_cidr_mask_size="20")
    found = of_plan(planned(text, flags=flags).plan)["named.conf"]
    largest = pods * ports  # SRV records for all ports stand at the Service's name
    assert (f"max-records-per-type {largest};" in found) == (largest > 100)


def test_bind_checks_no_names_only_where_there_are_odd_ones() -> None:
    assert "check-names" not in servers(deployment("web"))["named.conf"]
    odd = deployment("web") + service("web", spec="clusterIP: None") + node("n1", "'fd00:20::1'")
    flags = Flags(service_cidr="fd00:96::/112", pod_network_cidr="0:0:0:7700::/64")
    found = of_plan(planned(odd, flags=flags).plan)
    assert "    check-names primary ignore;\n" in found["named.conf"]


# ---- whom they ask


def test_without_a_word_the_root_servers_are_asked() -> None:
    found = servers(deployment("web"))
    assert "forward" not in found["named.conf"].replace("forwarders sign", "")
    assert "forward-zone" not in found["unbound.conf"]
    assert "    forward . /etc/resolv.conf\n" in found["Corefile"]


KUBE_DNS = config_map(
    "kube-dns",
    stubDomains='{"Corp.Example.": ["192.0.2.53:5353", "fd00::53"]}',
    upstreamNameservers='["192.0.2.1", "[fd00::1]:5300"]',
)


def test_stub_domains_and_upstreams_of_kube_dns() -> None:
    found = servers(KUBE_DNS)
    assert (
        "    forward only;\n    forwarders { 192.0.2.1 port 53; fd00::1 port 5300; };\n"
        in found["named.conf"]
    )
    assert (
        'zone "corp.example" { type forward; forward only;'
        " forwarders { 192.0.2.53 port 5353; fd00::53 port 53; }; };\n" in found["named.zones.conf"]
    )
    assert (
        'forward-zone:\n    name: "corp.example."\n    forward-addr: 192.0.2.53@5353\n'
        '    forward-addr: fd00::53@53\nforward-zone:\n    name: "."\n'
        "    forward-addr: 192.0.2.1@53\n    forward-addr: fd00::1@5300\n" in found["unbound.conf"]
    )
    assert list(forwards(found["Corefile"])) == [
        Forward("corp.example", ("192.0.2.53:5353", "[fd00::53]:53")),
        Forward(".", ("192.0.2.1:53", "[fd00::1]:5300")),
    ]


COREFILE = """\
# a comment { with a brace
(common) {
    forward . 192.0.2.99
}
.:53 {
    errors
    health {
       lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
    }
    forward . 192.0.2.1 dns://192.0.2.2:5300 {
       max_concurrent 1000
    }
    forward inner.example 192.0.2.3  # one more
}
corp.example:53, dns://other.example.:5300 {
    forward . "192.0.2.4"
}
"""


def test_a_corefile() -> None:
    said = {
        ".": "192.0.2.1:53 192.0.2.2:5300",
        "inner.example": "192.0.2.3:53",
        "corp.example": "192.0.2.4:53",
        "other.example": "192.0.2.4:53",
    }
    found = {
        forward.domain: " ".join(forward.servers)
        for forward in forwards(servers(config_map("coredns", Corefile=COREFILE))["Corefile"])
    }
    assert found == said


def test_kubeadm_s_corefile_says_nothing_and_nothing_is_said_of_it() -> None:
    text = ".:53 {\n    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n}\n"
    built = planned(config_map("coredns", Corefile=text), flags=Flags(**SMALL))
    assert built.plan.settings.forwarding.upstreams == ()
    assert not [note for note in built.notes if note.severity.value == "warning"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (config_map("kube-dns", stubDomains="{"), "data.stubDomains: '{' is left out: it is not JSON"),
        (config_map("kube-dns", stubDomains="[" * 100_000), "is left out: it is not JSON"),
        (config_map("kube-dns", stubDomains="[1]"), "[1] is left out: it is not a JSON object"),
        (config_map("kube-dns", stubDomains='{"a b": ["192.0.2.1"]}'), "'a b' is left out: it is not a domain"),
        (config_map("kube-dns", stubDomains='{"a": "192.0.2.1"}'), "it is not a list of addresses"),
        (config_map("kube-dns", upstreamNameservers='["ns.example"]'), "'ns.example' is left out: it is not ADDRESS"),
        (config_map("kube-dns", upstreamNameservers='["192.0.2.1:0"]'), "'192.0.2.1:0' is left out"),
        (config_map("kube-dns", upstreamNameservers='["0.0.0.0"]'), "'0.0.0.0' is left out"),
        (config_map("kube-dns", upstreamNameservers='[1, "192.0.2.1; }; evil"]'), "'192.0.2.1; }; evil' is left out"),
        (config_map("coredns", Corefile=". {\n forward . tls://192.0.2.1\n}"), "'tls://192.0.2.1' is left out"),
        (config_map("coredns", Corefile="corp {\n forward . /etc/resolv.conf\n}"), "'corp' is left out"),
        (config_map("coredns", Corefile=". {\n forward 10.0.0.0/8 192.0.2.1\n}"), "'10.0.0.0/8' is left out: it is not a domain"),
        (config_map("kube-dns", stubDomains='{"svc.cluster.local": ["192.0.2.1"]}'), "svc.cluster.local lies in cluster.local"),
        (config_map("kube-dns", stubDomains='{"244.10.in-addr.arpa": ["192.0.2.1"]}'), "lies in 244.10.in-addr.arpa"),
    ],
)  # fmt: skip
def test_what_cannot_be_forwarded_is_told_and_left_out(text: str, said: str) -> None:
    built = planned(text, flags=Flags(**SMALL))
    warnings = [str(note) for note in built.notes if note.severity.value == "warning"]
    assert any("KC224" in line and said in line for line in warnings), warnings
    found = of_plan(built.plan)
    assert "forwarders" not in found["named.conf"] + found["named.zones.conf"]
    assert "forward-zone" not in found["unbound.conf"]


def test_two_config_maps_must_agree() -> None:
    other = config_map("coredns", Corefile=". {\n forward . 192.0.2.2\n}")
    with pytest.raises(InputError) as caught:
        planned(KUBE_DNS + other)
    (problem,) = [each for each in caught.value.problems if each.code.value == "KC302"]
    assert "KC302: everything else is asked of 192.0.2.2 port 53, but of 192.0.2.1" in str(problem)
    same = config_map("coredns", Corefile="corp.example {\n forward . 192.0.2.53:5353 fd00::53\n}")
    assert planned(KUBE_DNS + same).plan.settings.forwarding.stubs


def test_config_maps_of_others_have_no_part() -> None:
    text = KUBE_DNS.replace("namespace: kube-system", "namespace: default")
    assert planned(text).plan.settings.forwarding.upstreams == ()


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=200))
def test_no_text_can_add_a_line(text: str) -> None:
    plain = servers("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    for data in ({"stubDomains": text}, {"upstreamNameservers": text}):
        assert servers(config_map("kube-dns", **data)) == plain
    stubs = json.dumps({text: ["192.0.2.1"]})
    found = servers(config_map("kube-dns", stubDomains=stubs))["named.zones.conf"]
    assert len(found.splitlines()) <= len(plain["named.zones.conf"].splitlines()) + 1
    for line in found.splitlines():
        assert re.fullmatch(r'//[ -~]*|zone "[a-z0-9_.-]+" \{ [a-z0-9"./;{} -]+ \};', line), line
    assert all(forward.servers for forward in forwards(text))
