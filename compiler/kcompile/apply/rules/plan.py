"""What is to be done about a node's rules: read, compared, nothing touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.rules import flavour, neighbours, nft, text
from kcompile.apply.rules.change import FamilyChange
from kcompile.apply.rules.delta import family_change, require_unused
from kcompile.apply.rules.look import Seen, see_all, see_changed
from kcompile.apply.rules.memory import (
    Installed,
    Originals,
    read_digests,
    read_installed,
    read_originals,
)
from kcompile.apply.rules.text import Tables
from kcompile.apply.slices import Slice, own_digest

FILES: Mapping[int, str] = {4: "iptables.rules", 6: "ip6tables.rules"}


@dataclass(frozen=True)
class FamilyPlan:
    """One family: the installed text, the wanted one, what is in the kernel, and the way."""

    before: Tables
    after: Tables
    seen: Seen
    change: FamilyChange


@dataclass(frozen=True)
class Plan:
    """Families that were looked at, and what is to be remembered before anything is done.

    On the nft flavour `installed` and `generation` are what was remembered, and the ruleset's
    number before it was looked at."""

    originals: Originals
    families: tuple[FamilyPlan, ...]
    installed: Installed | None = None
    generation: int = 0

    @property
    def changes(self) -> tuple[FamilyChange, ...]:
        return tuple(plan.change for plan in self.families if plan.change.tables)


@dataclass(frozen=True)
class _Task:
    """What is asked for."""

    host: Host
    before: Slice | None
    after: Slice | None
    adopt: bool
    installed: Installed | None


def make_plan(host: Host, before: Slice | None, after: Slice | None, *, adopt: bool) -> Plan | None:
    """None: kcompile has done nothing here, and shall not. Raises NodeError."""
    originals = read_originals(host)
    if originals is None:
        if not digests(after):
            return None
        default = flavour.default_flavour(host)
        kind = flavour.flavour_in_use(host, default)
        neighbours.refuse_other_flavours_kube_proxy(host, kind)
        originals = Originals(kind, default, {})
    generation = nft.generation() if originals.flavour == "nft" else 0
    installed = read_installed(host, generation) if originals.flavour == "nft" else None
    task = _Task(host, before, after, adopt, installed)
    plans = []
    if adopt or not (installed and installed.is_now and installed.files == digests(after)):
        for family in FILES:
            if _is_about(task, originals, family):
                originals, plan = _plan_family(task, originals, family)
                plans.append(plan)
    return Plan(originals, tuple(plans), installed, generation)


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
    found = {family: own_digest(slice_, name) for family, name in FILES.items()}
    return {family: digest for family, digest in found.items() if digest}


def _is_about(task: _Task, originals: Originals, family: int) -> bool:
    was_touched = family in originals.kept and family in digests(task.before)
    return was_touched or family in digests(task.after)


def _plan_family(task: _Task, originals: Originals, family: int) -> tuple[Originals, FamilyPlan]:
    after = _read(task.after, family)
    same = digests(task.before).get(family) == digests(task.after).get(family)
    before = after if same else _read(task.before, family)
    if family in originals.kept:
        seen = _see(task, originals.flavour, family, before, after)
    else:
        seen = see_all(task.host, originals.flavour, family)
    if after and not task.adopt:
        neighbours.refuse_kube_proxy(family, seen.tables)
    if family not in originals.kept:
        # Whatever is there now is not ours: what was there before is written down first.
        before = {}
        kept = neighbours.kept(family, after, seen.tables, adopt=task.adopt)
        originals = originals.with_family(family, kept)
    kept = originals.kept[family]
    ours = before
    if task.adopt and after:
        ours = _joined(before, neighbours.adopted(after, seen.tables, kept))
    change = family_change(family, ours, after, seen.tables, kept)
    require_unused(change, _joined(ours, after), seen.tables)
    return originals, FamilyPlan(before, after, seen, change)


def _see(task: _Task, kind: str, family: int, before: Tables, after: Tables) -> Seen:
    if task.installed is None or task.adopt:
        return see_all(task.host, kind, family)
    texts = {
        digests(task.before).get(family, ""): before,
        digests(task.after).get(family, ""): after,
    }
    file, known = read_digests(task.host, family)
    now = task.installed.files.get(family, "") if task.installed.is_now else ""
    if now and now in texts:
        return Seen(texts[now], known if now == file else {})
    if file and file in texts:
        return see_changed(task.host, family, texts[file], known, after)
    return see_all(task.host, kind, family)


def _read(slice_: Slice | None, family: int) -> Tables:
    if slice_ is None:
        return {}
    path = f"nodes/{slice_.node}/{FILES[family]}"
    try:
        return text.read(slice_.own(FILES[family]), path)
    except UnicodeDecodeError:
        raise RefusedError(f"{path} is not text") from None


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
