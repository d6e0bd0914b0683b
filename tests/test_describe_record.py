"""`kcompile describe record NAME`: which object caused each record, and where it stands."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Answer, kcompile
from kcompile.explain.bundle import read
from kcompile.explain.records_causes import causes, index_of
from kcompile.explain.records_read import read_zones
from kcompile.explain.sources import read_places
from records_bundle import MANIFESTS, built

Describe = Callable[[str], Answer]

STATED = """\
apiVersion: v1
kind: Service
metadata: {name: old}
spec: {ports: [{name: sql, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: new}
spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}
---
apiVersion: v1
kind: List
items:
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: new-1, labels: {kubernetes.io/service-name: new}}
  addressType: IPv4
  ports: [{name: sql, port: 15432}]
  endpoints:
  - addresses: [192.0.2.10]
    hostname: first
  - addresses: [192.0.2.11]
- apiVersion: v1
  kind: Endpoints
  metadata: {name: old}
  subsets:
  - addresses:
    - ip: 192.0.2.20
    - ip: ::ffff:192.0.2.21
    ports: [{name: sql, port: 15432}]
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {selector: {app: one}, clusterIP: None, ports: [{port: 80}]}
"""


@pytest.fixture
def describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Describe:
    monkeypatch.chdir(tmp_path)
    built(tmp_path, capsys, f"{MANIFESTS}---\n{STATED}")
    return lambda words: kcompile(["describe", *words.split()], capsys)


def caused(answer: Answer) -> dict[str, list[str]]:
    """The causes of each record, with one space between columns; pods' hashes as *."""
    assert (answer.code, answer.err) == (0, "")
    found: dict[str, list[str]] = {}
    for line in answer.out.partition("Records:\n")[2].splitlines():
        if line.startswith("    "):
            words = " ".join(line.split())
            found[[*found][-1]].append(re.sub(r"web-[0-9a-z]+-[0-9a-z]+", "web-*", words))
        else:
            found[line.strip()] = []
    return found


def test_a_name_at_length(describe: Describe) -> None:
    answer = describe("record web -n shop")
    assert (
        answer.out
        == """\
Name:       web.shop.svc.cluster.local.
Namespace:  shop
Zone:       cluster.local
Zone File:  dns/db.cluster.local
Records:
  A 10.96.0.50 (TTL 30)
    m/all.yaml:5:1  Service shop/web
  SRV 0 50 80 web.shop.svc.cluster.local. (TTL 30)
    m/all.yaml:14:5  Service shop/web spec.ports[1]
  SRV 0 50 9090 web.shop.svc.cluster.local. (TTL 30)
    m/all.yaml:12:5  Service shop/web spec.ports[0]
"""
    )


def test_a_named_port_is_its_port_in_the_service(describe: Describe) -> None:
    port = describe("record _z-metrics._tcp.web -n shop")
    assert caused(port) == {
        "SRV 0 100 9090 web.shop.svc.cluster.local. (TTL 30)": [
            "m/all.yaml:12:5 Service shop/web spec.ports[0]"
        ]
    }


def test_an_endpoint_is_the_service_and_the_port_of_a_container(describe: Describe) -> None:
    listed = describe("record -n shop").out
    (name,) = re.findall(r"^Name: +(10-\S+)", listed, re.MULTILINE)
    found = caused(describe(f"record {name}"))
    address, srv8080, srv9090 = found
    assert address.startswith("A 10.244.0.")
    assert found[address] == [
        "m/all.yaml:5:1 Service shop/web",
        "m/all.yaml:18:1 Deployment shop/web (pod web-*)",
    ]
    container = "Deployment shop/web spec.template.spec.containers[1]"
    assert " 8080 " in srv8080
    assert found[srv8080] == [
        "m/all.yaml:14:5 Service shop/web spec.ports[1]",
        f"m/all.yaml:33:11 {container}.ports[1] (pod web-*)",
    ]
    assert found[srv9090] == [
        "m/all.yaml:12:5 Service shop/web spec.ports[0]",
        f"m/all.yaml:32:11 {container}.ports[0] (pod web-*)",
    ]
    address = address.split()[1]
    (reverse,) = caused(describe(f"record {address}")).values()
    assert reverse == found[f"A {address} (TTL 30)"]


