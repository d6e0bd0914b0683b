"""A kube-proxy on the node, chains that others made under the same names, and the flavour."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apply_rules import (
    KUBELET,
    STEMS,
    both,
    by_chain,
    load,
    load_foreign,
    node_namespace,
    rules_of,
    run,
    saved,
    slice_of,
    watch_programs,
)
from kcompile.apply import rules
from kcompile.apply.failures import CommandError, NodeError, RefusedError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour as flavours
from kcompile.apply.slices import Slice
from kcompile.resolve.flags import Flags
from lab import needs
from notation import deployment, service

# A cluster with one Service of another set of names, as a current kube-proxy writes it.
KUBE_PROXY = """\
*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*filter
:KUBE-PROXY-CANARY - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
*nat
:KUBE-PROXY-CANARY - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ZZZZZZZZZZZZZZZZ - [0:0]
:KUBE-SEP-ZZZZZZZZZZZZZZZZ - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-ZZZZZZZZZZZZZZZZ
-A KUBE-SVC-ZZZZZZZZZZZZZZZZ -j KUBE-SEP-ZZZZZZZZZZZZZZZZ
-A KUBE-SEP-ZZZZZZZZZZZZZZZZ -p tcp -m tcp -j DNAT --to-destination 10.244.0.9:80
COMMIT
"""
STALE = KUBE_PROXY.replace(":KUBE-PROXY-CANARY - [0:0]\n", "")


@pytest.fixture(scope="module")
def slice_(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    return slice_of(tmp_path_factory.mktemp("slice"), deployment("web", 2) + service("web"))


@pytest.fixture(params=["legacy", "nft"])
def flavour(request: pytest.FixtureRequest) -> Iterator[str]:
    needs.requires_both_families(request.param)
    with node_namespace():
        load_foreign(request.param)
        yield request.param


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("table", ["mangle", "nat", "filter"])
def test_beside_a_kube_proxy_nothing_is_done(
    flavour: str, host: Host, slice_: Slice, family: int, table: str
) -> None:
    run(f"{STEMS[family]}-{flavour}", "-t", table, "-N", "KUBE-PROXY-CANARY")
    before = both(flavour)
    for act in (rules.converge, rules.differences):
        with pytest.raises(RefusedError, match=f"KUBE-PROXY-CANARY in {STEMS[family]}'s table"):
            act(host, None, slice_)
    assert both(flavour) == before
    assert not host.root.exists()


def test_a_kube_proxy_that_comes_later_is_seen_too(flavour: str, host: Host, slice_: Slice) -> None:
    rules.converge(host, None, slice_)
    run(f"iptables-{flavour}", "-t", "mangle", "-N", "KUBE-PROXY-CANARY")
    with pytest.raises(RefusedError, match="--adopt"):
        rules.converge(host, slice_, slice_)
    # But whoever wants kcompile gone is not told to stop the other first.
    rules.converge(host, slice_, None)
    assert not [name for name in by_chain(saved(flavour, 4)) if "KUBE-SVC" in name[1]]


@pytest.mark.parametrize("left", [KUBE_PROXY, STALE])
def test_a_kube_proxy_s_chains_are_adopted(
    flavour: str, host: Host, slice_: Slice, left: str
) -> None:
    load(flavour, 4, KUBELET.split("*nat")[0])
    clean = both(flavour)
    load(flavour, 4, left)
    with pytest.raises(RefusedError, match="--adopt"):
        rules.converge(host, None, slice_)
    assert rules.differences(host, None, slice_, adopt=True)
    rules.converge(host, None, slice_, adopt=True)
    there = by_chain(saved(flavour, 4))
    assert not [name for name in there if "ZZZZ" in name[1] or "KUBE-PROXY-CANARY" in name[1]]
    for name, lines in rules_of(slice_, 4).items():
        in_front = "-" not in name[1] and name[0] == "nat"
        assert (there[name][: len(lines)] if in_front else there[name]) == lines or (
            name[0] == "filter" and set(lines) <= set(there[name])
        )
    assert rules.differences(host, slice_, slice_, adopt=True) == ()
    rules.converge(host, slice_, None)
    assert both(flavour) == clean


def test_other_content_under_our_names_is_refused(flavour: str, host: Host, slice_: Slice) -> None:
    run(f"ip6tables-{flavour}", "-t", "nat", "-N", "KUBE-SERVICES")
    run(f"ip6tables-{flavour}", "-t", "nat", "-A", "KUBE-SERVICES", "-j", "RETURN")
    before = both(flavour)
    with pytest.raises(RefusedError, match=r"ip6tables's table nat .*\(KUBE-SERVICES\)"):
        rules.converge(host, None, slice_)
    assert both(flavour) == before


def test_an_empty_chain_of_somebody_is_left_empty(flavour: str, host: Host, slice_: Slice) -> None:
    run(f"iptables-{flavour}", "-N", "KUBE-FIREWALL")
    before = both(flavour)
    rules.converge(host, None, slice_)
    assert rules.differences(host, slice_, slice_) == ()
    rules.converge(host, slice_, None)
    assert both(flavour) == before


def test_after_its_state_was_lost_an_install_knows_its_chains(
    flavour: str, host: Host, slice_: Slice, tmp_path: Path
) -> None:
    before = both(flavour)
    rules.converge(host, None, slice_)
    fresh = Host(tmp_path / "fresh")
    rules.converge(fresh, None, slice_)
    rules.converge(fresh, slice_, None)
    left = {name for name in by_chain(saved(flavour, 4)) if name[1].startswith("K")}
    shared = {("filter", "KUBE-FIREWALL")}
    mangle = {("mangle", "KUBE-IPTABLES-HINT"), ("mangle", "KUBE-KUBELET-CANARY")}
    assert left == shared | mangle
    assert [line for line in before[4] if line not in saved(flavour, 4)] == []


def test_somebody_s_rule_that_jumps_to_a_chain_that_goes(
    flavour: str, host: Host, slice_: Slice
) -> None:
    rules.converge(host, None, slice_)
    run(f"iptables-{flavour}", "-A", "DOCKER-USER", "-j", "KUBE-FORWARD")
    before = both(flavour)
    told = "somebody else leads to it: -A DOCKER-USER|KUBE-FORWARD .* a rule that is not kcompile's"
    with pytest.raises(NodeError, match=told):
        rules.converge(host, slice_, None)
    assert both(flavour) == before
    run(f"iptables-{flavour}", "-D", "DOCKER-USER", "-j", "KUBE-FORWARD")
    rules.converge(host, slice_, None)
    assert rules.differences(host, slice_, None) == ()


def test_without_others_the_flavour_is_iptables_own(
    host: Host, slice_: Slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.requires_both_families("legacy")
    needs.requires_both_families("nft")
    watch_programs(tmp_path / "bin")
    for name in STEMS.values():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec {name}-legacy "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with node_namespace():
        assert flavours.default_flavour(host) == "legacy"
        assert flavours.flavour_in_use(host, "legacy") == "legacy"
        rules.converge(host, None, slice_)
        assert saved("nft", 4) == []
        for name in STEMS.values():
            (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec {name}-nft "$@"\n')
        with pytest.raises(RefusedError, match="iptables is of the nft flavour now"):
            rules.converge(host, slice_, slice_)
        assert rules.differences(host, slice_, slice_) == ()
        rules.converge(host, slice_, None)
        assert not [name for name in by_chain(saved("legacy", 4)) if "-" in name[1]]


def test_the_flavour_is_the_one_that_others_use(host: Host) -> None:
    needs.requires_both_families("legacy")
    needs.requires_both_families("nft")
    with node_namespace():
        assert flavours.flavour_in_use(host, "nft") == "nft"
        load_foreign("legacy")
        assert flavours.flavour_in_use(host, "nft") == "legacy"
        load_foreign("nft")
        assert flavours.flavour_in_use(host, "nft") == "nft"
        assert flavours.flavour_in_use(host, "legacy") == "legacy"


def test_a_kube_proxy_of_the_other_flavour_is_seen(host: Host, slice_: Slice) -> None:
    needs.requires_both_families("legacy")
    needs.requires_both_families("nft")
    with node_namespace():
        load_foreign("nft")
        run("ip6tables-legacy", "-t", "nat", "-N", "KUBE-PROXY-CANARY")
        with pytest.raises(RefusedError, match="with the legacy flavour of iptables"):
            rules.converge(host, None, slice_, adopt=True)


def test_rules_that_iptables_cannot_show_are_not_overlooked(host: Host, slice_: Slice) -> None:
    needs.requires_both_families("nft")
    needs.requires("nft")
    with node_namespace():
        load_foreign("nft")
        run("nft", "add rule ip filter INPUT numgen random mod 2 0 accept")
        before = run("nft", "list ruleset")
        with pytest.raises(RefusedError, match="table filter of iptables has rules of nft's own"):
            rules.converge(host, None, slice_)
        assert run("nft", "list ruleset") == before


def test_single_stack_needs_no_ip6tables(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.requires_flavour("nft")
    single = slice_of(tmp_path / "s", deployment("web") + service("web"), Flags())
    log = watch_programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    with node_namespace():
        rules.converge(host, None, single)
        rules.converge(host, single, single)
        rules.converge(host, single, None)
    assert "ip6tables-nft-restore" not in log.read_text()


def test_a_held_lock_is_named(
    host: Host, slice_: Slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.requires_both_families("legacy")
    log = watch_programs(tmp_path / "bin")
    program = log.parent / "iptables-legacy-restore"
    # As it is called, but for the time that it waits.
    program.write_text(program.read_text().replace('"$@"', "--noflush -w 1"))
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    with node_namespace():
        load_foreign("legacy")
        Path("/run/xtables.lock").touch()
        with Path("/run/xtables.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(CommandError, match="held iptables' lock"):
                rules.converge(host, None, slice_)
    assert "--noflush -w 30" in log.read_text()
