"""Rules come to a node, change and go, and nobody else's rule is touched."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apply_rules import (
    KUBELET,
    STEMS,
    both,
    by_chain,
    foreign,
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
from kcompile.apply.difference import Difference
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice
from lab import needs
from notation import deployment, service

FLAVOURS = ["legacy", "nft"]
WEB = deployment("web", 3) + service("web")
API = deployment("api", 2) + service("api", spec="type: NodePort")


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Slice, Slice]:
    folder = tmp_path_factory.mktemp("slices")
    one = slice_of(folder / "one", WEB + service("idle"))
    two = slice_of(folder / "two", deployment("web", 4) + service("web") + API)
    return one, two


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> Iterator[str]:
    """A node with Docker's, firewalld's, fail2ban's and the kubelet's rules of this flavour."""
    needs.requires_both_families(request.param)
    with node_namespace():
        load_foreign(request.param)
        yield request.param


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


def holds(flavour: str, slice_: Slice) -> None:
    """Every chain of the slice is there as it is written, jumps in front."""
    for family in STEMS:
        there = by_chain(saved(flavour, family))
        for (table, chain), lines in rules_of(slice_, family).items():
            found = there[table, chain]
            in_front = "-" not in chain
            assert (found[: len(lines)] if in_front else found) == lines, (family, table, chain)


def nothing_to_do(host: Host, slice_: Slice) -> None:
    assert rules.differences(host, slice_, slice_) == ()


def test_install_change_rollback_and_removal_leave_others_alone(
    flavour: str, host: Host, slices: tuple[Slice, Slice]
) -> None:
    one, two = slices
    before = both(flavour)
    theirs = {family: foreign(lines) for family, lines in before.items()}
    for old, new in ((None, one), (one, two), (two, one), (one, one)):
        rules.converge(host, old, new)
        holds(flavour, new)
        nothing_to_do(host, new)
        assert {family: foreign(lines) for family, lines in both(flavour).items()} == theirs
    names = set(by_chain(saved(flavour, 4)))
    wanted = set(rules_of(one, 4))
    assert {name for name in names if name[1][:8] in ("KUBE-SVC", "KUBE-SEP")} <= wanted
    rules.converge(host, one, None)
    assert both(flavour) == before
    assert rules.differences(host, one, None) == ()


@pytest.mark.usefixtures("flavour")
def test_a_second_converge_runs_no_restore(
    host: Host,
    slices: tuple[Slice, Slice],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _ = slices
    rules.converge(host, None, one)
    log = watch_programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    rules.converge(host, one, one)
    assert "restore" not in log.read_text()


def test_drift_is_said_and_repaired(flavour: str, host: Host, slices: tuple[Slice, Slice]) -> None:
    one, _ = slices
    rules.converge(host, None, one)
    whole = both(flavour)
    service_chain = next(
        chain
        for (_, chain), lines in rules_of(one, 4).items()
        if chain.startswith("KUBE-SVC-") and "default/web" in lines[0]
    )
    iptables = f"iptables-{flavour}"
    jump = ["-m", "comment", "--comment", "kubernetes service portals", "-j", "KUBE-SERVICES"]
    kinds: dict[str, list[list[str]]] = {
        "missing: ": [[iptables, "-t", "nat", "-D", service_chain, "2"]],
        "not ours: -s 192.0.2.9/32 -j ACCEPT": [
            [iptables, "-A", "KUBE-FORWARD", "-s", "192.0.2.9", "-j", "ACCEPT"]
        ],
        "missing: -m mark ! --mark": [[iptables, "-t", "nat", "-F", "KUBE-POSTROUTING"]],
        "no jump to KUBE-SERVICES": [[iptables, "-t", "nat", "-D", "PREROUTING", *jump]],
        "more than one jump to KUBE-SERVICES": [[iptables, "-t", "nat", "-A", "OUTPUT", *jump]],
        "jumps stand behind other rules": [
            [iptables, "-t", "nat", "-D", "OUTPUT", *jump],
            [iptables, "-t", "nat", "-I", "OUTPUT", "2", *jump],
        ],
        "jumps are in another order": [
            [iptables, "-D", "INPUT", "-j", "KUBE-FIREWALL"],
            [iptables, "-I", "INPUT", "2", "-j", "KUBE-FIREWALL"],
        ],
    }
    for said, commands in kinds.items():
        for command in commands:
            run(*command)
        (found,) = rules.differences(host, one, one)
        assert said in found.detail, found
        rules.converge(host, one, one)
        nothing_to_do(host, one)
        assert both(flavour) == whole, said


def test_others_that_come_in_front_later_are_no_drift(
    flavour: str, host: Host, slices: tuple[Slice, Slice]
) -> None:
    one, two = slices
    rules.converge(host, None, one)
    run(f"iptables-{flavour}", "-I", "INPUT", "1", "-s", "203.0.113.7", "-j", "DROP")
    run(f"iptables-{flavour}", "-I", "FORWARD", "1", "-j", "DOCKER-USER")
    nothing_to_do(host, one)
    rules.converge(host, one, two)
    assert saved(flavour, 4).count("-A INPUT -s 203.0.113.7/32 -j DROP") == 1
    nothing_to_do(host, two)


def test_flushed_tables_are_filled_again(
    flavour: str, host: Host, slices: tuple[Slice, Slice]
) -> None:
    one, _ = slices
    rules.converge(host, None, one)
    for table in ("filter", "nat"):
        run(f"iptables-{flavour}", "-t", table, "-F")
        run(f"iptables-{flavour}", "-t", table, "-X")
    assert rules.differences(host, one, one)
    rules.converge(host, one, one)
    holds(flavour, one)


def test_the_kubelet_keeps_its_chains_and_jumps(
    flavour: str, host: Host, slices: tuple[Slice, Slice]
) -> None:
    one, two = slices
    load(flavour, 4, KUBELET)
    before = both(flavour)
    rules.converge(host, None, one)
    there = by_chain(saved(flavour, 4))["filter", "INPUT"]
    assert there.count("-A INPUT -j KUBE-FIREWALL") == 1
    assert there[-1] == "-A INPUT -j KUBE-FIREWALL"
    nothing_to_do(host, one)
    rules.converge(host, one, two)
    nothing_to_do(host, two)
    rules.converge(host, two, None)
    assert both(flavour) == before


def test_an_image_is_left_alone(tmp_path: Path, slices: tuple[Slice, Slice]) -> None:
    image = Host(tmp_path, live=False)
    assert rules.differences(image, None, slices[0]) == ()
    rules.converge(image, None, slices[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("flavour")
def test_a_first_install_is_said_table_by_table(host: Host, slices: tuple[Slice, Slice]) -> None:
    one, _ = slices
    said = rules.differences(host, None, one)
    assert [each.what for each in said] == [
        "iptables filter",
        "iptables nat",
        "ip6tables filter",
        "ip6tables nat",
    ]
    wanted = rules_of(one, 4)
    chains = sum(table == "nat" and "-" in chain for table, chain in wanted)
    count = sum(len(lines) for (table, _), lines in wanted.items() if table == "nat")
    assert said[1] == Difference("rules", "add", "iptables nat", f"{chains} chains, {count} rules")
    rules.converge(host, None, one)
    removed = rules.differences(host, one, None)
    assert [each.what for each in removed] == [each.what for each in said]
    assert removed[1] == Difference("rules", "remove", "iptables nat", said[1].detail)


@pytest.mark.usefixtures("flavour")
def test_a_change_names_the_services(host: Host, slices: tuple[Slice, Slice]) -> None:
    one, two = slices
    rules.converge(host, None, one)
    said = [each for each in rules.differences(host, one, two) if each.what.startswith("iptables ")]
    assert any(
        each.action == "change"
        and "(default/web:)" in each.what
        and each.detail == "3 -> 4 endpoints"
        for each in said
    ), said
    assert any(
        each.action == "add" and "KUBE-EXT-" in each.what and "(default/api:)" in each.what
        for each in said
    )
