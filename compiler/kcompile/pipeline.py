"""From text to the files of a bundle: the architecture in a page.

text -> documents -> objects -> cluster -> plan -> traffic -> rulesets, zones, node files -> text
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kcompile import __version__
from kcompile.address import Family
from kcompile.bundle.sources import sources_json
from kcompile.bundle.tree import Content, Files, assemble, content
from kcompile.ir import Zone
from kcompile.later import Start, when_asked
from kcompile.load import load
from kcompile.load.locate import problems_of
from kcompile.lower.checks import check_lowering
from kcompile.lower.node import lower_listeners, lower_networks
from kcompile.lower.quadlets import lower_quadlets
from kcompile.lower.resolv import lower_resolv_all
from kcompile.lower.rules import lower_rules
from kcompile.lower.runtime import lower_runtimes
from kcompile.lower.servers import lower_servers
from kcompile.lower.zones import lower_zones
from kcompile.model import Objects
from kcompile.plan import plan
from kcompile.plan.capacity import capacity, notes_on
from kcompile.plan.keep import next_lock
from kcompile.plan.lock import Lock, format_lock
from kcompile.planned import Plan
from kcompile.problems import OurBugError, Problem
from kcompile.prove import prove
from kcompile.render.node import (
    addresses_text,
    links_text,
    listeners_json,
    modules_text,
    routes_text,
    sysctl_text,
)
from kcompile.render.plan_json import plan_json, settings_pairs
from kcompile.render.quadlets import quadlet_texts
from kcompile.render.resolv import resolv_text
from kcompile.render.rules import BlockText, rules_text
from kcompile.render.runtime import conflist_text, pods_json
from kcompile.render.servers import server_texts
from kcompile.render.units import unit_texts
from kcompile.render.zones import zone_text
from kcompile.resolve import resolve
from kcompile.resolve.flags import Flags
from kcompile.traffic import traffic
from kcompile.validate import validate
from kcompile.validate.running import ReadRunning, read_running

_RULES: dict[Family, str] = {4: "iptables.rules", 6: "ip6tables.rules"}

Input = tuple[str, bytes | str]
"""A name to show and what it holds."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A build before its files: what can be wrong with an input is known by now.

    `sources` gives the text of sources.json, `rules` those of the nodes' rules; `proved` says that
    they are read back and compared with the plan, where a difference is our bug.
    """

    plan: Plan
    lock: str
    notes: tuple[Problem, ...]
    sources: Callable[[], str]
    rules: Callable[[], Files]
    proved: bool
    running: ReadRunning | None = None


def make_plan(  # noqa: PLR0913 - the last four by keyword or with a default
    inputs: Sequence[Input],
    flags: Flags,
    lock: Lock,
    start: Start = when_asked,
    *,
    proved: bool = True,
    quadlets: bool = False,
) -> Planned:
    """Everything up to the plan. Raises InputError with all problems of the stage that found
    some."""
    objects, sources, running = _read(inputs, start, quadlets=quadlets)
    cluster = resolve(objects, flags)
    planned = plan(cluster, lock, flags.pending)
    found = check_lowering(planned)
    # The longest work of all, so it starts as soon as it can.
    rules = start(lambda: _rule_files(planned, start, proved=proved))
    notes = (
        *objects.notes,
        *cluster.notes,
        *planned.notes,
        *found,
        *problems_of(notes_on(capacity(planned))),
        *(running.notes if running else ()),
    )
    next_text = format_lock(next_lock(planned, lock))
    return Planned(planned, next_text, notes, sources, rules, proved, running)


def _read(
    inputs: Sequence[Input], start: Start, *, quadlets: bool
) -> tuple[Objects, Callable[[], str], ReadRunning | None]:
    """Objects and sources.json; the documents, the largest thing in memory, end here, but for what
    quadlets have of them."""
    documents = load(inputs, start=start)
    objects = validate(documents)
    running = read_running(documents, objects) if quadlets else None
    return objects, start(lambda: sources_json(documents, objects)), running


def make_zones(planned: Planned) -> tuple[Zone, ...]:
    """The cluster's DNS, with serials that come from the content."""
    return lower_zones(planned.plan)


