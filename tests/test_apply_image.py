"""apply on an image: files only, so no root, kernel or server is needed. The order of things, the
generations, what is refused, what is said."""

import json
from pathlib import Path

import pytest

from command_line import Answer, kcompile
from kcompile.apply.main import main

MANIFESTS = """\
apiVersion: v1
kind: Node
metadata: {name: a}
spec: {podCIDR: 10.244.0.0/24}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: b}
spec: {podCIDR: 10.244.1.0/24}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
"""


class Image:
    """An image of a node, bundles beside it, and kcompile for both."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.root = folder / "image"
        (self.root / "etc/systemd/system").mkdir(parents=True)

    def build(self, replicas: int, *options: str) -> Path:
        """A bundle of the cluster with so many replicas."""
        bundle = self.folder / f"bundle-{replicas}"
        manifests = self.folder / "web.yaml"
        manifests.write_text(MANIFESTS.replace("REPLICAS", str(replicas)))
        answer = kcompile(["build", str(manifests), "-o", str(bundle), *options], self.capsys)
        assert answer.code == 0, answer.err
        return bundle

    def __call__(self, command: str, *arguments: str | Path) -> Answer:
        self.capsys.readouterr()
        code = main([command, *map(str, arguments), "--root", str(self.root)])
        captured = self.capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    def apply(self, bundle: Path, *options: str) -> Answer:
        return self("apply", bundle, "--node", "a", "--dns", "none", *options)

    def files(self) -> dict[str, bytes]:
        paths = sorted(path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    def folders(self) -> list[str]:
        """Of /etc."""
        found = sorted(path for path in (self.root / "etc").rglob("*") if path.is_dir())
        return [str(path.relative_to(self.root)) for path in found]

    def current(self) -> str:
        return str((self.root / "var/lib/kcompile/current").readlink())


@pytest.fixture
def image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Image:
    return Image(tmp_path, capsys)


def test_without_yes_nothing_changes(image: Image) -> None:
    before = image.files()
    answer = image.apply(image.build(1))
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == "nothing was changed; --yes does it"
    assert {*image.files()} - {*before} <= {"var/lib/kcompile/lock"}


def test_exit_code_3_says_that_something_would_change(image: Image) -> None:
    bundle = image.build(1)
    assert image.apply(bundle, "--exit-code").code == 3
    assert image.apply(bundle, "--yes").code == 0
    assert image.apply(bundle, "--exit-code").code == 0


def test_a_generation_is_kept_and_current(image: Image) -> None:
    assert image.apply(image.build(1), "--yes").code == 0
    assert image.current() == "generations/1"
    assert image.apply(image.build(2), "--yes").code == 0
    assert image.current() == "generations/2"
    rules = image.root / "var/lib/kcompile/current/nodes/a/iptables.rules"
    assert rules.read_bytes() == (image.folder / "bundle-2/nodes/a/iptables.rules").read_bytes()


def test_a_second_apply_changes_nothing(image: Image) -> None:
    bundle = image.build(1)
    assert image.apply(bundle, "--yes").code == 0
    before = image.files()
    answer = image.apply(bundle, "--yes")
    assert (answer.code, image.files()) == (0, before)
    assert "\nnothing to change\n" in answer.out
    assert image.current() == "generations/1"


def test_roll_back_and_forth(image: Image) -> None:
    for replicas in (1, 2, 3):
        assert image.apply(image.build(replicas), "--yes").code == 0
    assert image("apply", "--rollback", "--yes").code == 0
    assert image.current() == "generations/2"
    assert image("apply", "--rollback", "3", "--yes").code == 0
    assert image.current() == "generations/3"
    answer = image("apply", "--rollback", "9", "--yes")
    assert answer.code == 1
    assert answer.err == "kcompile: generation 9 is not kept on this node (kept: 1, 2, 3)\n"


@pytest.mark.parametrize("before", [1, None])
def test_what_waits_for_its_confirmation_goes_back_to_where_it_came_from(
    image: Image, before: int | None
) -> None:
    """Which is not always the number below: that may be one that was not confirmed either."""
    for replicas in (1, 2, 3):
        assert image.apply(image.build(replicas), "--yes").code == 0
    waiting = {"number": 3, "before": before, "seconds": 60.0, "boot": "this one"}
    (image.root / "var/lib/kcompile/pending.json").write_text(json.dumps(waiting))
    assert image.apply(image.build(2), "--yes").code == 1
    assert image("apply", "--rollback", "--yes").code == 0
    if before:
        assert image.current() == f"generations/{before}"
    else:
        assert not (image.root / "var/lib/kcompile/current").exists()
    assert image("apply", "--confirm").code == 1


def test_what_only_pods_resolv_conf_changes_is_said(image: Image) -> None:
    bundle = image.build(1)
    assert image.apply(bundle, "--yes").code == 0
    manifests = image.folder / "web.yaml"
    with manifests.open("a") as file:
        file.write(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {nodeName: a, dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.53]}, containers: [{name: c, image: i}]}\n"
        )
    other = image.folder / "other"
    assert kcompile(["build", str(manifests), "-o", str(other)], image.capsys).code == 0
    answer = image.apply(other, "--exit-code")
    assert answer.code == 3
    assert "+" not in answer.out
    assert "~ dns resolv.conf of pods: 1 file, for pods that start then\n" in answer.out
    assert image.apply(other, "--yes").code == 0
    assert image.apply(other, "--exit-code").code == 0
    assert (image.root / "var/lib/kcompile/current/nodes/a/resolv/default/p.conf").exists()


def test_removal_leaves_no_file_and_no_folder(image: Image) -> None:
    before = image.files(), image.folders()
    assert image.apply(image.build(1), "--yes").code == 0
    assert image("remove").code == 0
    assert image.files() != before[0]
    assert image("remove", "--yes").code == 0
    assert (image.files(), image.folders()) == before
    assert image("remove", "--yes").code == 0


def test_an_older_build_is_refused(image: Image) -> None:
    assert image.apply(image.build(1, "--generation", "7"), "--yes").code == 0
    older = image.build(2, "--generation", "6")
    assert image.apply(older, "--yes").code == 1
    assert image.current() == "generations/1"
    assert image.apply(older, "--yes", "--force").code == 0
    assert image.current() == "generations/2"


def test_a_slice_of_another_node_is_refused(image: Image) -> None:
    bundle = image.build(1)
    assert image.apply(bundle, "--yes").code == 0
    answer = image("apply", bundle, "--node", "b", "--yes", "--dns", "none")
    assert answer.code == 1
    assert "this node runs the slice of a, and the bundle's is for b" in answer.err


def test_a_damaged_slice_is_refused(image: Image) -> None:
    bundle = image.build(1)
    rules = bundle / "nodes/a/iptables.rules"
    text = rules.read_text()
    rules.unlink()
    rules.write_text(text.replace("DNAT", "SNAT"))
    answer = image.apply(bundle, "--yes")
    assert answer.code == 1
    assert "nodes/a/iptables.rules" in answer.err
    assert not (image.root / "var/lib/kcompile/current").exists()


def test_an_answer_in_json(image: Image) -> None:
    bundle = image.build(1)
    answer = json.loads(image.apply(bundle, "--json").out)
    assert (answer["applied"], answer["installed"], answer["generation"]) == (False, None, None)
    answer = json.loads(image.apply(bundle, "--json", "--yes").out)
    assert (answer["applied"], answer["installed"]) == (True, 1)
    assert "rules" in answer["seconds"]
    answer = json.loads(image("status", "--json").out)
    assert (answer["clean"], answer["node"], answer["generation"]) == (True, "a", 1)


def test_status_finds_an_edited_file_and_apply_mends_it(image: Image) -> None:
    bundle = image.build(1)
    assert image.apply(bundle, "--yes").code == 0
    assert image("status").code == 0
    unit = image.root / "etc/systemd/system/kcompile-listen.service"
    text = unit.read_text()
    unit.write_text(f"{text}Nice=1\n")
    answer = image("status")
    assert answer.code == 3
    assert "kcompile-listen.service" in answer.out
    assert image.apply(bundle, "--yes").code == 0
    assert unit.read_text() == text
    assert image.current() == "generations/1"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("systemd/system/kcompile-listen.service", "is there and was not written by kcompile"),
        ("sysctl.d/90-kcompile.conf", "is there, and not kcompile's"),
    ],
)
def test_a_file_of_the_operators_is_not_replaced(image: Image, path: str, said: str) -> None:
    """Refused before anything is touched, so not with the exit code of what was taken back."""
    bundle = image.build(1)
    file = image.root / "etc" / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("# mine\n")
    before = image.files()
    answer = image.apply(bundle, "--yes")
    assert answer.code == 1
    assert f"{file.name} {said}" in answer.err
    assert {*image.files()} - {*before} <= {"var/lib/kcompile/lock"}


def test_an_interrupted_apply_is_undone_by_the_next(image: Image) -> None:
    one, two = image.build(1), image.build(2)
    assert image.apply(one, "--yes").code == 0
    whole = image.files()
    assert image.apply(two, "--yes").code == 0
    # As if it had been killed just before its end.
    state = image.root / "var/lib/kcompile"
    (state / "current").unlink()
    (state / "current").symlink_to("generations/1")
    (state / "journal.json").write_text('{"before": 1, "after": 2, "dns": "none", "fresh": true}')
    answer = image("status")
    assert answer.code == 3
    assert answer.out.startswith("an apply was interrupted; ")
    assert image("apply", "--restore").code == 0
    assert image.files() == whole
    assert image("status").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("apply",),
        ("apply", "bundle", "--restore"),
        ("apply", "--restore", "--confirm"),
        ("apply", "bundle", "--confirm-within", "soon"),
        ("apply", "--rollback", "0x1"),
    ],
)
def test_wrong_usage(image: Image, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        image(*arguments)
    assert stopped.value.code == 2


def test_a_bundle_that_is_not_there(image: Image) -> None:
    answer = image.apply(image.folder / "nowhere")
    assert answer.code == 1
    assert "nowhere" in answer.err
