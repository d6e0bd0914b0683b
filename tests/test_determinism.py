"""The same manifests give the same bytes, and an edit changes what it is about and nothing else."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated_clusters import SERVICES, WORKLOADS, Exposure, Generated, Workload, clusters
from kcompile.address import format_ip
from kcompile.cli.beside import beside
from kcompile.pipeline import Planned, make_files, make_plan
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from kcompile.resolve.flags import Flags
from notation import deployment, node, nodes, service

T = TypeVar("T", Workload, Exposure)

Bytes = Mapping[str, bytes]
"""A bundle: files by path."""


NARROW = Flags(
    service_cidr="10.96.0.0/27",
    pod_network_cidr="10.244.0.0/23",
    node_cidr_mask_size="26",
    service_node_port_range="30000-30023",
)
"""Ranges that hold a generated cluster before and after an edit, and in which many keys prefer one
place."""


def planned(texts: Sequence[tuple[str, str]], lock: str = "") -> Planned:
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    return make_plan(texts, NARROW, old)


def files_of(of: Planned) -> Bytes:
    return {path: b"".join(file.pieces()) for path, file in make_files(of).items()}


def build(text: str, lock: str = "") -> Bytes:
    return files_of(planned([("m.yaml", text)], lock))


def comparable(files: Bytes) -> Bytes:
    """A bundle without the one file that says where the manifests lie, and without its digest."""
    sums = files["SHA256SUMS"].splitlines()
    rest = [line for line in sums if not line.endswith(b"  sources.json")]
    assert len(rest) == len(sums) - 1
    kept = {path: content for path, content in files.items() if path != "sources.json"}
    return {**kept, "SHA256SUMS": b"\n".join(rest)}


def slices(files: Bytes) -> Bytes:
    """What nodes get."""
    return {path: file for path, file in files.items() if path.startswith(("nodes/", "dns/"))}


@settings(max_examples=120, deadline=None)
@given(clusters(), st.randoms(use_true_random=False), st.booleans())
def test_order_and_names_of_files_and_documents_change_nothing(
    cluster: Generated, random: Random, with_lock: bool
) -> None:
    first = planned([("m.yaml", cluster.text())])
    lock = first.lock if with_lock else ""
    other = planned(shuffled(cluster.documents(), random), lock)
    assert other.lock == first.lock
    assert comparable(files_of(other)) == comparable(files_of(first))


def shuffled(documents: Sequence[str], random: Random) -> list[tuple[str, str]]:
    """Documents in any order, in files of any number, with any names, in any order."""
    order = random.sample(documents, len(documents))
    files: list[list[str]] = [[] for _ in range(random.randint(1, 4))]
    for document in order:
        random.choice(files).append(document)
    titles = random.sample(["a.yaml", "z/z.yaml", "b.json.yml", "<stdin>", "M.yaml"], len(files))
    return [(title, "".join(file)) for title, file in zip(titles, files, strict=True)]


ARTICLE_LIKE = "".join(
    [
        node("master", "192.0.2.1", spec="taints: [{key: master, effect: NoSchedule}]"),
        *(node(f"n{i}", f"192.0.2.{i + 1}", labels="{zone: z, disk: ssd}") for i in range(1, 9)),
        *(deployment(f"w{i}", 3, labels=f"{{app: a{i % 3}, tier: t}}") for i in range(9)),
        *(service(f"s{i}", selector=f"{{app: a{i % 3}}}", spec="type: NodePort") for i in range(9)),
        *(service(f"h{i}", namespace=f"ns{i}", spec="clusterIP: None") for i in range(9)),
    ]
)
"""Enough of everything for an order that nobody chose to show."""

ENVIRONMENTS = {
    "plain": ({"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"}, 0o022, "m.yaml"),
    "other": (
        {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Chatham", "USER": "eve",
         "LOGNAME": "eve", "LANG": "de_DE.UTF-8", "COLUMNS": "20", "PYTHONUTF8": "0"},
        0o077,
        "a/b/Z.yml",
    ),
    "another": (
        {"PYTHONHASHSEED": "4294967295", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns",
         "SOURCE_DATE_EPOCH": "1", "PYTHONOPTIMIZE": "1", "FORCE_COLOR": "1"},
        0o027,
        "x y/m.yaml",
    ),
}  # fmt: skip
"""Variables, umask, and where the manifests lie; HOME and the working folder differ as well."""


def run(folder: Path, environment: Mapping[str, str], umask: int, name: str) -> Bytes:
    """A build in a process of its own, from a folder of its own."""
    manifests = folder / name
    manifests.parent.mkdir(parents=True, exist_ok=True)
    manifests.write_text(ARTICLE_LIKE)
    command = [sys.executable, "-m", "kcompile.cli.main", "build", name, "-o", "out", "--lock", "l"]
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), **environment}
    done = subprocess.run(
        command, cwd=folder, env=variables, umask=umask, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    bundle = folder / "out"
    found = {
        path.relative_to(bundle).as_posix(): path.read_bytes()
        for path in bundle.rglob("*")
        if path.is_file()
    }
    return {**comparable(found), "kcompile.lock": (folder / "l").read_bytes()}


def test_environments_change_nothing(tmp_path: Path) -> None:
    plain, *others = [
        run(tmp_path / name, *environment) for name, environment in ENVIRONMENTS.items()
    ]
    assert len(plain) > 80
    for other in others:
        assert other == plain


def test_a_second_process_changes_nothing() -> None:
    alone = make_plan([("m.yaml", ARTICLE_LIKE)], Flags(), Lock())
    shared = make_plan([("m.yaml", ARTICLE_LIKE)], Flags(), Lock(), beside)
    files = make_files(shared)
    assert {path: b"".join(file.pieces()) for path, file in files.items()} == files_of(alone)


EDITS = {
    "an image": ("image: i", "image: registry.example.com/other:2"),
    "a probe": ("image: i", "image: i, livenessProbe: {httpGet: {path: /, port: 80}}"),
    "an environment": ("image: i", "image: i, env: [{name: A, value: 'b'}]"),
    "a command": ("image: i", "image: i, command: [run], args: ['-v']"),
    "a limit": ("image: i", "image: i, resources: {limits: {cpu: 2}}"),
    "a volume": ("image: i", "image: i, securityContext: {privileged: true}"),
    "a container's name": ("name: c,", "name: other,"),
    "annotations": ("metadata: {name: ", "metadata: {annotations: {a: b}, name: "),
    "a pod's annotations": ("metadata: {labels: ", "metadata: {annotations: {a: b}, labels: "),
    "an object's labels": ("namespace: ", "labels: {owner: us}, namespace: "),
    "a strategy": ("  replicas: ", "  strategy: {type: Recreate}\n  replicas: "),
    "a comment": ("kind: ", "# a comment\nkind: "),
    "quotes": ("kind: Deployment", "kind: 'Deployment'"),
    "line ends": ("\n", "\r\n"),
    "an ignored object": (
        "apiVersion: v1\nkind: Node",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n---\napiVersion: v1\nkind: Node",
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
@settings(max_examples=15, deadline=None)
@given(clusters())
def test_an_edit_that_changes_no_packet_changes_no_slice(edit: str, cluster: Generated) -> None:
    first = planned([("m.yaml", cluster.text())])
    second = planned([("m.yaml", cluster.text().replace(*EDITS[edit]))])
    assert slices(files_of(second)) == slices(files_of(first))
    assert second.lock == first.lock


def test_the_edits_change_the_text() -> None:
    text = nodes(1) + deployment("web") + service("web")
    assert all(old in text for old, _ in EDITS.values())


@st.composite
def edits(draw: st.DrawFn) -> tuple[Generated, Generated]:
    """A cluster, and the same one after objects came, went and were scaled, and a node came."""
    first = draw(clusters())
    kept = [each for each in first.workloads if draw(st.booleans())]
    scaled = [
        replace(each, replicas=draw(st.integers(0, 6))) if draw(st.booleans()) else each
        for each in kept
    ]
    services = [each for each in first.services if draw(st.booleans())]
    new_node = draw(st.sampled_from([(), (node("n00", "192.0.2.100"),)]))
    return first, Generated(
        draw(st.permutations([*first.nodes, *new_node])),
        (*scaled, *_additions(draw(st.lists(WORKLOADS, max_size=3)), first.workloads)),
        (*services, *_additions(draw(st.lists(SERVICES, max_size=3)), first.services)),
    )


def _additions(new: Sequence[T], old: Sequence[T]) -> list[T]:
    taken = {each.key for each in old}
    return [*{each.key: each for each in new if each.key not in taken}.values()]


def places(of: Planned) -> dict[object, object]:
    """What a build gave out, by what it gave it to."""
    plan = of.plan
    found: dict[object, object] = {("node", each.name): each.pod_cidrs for each in plan.nodes}
    for pod in plan.pods:
        key = ("pod", pod.namespace, pod.workload.name, pod.ordinal)
        found[key] = (pod.name, pod.node, format_ip(4, pod.ipv4))
    for each in plan.services:
        found["address", each.namespace, each.name, each.type, each.headless] = each.cluster_ips
        for port in each.ports:
            number = (port.spec.port, port.spec.protocol)
            found["port", each.namespace, each.name, each.type, number] = port.node_port
    return found


@settings(max_examples=150, deadline=None)
@given(edits())
def test_with_a_lock_nothing_moves_that_was_not_touched(case: tuple[Generated, Generated]) -> None:
    before, after = case
    first = planned([("m.yaml", before.text())])
    second = planned([("m.yaml", after.text())], first.lock)
    old, new = places(first), places(second)
    assert {key: new[key] for key in old.keys() & new.keys()} == {
        key: old[key] for key in old.keys() & new.keys()
    }


@settings(max_examples=80, deadline=None)
@given(edits())
def test_with_a_lock_the_way_back_leads_home(case: tuple[Generated, Generated]) -> None:
    """What went and comes again is as it was: the bundle is the first one, byte for byte."""
    before, after = case
    first = planned([("m.yaml", before.text())])
    second = planned([("m.yaml", after.text())], first.lock)
    third = planned([("m.yaml", before.text())], second.lock)
    assert files_of(third) == files_of(first)


RENAMES = {
    "services": (nodes(1), [service(f"old{i}") for i in range(10)]),
    "node ports": (nodes(1), [service(f"old{i}", spec="type: NodePort") for i in range(10)]),
    "pods": (nodes(1), [deployment("old", 25)]),
    "nodes": ("", [node(f"old{i}", f"192.0.2.{i + 1}") for i in range(4)]),
}


@pytest.mark.parametrize("what", RENAMES)
def test_a_new_name_does_not_get_what_an_old_one_had(what: str) -> None:
    """Clients may still hold the old address; there are others, so a new object gets one of them."""
    rest, objects = RENAMES[what]
    old = "".join(objects)
    first = planned([("m.yaml", rest + old)])
    second = planned([("m.yaml", rest + old.replace("old", "new"))], first.lock)
    assert len(used(first, "old")) == len(used(second, "new")) > 1
    assert not used(first, "old") & used(second, "new")


def used(of: Planned, name: str) -> set[object]:
    """Addresses, node ports and shares of pod ranges that objects with such names have."""
    found: set[object] = set()
    for each in of.plan.nodes:
        found.update(each.pod_cidrs if name in each.name else ())
    for pod in of.plan.pods:
        found.update([pod.ipv4] if name in pod.workload.name else ())
    for service_ in of.plan.services:
        if name in service_.name:
            found.update(service_.cluster_ips)
            found.update(port.node_port for port in service_.ports if port.node_port)
    return found


@settings(max_examples=60, deadline=None)
@given(edits())
def test_a_build_with_its_own_lock_is_the_same_build(case: tuple[Generated, Generated]) -> None:
    before, after = case
    first = planned([("m.yaml", before.text())])
    second = planned([("m.yaml", after.text())], first.lock)
    third = planned([("m.yaml", after.text())], second.lock)
    assert third.lock == second.lock
    assert files_of(third) == files_of(second)


def test_a_touched_object_does_change_its_slices() -> None:
    """The tests above can fail: another port changes rules, another name changes a zone."""
    text = nodes(2) + deployment("web") + service("web")
    first = slices(build(text))
    assert slices(build(text.replace("port: 80", "port: 81"))) != first
    assert slices(build(text.replace("name: web", "name: shop"))) != first