def make_files(
    planned: Planned, zones: tuple[Zone, ...] | None = None, generation: int | None = None
) -> Files:
    """The bundle of a plan; `zones` are those of `make_zones` if their serials are others."""
    sources = planned.sources()
    files = {
        "plan.json": content(plan_json(planned.plan, capacity(planned.plan))),
        **_dns_files(planned.plan, make_zones(planned) if zones is None else zones),
        **_node_files(planned.plan),
        **_quadlet_files(planned),
    }
    return assemble(
        {**files, **planned.rules()},
        version=__version__,
        settings={key: json.loads(text) for key, text in settings_pairs(planned.plan.settings)},
        nodes=[node.name for node in planned.plan.nodes],
        sources=sources,
        proved=planned.proved,
        generation=generation,
    )


def _dns_files(plan_: Plan, zones: tuple[Zone, ...]) -> Mapping[str, Content]:
    texts = {f"db.{zone.origin.rstrip('.')}": zone_text(zone) for zone in zones}
    servers = server_texts(lower_servers(plan_, zones))
    texts |= {f"servers/{name}": text for name, text in servers.items()}
    return {f"dns/{name}": content(text) for name, text in texts.items()}


def _rule_files(plan_: Plan, start: Start, *, proved: bool) -> Files:
    blocks: dict[int, BlockText] = {}
    texts: dict[str, dict[Family, Content]] = {node.name: {} for node in plan_.nodes}
    for ruleset in lower_rules(traffic(plan_), plan_.settings):
        text = content(*rules_text(ruleset, blocks))
        for node in ruleset.nodes:
            texts[node][ruleset.family] = text
    if proved:
        _prove(plan_, texts, start)
    return {
        f"nodes/{node}/{_RULES[family]}": text
        for node, of_node in texts.items()
        for family, text in of_node.items()
    }


def _prove(plan_: Plan, texts: Mapping[str, Mapping[Family, Content]], start: Start) -> None:
    chunks = {
        node: {family: text.chunks for family, text in of_node.items()}
        for node, of_node in texts.items()
    }
    if start is when_asked:
        mismatches = prove(plan_, chunks)
    else:
        second = start(lambda: prove(plan_, chunks, 1))
        mismatches = (*prove(plan_, chunks, 0), *second())
    if mismatches:
        first = "\n".join(map(str, mismatches[:5]))
        raise OurBugError(f"the rules do not do what the plan says:\n{first}")


def _node_files(plan_: Plan) -> Mapping[str, Content]:
    resolv = lower_resolv_all(plan_)
    files = {}
    units: dict[str, Content] = {}
    for listeners in lower_listeners(plan_):
        folder = f"nodes/{listeners.node}"
        files[f"{folder}/listeners.json"] = content(listeners_json(listeners))
        units = units or {path: content(text) for path, text in unit_texts(listeners).items()}
        files |= {f"{folder}/systemd/{path}": unit for path, unit in units.items()}
    for network in lower_networks(plan_):
        folder = f"nodes/{network.node}"
        if network.addresses:
            files[f"{folder}/network/addresses.batch"] = content(addresses_text(network))
        files[f"{folder}/network/links.batch"] = content(links_text(network))
        files[f"{folder}/network/routes.batch"] = content(routes_text(network))
        files[f"{folder}/sysctl.d/90-kcompile.conf"] = content(sysctl_text(network))
        files[f"{folder}/modules-load.d/kcompile.conf"] = content(modules_text(network))
        for path, conf in resolv[network.node]:
            files[f"{folder}/{path}"] = content(resolv_text(conf))
    for runtime in lower_runtimes(plan_):
        folder = f"nodes/{runtime.node}/runtime"
        files[f"{folder}/pods.json"] = content(pods_json(runtime))
        files[f"{folder}/cni/10-kcompile.conflist"] = content(conflist_text(runtime))
    return files


def _quadlet_files(planned: Planned) -> Mapping[str, Content]:
    if planned.running is None:
        return {}
    runs, config_maps = planned.running.workloads, planned.running.config_maps
    return {
        f"nodes/{node.node}/runtime/quadlets/{path}": content(text)
        for node in lower_quadlets(planned.plan, runs, config_maps)
        for path, text in quadlet_texts(node)
    }
