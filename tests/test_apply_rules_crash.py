"""From any state between two slices, and when others change rules at the same time."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from apply_rules import (
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
from kcompile.apply.failures import CommandError
from kcompile.apply.host import Host
from kcompile.apply.rules import memory, nft
from kcompile.apply.rules.text import target
from kcompile.apply.slices import Slice
from kcompile.apply.state import state_path
from kcompile.resolve.flags import Flags
from lab import needs
from notation import deployment, service


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Slice, Slice]:
    folder = tmp_path_factory.mktemp("slices")
    web = deployment("web", 3) + service("web")
    one = slice_of(folder / "one", web + service("idle"))
    two = slice_of(folder / "two", web + deployment("api", 2) + service("api"))
    return one, two


@pytest.fixture(params=["legacy", "nft"])
def flavour(request: pytest.FixtureRequest) -> Iterator[str]:
    needs.requires_both_families(request.param)
    with node_namespace():
        load_foreign(request.param)
        yield request.param


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


def is_as(flavour: str, slice_: Slice, theirs: dict[int, list[str]]) -> None:
    """The kernel holds the slice, of ours nothing else, and all of theirs."""
    for family in STEMS:
        there = saved(flavour, family)
        assert foreign(there) == theirs[family]
        found = {
            name: lines for name, lines in by_chain(there).items() if name[1][:2] in ("KU", "KC")
        }
        wanted = {name: lines for name, lines in rules_of(slice_, family).items() if "-" in name[1]}
        hints = {("mangle", "KUBE-IPTABLES-HINT"), ("mangle", "KUBE-KUBELET-CANARY")}
        assert {name: lines for name, lines in found.items() if name not in hints} == wanted


@pytest.mark.parametrize("seed", range(3))
def test_from_a_mixture_of_two_slices(
    flavour: str, host: Host, slices: tuple[Slice, Slice], seed: int
) -> None:
    """As a crash leaves it, on whichever engine: each chain old, new, both or none."""
    chance = random.Random(seed)  # noqa: S311 (a choice of examples)
    one, two = slices
    theirs = {family: foreign(lines) for family, lines in both(flavour).items()}
    rules.converge(host, None, one)
    for family, stem in STEMS.items():
        old, new = rules_of(one, family), rules_of(two, family)
        for table in ("filter", "nat"):
            names = sorted(chain for name, chain in {**old, **new} if name == table)
            chosen = {
                chain: chance.choice([old, new]).get((table, chain), [])
                for chain in names
                if "-" in chain and chance.random() < 0.7
            }
            lines = [f":{chain} - [0:0]" for chain in chosen]
            known = {*chosen, *(chain for name, chain in old if name == table)}
            lines += [
                line
                for rules_ in chosen.values()
                for line in rules_
                if target(line) in known or "-" not in target(line)
            ]
            load(flavour, family, "\n".join([f"*{table}", *lines, "COMMIT\n"]))
        run(f"{stem}-{flavour}", "-D", "INPUT", "-j", "KUBE-FIREWALL")
    goal = chance.choice([one, two])
    rules.converge(host, *((one, two) if goal is two else (two, one)))
    is_as(flavour, goal, theirs)
    assert rules.differences(host, goal, goal) == ()


def test_a_crash_before_anything_was_remembered(
    flavour: str, host: Host, slices: tuple[Slice, Slice], tmp_path: Path
) -> None:
    one, two = slices
    state = state_path(host)
    empty = both(flavour)
    theirs = {family: foreign(lines) for family, lines in empty.items()}
    rules.converge(host, None, one)
    shutil.copytree(state, tmp_path / "state")
    for goal, old, new in ((two, one, two), (one, two, one)):
        rules.converge(host, one, two)
        shutil.rmtree(state)
        shutil.copytree(tmp_path / "state", state)
        rules.converge(host, old, new)
        is_as(flavour, goal, theirs)
        rules.converge(host, new, one)
    is_as(flavour, one, theirs)
    # Removed, but the state is still there: that finds nothing to do.
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(state, tmp_path / "state")
    rules.converge(host, one, None)
    shutil.copytree(tmp_path / "state", state, dirs_exist_ok=True)
    assert rules.differences(host, one, None) == ()
    rules.converge(host, one, None)
    assert both(flavour) == empty
    assert list(state.rglob("*.json")) == []


def test_on_nft_an_untouched_ruleset_is_not_read(
    host: Host, slices: tuple[Slice, Slice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.requires_both_families("nft")
    one, two = slices
    with node_namespace():
        load_foreign("nft")
        rules.converge(host, None, one)
        log = watch_programs(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
        assert rules.differences(host, one, one) == ()
        assert rules.differences(host, one, two) != ()
        assert log.read_text() == ""
        # After somebody's change only what is needed is read, and never a whole table.
        run("/usr/sbin/iptables-nft", "-A", "DOCKER-USER", "-s", "192.0.2.5", "-j", "DROP")
        assert rules.differences(host, one, one) == ()
        rules.converge(host, one, two)
        assert "-save" not in log.read_text()
        log.write_text("")
        assert rules.differences(host, two, two) == ()
        assert log.read_text() == ""


def test_on_a_bare_node_nothing_is_left_of_nft_tables(
    host: Host, slices: tuple[Slice, Slice]
) -> None:
    needs.requires_both_families("nft")
    needs.requires("nft")
    one, two = slices
    with node_namespace():
        rules.converge(host, None, one)
        rules.converge(host, one, two)
        rules.converge(host, two, None)
        assert run("nft", "list", "ruleset") == ""


def test_on_legacy_a_change_between_reading_and_restoring_is_read_again(
    host: Host, slices: tuple[Slice, Slice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.requires_both_families("legacy")
    one, _ = slices
    with node_namespace():
        load_foreign("legacy")
        rules.converge(host, None, one)
        whole = both("legacy")
        run("iptables-legacy", "-A", "INPUT", "-j", "KUBE-FIREWALL")
        log = watch_programs(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
        # Before the first restore that is not a trial, somebody takes the second jump away.
        program = log.parent / "iptables-legacy-restore"
        (log.parent / "once").touch()
        act = f"rm {log.parent}/once && iptables-legacy -D INPUT -j KUBE-FIREWALL"
        real = "iptables-legacy -S DOCKER-USER >/dev/null 2>&1"
        start, body = program.read_text().split("\n", 1)
        program.write_text(f"{start}\n[ -e {log.parent}/once ] && {real} && {act}\n{body}")
        rules.converge(host, one, one)
        assert not (log.parent / "once").exists()
        assert both("legacy") == whole


def test_what_the_kernel_refuses_is_refused_before_anything_is_touched(
    flavour: str, host: Host, slices: tuple[Slice, Slice], tmp_path: Path
) -> None:
    one, _ = slices
    rules.converge(host, None, one)
    before = both(flavour)
    text = one.own("iptables.rules").replace(
        "--reject-with icmp-port-unreachable", "--reject-with icmp-x"
    )
    path = tmp_path / "bad" / "nodes/n0/iptables.rules"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    bad = Slice("n0", None, tmp_path / "bad", {"nodes/n0/iptables.rules": "0" * 64})
    with pytest.raises(CommandError, match=f"iptables-{flavour}-restore .*icmp-x"):
        rules.converge(host, one, bad)
    assert both(flavour) == before
    assert rules.differences(host, one, one) == ()


def test_on_nft_what_is_remembered_is_what_the_kernel_lists(
    host: Host, slices: tuple[Slice, Slice]
) -> None:
    needs.requires_both_families("nft")
    one, two = slices
    with node_namespace():
        load_foreign("nft")
        for old, new in ((None, one), (one, two), (two, one)):
            rules.converge(host, old, new)
            for family in STEMS:
                _, remembered = memory.read_digests(host, family)
                listed = nft.digests(family, ("filter", "nat"))
                wanted = {name for name in rules_of(new, family) if "-" in name[1]}
                assert remembered == {name: listed[name] for name in wanted}


def test_a_family_comes_and_goes(
    flavour: str, host: Host, slices: tuple[Slice, Slice], tmp_path: Path
) -> None:
    dual, _ = slices
    single = slice_of(tmp_path / "single", deployment("web", 3) + service("web"), Flags())
    before = both(flavour)
    rules.converge(host, None, single)
    assert saved(flavour, 6) == before[6]
    rules.converge(host, single, dual)
    is_as(flavour, dual, {family: foreign(lines) for family, lines in before.items()})
    rules.converge(host, dual, single)
    assert saved(flavour, 6) == before[6]
    assert rules.differences(host, single, single) == ()
    rules.converge(host, single, None)
    assert both(flavour) == before


def test_after_a_boot_everything_is_there_again(
    flavour: str, host: Host, slices: tuple[Slice, Slice]
) -> None:
    one, _ = slices
    rules.converge(host, None, one)
    with node_namespace():  # a kernel that knows nothing; Docker comes first
        load_foreign(flavour)
        before = both(flavour)
        assert rules.differences(host, one, one)
        rules.converge(host, one, one)
        is_as(flavour, one, {family: foreign(lines) for family, lines in before.items()})
        rules.converge(host, one, None)
        assert both(flavour) == before
