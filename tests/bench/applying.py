"""How long an apply spends in the restore step, beside what iptables-restore itself takes.

Everything happens in network namespaces that end with the run; state lies in a folder of its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from manifests import nodes, workloads

FLAGS = ("--pod-network-cidr", "10.128.0.0/9", "--node-cidr-mask-size", "21", "--no-prove")
NODE = "node-0001"


def bench_apply(services: int, replicas: int) -> None:
    """Prints both flavours' ratios for a first install and for one Service changed."""
    with tempfile.TemporaryDirectory() as folder:
        one, two = (build(Path(folder), services, replicas, more) for more in (0, 1))
        print(f"{services} Services x {replicas} endpoints")
        for flavour in ("nft", "legacy"):
            measure(Path(folder), flavour, one, two)


def build(folder: Path, services: int, replicas: int, more: int) -> Path:
    """A bundle; `more` adds an endpoint to the last Service. Addresses stay, by the lock."""
    manifests = folder / "manifests"
    manifests.mkdir(exist_ok=True)
    *others, last = workloads(services, replicas)
    (manifests / "nodes.yaml").write_text("".join(nodes(50)))
    last = last.replace(f"replicas: {replicas}", f"replicas: {replicas + more}")
    (manifests / "workloads.yaml").write_text("".join([*others, last]))
    bundle = folder / f"bundle-{more}"
    command = [sys.executable, "-m", "kcompile.cli.main", "build", str(manifests), *FLAGS]
    subprocess.run([*command, "-o", str(bundle)], check=True, stderr=subprocess.DEVNULL)
    return bundle


def measure(folder: Path, flavour: str, one: Path, two: Path) -> None:
    rules = one / "nodes" / NODE / "iptables.rules"
    plain = float(in_netns(flavour, PLAIN, flavour, str(rules)))
    root = folder / f"root-{flavour}"
    root.mkdir()
    for kernel in ("proc", "sys"):
        (root / kernel).symlink_to(f"/{kernel}")
    answers = in_netns(flavour, APPLY, str(root), str(one), str(two), NODE)
    first, change = (json.loads(line)["seconds"] for line in answers.splitlines())
    print(f"  {flavour}: a plain restore        {plain:8.2f} s")
    for name, seconds in (("first install", first), ("one Service changed", change)):
        restore = seconds["rules: restore"]
        print(f"  {flavour}: {name:20}   {restore:8.2f} s restore, {restore / plain:.3f} of plain;")
        rest = {step: value for step, value in seconds.items() if step != "rules: restore"}
        print(
            "      "
            + ", ".join(f"{step} {value:.2f}" for step, value in rest.items() if value >= 0.01)
        )


PLAIN = """
import subprocess, sys, time
start = time.perf_counter()
with open(sys.argv[2]) as rules:
    subprocess.run([f"iptables-{sys.argv[1]}-restore"], stdin=rules, check=True)
print(time.perf_counter() - start)
"""
APPLY = """
import io, json, sys
from contextlib import redirect_stdout
from kcompile.apply.main import main
root, *bundles, node = sys.argv[1:]
for bundle in bundles:
    out = io.StringIO()
    with redirect_stdout(out):
        code = main(["apply", bundle, "--node", node, "--root", root, "--live", "--dns", "none", "--yes", "--json"])
    if code:
        sys.exit(code)
    print(json.dumps(json.loads(out.getvalue())))
"""
# The node has an address and `iptables` is of the flavour, as update-alternatives would make it.
SETUP = """
set -e
mount -t tmpfs none /run
ip link set lo up
ip link add uplink type dummy 2>/dev/null || ip link add uplink type bridge
ip addr add 172.31.0.1/12 dev uplink
ip link set uplink up
mount -t tmpfs none /usr/local/sbin
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -s /usr/sbin/$(echo $name | sed "s/tables/tables-$FLAVOUR/") /usr/local/sbin/$name
done
exec "$@"
"""


def in_netns(flavour: str, program: str, *arguments: str) -> str:
    """What a Python program prints in a network namespace of its own."""
    return subprocess.run(
        [
            *("unshare", "--net", "--mount", "sh", "-c", SETUP, "sh"),
            *(sys.executable, "-c", program, *arguments),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "FLAVOUR": flavour},
    ).stdout
