"""How fast is a build: `python tests/bench`. Prints ratios of one run, which travel between
machines, beside seconds, which do not."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml
from applying import bench_apply
from manifests import nodes, workloads
from plans import bench_plans
from zones import bench_zones

REPLICAS = 10
FLAGS = ("--pod-network-cidr", "10.128.0.0/9", "--node-cidr-mask-size", "21")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--plan", action="store_true", help="time the plan stage on 1000 nodes")
    parser.add_argument("--dns", action="store_true", help="time zone files of 500,000 records")
    parser.add_argument("--apply", action="store_true", help="time apply on a node (needs root)")
    arguments = parser.parse_args()
    if arguments.apply:
        bench_apply(5_000, 10)
        return
    if arguments.plan:
        bench_plans(1_000)
        return
    if arguments.dns:
        bench_zones(500_000)
        return
    count, node_count = arguments.services, arguments.nodes
    with tempfile.TemporaryDirectory() as folder:
        small = build(Path(folder, "small"), max(1, count // 10), max(1, node_count // 10))
        large = build(Path(folder, "large"), count, node_count)
        unproved = build(Path(folder, "unproved"), count, node_count, "--no-prove")
        parsing = parse(Path(folder, "large"))
    print(f"{count} Deployments x {REPLICAS} + {count} Services on {node_count} nodes")
    print(f"  build               {large.wall:8.2f} s   {large.memory:6.0f} MB")
    print(f"  a tenth of it       {small.wall:8.2f} s   {small.memory:6.0f} MB")
    print(f"  ten times the work  {large.wall / small.wall:8.2f} times the time")
    print(f"  proof/all the rest  {large.cpu / unproved.cpu - 1:8.2f} of the processor's time")
    print(f"  CSafeLoader alone   {parsing:8.2f} s")
    print(f"  build/CSafeLoader   {large.wall / parsing:8.2f}")
    print(f"  kcompile --help / python -c pass  {start_ratio():.2f}")


class Cost(NamedTuple):
    """Seconds on the wall and of all processors; peak resident megabytes of the largest process."""

    wall: float
    cpu: float
    memory: float


def build(folder: Path, count: int, node_count: int, *more: str) -> Cost:
    """What a first build costs, in a process of its own."""
    folder.mkdir()
    (folder / "nodes.yaml").write_text("".join(nodes(node_count)))
    (folder / "workloads.yaml").write_text("".join(workloads(count, REPLICAS)))
    command = [sys.executable, "-m", "kcompile.cli.main", "build", str(folder), *FLAGS, *more]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "-o", str(folder / "bundle")], stderr=subprocess.DEVNULL)
    usage = wait(process)
    wall = time.perf_counter() - started
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def wait(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the build failed: {process.returncode}")
    return usage


def parse(folder: Path) -> float:
    """Seconds that PyYAML's fast loader needs for the same files."""
    texts = [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]
    started = time.perf_counter()
    for text in texts:
        for _ in yaml.load_all(text, yaml.CSafeLoader):
            pass
    return time.perf_counter() - started


def start_ratio(runs: int = 20) -> float:
    """The median time of `kcompile --help` as a multiple of an empty program's."""

    def median(*arguments: str) -> float:
        times = []
        for _ in range(runs):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - started)
        return sorted(times)[runs // 2]

    return median("-m", "kcompile.cli.main", "--help") / median("-c", "pass")


if __name__ == "__main__":
    main()
