"""`kcompile get records`: the zone files of a bundle, by namespace, zone or name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cli_runs import Run
from command_line import Answer, kcompile
from records_bundle import built

Get = Callable[[str], Answer]


@pytest.fixture
def bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    return built(tmp_path, capsys)


@pytest.fixture
def get(bundle: Run, capsys: pytest.CaptureFixture[str]) -> Get:
    assert (bundle.folder / "bundle").exists()
    return lambda words: kcompile(["get", *words.split()], capsys)


def lines(answer: Answer) -> list[str]:
    """Without the header, with one space between columns."""
    assert (answer.code, answer.err) == (0, "")
    header, *rows = [" ".join(row.split()) for row in answer.out.splitlines()]
    assert header.startswith("NAME TTL TYPE DATA")
    return rows


def test_the_records_of_a_namespace(get: Get) -> None:
    answer = get("records")
    assert lines(answer) == [
        '_ent.default.svc.cluster.local. 30 TXT "exists"',
        "kubernetes.default.svc.cluster.local. 30 A 10.96.0.1",
        "kubernetes.default.svc.cluster.local. 30 SRV 0 100 443 kubernetes.default.svc.cluster.local.",
        "_https._tcp.kubernetes.default.svc.cluster.local. 30 SRV 0 100 443 kubernetes.default.svc.cluster.local.",
        "outside.default.svc.cluster.local. 30 CNAME www.example.org.",
        "1.0.96.10.in-addr.arpa. 30 PTR kubernetes.default.svc.cluster.local.",
    ]
    widths = {row.index(" 30 ") for row in answer.out.splitlines()[1:]}
    assert len(widths) == 1


def test_all_records_are_those_of_the_zone_files(get: Get, bundle: Run) -> None:
    files = (bundle.folder / "bundle" / "dns").glob("db.*")
    held = [
        line.replace(" IN ", " ")
        for path in files
        for line in path.read_text().splitlines()
        if " IN " in line and " SOA " not in line
    ]
    shown = lines(get("records -A"))
    assert sorted(row for row in shown if " SOA " not in row) == sorted(held)
    soas = [row.split() for row in shown if " SOA " in row]
    assert [len(words) for words in soas] == [10] * 3


@pytest.mark.parametrize(
    ("asked", "owner"),
    [
        ("outside", "outside.default.svc.cluster.local."),
        ("OUTSIDE.Default", "outside.default.svc.cluster.local."),
        ("web -n shop", "web.shop.svc.cluster.local."),
        ("web.shop", "web.shop.svc.cluster.local."),
        ("web.shop.svc", "web.shop.svc.cluster.local."),
        ("web.shop.svc.cluster.local", "web.shop.svc.cluster.local."),
        ("web.shop.svc.cluster.local.", "web.shop.svc.cluster.local."),
        ("_http._tcp.web -n shop", "_http._tcp.web.shop.svc.cluster.local."),
        ("db-1.db.shop", "db-1.db.shop.svc.cluster.local."),
        ("dns-version", "dns-version.cluster.local."),
        ("ns.dns", "ns.dns.cluster.local."),
        ("cluster.local", "cluster.local."),
        ("10.96.0.50", "50.0.96.10.in-addr.arpa."),
        ("50.0.96.10.in-addr.arpa", "50.0.96.10.in-addr.arpa."),
    ],
)
def test_a_name_is_looked_up_as_a_pod_would(get: Get, asked: str, owner: str) -> None:
    assert {row.partition(" ")[0] for row in lines(get(f"records {asked}"))} == {owner}


def test_names_come_in_the_order_that_was_asked(get: Get) -> None:
    wanted = "record/web.shop record/outside"
    names = get(f"{wanted} -o name").out.split()
    assert names == [
        "record/web.shop.svc.cluster.local.",
        "record/outside.default.svc.cluster.local.",
    ]


def test_what_is_not_there(get: Get) -> None:
    answer = get("records outside outside. 10.96.0.77 web")
    assert answer.code == 1
    assert "outside.default.svc" in answer.out
    asked = [
        line.partition("KC604: record ")[2].partition(" not")[0] for line in answer.err.splitlines()
    ]
    assert asked == ["'outside.'", "'10.96.0.77'", "'web'"]
    answer = get("records -n nowhere")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "No resources found in nowhere namespace.\n"


def test_a_zone(get: Get) -> None:
    rows = lines(get("rr --zone 0.96.10.in-addr.arpa."))
    assert [row.split()[2] for row in rows] == ["SOA", "NS", "PTR", "PTR", "PTR"]
    assert len(lines(get("records --zone 0.96.10.IN-ADDR.arpa -n shop"))) == 1
    answer = get("records --zone example")
    assert answer.code == 1
    assert "KC604: zone 'example' not found (there are cluster.local, " in answer.err


def test_wide_says_which_objects_caused_a_record_and_where_they_stand(get: Get) -> None:
    (row,) = lines(get("records outside -o wide"))
    assert row.endswith(" cluster.local Service/default/outside m/all.yaml:52:1")
    rows = lines(get("records db -n shop -o wide"))
    objects = "Service/shop/db,StatefulSet/shop/db"
    assert [row.partition(" cluster.local ")[2] for row in rows] == [
        f"{objects} m/all.yaml:36:1,m/all.yaml:41:1",
        f"{objects} m/all.yaml:36:1,m/all.yaml:41:1",
        f"{objects} m/all.yaml:39:54,m/all.yaml:41:1",
        f"{objects} m/all.yaml:39:54,m/all.yaml:41:1",
    ]


def test_objects(get: Get) -> None:
    one = json.loads(get("record outside -o json").out)
    assert one == {
        "apiVersion": "kcompile/v1",
        "kind": "RecordSet",
        "metadata": {"name": "outside.default.svc.cluster.local.", "namespace": "default"},
        "spec": {
            "zone": "cluster.local",
            "type": "CNAME",
            "ttl": 30,
            "records": [
                {
                    "data": "www.example.org.",
                    "causes": [
                        {
                            "object": "Service default/outside",
                            "field": "spec.externalName",
                            "position": "m/all.yaml:52:1",
                        }
                    ],
                }
            ],
        },
    }
    assert yaml.safe_load(get("record outside -o yaml").out) == one
    many = json.loads(get("records -A -o json").out)
    assert (many["kind"], many["apiVersion"]) == ("List", "v1")
    assert many == yaml.safe_load(get("records -A -o yaml").out)
    assert {item["kind"] for item in many["items"]} == {"RecordSet"}


@pytest.mark.parametrize(
    "words",
    [
        "records -A web",
        "services --zone cluster.local",
        "records,services",
        "record/web service/web",
        "record/",
    ],
)
def test_wrong_usage(get: Get, words: str) -> None:
    assert get(words).code == 2


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("dns/db.cluster.local", "web 30 IN\n", "dns/db.cluster.local:1:1"),
        ("dns/db.cluster.local", "; x\nw 3 IN A \x1b[31m\n", "dns/db.cluster.local:2:1"),
        ("dns/db.cluster.local", "w\u00e9b. 30 IN A 192.0.2.1\n", "dns/db.cluster.local:1:1"),
        ("sources.json", "[", "sources.json:1:1"),
        ("sources.json", "{}", "sources.json:1:1"),
        ("sources.json", '{"version": 1, "objects": {"Service a/b": 3}}', "sources.json:1:1"),
        ("plan.json", "{}", "plan.json:1:1"),
    ],
)
def test_a_broken_bundle(get: Get, bundle: Run, file: str, text: str, place: str) -> None:
    bundle.write(f"bundle/{file}", text)
    answer = get("records -A -o wide")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"bundle/{place}: KC601: ")
    assert answer.err.rstrip("\n").isprintable()


def test_no_bundle(get: Get) -> None:
    assert "KC601" in get("records --bundle nowhere").err


def test_a_bundle_without_zones(get: Get, bundle: Run) -> None:
    shutil.rmtree(bundle.folder / "bundle" / "dns")
    assert get("records").err.startswith("bundle/dns:1:1: KC601: cannot be read: ")
