"""`kcompile lock`: show, verify, pin, prune, rename-node and upgrade."""

import json
import re
from pathlib import Path

import pytest
import yaml

from cli_runs import Run
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock

LOCK = """\
kcompile-lock: 2
algorithm: 1

# Node n1
node/n1: {podCIDRs: [10.244.1.0/24, "fd00:1::/64"]}

# Node n2
node/n2: {podCIDRs: [10.244.2.0/24, "fd00:2::/64"]}
node/n2/freed: {podCIDRs: [10.200.0.0/24], freed: 1}

# DaemonSet default/agent
pod/default/DaemonSet/agent/n1: {node: n1, ips: [10.244.1.9, "fd00:1::9"]}
pod/default/DaemonSet/agent/n2: {node: n2, ips: [10.244.2.9, "fd00:2::9"], name: agent-xxxxx}

# Deployment default/web
pod/default/Deployment/web/0: {node: n1, ips: [10.244.1.5, "fd00:1::5"]}
pod/default/Deployment/web/1: {node: n2, ips: [10.244.2.5, "fd00:2::5"], name: web-one}
pod/default/Deployment/web/2/freed: {node: n2, ips: [10.244.2.6, "fd00:2::6"], freed: 2}

# StatefulSet shop/db
pod/shop/StatefulSet/db/0: {node: n2, ips: []}

# Service default/old
service/default/old/freed: {clusterIPs: [10.96.7.7], freed: 3}

# Service default/web
service/default/web: {clusterIPs: [10.96.0.5, "fd00:96::5"], nodePorts: {53/TCP: 30053, 53/UDP: 30053, 80/TCP: 30080}, healthCheckNodePort: 30090}

# Service shop/web
service/shop/web: {clusterIPs: [10.96.0.6], loadBalancerIPs: [192.0.2.7]}

# end
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path, capsys)
    run.write("kcompile.lock", LOCK)
    return run


def lock_of(run: Run) -> Lock:
    text = (run.folder / "kcompile.lock").read_text()
    return parse_lock("kcompile.lock", text)


def entry(run: Run, key: str) -> str:
    lines = (run.folder / "kcompile.lock").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(f"{key}: ")]
    return found.removeprefix(f"{key}: ")


# ---- show


def test_show_is_a_table(run: Run) -> None:
    answer = run("lock", "show", "service/web", "pod/db", "node/n2")
    assert (answer.code, answer.err) == (0, "")
    assert [re.split(" {2,}", line) for line in answer.out.splitlines()] == [
        ["KEY", "NODE", "ADDRESSES", "NODE PORTS", "FREED"],
        ["node/n2", NONE, "10.244.2.0/24,fd00:2::/64", NONE, NONE],
        ["node/n2", NONE, "10.200.0.0/24", NONE, "1"],
        ["pod/shop/StatefulSet/db/0", "n2", NONE, NONE, NONE],
        ["service/default/web", NONE, "10.96.0.5,fd00:96::5", PORTS, NONE],
        ["service/shop/web", NONE, "10.96.0.6,192.0.2.7", NONE, NONE],
    ]


NONE = "<none>"
PORTS = "53/TCP=30053,53/UDP=30053,80/TCP=30080,healthCheck=30090"


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ([], 12),
        (["node"], 3),
        (["pods", "svc"], 9),
        (["pod/default/Deployment"], 3),
        (["pod/web/1"], 1),
        (["service/shop/web"], 1),
        (["service/nothing"], 0),
        (["--freed"], 3),
        (["--freed", "service"], 1),
    ],
)
def test_show_takes_types_and_parts_of_keys(run: Run, what: list[str], count: int) -> None:
    read = json.loads(run("lock", "show", "-o", "json", *what).out)
    assert len(read) == count
    assert yaml.safe_load(run("lock", "show", "-o", "yaml", *what).out) == read
    table = run("lock", "show", *what)
    assert len(table.out.splitlines()) == (count + 1 if count else 0)
    assert table.err == ("" if count else "The lock has no such entry.\n")


def test_show_what_is_called_freed(run: Run) -> None:
    run.write(
        "kcompile.lock",
        "kcompile-lock: 2\nalgorithm: 1\n"
        "node/freed: {podCIDRs: [10.244.1.0/24]}\n"
        "node/freed/freed: {podCIDRs: [10.244.2.0/24], freed: 1}\n"
        "pod/freed/DaemonSet/freed/freed: {node: freed, ips: [10.244.1.5]}\n"
        "service/freed/freed: {clusterIPs: [10.96.0.5]}\n",
    )
    freed = json.loads(run("lock", "show", "--freed", "-o", "json").out)
    assert freed == {"node/freed/freed": {"podCIDRs": ["10.244.2.0/24"], "freed": 1}}
    assert [line.split()[0] for line in run("lock", "show").out.splitlines()] == [
        "KEY",
        "node/freed",
        "node/freed",
        "pod/freed/DaemonSet/freed/freed",
        "service/freed/freed",
    ]


def test_show_knows_three_types(run: Run) -> None:
    answer = run("lock", "show", "deployment/web")
    assert (answer.code, answer.out) == (2, "")
    assert "a lock knows no 'deployment', but node, pod and service" in answer.err


# ---- pin


def test_pin_an_address_of_a_service(run: Run) -> None:
    answer = run("lock", "pin", "service/web", "10.96.0.50")
    assert (answer.code, answer.err) == (0, "")
    old = entry_of(LOCK, "service/default/web")
    assert answer.out == (
        f"-service/default/web: {old}\n"
        f"+service/default/web: {old.replace('10.96.0.5,', '10.96.0.50,')}\n"
        "+service/default/web/freed: {clusterIPs: [10.96.0.5], freed: 4}\n"
    )
    assert '[10.96.0.50, "fd00:96::5"]' in entry(run, "service/default/web")


def entry_of(text: str, key: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"{key}: ")]
    return found.removeprefix(f"{key}: ")


def test_pin_several_at_once(run: Run) -> None:
    run("lock", "pin", "svc/web", "fd00:96::77", "80=31000", "53/UDP=31053", "53/TCP=31053")
    assert entry(run, "service/default/web") == (
        '{clusterIPs: [10.96.0.5, "fd00:96::77"], nodePorts: {53/TCP: 31053, 53/UDP: 31053,'
        " 80/TCP: 31000}, healthCheckNodePort: 30090}"
    )
    freed = "nodePorts: {53/TCP: 30053, 53/UDP: 30053, 80/TCP: 30080}, freed: 4}"
    assert entry(run, "service/default/web/freed") == f'{{clusterIPs: ["fd00:96::5"], {freed}'


@pytest.mark.parametrize(
    "arguments",
    [["service/web", "-n", "shop"], ["service/shop/web"], ["service/shop/web", "-n", "x"]],
)
def test_pin_in_another_namespace(run: Run, arguments: list[str]) -> None:
    assert run("lock", "pin", *arguments, "10.96.0.9").code == 0
    assert entry(run, "service/shop/web") == (
        "{clusterIPs: [10.96.0.9], loadBalancerIPs: [192.0.2.7]}"
    )


def test_what_was_freed_can_be_pinned(run: Run) -> None:
    answer = run("lock", "pin", "service/web", "10.96.7.7")
    assert "-service/default/old/freed: {clusterIPs: [10.96.7.7], freed: 3}\n" in answer.out
    assert ("default", "old") not in lock_of(run).freed_services


@pytest.mark.parametrize(
    ("pod", "address", "key"),
    [
        ("pod/web-one", "10.244.2.77", "pod/default/Deployment/web/1"),
        ("pod/default/Deployment/web/0", "fd00:1::77", "pod/default/Deployment/web/0"),
        ("pod/agent-xxxxx", "10.244.2.78", "pod/default/DaemonSet/agent/n2"),
    ],
)
def test_pin_an_address_of_a_pod(run: Run, pod: str, address: str, key: str) -> None:
    assert run("lock", "pin", pod, address).code == 0
    assert address in entry(run, key)


def test_pin_what_is_so_already(run: Run) -> None:
    answer = run("lock", "pin", "service/web", "10.96.0.5", "80/TCP=30080")
    assert (answer.code, answer.out, answer.err) == (0, "", "kcompile.lock: no entry changes\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["service/web", "10.96.0.6"], "30:1: KC401: address 10.96.0.6 is already allocated to service/shop/web"),
        (["service/web", "192.0.2.7"], "30:1: KC401: address 192.0.2.7 is already allocated to service/shop/web"),
        (["service/web", "10.244.1.7"], "5:1: KC402: address 10.244.1.7 lies in 10.244.1.0/24, the pod CIDR of node n1"),
        (["service/shop/web", "fd00:96::1"], "1:1: KC417: service/shop/web has no IPv6 address"),
        (["service/web", "443=30443"], "1:1: KC417: service/default/web has no node port for 443/TCP"),
        (["service/web", "80/UDP=30443"], "1:1: KC417: service/default/web has no node port for 80/UDP"),
        (["service/web", "80=30053"], "27:1: KC409: node port 30053 is already allocated to service/default/web"),
        (["service/web", "80=30090"], "27:1: KC409: node port 30090 is already allocated to service/default/web"),
        (["pod/web-one", "10.244.1.77"], "8:1: KC402: address 10.244.1.77 is not for pods of node n2, which has 10.244.2.0/24"),
        (["pod/web-one", "10.244.2.1"], "8:1: KC402: address 10.244.2.1 is not for pods of node n2, which has 10.244.2.0/24"),
        (["pod/web-one", "10.244.2.9"], "13:1: KC401: address 10.244.2.9 is already allocated to pod/default/DaemonSet/agent/n2"),
        (["pod/db-0", "-n", "shop", "10.244.2.7"], "21:1: KC417: pod/shop/StatefulSet/db/0 has no IPv4 address of its own"),
        (["service/old", "10.96.0.9"], "1:1: KC417: 'service/old' is not in the lock in namespace 'default'"),
        (["pod/nothing", "10.96.0.9"], "1:1: KC417: 'pod/nothing' is not in the lock in namespace 'default'"),
        (["pod/default/Deployment/web/x", "10.96.0.9"], "1:1: KC417: 'pod/default/Deployment/web/x' is not in the lock"),
        (["deployment/web", "10.96.0.9"], "1:1: KC417: 'deployment/web' is not in the lock in namespace 'default'"),
    ],
)  # fmt: skip
def test_what_cannot_be_pinned(run: Run, arguments: list[str], message: str) -> None:
    before = run.tree()
    answer = run("lock", "pin", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"kcompile.lock:{message}")
    assert run.tree() == before


@pytest.mark.parametrize(
    "arguments",
    [["service/web", "10.96"], ["service/web", "80=0"], ["service/web", "80=70000"],
     ["service/web", "80/tcp=30000"], ["service/web"], ["pod/web-one", "80=30000"]],
)  # fmt: skip
def test_what_is_no_address_and_no_port(run: Run, arguments: list[str]) -> None:
    before = run.tree()
    answer = run("lock", "pin", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert run.tree() == before


# ---- prune


@pytest.mark.parametrize(
    ("arguments", "left"), [([], 0), (["--older-than", "1"], 1), (["--older-than", "9"], 3)]
)
def test_prune_forgets_what_was_freed_long_ago(run: Run, arguments: list[str], left: int) -> None:
    before = lock_of(run)
    answer = run("lock", "prune", *arguments)
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 3 - left
    assert all(line[0] == "-" and "/freed: {" in line for line in answer.out.splitlines())
    after = lock_of(run)
    assert (after.nodes, after.pods, after.services) == (before.nodes, before.pods, before.services)
    freed = (after.freed_nodes, after.freed_pods, after.freed_services)
    assert sum(map(len, freed)) == left


# ---- upgrade


def test_upgrade_has_nothing_to_do_in_the_newest_form(run: Run) -> None:
    before = run.tree()
    answer = run("lock", "upgrade")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == (
        "kcompile.lock: nothing to do, this is form 2 and algorithm 1, the newest\n"
    )
    assert run.tree() == before


def test_upgrade_writes_the_first_form_anew(run: Run) -> None:
    run.write(
        "kcompile.lock",
        "kcompile-lock: 1\nalgorithm: 1\n"
        "freed/service/a/b: {clusterIPs: [10.96.0.7], freed: 1}\n"
        "service/a/a: {clusterIPs: [10.96.0.6]}\n",
    )
    before = lock_of(run)
    answer = run("lock", "upgrade")
    assert (answer.code, answer.err) == (0, "kcompile.lock: form 2, algorithm 1\n")
    assert lock_of(run) == before
    assert run("lock", "upgrade").err.startswith("kcompile.lock: nothing to do")


# ---- what all have in common


EDITS = [
    ["show"],
    ["pin", "service/web", "10.96.0.9"],
    ["prune"],
    ["rename-node", "n1", "n9"],
    ["upgrade"],
]


@pytest.mark.parametrize("arguments", EDITS, ids=" ".join)
def test_a_lock_must_be_there_and_whole(run: Run, arguments: list[str]) -> None:
    run.write("kcompile.lock", LOCK + "hello\n")
    before = run.tree()
    answer = run("lock", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("kcompile.lock:33:1: KC405: 'hello' is not a line that")
    answer = run("lock", *arguments, "--lock", "other.lock")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("other.lock:1:1: KC405: there is no lock here")
    assert run.tree() == before


# ---- verify


def test_verify_says_what_a_build_would_change(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run.service("m/b.yaml", "b")
    run("build", "m")
    before = run.tree()
    answer = run("lock", "verify", "m")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.endswith("m/kcompile.lock: nothing would change\n")
    assert run.tree() == before
    run.service("m/c.yaml", "c")
    (run.folder / "m" / "b.yaml").unlink()
    before = run.tree()
    answer = run("lock", "verify", "m")
    assert answer.code == 3
    assert [line.partition(": ")[0] for line in answer.out.splitlines()] == [
        "-service/default/b",
        "+service/default/b/freed",
        "+service/default/c",
    ]
    assert answer.err.endswith("m/kcompile.lock: a build would change 2 entries\n")
    assert run.tree() == before


def test_verify_names_what_is_out_of_range_or_held_twice(run: Run) -> None:
    run.service("m/a.yaml", "a")
    run("build", "m")
    assert run("lock", "pin", "service/a", "10.1.2.3", "--lock", "m/kcompile.lock").code == 0
    answer = run("lock", "verify", "m")
    assert answer.code == 3
    assert "KC411: warning: Service default/a loses its address 10.1.2.3" in answer.err
    lock = run.folder / "m" / "kcompile.lock"
    run.write("m/kcompile.lock", lock.read_text() + "service/x/x: {clusterIPs: [10.1.2.3]}\n")
    answer = run("lock", "verify", "m")
    assert (answer.code, answer.out) == (1, "")
    assert "KC407: service/x/x and service/default/a (m/kcompile.lock:8) hold" in answer.err
    assert run("lock", "verify", "m", "--no-lock").code == 2
