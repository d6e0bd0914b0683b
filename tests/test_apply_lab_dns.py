"""The cluster's names in a node's own BIND: they follow the rules, and drift is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import needs, rollout
from lab.describe import Variant
from lab.programs import Fault, Programs
from lab.rollout import NEW, OLD, Rollout

CHECKSUMS = "find /etc/bind -type f | sort | xargs sha256sum"
ZONE = "/etc/bind/kcompile/db.cluster.local"
OTHER_SERIAL = f"""
cp -p {ZONE} /var/kept
sed -i '/SOA/{{n;s/[0-9][0-9]*/7/}}' {ZONE}
rndc reload cluster.local
sleep 0.3
cp -p /var/kept {ZONE}
"""
DRIFTS = {
    "a zone edited": (f"sed -i 's/steady/stolen/' {ZONE}", "cluster.local"),
    "a zone deleted": (f"rm {ZONE}", "cluster.local"),
    "an include line deleted": ("sed -i /kcompile/d /etc/bind/named.conf", "named.conf"),
    "another zone served": (OTHER_SERIAL, "cluster.local"),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollout]:
    """The first node has BIND; nothing is installed yet."""
    needs.requires_both_families("nft")
    needs.requires("named", "rndc", "named-checkconf", "dig")
    folder = tmp_path_factory.mktemp("names")
    running = rollout.start(rollout.build(folder), Variant("nft"), {"n1": "bind"})
    with running.cluster:
        running.start_bind("n1", folder)
        yield running


def test_names_come_change_and_go_with_the_rules(real: Rollout) -> None:
    before = real.cluster.on_host("n1", ["sh", "-c", CHECKSUMS]).out
    for stage in (OLD, NEW):
        real.apply("n1", stage)
        here, gone = ("old", "new") if stage == OLD else ("new", "old")
        assert _addresses(real, here) == set(real.service(here, stage)["clusterIPs"])
        assert _addresses(real, "steady") == set(real.service("steady")["clusterIPs"])
        assert not _addresses(real, gone)
    done = real.kcompile("n1", "apply", "--rollback", "--node", "n1", "--yes")
    assert done.status == 0, done
    assert _addresses(real, "old")
    assert not _addresses(real, "new")
    done = real.kcompile("n1", "remove", "--node", "n1", "--yes")
    assert done.status == 0, done
    assert real.cluster.on_host("n1", ["sh", "-c", CHECKSUMS]).out == before
    assert not _addresses(real, "steady", "127.0.0.1", "n1")


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_of_names_is_found_named_and_repaired(real: Rollout, drift: str) -> None:
    injury, name = DRIFTS[drift]
    real.apply("n1", OLD)
    assert real.status("n1").status == 0
    done = real.cluster.on_host("n1", ["sh", "-e", "-c", injury])
    assert done.status == 0, done
    said = real.status("n1")
    assert said.status == 3, said
    assert name in said.out, said
    real.apply("n1", OLD)
    said = real.status("n1")
    assert said.status == 0, said
    assert _addresses(real, "steady")


def test_a_server_that_stopped_is_missed(real: Rollout, tmp_path: Path) -> None:
    real.apply("n1", OLD)
    assert real.cluster.on_host("n1", ["rndc", "stop"]).status == 0
    said = real.status("n1")
    assert said.status == 3, said
    assert "BIND" in said.out, said
    real.start_bind("n1", tmp_path)
    real.apply("n1", OLD)
    assert real.status("n1").status == 0
    assert _addresses(real, "steady")


@pytest.mark.parametrize(
    ("program", "fault"),
    [("named-checkconf", "missing"), ("named-checkzone", "exit 1"), ("named-checkzone", "hangs")],
)
def test_a_broken_checker_takes_all_of_it_back(real: Rollout, program: str, fault: Fault) -> None:
    """What is new is not put in place unchecked, rules included."""
    # A configuration is checked when it is new.
    stage = OLD if program == "named-checkconf" else NEW
    if stage == OLD:
        assert real.kcompile("n1", "remove", "--node", "n1", "--yes").status == 0
    else:
        real.apply("n1", OLD)
    programs = Programs(real.cluster, "n1")
    programs.spoil(program, fault)
    done = real.kcompile("n1", *real.applying("n1", stage), env={"KCOMPILE_TIMEOUT": "1"})
    programs.undo()
    assert done.status in {1, 4}, done
    assert program in done.err, done
    assert not _addresses(real, "new", "127.0.0.1", "n1")
    rules = real.cluster.on_host("n1", ["iptables-save"]).out
    assert ("default/steady" in rules) == (stage == NEW)
    assert "default/new" not in rules


@pytest.mark.parametrize("fault", ["missing", "exit 1", "hangs"])
def test_without_rndc_the_server_is_told_all_the_same_or_all_goes_back(
    real: Rollout, fault: Fault
) -> None:
    real.apply("n1", OLD)
    programs = Programs(real.cluster, "n1")
    programs.spoil("rndc", fault)
    done = real.kcompile("n1", *real.applying("n1", NEW), env={"KCOMPILE_TIMEOUT": "1"})
    programs.undo()
    assert done.status in {0, 4}, done
    assert done.status == 0 or "rndc" in done.err, done
    assert bool(_addresses(real, "new")) == (done.status == 0)
    assert bool(_addresses(real, "old")) == (done.status != 0)
    assert real.status("n1").status == 0


def _addresses(real: Rollout, name: str, server: str = "10.96.0.10", client: str = "") -> set[str]:
    """What a pod of the node is told."""
    client = client or real.cluster.lab.pods_of("client-1")[0].name
    full = f"{name}.default.svc.cluster.local"
    ask = [
        "dig",
        "+norecurse",
        "+short",
        "+time=2",
        "+tries=1",
        f"@{server}",
        full,
        "A",
        full,
        "AAAA",
    ]
    done = real.cluster.run(client, ask)
    assert done.status == 0, done
    return set(done.out.split())