def test_hosts_of_a_headless_service(describe: Describe) -> None:
    service, owner = "m/all.yaml:36:1 Service shop/db", "m/all.yaml:41:1 StatefulSet shop/db"
    found = caused(describe("record db-1.db -n shop"))
    assert [*found.values()] == [
        [service, f"{owner} (pod db-1)"],
        ["m/all.yaml:39:54 Service shop/db spec.ports[0]", f"{owner} (pod db-1)"],
    ]
    all_of_it = caused(describe("record db -n shop"))
    assert [each[-1] for each in all_of_it.values()] == [
        f"{owner} (pod db-{number})" for number in [*sorted_by_address(all_of_it), 0, 1]
    ]


def sorted_by_address(found: dict[str, list[str]]) -> list[int]:
    return [int(causes[-1][-2]) for record, causes in found.items() if record.startswith("A ")]


def place(text: str, column: int = 1, *, before: str = "") -> str:
    """Where a line stands in the manifests, the next after one that begins with `before`."""
    everything = f"{MANIFESTS}---\n{STATED}".splitlines()
    start = next(n for n, line in enumerate(everything) if line.startswith(before))
    line = next(n for n, line in enumerate(everything) if n >= start and line.startswith(text))
    return f"m/all.yaml:{line + 1}:{column}"


def test_endpoints_that_a_slice_states(describe: Describe) -> None:
    found = caused(describe("record first.new"))
    cause = f"{place('  - addresses: [192.0.2.10]', 5)} EndpointSlice default/new-1 (address 192.0.2.10)"
    assert [causes[1:] for causes in found.values()] == [[cause], [cause]]
    found = caused(describe("record 192-0-2-11.new"))
    assert {causes[1].split()[0] for causes in found.values()} == {
        place("  - addresses: [192.0.2.11]", 5)
    }


def test_endpoints_that_endpoints_state(describe: Describe) -> None:
    for address, line in (("192-0-2-20", "    - ip: 192.0"), ("192-0-2-21", "    - ip: ::ff")):
        found = caused(describe(f"record {address}.old"))
        shown = address.replace("-", ".")
        cause = f"{place(line, 7)} Endpoints default/old (address {shown})"
        assert [causes[1:] for causes in found.values()] == [[cause], [cause]]


def test_a_pod_by_itself(describe: Describe) -> None:
    found = [*caused(describe("record one")).values()]
    line = place("spec: {containers: [{name: c, image: i, ports", 49)
    assert found[1][1] == f"{line} Pod default/one spec.containers[0].ports[0] (pod one)"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("outside", ["m/all.yaml:52:1 Service default/outside spec.externalName"]),
        ("_ent.shop.svc", ["m/all.yaml:1:1 Namespace shop"]),
        (
            "_ent.kube-public.svc",
            ["<none> Namespace kube-public (not declared; used, or in every cluster)"],
        ),
        ("_ent.svc", ["<none> <none> (the cluster domain cluster.local)"]),
        ("dns-version", ["<none> <none> (the cluster domain cluster.local)"]),
        (
            "ns.dns",
            ["<none> Service kube-system/kube-dns (kcompile adds it, as every cluster has it)"],
        ),
        (
            "10.96.0.1",
            ["<none> Service default/kubernetes (kcompile adds it, as every cluster has it)"],
        ),
        (
            "0.96.10.in-addr.arpa",
            ["<none> <none> (a range of Services or pods, or --dns-reverse-zone)"],
        ),
    ],
)
def test_what_caused_a_record(describe: Describe, name: str, expected: list[str]) -> None:
    assert set(map(tuple, caused(describe(f"record {name}")).values())) == {tuple(expected)}


