"""What is to be done about a node's rules: read, compared, nothing touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour, neighbours, saved, text
from kcompile.apply.rules.change import FamilyChange
from kcompile.apply.rules.delta import family_change, require_unused
from kcompile.apply.rules.originals import Originals, read_originals
from kcompile.apply.rules.text import Tables
from kcompile.apply.slices import Slice, own_digest

FILES: Mapping[int, str] = {4: "iptables.rules", 6: "ip6tables.rules"}


@dataclass(frozen=True)
class FamilyPlan:
    """One family: the installed text, the wanted one, what is in the kernel, and the way."""

    before: Tables
    after: Tables
    seen: Tables
    change: FamilyChange


@dataclass(frozen=True)
class Plan:
    """Families with something to do, and what is to be remembered before it is done."""

    originals: Originals
    families: tuple[FamilyPlan, ...]

    @property
    def changes(self) -> tuple[FamilyChange, ...]:
        return tuple(plan.change for plan in self.families)


def make_plan(host: Host, before: Slice | None, after: Slice | None, *, adopt: bool) -> Plan | None:
    """None: kcompile has done nothing here, and shall not. Raises NodeError."""
    originals = read_originals(host)
    if originals is None:
        if not _files(after):
            return None
        default = flavour.default_flavour(host)
        originals = Originals(flavour.flavour_in_use(host, default), default, {})
    plans = []
    for family in FILES:
        if family in originals.kept or family in _files(after):
            originals, plan = _plan_family(host, originals, family, (before, after), adopt=adopt)
            plans.append(plan)
    return Plan(originals, tuple(plan for plan in plans if plan.change.tables))


def refuse_other_flavour(host: Host, originals: Originals) -> None:
    """Rules of both flavours act at the same time; those of the old one would stay."""
    now = flavour.default_flavour(host)
    if now != originals.default:
        raise RefusedError(
            f"iptables is of the {now} flavour now, and was of the {originals.default} flavour"
            " when kcompile was installed here: switch it back (update-alternatives), or run"
            " kcompile remove and apply again"
        )


def digests(slice_: Slice | None) -> dict[int, str]:
    """SHA-256 of the files of rules, by family."""
    return {family: own_digest(slice_, FILES[family]) for family in _files(slice_)}


def _files(slice_: Slice | None) -> tuple[int, ...]:
    return tuple(family for family, name in FILES.items() if own_digest(slice_, name))


def _plan_family(
    host: Host,
    originals: Originals,
    family: int,
    slices: tuple[Slice | None, Slice | None],
    *,
    adopt: bool,
) -> tuple[Originals, FamilyPlan]:
    before, after = (_read(slice_, FILES[family]) for slice_ in slices)
    seen = saved.tables(flavour.save(host, originals.flavour, family))
    if after and not adopt:
        neighbours.refuse_kube_proxy(family, seen)
    if family not in originals.kept:
        # Whatever is there now is not ours: what was there before is written down first.
        before = {}
        kept = neighbours.kept(family, after, seen, adopt=adopt)
        originals = originals.with_family(family, kept)
    kept = originals.kept[family]
    ours = before
    if adopt and after:
        ours = _joined(before, neighbours.adopted(after, seen, kept))
    change = family_change(family, ours, after, seen, kept)
    require_unused(change, _joined(ours, after), seen)
    return originals, FamilyPlan(before, after, seen, change)


def _read(slice_: Slice | None, name: str) -> Tables:
    if slice_ is None:
        return {}
    try:
        return text.read(slice_.own(name), f"nodes/{slice_.node}/{name}")
    except UnicodeDecodeError:
        raise RefusedError(f"nodes/{slice_.node}/{name} is not text") from None


def _joined(one: Tables, other: Tables) -> Tables:
    """Chains and rules of both."""
    found = {}
    for name in {**one, **other}:
        a, b = one.get(name, text.NOTHING), other.get(name, text.NOTHING)
        found[name] = text.Table(
            {**b.chains, **a.chains},
            {
                chain: (*a.built_in.get(chain, ()), *b.built_in.get(chain, ()))
                for chain in {**a.built_in, **b.built_in}
            },
        )
    return found
