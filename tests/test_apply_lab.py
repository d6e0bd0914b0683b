"""Bundles come, change and go on running nodes, while clients ask and others have rules there."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from lab import foreign, needs, rollout
from lab.describe import Flavour, Variant
from lab.foreign import Foreign
from lab.programs import Programs
from lab.rollout import NEW, NODES, OLD, Rollout

CONNECTS = int(os.environ.get("KCOMPILE_CONNECTS", "2000"))
"""Connections that are made while rules change back and forth."""

# What else is on each of both nodes. All of it together is more than any machine has.
OTHERS = {
    "containers": (("docker-28", "fail2ban", "kubelet"), ("docker-20", "netavark-1.10")),
    "firewalls": (("firewalld-iptables",), ("firewalld-nftables", "netavark")),
    "both": (("docker-28", "fail2ban", "kubelet"), ("firewalld-iptables",)),
}
MET = {"nft": ("containers", "firewalls"), "legacy": ("both",)}
"""By flavour, unless all is asked for."""

ALL = bool(os.environ.get("KCOMPILE_FOREIGN_ALL"))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    needs.requires_both_families("nft")
    return rollout.build(tmp_path_factory.mktemp("rollout"))


@pytest.fixture(params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundles: Mapping[int, Path]) -> Iterator[Rollout]:
    needs.requires_both_families(request.param)
    running = rollout.start(bundles, Variant(request.param))
    with running.cluster:
        yield running


class Neighbours:
    """Others' rules on the nodes, which nobody may change."""

    def __init__(self, real: Rollout, others: Sequence[Sequence[str]]) -> None:
        self.real = real
        self.others = dict(zip(NODES, others, strict=True))
        for node, names in self.others.items():
            for name in names:
                Foreign(name).put(real.cluster, node)
        self.before = {node: self.read(node) for node in NODES}

    def read(self, node: str) -> str:
        ours = self.real.our_chains(node)
        theirs = [Foreign(name) for name in self.others[node]]
        only = {
            family: chains.difference(*(other.chains(family) for other in theirs))
            for family, chains in ours.items()
        }
        return foreign.read(self.real.cluster, node, only)

    def assert_untouched(self) -> None:
        for node in NODES:
            assert self.read(node) == self.before[node], node


@pytest.mark.parametrize(
    ("flavour", "others"),
    [(flavour, name) for flavour in MET for name in (OTHERS if ALL else MET[flavour])],
)
def test_a_rollout_harms_neither_clients_nor_others(
    bundles: Mapping[int, Path], flavour: Flavour, others: str
) -> None:
    """Installed, half of it changed, all of it, taken back, removed: who uses what does not change
    sees none of it, and neither does Docker."""
    needs.requires_both_families(flavour)
    running = rollout.start(bundles, Variant(flavour))
    with running.cluster:
        _roll_out(running, Neighbours(running, OTHERS[others]))


def _roll_out(real: Rollout, neighbours: Neighbours) -> None:
    network = {node: _network(real, node) for node in NODES}
    real.apply_all(OLD)
    real.assert_serves("steady", OLD, "steady-1", "steady-2")
    real.assert_serves("moving", OLD, "moving-1")
    neighbours.assert_untouched()
    with real.traffic() as traffic:
        real.apply("n1", NEW)
        neighbours.assert_untouched()
        real.assert_serves("steady", NEW, "steady-1", "steady-2")
        real.apply("n2", NEW)
        neighbours.assert_untouched()
        real.assert_serves("moving", NEW, "moving-2")
        real.assert_serves("new", NEW, "steady-1", "steady-2")
        for node in NODES:
            done = real.kcompile(node, "apply", "--rollback", "--node", node, "--yes")
            assert done.status == 0, done
        neighbours.assert_untouched()
        real.assert_serves("moving", OLD, "moving-1")
        real.assert_serves("old", OLD, "steady-1", "steady-2")
    traffic.assert_unharmed()
    for node in NODES:
        done = real.kcompile(node, "remove", "--node", node, "--yes")
        assert done.status == 0, done
        assert _network(real, node) == network[node]
    neighbours.assert_untouched()


def test_an_installation_leaves_nothing_behind(real: Rollout) -> None:
    """Also where nobody else has rules; and what is not there is refused, not reset."""
    before = {node: _everything(real, node) for node in NODES}
    real.apply_all(OLD)
    real.assert_works(OLD)
    for node in NODES:
        assert real.status(node).status == 0
        assert real.kcompile(node, "remove", "--node", node, "--yes").status == 0
        assert _everything(real, node) == before[node]


def test_a_second_apply_changes_nothing_and_runs_no_restore(real: Rollout) -> None:
    real.apply("n1", OLD)
    programs = Programs(real.cluster, "n1")
    programs.count()
    plan = real.kcompile("n1", *real.planning("n1", OLD, "--exit-code"))
    assert plan.status == 0, plan
    real.apply("n1", OLD)
    assert not _changing(programs.counted())
    plan = real.kcompile("n1", *real.planning("n1", NEW, "--exit-code"))
    assert plan.status == 3, plan
    real.status("n1")
    assert not _changing(programs.counted())


def test_clients_that_come_during_an_apply_all_meet_a_pod(real: Rollout) -> None:
    """None meets a listener, which resets, and no socket is left half closed."""
    real.apply_all(OLD)
    asked = 0
    while asked < CONNECTS:
        with real.traffic("neighbour", "n2", pause=0.0, protocols=["TCP"]) as traffic:
            real.apply("n1", NEW)
            real.apply("n1", OLD)
        traffic.assert_unharmed()
        asked += traffic.asked
    for node in NODES:
        assert not real.cluster.run(node, ["ss", "-Htn", "state", "close-wait"]).out


def _changing(commands: Sequence[str]) -> list[str]:
    """Those that change something on a node."""
    words = ("-restore", "-batch", " add ", " replace ", " del ", "unshare")
    return [line for line in commands if any(word in line for word in words)]


def _network(real: Rollout, node: str) -> str:
    """Links, addresses, routes and the kernel's settings that a bundle has."""
    script = "\n".join(
        [
            "ls /proc/sys/net/ipv4/conf; ip -o addr | sed 's/ *valid_lft.*//'; ip -4 route; ip -6 route",
            *(f"cat /proc/sys/net/{key}" for key in SETTINGS),
        ]
    )
    return real.cluster.on_host(node, ["sh", "-c", script]).out


SETTINGS = (
    "ipv4/ip_forward",
    "ipv4/conf/all/route_localnet",
    "ipv6/conf/all/forwarding",
    "bridge/bridge-nf-call-iptables",
    "bridge/bridge-nf-call-ip6tables",
)


def _everything(real: Rollout, node: str) -> str:
    """With all rules, files and open ports."""
    rules = foreign.read(real.cluster, node, foreign.NOTHING)
    script = "find /etc /run /var -newer /proc/1 -type f ! -name xtables.lock | sort; ls -A /var/lib; ss -Hltn"
    return rules + _network(real, node) + real.cluster.on_host(node, ["sh", "-c", script]).out
