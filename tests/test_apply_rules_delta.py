"""What is to change, from any state of the kernel, as values: no kernel takes part."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from kcompile.apply.rules.change import FamilyChange, Lines
from kcompile.apply.rules.delta import family_change
from kcompile.apply.rules.text import Table, Tables

OURS = ("KUBE-SERVICES", "KUBE-FORWARD", "KUBE-FIREWALL", "KCOMPILE-EGRESS")
BUILT_IN = ("PREROUTING", "OUTPUT", "POSTROUTING")
FOREIGN = ("-m addrtype --dst-type LOCAL -j DOCKER", "-s 172.17.0.0/16 -j MASQUERADE")
BODIES = ("-j ACCEPT", "-s 10.0.0.1/32 -j DROP", "-j RETURN")


def rules_of(chain: str, bodies: tuple[str, ...]) -> Lines:
    return tuple(f"-A {chain} {body}" for body in bodies)


@st.composite
def slices(draw: st.DrawFn) -> Tables:
    """Chains of ours, and jumps to them, each once."""
    names = draw(st.lists(st.sampled_from(OURS), unique=True))
    chains = {
        name: rules_of(name, tuple(draw(st.lists(st.sampled_from(BODIES), max_size=3))))
        for name in names
    }
    built_in = {
        hook: rules_of(hook, tuple(f"-j {name}" for name in draw(st.permutations(names))))
        for hook in BUILT_IN
    }
    return {"nat": Table(chains, built_in)} if draw(st.booleans()) else {}


@st.composite
def kernels(draw: st.DrawFn, ours: tuple[Tables, ...]) -> Tables:
    """Somebody's rules, and of the slices' chains any, in any state."""
    chains: dict[str, Lines] = {"DOCKER": ("-A DOCKER -j RETURN",)}
    jumps = {
        line
        for tables in ours
        for table in tables.values()
        for lines in table.built_in.values()
        for line in lines
    }
    for tables in ours:
        for table in tables.values():
            for name, lines in table.chains.items():
                if draw(st.booleans()):
                    chains[name] = lines[draw(st.integers(0, 1)) :]
    built_in = {}
    for hook in BUILT_IN:
        mine = sorted(line for line in jumps if line.startswith(f"-A {hook} "))
        every = [*mine, *rules_of(hook, FOREIGN)]
        built_in[hook] = tuple(draw(st.lists(st.sampled_from(every), max_size=6)))
    return {"nat": Table(chains, built_in)}


def done(change: FamilyChange, seen: Tables) -> Tables:
    """What an engine makes of it."""
    found = dict(seen)
    for table in change.tables:
        there = found.get(table.table, Table({}, {}))
        chains = {**there.chains, **table.replace}
        for name in table.remove:
            del chains[name]
        built_in = dict(there.built_in)
        for hook in {**table.jumps, **table.no_jumps}:
            block = table.jumps.get(hook, ())
            gone = {*block, *table.no_jumps.get(hook, ())}
            built_in[hook] = (*block, *(line for line in built_in[hook] if line not in gone))
        found[table.table] = Table(chains, built_in)
    return found


def foreign(tables: Tables) -> Mapping[str, Lines]:
    table = tables["nat"]
    kept = {
        hook: tuple(line for line in lines if not line.endswith(OURS))
        for hook, lines in table.built_in.items()
    }
    return {**kept, **{name: lines for name, lines in table.chains.items() if name not in OURS}}


@given(st.data())
def test_from_any_state_to_a_slice_and_no_further(data: st.DataObject) -> None:
    before, after = data.draw(slices()), data.draw(slices())
    seen = data.draw(kernels((before, after)))
    change = family_change(4, before, after, seen, {})
    now = done(change, seen)
    wanted = after.get("nat", Table({}, {}))
    old = before.get("nat", Table({}, {}))
    assert {name: lines for name, lines in now["nat"].chains.items() if name in OURS} == {
        **{
            # Of a slice that never was: the state only draws from both.
            name: lines
            for name, lines in seen["nat"].chains.items()
            if name in OURS and name not in old.chains
        },
        **wanted.chains,
    }
    for hook, block in wanted.built_in.items():
        mine = tuple(line for line in now["nat"].built_in[hook] if line in block)
        assert mine == block
        if hook in ("PREROUTING", "OUTPUT"):
            assert now["nat"].built_in[hook][: len(block)] == block
    assert foreign(now) == foreign(seen)
    assert family_change(4, after, after, now, {}).tables == ()
    assert family_change(4, before, after, now, {}).tables == ()


@given(st.data())
def test_what_is_shared_survives_install_and_removal(data: st.DataObject) -> None:
    slice_ = data.draw(slices())
    if not slice_:
        return
    # A kubelet's chain and its jump, anywhere among others.
    shared = Table(
        {"KUBE-FIREWALL": slice_["nat"].chains.get("KUBE-FIREWALL", ())},
        {"OUTPUT": ("-A OUTPUT -j KUBE-FIREWALL",)},
    )
    place = data.draw(st.integers(0, 2))
    others = list(rules_of("OUTPUT", FOREIGN))
    others.insert(place, "-A OUTPUT -j KUBE-FIREWALL")
    built_in = {hook: rules_of(hook, FOREIGN) for hook in BUILT_IN} | {"OUTPUT": tuple(others)}
    seen = {"nat": Table({"DOCKER": (), **shared.chains}, built_in)}
    kept = {"nat": shared}
    installed = done(family_change(4, {}, slice_, seen, kept), seen)
    assert installed["nat"].built_in["OUTPUT"].count("-A OUTPUT -j KUBE-FIREWALL") == 1
    assert family_change(4, slice_, slice_, installed, kept).tables == ()
    assert done(family_change(4, slice_, {}, installed, kept), installed) == seen