BUNDLES = sorted((Path(__file__).parent.parent / "golden").glob("*/*/expected/bundle"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: str(path.parts[-4:-2]))
def test_every_record_of_the_goldens_has_a_cause(bundle: Path) -> None:
    """An object in the manifests, or a word on why it is there without."""
    zones, places = read_zones(bundle), read_places(bundle)
    index = index_of(read(bundle), zones, places)
    for zone in zones:
        for record in zone.records:
            found = causes(record, zone.origin, index)
            assert found, record
            for cause in found:
                place = places.get(cause.object)
                if place is None:
                    assert cause.note, record
                    assert cause.position == "", record
                else:
                    known = {place.position, *place.fields.values(), *place.addresses.values()}
                    assert cause.position in known, record


OPTIONS = [
    "--dns-pods=verified",
    "--dns-zonal",
    "--dns-external-zone=ext.example",
    "--dns-endpoint-pod-names",
    "--dns-reverse-zone=198.51.100.0/24",
]
MORE = """\
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
networking: {dnsDomain: cluster.local}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: east}}
---
apiVersion: v1
kind: Service
metadata: {name: public, namespace: shop}
spec: {selector: {app: web}, externalIPs: [198.51.100.7], ports: [{port: 80, targetPort: 8080}]}
"""


def test_records_of_every_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    built(tmp_path, capsys, MANIFESTS + MORE, *OPTIONS)

    def asked(words: str) -> dict[str, list[str]]:
        return caused(kcompile(["describe", "record", *words.split()], capsys))

    service, owner = "m/all.yaml:36:1 Service shop/db", "m/all.yaml:41:1 StatefulSet shop/db"
    for name in ("east.pin._zone.db.shop", "*.prefer._zone.db.shop", "db.shop.ext.example"):
        addresses = [each for record, each in asked(name).items() if record.startswith("A ")]
        assert sorted(addresses) == [[service, f"{owner} (pod db-{n})"] for n in (0, 1)], name
    assert set(map(tuple, asked("_ent.*.pin._zone.db.shop").values())) == {(service,)}
    assert [*asked("_ent.shop.ext.example").values()] == [["m/all.yaml:1:1 Namespace shop"]]
    public = "m/all.yaml:65:1 Service shop/public"
    address, location = asked("public.shop.ext.example").values()
    assert (address, location) == ([public], [public.replace("65:1", "68:67") + " spec.ports[0]"])
    assert asked("ext.example").popitem()[1] == ["<none> <none> (the external zone ext.example)"]
    networking = "m/all.yaml:59:13 ClusterConfiguration networking"
    for name in ("cluster.local", "dns-version", "_ent.pod", "_ent.svc"):
        assert asked(name).popitem()[1] == [f"{networking} (the cluster domain cluster.local)"]
    assert asked("100.51.198.in-addr.arpa").popitem()[1][0].startswith(f"{networking} (a range of ")
    (pod,) = re.findall(r"^(10\S+)\.shop\.pod", listed(capsys, "shop"), re.MULTILINE)[:1]
    (cause,) = asked(f"{pod}.shop.pod").popitem()[1]
    assert re.fullmatch(r"m/all.yaml:\S+ (StatefulSet|Deployment) shop/\S+ \(pod \S+\)", cause)


def listed(capsys: pytest.CaptureFixture[str], namespace: str) -> str:
    return kcompile(["get", "records", "-n", namespace], capsys).out


def test_what_is_not_there(describe: Describe) -> None:
    answer = describe("record nothing")
    assert answer.code == 1
    assert "bundle/dns:1:1: KC604: record 'nothing' not found in namespace 'default'" in answer.err
    answer = describe("records -n nowhere")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "No resources found in nowhere namespace.\n"
