"""Random pairs of branches, merged by plain git: seldom a conflict, never a duplicate that a build
lets pass, and nothing of the target branch that moves.

KCOMPILE_MERGES sets how many pairs (30 if it is not set).
"""

import os
import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kcompile.pipeline import make_plan
from kcompile.plan.lock import Lock, format_lock
from kcompile.plan.lock_resolve import resolve
from kcompile.plan.lock_text import parse_lock, read_lock
from kcompile.problems import Code, InputError
from kcompile.resolve.flags import Flags

PAIRS = int(os.environ.get("KCOMPILE_MERGES", "30"))
MOST_CONFLICTS = 0.02

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
      - name: web
        image: registry.example/{name}:{image}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  type: {type}
  selector: {{app: {name}}}
  ports:
  - port: {port}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata:
  name: node-{number}
status:
  addresses:
  - type: InternalIP
    address: 192.0.2.{number}
"""
FLAGS = Flags(
    service_cidr="10.96.0.0/23",
    pod_network_cidr="10.244.0.0/16",
    node_cidr_mask_size="25",
    service_node_port_range="30000-30199",
)
"""Ranges so narrow that two branches do take one address or node port."""

WORDS = [
    "api",
    "auth",
    "cart",
    "db",
    "edge",
    "feed",
    "geo",
    "hub",
    "index",
    "jobs",
    "keys",
    "log",
    "mail",
    "node",
    "order",
    "pay",
    "queue",
]

Branch = dict[str, str]
"""Manifests by file, an object a file."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """A repository whose branch `base` holds manifests and their lock."""

    folder: Path
    base: Branch
    lock: str

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *arguments: str) -> str:
        done = self.git(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, branch: str, before: Branch, after: Branch, lock: str) -> None:
        """A new branch off `base` with these manifests and this lock."""
        self.must("checkout", "-q", "-B", branch, "base")
        for name in before.keys() - after.keys():
            (self.folder / name).unlink()
        for name, text in after.items():
            if before.get(name) != text:
                (self.folder / name).write_text(text)
        (self.folder / "kcompile.lock").write_text(lock)
        self.must("add", "-A")
        self.must("commit", "-q", "-m", branch)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    chance = random.Random("base")  # noqa: S311 - examples, not secrets
    base: Branch = {f"node-{n}.yaml": NODE.format(number=n) for n in range(1, 13)}
    for _ in range(160):
        base |= [new_object(chance, "deployment"), new_object(chance, "service")]
    shop = Workshop(tmp_path_factory.mktemp("merges"), base, built(base, ""))
    shop.must("init", "-q", "-b", "base")
    for name, text in base.items():
        (shop.folder / name).write_text(text)
    (shop.folder / "kcompile.lock").write_text(shop.lock)
    shop.must("add", "-A")
    shop.must("commit", "-q", "-m", "base")
    return shop


def new_object(chance: random.Random, kind: str) -> tuple[str, str]:
    name = "-".join([*chance.choices(WORDS, k=2), str(chance.randrange(100))])
    namespace = chance.choice(["default", "shop", "tools"])
    if kind == "deployment":
        replicas = chance.randint(1, 5)
        text = DEPLOYMENT.format(name=name, namespace=namespace, replicas=replicas, image=1)
    else:
        exposed = chance.choice(["ClusterIP", "ClusterIP", "NodePort"])
        port = chance.randint(1, 9999)
        text = SERVICE.format(name=name, namespace=namespace, type=exposed, port=port)
    return f"{namespace}-{name}-{kind}.yaml", text


def edited(base: Branch, files: list[str], chance: random.Random) -> Branch:
    """A branch that adds, removes, scales and changes one or two objects each; those that it
    touches are taken from the end of `files`."""
    branch = dict(base)
    for _ in range(chance.randint(1, 2)):
        branch |= [new_object(chance, chance.choice(["deployment", "service"]))]
        del branch[files.pop()]
        scaled = next(name for name in reversed(files) if name.endswith("-deployment.yaml"))
        files.remove(scaled)
        replicas = f"replicas: {chance.randint(0, 7)}"
        branch[scaled] = re.sub("replicas: [0-9]+", replicas, branch[scaled])
        changed = files.pop()
        branch[changed] = chance.choice(CHANGES)(branch[changed])
    return branch


CHANGES: tuple[Callable[[str], str], ...] = (
    lambda text: re.sub(":1\n", ":2\n", text),
    lambda text: re.sub("name: web", "name: app", text),
    lambda text: re.sub("type: .*", "type: NodePort", text),
    lambda text: re.sub("type: .*", "type: ClusterIP", text),
    lambda text: re.sub("port: [0-9]+", "port: 10001", text),
)


@dataclass(slots=True)
class Tally:
    """What became of pairs of branches."""

    conflicts: int = 0
    duplicates: int = 0


def test_pairs_of_branches(workshop: Workshop) -> None:
    """Each branch works on objects of its own, as two people do."""
    tally = Tally()
    for pair in range(PAIRS):
        chance = random.Random(pair)  # noqa: S311 - examples, not secrets
        files = [name for name in workshop.base if not name.startswith("node-")]
        chance.shuffle(files)
        half = len(files) // 2
        target = edited(workshop.base, files[:half], chance)
        other = edited(workshop.base, files[half:], chance)
        merged = merge(workshop, target, other)
        if merged is None:
            tally.conflicts += 1
        else:
            check(merged, built(target, workshop.lock), tally)
    print(f"{PAIRS} pairs: {tally}")
    assert tally.conflicts <= MOST_CONFLICTS * PAIRS
    if PAIRS >= 30:
        assert tally.duplicates > 0


def merge(workshop: Workshop, target: Branch, other: Branch) -> tuple[Branch, str] | None:
    """Manifests and lock after `git merge`, None if there is a conflict."""
    workshop.commit("target", workshop.base, target, built(target, workshop.lock))
    workshop.commit("other", workshop.base, other, built(other, workshop.lock))
    workshop.must("checkout", "-q", "target")
    done = workshop.git("merge", "-q", "--no-edit", "other")
    if done.returncode != 0:
        workshop.must("merge", "--abort")
        return None
    manifests = {path.name: path.read_text() for path in workshop.folder.glob("*.yaml")}
    return manifests, (workshop.folder / "kcompile.lock").read_text()


def check(merged: tuple[Branch, str], target: str, tally: Tally) -> None:
    """The next build takes the merged lock or says which entries collide; after `resolve` it
    passes; and what the target branch gave out is where it was."""
    manifests, lock = merged
    if read_lock("merged", lock).clashes:
        tally.duplicates += 1
        with pytest.raises(InputError) as refused:
            built(manifests, lock)
        assert {problem.code for problem in refused.value.problems} == {Code.LOCK_CONFLICT}
        settled, moves = resolve("merged", lock, read_lock("target", target))
        assert moves
        lock = format_lock(settled)
    after = built(manifests, lock)
    assert built(manifests, after) == after
    nothing_moved(parse_lock("target", target), parse_lock("after", after))


def nothing_moved(target: Lock, after: Lock) -> None:
    assert after.nodes == target.nodes
    for pod in target.pods.keys() & after.pods.keys():
        assert after.pods[pod] == target.pods[pod]
    for key in target.services.keys() & after.services.keys():
        before, now = target.services[key], after.services[key]
        assert now.cluster_ips == before.cluster_ips
        ports = dict(now.node_ports)
        assert all(ports.get(port, number) == number for port, number in before.node_ports)


def built(branch: Branch, lock: str) -> str:
    """The lock that a build of a branch leaves."""
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    return make_plan(sorted(branch.items()), FLAGS, old, proved=False).lock
