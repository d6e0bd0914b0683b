"""The plan behind a golden case, and the rules in it."""

from pathlib import Path

from kcompile.address import Family
from kcompile.cli.build import command
from kcompile.cli.compile import compile_inputs
from kcompile.cli.validate import command as validate
from kcompile.planned import Plan

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path.parents[1] for path in GOLDEN.glob("*/*/expected/bundle"))
_FILES: dict[Family, str] = {4: "iptables.rules", 6: "ip6tables.rules"}


def plan_of(case: Path) -> Plan:
    arguments = case / "arguments"
    more = arguments.read_text().splitlines() if arguments.exists() else []
    with command.make_context("build", [str(case / "input"), *more]) as context:
        # What validate does not take is about files, not about the plan.
        common = {option.name for option in validate.params}
        options = {name: value for name, value in context.params.items() if name in common}
        return compile_inputs(**options).planned.plan


def rules_of(case: Path, plan: Plan) -> dict[str, dict[Family, tuple[str, ...]]]:
    """The text of each node's rules, by family."""
    found: dict[str, dict[Family, tuple[str, ...]]] = {}
    for node in plan.nodes:
        folder = case / "expected" / "bundle" / "nodes" / node.name
        texts = {family: folder / name for family, name in _FILES.items()}
        found[node.name] = {
            family: (path.read_text(),) for family, path in texts.items() if path.exists()
        }
    return found
