"""What somebody else changes on a node is found, named and repaired; so is what a boot takes."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab import needs, rollout
from lab.describe import Variant
from lab.foreign import Foreign
from lab.rollout import OLD, STEADY_PORT, Rollout


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    needs.requires_both_families("nft")
    return rollout.build(tmp_path_factory.mktemp("drift"))


@pytest.fixture(scope="module", params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, bundles: Mapping[int, Path]) -> Iterator[Rollout]:
    """Installed everywhere; Docker is there, too."""
    needs.requires_both_families(request.param)
    running = rollout.start(bundles, Variant(request.param))
    with running.cluster:
        Foreign("docker-28").put(running.cluster, "n1")
        running.apply_all(OLD)
        yield running


# What is done to the node, and what status must name. {chain} is the steady Service's.
RULES = {
    "a rule of a chain deleted": ("iptables -t nat -D {chain} 1", "{chain}"),
    "an IPv6 rule deleted": ("ip6tables -t nat -D {chain} 1", "{chain}"),
    "a rule of somebody else's in it": ("iptables -t nat -I {chain} -j RETURN", "{chain}"),
    "a chain flushed": ("iptables -t nat -F {chain}", "{chain}"),
    "a table flushed": ("iptables -t nat -F", "PREROUTING"),
    "a jump deleted": ("iptables -t nat -D PREROUTING 1", "PREROUTING"),
    "a jump behind another rule": ("iptables -t nat -I PREROUTING -j RETURN", "PREROUTING"),
}
OTHERS = {
    "a route deleted": ("ip route del 10.244.2.0/24", "10.244.2.0/24"),
    "an IPv6 route deleted": ("ip -6 route del fd00:244:0:2::/64", "fd00:244:0:2::/64"),
    "a link deleted": ("ip link del kcompile0", "kcompile0"),
    "an address deleted": ("ip addr del 169.254.20.10/32 dev lo", "169.254.20.10"),
    "a sysctl changed": ("echo 0 >/proc/sys/net/ipv4/ip_forward", "ip_forward"),
    "a listener killed": (
        "kill -9 $(ss -Hltnp sport = :{port} | sed -n 's/.*pid=\\([0-9]*\\).*/\\1/p' | head -1)",
        "{port}",
    ),
    "a boot file edited": ("for f in /etc/sysctl.d/*kcompile*; do echo >>$f; done", "sysctl.d"),
}
DRIFTS = RULES | OTHERS
MENDS_FIRST = {"a jump behind another rule": "iptables -t nat -D PREROUTING -j RETURN"}
"""What is not ours is not ours to take away: it stays, behind our jumps."""


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_found_named_and_repaired(real: Rollout, drift: str) -> None:
    if drift in OTHERS and real.cluster.lab.variant.flavour == "legacy":
        pytest.skip("has nothing to do with rules: looked at on the other flavour")
    words = {"chain": _chain(real), "port": str(STEADY_PORT)}
    injury, name = (text.format(**words) for text in DRIFTS[drift])
    done = real.cluster.on_host("n1", ["sh", "-e", "-c", injury])
    assert done.status == 0, done
    said = real.status("n1")
    assert said.status == 3, said
    assert name in said.out, said
    real.apply("n1", OLD)
    said = real.status("n1")
    assert said.status == 0, said
    if drift in MENDS_FIRST:
        assert real.cluster.on_host("n1", ["sh", "-c", MENDS_FIRST[drift]]).status == 0
        assert real.status("n1").status == 0
    real.assert_works(OLD, ["n1"])


def test_a_route_of_somebody_else_is_named_and_left(real: Rollout) -> None:
    """Two programs that each put their own back would never end."""
    theirs = "10.244.2.0/24 via 192.168.20.254 dev eth0"
    assert real.cluster.on_host("n1", ["sh", "-c", f"ip route replace {theirs}"]).status == 0
    said = real.status("n1")
    assert said.status == 3, said
    assert "10.244.2.0/24" in said.out, said
    real.kcompile("n1", *real.applying("n1", OLD))
    assert theirs in real.cluster.on_host("n1", ["ip", "route"]).out
    assert real.cluster.on_host("n1", ["sh", "-c", f"ip route del {theirs}"]).status == 0
    real.apply("n1", OLD)
    assert real.status("n1").status == 0


def test_a_boot_brings_all_of_it_back(real: Rollout) -> None:
    """Rules, routes, settings and processes are gone, files are there: the units' commands."""
    _boot(real)
    assert real.status("n1").status == 3
    _run_unit(real, "kcompile-restore.service")
    _run_unit(real, "kcompile-drift.service")
    assert real.status("n1").status == 0
    real.assert_works(OLD, ["n1"])


def test_what_another_tool_flushes_comes_back(real: Rollout) -> None:
    """As firewalld does when it starts, and Docker puts its jumps in front of ours."""
    flush = "for p in iptables ip6tables; do for t in filter nat; do $p -t $t -F; $p -t $t -X; done; done"
    assert real.cluster.on_host("n1", ["sh", "-e", "-c", flush]).status == 0
    Foreign("docker-28").put(real.cluster, "n1")
    _run_unit(real, "docker.service.d/kcompile.conf", "ExecStartPost")
    assert real.status("n1").status == 0
    real.assert_works(OLD, ["n1"])


LOSE = """
ip link del kcompile0 2>/dev/null
for a in $(ip -o addr show dev lo | sed -n 's/.*inet6* \\([^ ]*\\).*/\\1/p'); do
    case $a in 127.*|::1/*) ;; *) ip addr del $a dev lo;; esac
done
for r in $(ip -4 route | sed -n 's/^\\(10[^ ]*\\) via.*/\\1/p'); do ip route del $r; done
for r in $(ip -6 route | sed -n 's/^\\(fd[^ ]*\\) via.*/\\1/p'); do ip -6 route del $r; done
cd /proc/sys/net
for key in ipv4/ip_forward ipv4/conf/all/route_localnet ipv6/conf/all/forwarding bridge/bridge-nf-*; do
    echo 0 >$key
done
for p in iptables ip6tables; do
    for t in filter nat raw mangle; do $p -t $t -F; $p -t $t -X; done
    $p -P FORWARD ACCEPT
done
"""


def _chain(real: Rollout) -> str:
    """That of the steady Service's TCP port."""
    rules = real.bundles[OLD] / "nodes" / "n1" / "iptables.rules"
    line = next(
        line
        for line in rules.read_text().splitlines()
        if line.startswith("-A KUBE-SERVICES") and '"default/steady:http cluster IP"' in line
    )
    return line.split()[-1]


def _run_unit(real: Rollout, name: str, key: str = "ExecStart") -> None:
    """As systemd would, which does not run here: the command as it stands in the file."""
    text = real.cluster.on_host("n1", ["cat", f"/etc/systemd/system/{name}"]).out
    (command,) = [line for line in text.splitlines() if line.startswith(f"{key}=")]
    done = real.cluster.on_host("n1", command.partition("=")[2].lstrip("-+").split())
    assert done.status == 0, done


def _boot(real: Rollout) -> None:
    """What a machine has when it comes up: its own addresses, nothing of the bundle."""
    real.cluster.reboot("n1")
    assert real.cluster.on_host("n1", ["sh", "-c", LOSE]).status == 0
    # The addresses of the wire and of the pods' bridge are not the bundle's.
    time.sleep(0.1)
